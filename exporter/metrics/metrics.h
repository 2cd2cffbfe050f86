/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* All that /metrics says. The table in metrics.c has a row for each family. */

#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "exporter/metrics/exposition.h"

struct buf;
struct process_stats;
struct snapshot;

struct metrics_input {
    enum exposition_format format;
    const struct snapshot *snapshot;
    const struct process_stats *process;
    const char *version;
    const char *revision;
    const char *compiler;
    /* Info series that were newly left out since the agent started, without this picture's. */
    uint64_t info_left_out_total;
    size_t info_left_out_before; /* how many the picture before this one left out */
};

/*
 * Appends the whole document to `out`. `ret_left_out` gets how many blocked
 * containers this picture has over the info series' cap: the next call's
 * `info_left_out_before`; what it grew by is counted as limit hits, so the count
 * does not depend on how often or by how many Prometheus servers it is read.
 *
 * Returns 0, -ENOMEM, or -E2BIG where `out` is too small; what `out` holds is
 * of no use then. Any thread.
 */
int metrics_write(struct buf *out, const struct metrics_input *input, size_t *ret_left_out,
                  struct err *err);

/* The families in the order they are written; for the test of naming rules and the documentation.
 * NULL past the end. */
const struct metric_family *metrics_family(size_t index);
