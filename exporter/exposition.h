/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Writes metric families as Prometheus text, format 0.0.4. Who calls it says
 * what a family is and what its samples are, never how they look; another format
 * is another way to write the same three things: head, sample, end.
 *
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "histogram.h"

struct buf;

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

#define METRIC_LABELS_MAX 7u

struct metric_family {
    const char *name;
    enum metric_type type;
    const char *help;
    const char *labels[METRIC_LABELS_MAX + 1]; /* NULL-terminated */
};

#define EXPOSITION_FRAME_MAX 384u

/* Lives on the caller's stack for one document; the fields are the writer's own. */
struct exposition {
    struct buf *out;
    const struct metric_family *family;
    bool head_written;
    size_t n_labels;
    /* What stands before each label's value, `name{a="` and `",b="`, and behind the last one, back
     * to back: the same in each sample, so it is joined once. */
    char frame[EXPOSITION_FRAME_MAX];
    size_t frame_end[METRIC_LABELS_MAX + 1];
};

/* What goes into Content-Type. */
#define EXPOSITION_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Errors stick in `out`; ask buf_error() at the end. */
void exposition_begin(struct exposition *exposition, struct buf *out);

/* The samples that follow are of `family`, whose head (HELP, TYPE) is written with the first of
 * them: a family without samples leaves nothing. `family` must live until the next call; its name
 * and labels are at most 300 bytes together. */
void exposition_family(struct exposition *exposition, const struct metric_family *family);

/*
 * One sample. `values` holds one text for each label of the family, in their
 * order; any bytes: they are escaped and made valid UTF-8. May be NULL for a
 * family without labels.
 */
void exposition_uint(struct exposition *exposition, const char *const *values, uint64_t value);

/* The same for a time or a duration, which Prometheus wants in seconds. */
void exposition_seconds(struct exposition *exposition, const char *const *values, int64_t value_us);

/* A histogram of durations, in seconds: its buckets, sum and count. */
void exposition_histogram(struct exposition *exposition, const char *const *values,
                          const struct histogram *histogram, const struct histogram_bounds *bounds);

/* For `values`: LABELS(registry, cause_name(cause)). */
#define LABELS(...) ((const char *const[]){ __VA_ARGS__ })
