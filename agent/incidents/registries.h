/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Counters by registry. Pods choose registries, so their number is limited: the row behind the last
 * one, "other", counts for all registries without a row. A row is free again an hour after the last
 * pod that named its registry.
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
    const char *name; /* shared */
    uint64_t attempts;
    uint64_t failures[CAUSE_MAX];
    struct newest newest[CAUSE_MAX];
    uint64_t bytes;         /* size of the images that were pulled */
    struct histogram pulls; /* successful ones */
    int64_t used_us;        /* mono; when a pod last named it */
};

struct registries {
    struct counters *counters;
    struct registry *rows; /* `max` rows, then the row "other" */
    size_t n;
    size_t max;
};

int registries_init(struct registries *registries, struct counters *counters, size_t max);
void registries_done(struct registries *registries);

/* The row that counts for the registry of `image`; over the limit, the row "other". Never NULL. */
struct registry *registry_of(struct registries *registries, struct str image, struct instant now);

/* The row "other". */
struct registry *registry_other(const struct registries *registries);

/* A pod names the registry of an image: the registry gets a row if one is free. `*left_out`:
 * this was counted as a limit hit. */
void registry_named(struct registries *registries, struct str image, bool *left_out,
                    struct instant now);

/* Counts `n` failed attempts of `pull`. */
void registry_count_failures(struct registries *registries, const struct pull *pull,
                             enum cause cause, uint64_t n, struct instant now);
void registries_forget(struct registries *registries, const struct pods *pods, struct instant now);
