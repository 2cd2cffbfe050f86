/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One round of judging which pulls stand still, and the rules for one blob and one container. */

#include "agent/incidents/stall_changes.h"
#include "agent/incidents/stalls.h"

/* A blob of an image without new bytes. */
struct suspect {
    struct ingest_state *ingest;
    bool of_another; /* or of another tag or port that is pulled */
};

/* Values that are the same for all containers of one round. */
struct judgement {
    struct stalls *stalls;
    struct instant now;
    bool others_move;
    size_t slots; /* download slots that are held by blobs that stand still */
    const struct image_state *image;
    struct suspect suspects[LIMIT_INGESTS];
    size_t n_suspects;
    bool repository_moves; /* a blob of the image's repository gets bytes */
    struct stall_text text;
};

/* Whether another image that is pulled can own the blob as well: a tag or port of the repository of
 * the judgement's image. */
bool stall_has_another_owner(const struct judgement *j, const struct ingest_state *ingest);

/* Whether an attempt of the container has failed. Its status can be silent nevertheless: an event
 * is earlier, and a kubelet that was restarted has forgotten it. `incident` can be NULL. */
bool stall_has_failed(const struct container *container, const struct incident *incident);

/* Whether an event reported that the next attempt has begun. */
bool stall_is_tried_again(const struct container *container, const struct incident *incident);

/* Whether the blob holds up the container, which waits for the judgement's image. `incident` is its
 * open one, or NULL. */
bool stall_holds_up(const struct judgement *j, const struct suspect *suspect,
                    const struct container *container, const struct incident *incident);
