/* SPDX-License-Identifier: Apache-2.0 */
#include "histogram.h"

#include "util.h"

const struct histogram_bounds histogram_pull_bounds = {
    .n = 12,
    .us = { 500 * MSEC, SEC, 2 * SEC, 5 * SEC, 10 * SEC, 20 * SEC, 30 * SEC, MINUTE, 2 * MINUTE,
            5 * MINUTE, 10 * MINUTE, 30 * MINUTE },
};

const struct histogram_bounds histogram_recovery_bounds = {
    .n = 11,
    .us = { SEC, 10 * SEC, 30 * SEC, MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR,
            12 * HOUR, 24 * HOUR },
};

const struct histogram_bounds histogram_call_bounds = {
    .n = 10,
    .us = { MSEC, 2 * MSEC, 5 * MSEC, 10 * MSEC, 25 * MSEC, 100 * MSEC, 250 * MSEC, SEC,
            2500 * MSEC, 10 * SEC },
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
