/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The incident table: raw facts in, incidents and counters out.
 *
 * One incident per (pod uid, container, image). Three witnesses report about it, late, twice or in
 * any order: the pod's status, the kubelet's events, the runtime. Pure: it gets `now`, owns no
 * thread, does no I/O and has no lock; the caller serialises all calls.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "observation.h"
#include "sink.h"
#include "snapshot.h"

struct correlate;

struct correlate_config {
    size_t max_registries;  /* --metrics.max-registries */
    int64_t stall_after_us; /* --stall-after; 0: stalls are not detected */
};

/* `now` is when this process began to watch. NULL: no memory. */
struct correlate *correlate_new(const struct correlate_config *config, struct instant now);
void correlate_free(struct correlate *correlate); /* accepts NULL */

/* Takes one fact. 0, or -ENOMEM: all or part of the fact is lost, and the table stays valid. */
int correlate_observe(struct correlate *correlate, const struct observation *observation,
                      struct instant now);

/* Does what depends on time alone: books late attempts, forgets ended incidents. Call it before
 * reading. */
void correlate_tick(struct correlate *correlate, struct instant now);

/* Counts a limit that was reached elsewhere, together with the limits of the table. */
void correlate_limit_hit(struct correlate *correlate, enum limit limit);

/* See sink.h. `ret` is initialised here; without memory something is left out. */
void correlate_wanted(struct correlate *correlate, struct instant now, struct wanted *ret);

/* How many containers of this node wait for their image or their start now. */
size_t correlate_waiting(const struct correlate *correlate);

/* Whether a complete pod list was read. */
bool correlate_listed(const struct correlate *correlate);

/*
 * Fills incidents, images, registries, counters and the runtime of `ret`. The caller sets its arena
 * and `taken`. 0 or -ENOMEM; snapshot_done() in both cases.
 */
int correlate_snapshot(struct correlate *correlate, enum snapshot_detail detail,
                       struct snapshot *ret);

/*
 * Adds what needs no table: the registries' pulls in progress and, with detail, which images are
 * stalled, which containers wait behind a stall, and the advice. Call it without the lock. 0 or
 * -ENOMEM.
 */
int correlate_complete(enum snapshot_detail detail, struct snapshot *snapshot);
