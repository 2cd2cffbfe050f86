/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The incident table: raw facts in, incidents and counters out.
 *
 * One incident per (pod uid, container, image). Three witnesses speak of it,
 * late, twice or in any order: the pod's status, the kubelet's events, the
 * runtime. Pure: it gets `now`, owns no thread, does no I/O and is not locked;
 * the caller serialises all calls.
 */

#include <stddef.h>

#include "clock.h"
#include "observation.h"
#include "sink.h"
#include "snapshot.h"

struct correlate;

struct correlate_config {
    size_t max_registries;  /* --metrics.max-registries */
    int64_t stall_after_us; /* --stall-after; 0: nobody looks for stalls */
};

/* `now` is when this process began to look. NULL: no memory. */
struct correlate *correlate_new(const struct correlate_config *config, struct instant now);
void correlate_free(struct correlate *correlate); /* accepts NULL */

/* Takes one fact. 0, or -ENOMEM: the fact was lost in whole or part, what was known stays valid. */
int correlate_observe(struct correlate *correlate, const struct observation *observation,
                      struct instant now);

/* What time alone changes: late bookings, ended incidents to forget. Cheap; call it before looking.
 */
void correlate_tick(struct correlate *correlate, struct instant now);

/* A cap was reached elsewhere; counted with those of the table itself. */
void correlate_limit_hit(struct correlate *correlate, enum limit limit);

/* See sink.h. `ret` is initialised here; what finds no memory is left out. */
void correlate_wanted(struct correlate *correlate, struct instant now, struct wanted *ret);

/* How many containers of this node wait for their image or their start now. */
size_t correlate_waiting(const struct correlate *correlate);

/* Whether a complete pod list has been seen. */
bool correlate_listed(const struct correlate *correlate);

/*
 * Fills incidents, registries, reasons, limit hits and the runtime of `ret`, whose arena is
 * initialised. 0 or -ENOMEM (the caller gives up the snapshot).
 */
int correlate_snapshot(struct correlate *correlate, enum snapshot_detail detail,
                       struct snapshot *ret);

/* Completes a snapshot with detail: the advice, and which images are stalled. Needs no lock. 0 or
 * -ENOMEM. */
int correlate_advise(struct snapshot *snapshot);
