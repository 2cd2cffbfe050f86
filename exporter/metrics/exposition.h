/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Writes metric families as Prometheus text 0.0.4 or OpenMetrics 1.0. The caller describes families
 * and samples; the format decides how they are written.
 *
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 * https://prometheus.io/docs/specs/om/open_metrics_spec/
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "histogram.h"

struct buf;

enum exposition_format { EXPOSITION_TEXT, EXPOSITION_OPENMETRICS, EXPOSITION_FORMATS };

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM, METRIC_SUMMARY };

/* For the documentation: what a later version may change. */
enum metric_stability {
    METRIC_STABLE,       /* name, labels and meaning stay */
    METRIC_EXPERIMENTAL, /* may change or go */
};

#define METRIC_LABELS_MAX 7u

struct metric_family {
    const char *name; /* with _total for a counter */
    enum metric_type type;
    const char *unit; /* "seconds" or "bytes", if the name ends in it (before _total); else NULL */
    enum metric_stability stability;
    const char *help;
    const char *labels[METRIC_LABELS_MAX + 1]; /* NULL-terminated */
};

#define METRIC_EXEMPLAR_LABELS_MAX 2u

/* One of the events that a counter counts. */
struct metric_exemplar {
    const char *labels[METRIC_EXEMPLAR_LABELS_MAX]; /* the most important first; NULL: no more */
    const char *values[METRIC_EXEMPLAR_LABELS_MAX];
    int64_t at_us; /* wall */
};

#define EXPOSITION_FRAME_MAX 384u

/* For one document, on the caller's stack. The fields are private. */
struct exposition {
    struct buf *out;
    enum exposition_format format;
    const struct metric_family *family;
    bool head_written;
    size_t n_labels;
    /* The text around the label values of a sample: `name{a="`, `",b="` and `"} `. It is the same
     * in every sample of a family, so it is built once. */
    char frame[EXPOSITION_FRAME_MAX];
    size_t frame_end[METRIC_LABELS_MAX + 1];
};

/* For the Content-Type header; static. */
const char *exposition_content_type(enum exposition_format format);

/* "counter", "gauge", "histogram", "summary"; static. */
const char *metric_type_name(enum metric_type type);

/* Errors stay in `out`; check buf_error() at the end. */
void exposition_begin(struct exposition *exposition, struct buf *out,
                      enum exposition_format format);

/* Ends the document. For OpenMetrics, a document without this is incomplete. */
void exposition_end(struct exposition *exposition);

/* Begins a family. Its head (HELP, TYPE) is written with the first sample, so a family without
 * samples writes nothing. `family` must live until the next call; its name and labels have at most
 * 300 bytes together. */
void exposition_family(struct exposition *exposition, const struct metric_family *family);

/* One sample. `values` has one text for each label of the family, in their order. They may hold any
 * bytes: they are escaped and made valid UTF-8. NULL for a family without labels. */
void exposition_uint(struct exposition *exposition, const char *const *values, uint64_t value);

/* A counter with an exemplar, or NULL for none. Text 0.0.4 has no exemplars. If the exemplar is too
 * long for OpenMetrics, its last labels are left out. */
void exposition_count(struct exposition *exposition, const char *const *values, uint64_t value,
                      const struct metric_exemplar *exemplar);

/* A time or a duration, in seconds. */
void exposition_seconds(struct exposition *exposition, const char *const *values, int64_t value_us);

/* A histogram of durations, in seconds: its buckets, sum and count. */
void exposition_histogram(struct exposition *exposition, const char *const *values,
                          const struct histogram *histogram, const struct histogram_bounds *bounds);

/* A summary of durations without quantiles, in seconds: its sum and count. */
void exposition_summary(struct exposition *exposition, const char *const *values, uint64_t sum_us,
                        uint64_t count);

/* After a counter, histogram or summary: when it began to count (wall). Text 0.0.4 does not have
 * it. 0: unknown; writes nothing. */
void exposition_created(struct exposition *exposition, const char *const *values, int64_t at_us);

/* For `values`, as in LABELS(registry, cause_name(cause)). */
#define LABELS(...) ((const char *const[]){ __VA_ARGS__ })
