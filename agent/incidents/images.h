/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The images that containers of this node wait for, and their pulls. The agent asks the runtime for
 * an image when it is the turn of a container whose image may be absent. If the image is absent
 * then and present later, that was a successful pull. Its duration is the time that the container
 * waited in its sandbox. So it includes the queueing, and is only as exact as the poll interval.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/incidents/incidents.h"
#include "agent/incidents/ingests.h"
#include "agent/incidents/pods.h"
#include "agent/incidents/registries.h"
#include "clock.h"
#include "observation.h"

#define IMAGE_BUCKETS 256u

/* Never changes; shared with snapshots (shared.h). */
struct image_name {
    const char *canonical;
    const char *registry;
    const char *asked; /* the spec's text: the runtime decides what a short name means */
};

struct image_state {
    struct image_state *next;
    struct image_state *next_of_bucket;
    const struct image_name *name;
    uint64_t hash;
    uint64_t size;
    const char *digest; /* shared */
    bool present;
    bool failed;           /* an attempt to pull it has failed since it was found absent */
    bool pull_inexact;     /* the current pull began before this process did */
    int64_t seen_us;       /* mono; when the runtime last answered about it */
    int64_t absent_us;     /* mono; when it was found absent */
    int64_t pull_us;       /* mono; start of the current pull, which has not failed; 0: none */
    struct tenant *puller; /* whose container the pull was first seen of; NULL: unknown */
    int64_t used_us;       /* mono; when a container first used it after that; 0: not used */

    /* See fetched.c. */
    int64_t made_us;     /* mono; when it was first asked for */
    int64_t count_at_us; /* mono; when its blobs are counted next, while a container waits */
    bool uncounted;      /* it was pulled since they were counted */
    bool tried;          /* a container has waited that can have pulled it since then */

    /* See images_count(). */
    size_t waiting;   /* containers that start now and may lack it */
    size_t pulling;   /* of these: in a sandbox, without an error, and the image is fetched */
    int64_t begun_us; /* mono; when the first of these began to wait; 0: none waits */
    int64_t begun_wall_us;
    int64_t since_us; /* wall; what the runtime noted before is not of their pull */
    bool always;      /* a waiting container pulls it even if it is present */
    bool retried;     /* a waiting container failed, and the kubelet can retry at any time */

    /* See queues_update(). */
    enum pull_phase phase;
    int64_t phased_us;  /* mono; until then the phases of its pulls are counted */
    int64_t fetched_us; /* mono; when a blob of it was last in flight */
    int64_t heard_us;   /* mono; when a blob ended that may have been its; else 0 */
    int64_t turn_us;    /* mono; until then another pull was ahead of it in the kubelet's queue */
    bool owns_blob;     /* one is listed now */
    bool has_blob;      /* ... and began or moved since its pull began */
    bool has_bytes;     /* ... and has left the runtime's queue */
    bool in_flight;     /* ... and shows that its pull is in flight besides those of others */

    /* See stalls.c and silence.c. */
    int64_t asked_us; /* mono; when the runtime last told what it has of the repository; 0: never */
    bool known_to_pull;      /* a container is certainly pulling it now */
    bool unanswered;         /* nothing of it has come for too long */
    enum stall_kind silence; /* what it waits for if nothing of it comes; STALL_BYTES: no stall */
};

struct images {
    struct registries *registries;
    const struct incidents *incidents;
    const struct ingests *ingests;
    struct pods *pods;
    struct image_state *first; /* newest first */
    struct image_state *buckets[IMAGE_BUCKETS];
    size_t n;
    size_t parallel; /* the most images whose blobs were in flight at the same time */
    bool changed;    /* who waits for what may have changed: see correlate.c */
};

void images_init(struct images *images, struct registries *registries,
                 const struct incidents *incidents, const struct ingests *ingests,
                 struct pods *pods);
void images_done(struct images *images);

/* NULL: unknown. `hash` is image_hash(image). */
struct image_state *image_find(const struct images *images, struct str image, uint64_t hash);
struct image_state *image_of(const struct images *images, const struct container *container);

/* The runtime's answer about one image. 0 or -ENOMEM. */
int images_take(struct images *images, const struct image_fact *fact, struct instant now);

/* A container was created, so its image is present, even before the next poll of the runtime. */
void image_used(struct images *images, const struct container *container, struct instant now);

/* An attempt to pull the image failed. `hash` is image_hash(image). */
void image_pull_failed(struct images *images, struct str image, uint64_t hash, struct instant now);

/* A pull ended that the kubelet was asked for after `since_us` (mono), and perhaps at once. Only
 * now it can be the turn of an image that a container asked for later. */
void images_next_turn(struct images *images, int64_t since_us, struct instant now);

/* Whether its pull has ended with an unknown result: ask the runtime once more. */
bool image_is_awaited(const struct image_state *image);

/* Whether a container waits for it, and it is absent or may be pulled again. */
bool image_may_be_fetched(const struct image_state *image);

/* Updates `waiting` and the fields below it, for all images. */
void images_count(struct images *images);

/* The same at the end of a poll of the runtime: if a container is found pulling, its pull began
 * now. */
void images_polled(struct images *images, struct instant now);
void images_forget(struct images *images, struct instant now);
