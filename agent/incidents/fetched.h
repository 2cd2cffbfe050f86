/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Bytes that pulls have fetched. containerd notes when a blob (a layer, a manifest, an index or a
 * configuration) is complete, and from which repositories it is; a blob that is there already keeps
 * its time (containerd: core/metadata/content.go, core/remotes/docker/handler.go). So while a pull
 * goes on, and once more when it ends, the runtime is asked for the blobs of its repository, and
 * each blob that came since is counted once. A small blob counts as well as a large one: it need
 * not be seen in flight.
 *
 * A blob counts with its whole size when it is complete, also if an earlier attempt fetched a part
 * of it. What is given up before it is complete does not count, nor what is removed again before
 * the next question; what came while the agent did not run does not count either. A blob of several
 * repositories counts for the first one that is asked for.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/incidents/images.h"
#include "clock.h"
#include "limit.h"
#include "observation.h"

struct fetched {
    struct images *images;
    bool known;       /* the runtime tells which blobs it has */
    int64_t until_us; /* wall; what came until then is counted, or never will be */
    size_t n;
    size_t next; /* the place of the next one: the oldest, when all are taken */
    struct counted_blob {
        uint64_t hash; /* of its digest */
        int64_t created_us;
    } counted[LIMIT_COUNTED_BLOBS];
};

/* Whether the runtime should be asked for the blobs of the image's repository. */
bool fetched_is_due(const struct fetched *fetched, const struct image_state *image,
                    struct instant now);

/* The runtime's answer. */
void fetched_take(struct fetched *fetched, const struct repository_fact *fact, struct instant now);
