/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/metrics/exposition.h"

#include <assert.h>
#include <string.h>

#include "buf.h"
#include "bytes16.h"
#include "utf8.h"
#include "util.h"

/* OpenMetrics 1.0, "Exemplars": at most 128 characters of names and values together. Bytes are
 * counted here, so non-ASCII text reaches the limit earlier. */
#define EXEMPLAR_BYTES_MAX 128u

const char *exposition_content_type(enum exposition_format format)
{
    return format == EXPOSITION_OPENMETRICS
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}

const char *metric_type_name(enum metric_type type)
{
    switch (type) {
    case METRIC_COUNTER:
        return "counter";
    case METRIC_GAUGE:
        return "gauge";
    case METRIC_HISTOGRAM:
        return "histogram";
    case METRIC_SUMMARY:
        return "summary";
    }
    return "untyped";
}

/* The escape of one of the three special bytes of a label value. */
static struct str escape(char byte)
{
    switch (byte) {
    case '\\':
        return STR("\\\\");
    case '\n':
        return STR("\\n");
    default:
        return STR("\\\"");
    }
}

static const char *find_escape(const char *at, const char *end)
{
    while (at < end && *at != '\\' && *at != '\n' && *at != '"')
        at++;
    return at;
}

static void add_value(struct buf *out, const char *text)
{
    struct str rest = str_from(text);

    while (rest.len) {
        const char *end = rest.at + rest.len, *stop = find_escape(rest.at, end);

        utf8_add(out, str_span(rest.at, stop));
        if (stop < end)
            buf_add(out, escape(*stop++));
        rest = str_span(stop, end);
    }
}

/* In OpenMetrics the name of a counter's family has no _total; its samples have it. */
static struct str family_name(const struct exposition *exposition)
{
    const struct str suffix = STR("_total");
    struct str name = str_from(exposition->family->name);

    if (exposition->format == EXPOSITION_OPENMETRICS &&
        exposition->family->type == METRIC_COUNTER && str_ends(name, suffix))
        return str_head(name, name.len - suffix.len);
    return name;
}

static void add_head_line(struct exposition *exposition, struct str keyword, const char *text)
{
    struct buf *out = exposition->out;

    buf_add(out, keyword);
    buf_add(out, family_name(exposition));
    buf_add_byte(out, ' ');
    buf_add_text(out, text);
    buf_add_byte(out, '\n');
}

/* HELP texts need no escapes; test_metrics.c checks it. */
static void add_head(struct exposition *exposition)
{
    const struct metric_family *family = exposition->family;

    add_head_line(exposition, STR("# HELP "), family->help);
    add_head_line(exposition, STR("# TYPE "), metric_type_name(family->type));
    if (family->unit && exposition->format == EXPOSITION_OPENMETRICS)
        add_head_line(exposition, STR("# UNIT "), family->unit);
    exposition->head_written = true;
}

/* Whether all 16 bytes are ASCII that needs no escape. */
static bool plain_bytes(bytes16 bytes)
{
    return !bytes16_mask(bytes16_between(bytes, 0x80, 0xff) | bytes16_equal(bytes, '"') |
                         bytes16_equal(bytes, '\\') | bytes16_equal(bytes, '\n'));
}

static bool plain_byte(char byte)
{
    return (unsigned char)byte < 0x80 && byte != '"' && byte != '\\' && byte != '\n';
}

/* Whether `text` can be written as it is, which is true for nearly all values. */
static bool plain(const char *text, size_t len)
{
    size_t i = 0;

    for (; len - i >= 16; i += 16)
        if (!plain_bytes(bytes16_load(text + i)))
            return false;
    for (; i < len; i++)
        if (!plain_byte(text[i]))
            return false;
    return true;
}

/* A line is built here before it is added to the buffer, because a scrape has tens of thousands of
 * pieces. */
struct line {
    struct buf *out;
    size_t len;
    char text[1024];
};

static void line_flush(struct line *line)
{
    buf_add(line->out, (struct str){ .at = line->text, .len = line->len });
    line->len = 0;
}

