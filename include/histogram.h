/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Durations counted in buckets, as Prometheus knows them. Bounds and counts are
 * apart: a table of many histograms shares its bounds. Not locked.
 */

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BOUNDS_MAX 16u

struct histogram_bounds {
    size_t n;
    int64_t us[HISTOGRAM_BOUNDS_MAX]; /* upper bounds, inclusive, ascending; above the last: +Inf */
};

struct histogram {
    uint64_t
        counts[HISTOGRAM_BOUNDS_MAX + 1]; /* each bucket's own, not yet summed up; [n] is +Inf */
    uint64_t count;
    uint64_t sum_us;
};

/* Pulls: 0.5 s to 30 min. Recoveries: 1 s to a day. Calls to the runtime: 1 ms to 10 s. */
extern const struct histogram_bounds histogram_pull_bounds;
extern const struct histogram_bounds histogram_recovery_bounds;
extern const struct histogram_bounds histogram_call_bounds;

/* Less than nothing counts as nothing: clocks jump. */
void histogram_add(struct histogram *histogram, const struct histogram_bounds *bounds, int64_t us);
