/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "buf.h"
#include "snapshot.h"

/* Appends the advice for an incident: that for its reason, and what is known of its pod. `out` has
 * room for ADVICE_MAX. */
void advise_write(struct buf *out, const struct snapshot_incident *incident);