static void line_add(struct line *line, const char *text, size_t len)
{
    if (len > sizeof(line->text) - line->len)
        line_flush(line);
    if (len > sizeof(line->text)) {
        buf_add(line->out, (struct str){ .at = text, .len = len });
        return;
    }
    memcpy(line->text + line->len, text, len);
    line->len += len;
}

/* Writes a sample up to its value. */
static void add_series(struct exposition *exposition, const char *const *values)
{
    struct line line;
    size_t from = 0;

    assert(exposition->family);
    if (!exposition->head_written)
        add_head(exposition);
    line.out = exposition->out;
    line.len = 0;
    for (size_t i = 0; i < exposition->n_labels; i++) {
        size_t len = strlen(values[i]);

        line_add(&line, exposition->frame + from, exposition->frame_end[i] - from);
        from = exposition->frame_end[i];
        if (plain(values[i], len)) {
            line_add(&line, values[i], len);
        } else {
            line_flush(&line);
            add_value(exposition->out, values[i]);
        }
    }
    line_add(&line, exposition->frame + from, exposition->frame_end[exposition->n_labels] - from);
    line_flush(&line);
}

void exposition_begin(struct exposition *exposition, struct buf *out, enum exposition_format format)
{
    *exposition = (struct exposition){ .out = out, .format = format };
}

void exposition_end(struct exposition *exposition)
{
    if (exposition->format == EXPOSITION_OPENMETRICS)
        buf_add(exposition->out, STR("# EOF\n"));
}

static void add_frame(struct exposition *exposition, size_t *used, const char *text)
{
    size_t len = strlen(text);

    assert(len <= sizeof(exposition->frame) - *used);
    memcpy(exposition->frame + *used, text, len);
    *used += len;
}

void exposition_family(struct exposition *exposition, const struct metric_family *family)
{
    size_t used = 0, n = 0;

    add_frame(exposition, &used, family->name);
    for (; family->labels[n]; n++) {
        add_frame(exposition, &used, n ? "\"," : "{");
        add_frame(exposition, &used, family->labels[n]);
        add_frame(exposition, &used, "=\"");
        exposition->frame_end[n] = used;
    }
    add_frame(exposition, &used, n ? "\"} " : " ");
    exposition->frame_end[n] = used;
    exposition->n_labels = n;
    exposition->family = family;
    exposition->head_written = false;
}

void exposition_uint(struct exposition *exposition, const char *const *values, uint64_t value)
{
    add_series(exposition, values);
    buf_add_uint(exposition->out, value);
    buf_add_byte(exposition->out, '\n');
}

/* Without printf(), which needs a tenth of the time of a scrape. */
static void add_seconds(struct buf *out, uint64_t us)
{
    uint64_t fraction = us % (uint64_t)SEC;
    char text[] = ".000000";
    size_t len = strlen(text);

    buf_add_uint(out, us / (uint64_t)SEC);
    if (!fraction)
        return;
    for (size_t i = len; --i; fraction /= 10)
        text[i] = (char)('0' + fraction % 10);
    while (text[len - 1] == '0')
        len--;
    buf_add(out, (struct str){ .at = text, .len = len });
}

/* How many of the labels fit. */
static size_t exemplar_labels(const struct metric_exemplar *exemplar)
{
    size_t n = 0, bytes = 0;

    for (; n < METRIC_EXEMPLAR_LABELS_MAX && exemplar->labels[n]; n++) {
        bytes += strlen(exemplar->labels[n]) + strlen(exemplar->values[n]);
        if (bytes > EXEMPLAR_BYTES_MAX)
            break;
    }
    return n;
}

static void add_exemplar(struct buf *out, const struct metric_exemplar *exemplar)
{
    size_t n = exemplar_labels(exemplar);

    if (!n)
        return;
    buf_add(out, STR(" # "));
    for (size_t i = 0; i < n; i++) {
        buf_add_byte(out, i ? ',' : '{');
        buf_add_text(out, exemplar->labels[i]);
        buf_add(out, STR("=\""));
        add_value(out, exemplar->values[i]);
        buf_add_byte(out, '"');
    }
    buf_add(out, STR("} 1 "));
    add_seconds(out, (uint64_t)exemplar->at_us);
}

