/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Which containers a stall holds up, as far as a snapshot shows it. Needs no table and no lock. */

#include "snapshot.h"

/* Fills `waiting_behind`, `held_by` and `ambiguous_with` of all stalls. 0 or -ENOMEM. */
int snapshot_fill_stalls(struct snapshot *snapshot);
