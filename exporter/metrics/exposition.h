/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Writes metric families as Prometheus text 0.0.4 or OpenMetrics 1.0. Who calls
 * it says what a family is and what its samples are, never how they look: each
 * format is a way to write the same three things, head, sample and end.
 *
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 * https://prometheus.io/docs/specs/om/open_metrics_spec/
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "histogram.h"

struct buf;

enum exposition_format { EXPOSITION_TEXT, EXPOSITION_OPENMETRICS };

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* For the documentation: what may become of a family in a later version. */
enum metric_stability {
    METRIC_STABLE,       /* its name, labels and meaning stay */
    METRIC_EXPERIMENTAL, /* it may change or go */
};

#define METRIC_LABELS_MAX 7u

struct metric_family {
    const char *name; /* a counter's with _total */
    enum metric_type type;
    const char *unit; /* what the name ends in, before _total: "seconds", "bytes"; else NULL */
    enum metric_stability stability;
    const char *help;
    const char *labels[METRIC_LABELS_MAX + 1]; /* NULL-terminated */
};

#define METRIC_EXEMPLAR_LABELS_MAX 2u

/* One event of those that a counter counts. */
struct metric_exemplar {
    const char *labels[METRIC_EXEMPLAR_LABELS_MAX]; /* the most telling first; NULL: no more */
    const char *values[METRIC_EXEMPLAR_LABELS_MAX];
    int64_t at_us; /* wall */
};

#define EXPOSITION_FRAME_MAX 384u

/* Lives on the caller's stack for one document; the fields are the writer's own. */
struct exposition {
    struct buf *out;
    enum exposition_format format;
    const struct metric_family *family;
    bool head_written;
    size_t n_labels;
    /* What stands before each label's value, `name{a="` and `",b="`, and behind the last one, back
     * to back: the same in each sample, so it is joined once. */
    char frame[EXPOSITION_FRAME_MAX];
    size_t frame_end[METRIC_LABELS_MAX + 1];
};

/* What goes into Content-Type; static. */
const char *exposition_content_type(enum exposition_format format);

/* "counter", "gauge", "histogram"; static. */
const char *metric_type_name(enum metric_type type);

/* Errors stick in `out`; ask buf_error() at the end. */
void exposition_begin(struct exposition *exposition, struct buf *out,
                      enum exposition_format format);

/* Nothing may follow. A document without it is no whole one to an OpenMetrics reader. */
void exposition_end(struct exposition *exposition);

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

/* The same for a counter of which one event is known; `exemplar` NULL: none is. Text 0.0.4 has no
 * exemplars. Labels that would make it longer than OpenMetrics allows are left out from the end. */
void exposition_count(struct exposition *exposition, const char *const *values, uint64_t value,
                      const struct metric_exemplar *exemplar);

/* The same for a time or a duration, which Prometheus wants in seconds. */
void exposition_seconds(struct exposition *exposition, const char *const *values, int64_t value_us);

/* A histogram of durations, in seconds: its buckets, sum and count. */
void exposition_histogram(struct exposition *exposition, const char *const *values,
                          const struct histogram *histogram, const struct histogram_bounds *bounds);

/* For `values`: LABELS(registry, cause_name(cause)). */
#define LABELS(...) ((const char *const[]){ __VA_ARGS__ })