void exposition_count(struct exposition *exposition, const char *const *values, uint64_t value,
                      const struct metric_exemplar *exemplar)
{
    add_series(exposition, values);
    buf_add_uint(exposition->out, value);
    if (exemplar && exemplar->at_us > 0 && exposition->format == EXPOSITION_OPENMETRICS)
        add_exemplar(exposition->out, exemplar);
    buf_add_byte(exposition->out, '\n');
}

void exposition_seconds(struct exposition *exposition, const char *const *values, int64_t value_us)
{
    add_series(exposition, values);
    if (value_us < 0)
        buf_add_byte(exposition->out, '-');
    add_seconds(exposition->out, value_us < 0 ? -(uint64_t)value_us : (uint64_t)value_us);
    buf_add_byte(exposition->out, '\n');
}

/* OpenMetrics wants every bound as a float, so that all servers have the same series. */
static void add_bound(struct exposition *exposition, int64_t bound_us)
{
    if (bound_us == INT64_MAX) {
        buf_add(exposition->out, STR("+Inf"));
        return;
    }
    add_seconds(exposition->out, (uint64_t)bound_us);
    if (exposition->format == EXPOSITION_OPENMETRICS && bound_us % SEC == 0)
        buf_add(exposition->out, STR(".0"));
}

/* Writes a line of a family with several for each set of labels, up to its value. `bound_us` is
 * only for buckets, else NULL. */
static void add_part(struct exposition *exposition, const char *suffix, const char *const *values,
                     const int64_t *bound_us)
{
    struct buf *out = exposition->out;
    const char *glue = "{";

    buf_add(out, family_name(exposition));
    buf_add_text(out, suffix);
    for (size_t i = 0; i < exposition->n_labels; i++, glue = ",") {
        buf_add_text(out, glue);
        buf_add_text(out, exposition->family->labels[i]);
        buf_add(out, STR("=\""));
        add_value(out, values[i]);
        buf_add_byte(out, '"');
    }
    if (bound_us) {
        buf_add_text(out, glue);
        buf_add(out, STR("le=\""));
        add_bound(exposition, *bound_us);
        buf_add_byte(out, '"');
        glue = ",";
    }
    buf_add(out, *glue == ',' ? STR("} ") : STR(" "));
}

static void add_sum_and_count(struct exposition *exposition, const char *const *values,
                              uint64_t sum_us, uint64_t count)
{
    struct buf *out = exposition->out;

    add_part(exposition, "_sum", values, NULL);
    add_seconds(out, sum_us);
    buf_add_byte(out, '\n');
    add_part(exposition, "_count", values, NULL);
    buf_add_uint(out, count);
    buf_add_byte(out, '\n');
}

void exposition_summary(struct exposition *exposition, const char *const *values, uint64_t sum_us,
                        uint64_t count)
{
    if (!exposition->head_written)
        add_head(exposition);
    add_sum_and_count(exposition, values, sum_us, count);
}

void exposition_histogram(struct exposition *exposition, const char *const *values,
                          const struct histogram *histogram, const struct histogram_bounds *bounds)
{
    struct buf *out = exposition->out;
    uint64_t sum = 0;

    if (!exposition->head_written)
        add_head(exposition);
    for (size_t i = 0; i <= bounds->n; i++) {
        int64_t bound_us = i < bounds->n ? bounds->us[i] : INT64_MAX;

        sum += histogram->counts[i];
        add_part(exposition, "_bucket", values, &bound_us);
        buf_add_uint(out, sum);
        buf_add_byte(out, '\n');
    }
    add_sum_and_count(exposition, values, histogram->sum_us, histogram->count);
}

void exposition_created(struct exposition *exposition, const char *const *values, int64_t at_us)
{
    if (at_us <= 0 || exposition->format != EXPOSITION_OPENMETRICS)
        return;
    add_part(exposition, "_created", values, NULL);
    add_seconds(exposition->out, (uint64_t)at_us);
    buf_add_byte(exposition->out, '\n');
}
