/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "buf.h"
#include "snapshot.h"

/* Longer than any advice with the longest names. */
#define STALL_ADVICE_MAX 8192u

/*
 * Appends the advice for a stall that is still going on. The advice of reason `pull_stalled`
 * (agent/classify/advice.c) is for the attempt that has failed since. Call it when
 * snapshot_fill_stalls() has filled the stall.
 */
void stall_advice_write(struct buf *out, const struct snapshot_incident *incident);
