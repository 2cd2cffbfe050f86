/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Names come from a cluster's tenants and need not be UTF-8; Prometheus drops a
 * whole scrape and JSON readers a whole document over one bad byte.
 */

#include <stddef.h>

#include "str.h"

struct buf;

/* Length of the longest valid UTF-8 text that `text` begins with. Surrogates, overlong forms and
 * code points over U+10FFFF are not valid. Linear; any thread. */
size_t utf8_prefix(struct str text);

/* Appends `text` with U+FFFD in place of each byte that cannot stay. */
void utf8_add(struct buf *out, struct str text);
