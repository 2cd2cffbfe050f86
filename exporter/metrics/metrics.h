/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The content of /metrics. The table in metrics.c has a row for each family. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "exporter/metrics/exposition.h"

struct buf;
struct limit_hits;
struct process_stats;
struct snapshot;

struct metrics_input {
    enum exposition_format format;
    const struct snapshot *snapshot;
    const struct process_stats *process; /* NULL: nothing about this process */
    bool created;                        /* _created lines in OpenMetrics */
    const char *version;
    const char *revision;
    const char *compiler;
    const struct limit_hits *limit_hits; /* limits that exporter/ itself reached */
    unsigned debug_down;                 /* debug addresses that are not served */
    size_t info_left_out_before;         /* `ret_left_out` of the last call; 0: first call */
};

/*
 * Appends the whole document to `out`. `ret_left_out` is the number of blocked containers that have
 * no info series because of LIMIT_INFO_SERIES. Its growth since the last call counts as limit hits;
 * so the count does not depend on how often /metrics is read.
 *
 * Returns 0, -ENOMEM, or -E2BIG if `out` is too small; the content of `out` is useless then. Any
 * thread.
 */
int metrics_write(struct buf *out, const struct metrics_input *input, size_t *ret_left_out,
                  struct err *err);

/* The families in the order of /metrics, for documentation and tests. NULL after the last one. */
const struct metric_family *metrics_family(size_t index);
