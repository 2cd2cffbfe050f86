/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which container pulls which image. It never changes: an incident, the counters' examples and
 * snapshots share it (shared.h).
 */

#include <stdint.h>

#include "observation.h"

struct pull {
    const char *namespace;
    const char *pod;
    const char *pod_uid;
    uint64_t pod_hash;     /* hash_str() of pod_uid */
    const char *container; /* "" for a sandbox */
    enum container_kind kind;
    const char *image; /* the spec's text */
    uint64_t image_hash;
    const char *registry;
};

/* What a pull is made from; the registry is taken from the image, or for a short name from what the
 * runtime asked, if that is known. */
struct pull_parts {
    struct str namespace;
    struct str pod;
    struct str pod_uid;
    struct str container;
    enum container_kind kind;
    struct str image;
    uint64_t image_hash;
    struct str asked; /* party_asked(); may be empty */
};

/* NULL: no memory. */
const struct pull *pull_new(const struct pull_parts *parts);

/* The same pull, in another registry that the runtime asked. NULL: no memory. */
const struct pull *pull_asked(const struct pull *pull, struct str asked);

/* The same for all spellings of one image; different images can have the same hash. */
uint64_t image_hash(struct str image);
