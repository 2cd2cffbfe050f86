/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Open incidents, as metrics count them. Two incidents can have the same labels, because the pod's
 * uid and the kind are not labels: an image volume and its container's image, or a pod and its
 * successor of the same name. Prometheus refuses a scrape with a duplicate series, so they are
 * merged here.
 */

#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "causes.h"
#include "err.h"

struct snapshot;

/* One blocked container and image. Texts are valid UTF-8. */
struct blocked_container {
    const char *namespace;
    const char *pod;
    const char *container; /* "" for a sandbox */
    const char *image;
    const char *registry;
    enum cause cause; /* of the incident that failed last, if several were merged */
    enum reason reason;
    int64_t since_us; /* wall; of the oldest incident; 0: unknown */
};

/* How many containers are blocked for one reason. */
struct blocked_group {
    const char *namespace;
    const char *registry;
    enum cause cause;
    enum reason reason;
    uint64_t containers; /* each container counts once, even if several of its images fail */
};

struct blocked {
    struct arena arena;
    struct blocked_container *containers; /* oldest first, at most LIMIT_INFO_SERIES: as many of
                                             each namespace as possible */
    size_t n_containers;
    size_t n_left_out; /* because of that limit */
    struct blocked_group *groups;
    size_t n_groups;
};

/*
 * In a group, a registry without counters in the snapshot becomes "other", as in the snapshot, so
 * this label has the same limit as the counters. A container has the true name.
 *
 * Returns 0, or -ENOMEM with nothing to free. `ret` points into `snapshot`, which must live until
 * blocked_done().
 */
int blocked_collect(const struct snapshot *snapshot, struct blocked *ret, struct err *err);
void blocked_done(struct blocked *blocked);
