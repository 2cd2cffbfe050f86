/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Open incidents, as metrics count them. Incidents are told apart by pod uid
 * and kind, which are no labels: an image volume and its container's image, or a
 * pod and its successor of the same name, can have the same labels. Prometheus
 * refuses a scrape that holds one series twice, so they are merged here.
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
    enum cause cause; /* of the incident that failed last, where several were merged */
    enum reason reason;
    int64_t since_us; /* of the oldest; 0: unknown */
};

/* How many containers are blocked for one reason. */
struct blocked_group {
    const char *namespace;
    const char *registry;
    enum cause cause;
    enum reason reason;
    uint64_t containers; /* each once, however many of its images fail */
};

struct blocked {
    struct arena arena;
    struct blocked_container
        *containers; /* the oldest incidents first, LIMIT_INFO_SERIES at most */
    size_t n_containers;
    size_t n_left_out; /* over that cap */
    struct blocked_group *groups;
    size_t n_groups;
};

/*
 * A registry that has no counters of its own in the snapshot is "other" here, as
 * it is there: the counters' cap is also the cap on this label.
 *
 * Returns 0, or -ENOMEM with nothing to free. `ret` points into `snapshot` and
 * may be used as long as that lives, until blocked_done().
 */
int blocked_collect(const struct snapshot *snapshot, struct blocked *ret, struct err *err);
void blocked_done(struct blocked *blocked);
