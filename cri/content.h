/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Polls containerd's content service: which blobs are in flight, and to which repositories a blob
 * belongs. This is in addition to CRI, so an error, a timeout or a wrong answer here is not a
 * failure of the source. One thread.
 *
 * containerd 1.6.20, 1.7.24 and 2.1.9 behave alike, except that since 2.1 a blob is listed before
 * it has a download slot (quirks.c):
 * - The size of a blob grows in steps of 1 MiB, except for its end: containerd fills a buffer of
 * that size before it writes. `moved_us` is the file's mtime. So a blob without progress for 2
 * minutes gets less than 8.7 kB/s, which may be more than nothing. Before the first MiB it has 0
 * bytes, and `moved_us` is its start.
 * - A blob that several pulls need is in flight once. The manifests that name it, and their labels,
 *   exist before its download starts.
 * - A blob in flight is removed when its pull is cancelled; the next pull starts from zero. But it
 *   outlives containerd: after a restart it is still listed, with its old times, though no pull is
 *   running. The next pull continues it, and both times stay old until its next MiB has arrived.
 */

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "clock.h"
#include "cri/calls.h"
#include "cri/quirks.h"
#include "err.h"
#include "health.h"
#include "limit.h"
#include "sink.h"

/* When the owners of a blob were asked for. */
struct content_asked {
    char digest[LIMIT_DIGEST_ALGORITHM + LIMIT_DIGEST_HEX + 2]; /* with ":" and a NUL */
    int64_t at_us;                                              /* mono */
    bool cut; /* it has more owners than are kept */
};

struct content {
    const struct sink *sink;
    struct calls *calls;
    const struct quirks *quirks; /* of the runtime that answers now */
    struct health *health;
    bool refused;         /* not called again on this connection */
    bool cut;             /* the last list of blobs had more than are kept */
    int64_t not_until_us; /* mono; after an error */
    struct content_asked asked[LIMIT_WANTED_BLOBS];
    size_t n_asked;
};

/* Borrows all pointers. */
void content_init(struct content *content, const struct sink *sink, struct calls *calls,
                  const struct quirks *quirks, struct health *health);

/* After a new connection: forgets what was refused and asked. */
void content_forget(struct content *content);

/*
 * Asks for what is wanted and due: the blobs in flight and the repositories at each call, the
 * owners of a blob at most every 30 s. Passes OBSERVE_INGESTS, OBSERVE_BLOB and OBSERVE_REPOSITORY
 * to the sink; OBSERVE_NO_BLOBS if the service is refused.
 *
 * Errors end the poll: -ECONNREFUSED (the connection is lost), -ECANCELED (the agent stops),
 * -ENOMEM. Other errors only become the last error of the source.
 */
int content_poll(struct content *content, const struct wanted *wanted, struct arena *arena,
                 struct instant now, struct err *err);
