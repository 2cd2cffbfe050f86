/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Pulls whose layers stand still, in the world of world.h. */

#include "tests/unit/incidents/world.h"

#define REPOSITORY REGISTRY "/team/app"
#define OTHER_TAG REPOSITORY ":v2"
#define OTHER_IMAGE "other:2" /* docker.io/library/other */
#define LAYER "sha256:1111"
#define OTHER_LAYER "sha256:2222"
#define STALL_AFTER (2 * MINUTE) /* as in world.c */
#define POLL (5 * SEC)
#define RESET_TEXT                                                                                 \
    "failed to pull and unpack image \"" IMAGE "\": failed to copy: read tcp 10.0.0.1:1->"         \
    "10.0.0.2:443: read: connection reset by peer"

/* A blob in flight with the times that the runtime shows, by the wall clock. */
struct blob {
    const char *digest;
    uint64_t bytes;
    int64_t begun_us;
    int64_t moved_us;
};
void list_blobs(struct world *w, const struct blob *blobs, size_t n);
void list_layer(struct world *w, uint64_t bytes, int64_t begun_us, int64_t moved_us);

/* One poll of the runtime for pod `name`: its image, its sandbox, and the layer. */
void poll_pod(struct world *w, const char *name, uint64_t bytes, int64_t idle_us);

/* Time passes, and the runtime is polled: the layer has `bytes`, the last of them came `idle_us`
 * ago at the beginning. */
void stand_still(struct world *w, int64_t for_us, uint64_t bytes, int64_t idle_us);

/* Pod `name` pulls IMAGE, and its layer has stood still for STALL_AFTER. */
void stalled(struct world *w, const char *name);

/* The same with whole polls, for a bit over three minutes. Returns how long no byte has come. */
int64_t poll_a_stall(struct world *w, const char *name);

/* The runtime answers what is wanted about repositories: it has nothing of them. */
void answer_nothing_came(struct world *w);

bool wants_repository(struct world *w, const char *repository);

/* Whether the owner of this blob is wanted. */
bool wants_owner(struct world *w, const char *digest);
