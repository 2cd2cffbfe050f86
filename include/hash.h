/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * FNV-1a, 64 bits, for hash tables. It does not resist an attacker who chooses the text: hash only
 * what the API server generates (UIDs), or let the table survive collisions.
 */

#include <stdint.h>

#include "str.h"

uint64_t hash_str(struct str text);
