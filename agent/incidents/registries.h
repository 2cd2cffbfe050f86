/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Counters by registry. Pods choose registries, so their number is limited: the row behind the last
 * one, "other", counts for all registries without a row. When all rows are in use,
 *   - a registry that is busy (a pull from it was counted, or fails) takes the row of one that pods
 *     only name; such a row has counted nothing;
 *   - a namespace takes a row of the namespace that has the most, if that has at least two more:
 * for a registry that is busy, or for its first one; else only a row that has counted nothing. A
 * row that is taken ends, as a row does an hour after the last pod that named its registry: its
 * counts are not added to "other", so that no pull counts twice. A new row starts at 0.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/incidents/counters.h"
#include "agent/incidents/pods.h"
#include "agent/incidents/pull.h"
#include "clock.h"
#include "histogram.h"

/* The newest failure that a counter counted: its example in OpenMetrics. */
struct newest {
    const struct pull *pull; /* NULL: none yet */
    int64_t at_us;           /* wall */
};

struct registry {
    const char *name;     /* shared */
    struct tenant *owner; /* the namespace whose place it takes; NULL: none */
    bool busy;            /* it counts pulls, or a pull from it fails */
    uint64_t attempts;
    uint64_t failures[CAUSE_MAX];
    struct newest newest[CAUSE_MAX];
    uint64_t bytes;         /* fetched: see fetched.h */
    struct histogram pulls; /* successful ones */
    int64_t since_us;       /* wall; when it began to count */
    int64_t pulls_since_us; /* wall; the first of `pulls`; 0: none */
    int64_t used_us;        /* mono; when a pod last named it */
};

struct registries {
    struct counters *counters;
    struct tenants *tenants;
    struct registry *rows; /* `max` rows, then the row "other" */
    size_t n;
    size_t max;
};

int registries_init(struct registries *registries, struct counters *counters,
                    struct tenants *tenants, size_t max);
void registries_done(struct registries *registries);

/* The row that counts a pull of `image`; over the limit, the row "other". Never NULL. */
struct registry *registry_of(struct registries *registries, struct str image, struct instant now);

/* A pull of a pod of `tenant` fails. */
void registry_busy(struct registries *registries, const char *registry, struct tenant *tenant,
                   struct instant now);

/* The row "other". */
struct registry *registry_other(const struct registries *registries);

/* A pod of `tenant` names the registry of an image. `*left_out`: this was counted as a limit
 * hit. */
void registry_named(struct registries *registries, struct str image, struct tenant *tenant,
                    bool *left_out, struct instant now);

/* Counts `n` failed attempts of `pull`. */
void registry_count_failures(struct registries *registries, const struct pull *pull,
                             enum cause cause, uint64_t n, struct instant now);
void registries_forget(struct registries *registries, const struct pods *pods, struct instant now);
