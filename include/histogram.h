/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Durations, counted in buckets as in Prometheus. The bounds are separate from the counts, so that
 * many histograms share them. One thread at a time.
 */

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BOUNDS_MAX 8u

struct histogram_bounds {
    size_t n;
    int64_t us[HISTOGRAM_BOUNDS_MAX]; /* inclusive upper bounds, ascending, without +Inf */
};

struct histogram {
    uint64_t counts[HISTOGRAM_BOUNDS_MAX + 1]; /* not cumulative; [n] is +Inf */
    uint64_t count;
    uint64_t sum_us;
};

/* Each bound is a series for each registry or cause. Pulls: 5 s (the poll interval) to 30 min.
 * Recoveries: 5 min (the longest back-off) to a day. */
extern const struct histogram_bounds histogram_pull_bounds;
extern const struct histogram_bounds histogram_recovery_bounds;

/* A negative duration counts as 0: clocks jump. */
void histogram_add(struct histogram *histogram, const struct histogram_bounds *bounds, int64_t us);
