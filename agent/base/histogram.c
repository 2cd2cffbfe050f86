/* SPDX-License-Identifier: Apache-2.0 */
#include "histogram.h"

#include "util.h"

const struct histogram_bounds histogram_pull_bounds = {
    .n = 5,
    .us = { 5 * SEC, 20 * SEC, MINUTE, 5 * MINUTE, 30 * MINUTE },
};

const struct histogram_bounds histogram_recovery_bounds = {
    .n = 3,
    .us = { 5 * MINUTE, HOUR, 24 * HOUR },
};

void histogram_add(struct histogram *histogram, const struct histogram_bounds *bounds, int64_t us)
{
    size_t bucket = 0;

    if (us < 0)
        us = 0;
    while (bucket < bounds->n && us > bounds->us[bucket])
        bucket++;
    histogram->counts[bucket]++;
    histogram->count++;
    histogram->sum_us += (uint64_t)us;
}
