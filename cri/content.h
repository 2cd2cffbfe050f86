/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What containerd's content service is asked, when, and how it is told: which blobs are in
 * flight, and whose a blob is. It only adds to what CRI says, so nothing it refuses, says wrongly
 * or says too slowly is a failure of the source. One thread.
 *
 * What was seen on 1.6.20, 1.7.24 and 2.1.9, all alike:
 * - A blob moves in steps of 1 MiB (and its rest): containerd fills a buffer of that size before
 *   it writes, and `moved_us` is the file's mtime. So at 2 minutes without a move
 *   a blob gets less than 8.7 kB/s, not necessarily nothing. Before the first MiB it has 0 bytes
 *   and moved when it began.
 * - A blob that several pulls wait for is in flight once. The manifests that name it are there,
 *   with their labels, before it is asked for.
 * - What is in flight goes when its pull is given up, and the next pull begins anew. But it
 *   outlives containerd: after a restart it is there, with its old times, though nobody pulls; the
 *   next pull goes on where it ended, and both times stay old until its first MiB is there.
 */

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "clock.h"
#include "cri/calls.h"
#include "err.h"
#include "health.h"
#include "limits.h"
#include "sink.h"

/* When the owners of a blob were asked for. */
struct content_asked {
    char digest[LIMIT_DIGEST_ALGORITHM + LIMIT_DIGEST_HEX + 2]; /* with ":" and a NUL */
    int64_t at_us;                                              /* mono */
    bool cut; /* it had more of them than are kept */
};

struct content {
    const struct sink *sink;
    struct calls *calls;
    struct health *health;
    bool refused;         /* on this connection: not asked again */
    bool cut;             /* there was more in flight than is kept, when that was last asked */
    int64_t not_until_us; /* mono: after an answer that was of no use */
    struct content_asked asked[LIMIT_WANTED_BLOBS];
    size_t n_asked;
};

/* All pointers are borrowed. */
void content_init(struct content *content, const struct sink *sink, struct calls *calls,
                  struct health *health);

/* A new connection: what was refused and what was asked is forgotten. */
void content_forget(struct content *content);

/*
 * Asks what of it is wanted and due and hands OBSERVE_INGESTS and OBSERVE_BLOB to
 * the sink: the blobs in flight each time, the owners of a blob at most every 30 s.
 *
 * Returns 0 unless the connection is lost or the agent stops: -ECONNREFUSED, -ECANCELED; or
 * -ENOMEM.
 */
int content_look(struct content *content, const struct wanted *wanted, struct arena *arena,
                 struct instant now, struct err *err);
