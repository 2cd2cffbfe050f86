/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The table of blocked containers. A value whose column does not fit into the width is
 * written below its row, and a pod whose name does not fit, above it: people copy names.
 */

#include <errno.h>
#include <string.h>

#include "agent/commands/show.h"
#include "agent/commands/status_groups.h"
#include "agent/commands/status_parts.h"
#include "buf.h"
#include "causes.h"

#define CELL_MAX (24u << 10)

enum column { POD, CONTAINER, CAUSE, REASON, AGE, ATTEMPTS, NEXT, IMAGE, COLUMN_MAX };

static const struct column_kind {
    const char *title;
    size_t least;  /* the column may shrink to this width */
    bool optional; /* if not all columns fit, the value goes below the row */
} columns[COLUMN_MAX] = {
    [POD] = { "POD", 12, false },     [CONTAINER] = { "CONTAINER", 9, false },
    [CAUSE] = { "CAUSE", 14, false }, [REASON] = { "REASON", 0, true },
    [AGE] = { "AGE", 5, false },      [ATTEMPTS] = { "ATTEMPTS", 8, false },
    [NEXT] = { "NEXT", 5, false },    [IMAGE] = { "IMAGE", 0, true },
};

static void age_cell(struct buf *out, const json_t *failure, const struct status_options *options)
{
    int64_t first_us = status_time_us(failure, "first_failure");

    if (!first_us) {
        buf_add_byte(out, '-');
        return;
    }
    show_age(out, options->now_us - first_us);
    if (json_is_false(json_object_get(failure, "first_failure_exact")))
        buf_add_byte(out, '+'); /* at least: the agent started later */
}

static void next_cell(struct buf *out, const json_t *failure, const struct status_options *options)
{
    int64_t next_us = status_time_us(failure, "next_retry");

    if (status_time_us(failure, "overdue_since"))
        buf_add(out, STR("overdue"));
    else if (!next_us)
        buf_add_byte(out, '-');
    else if (next_us <= options->now_us)
        buf_add(out, STR("now"));
    else
        show_age(out, next_us - options->now_us);
}

/* "deployment/web (10 pods)": in lower case, kubectl takes the owner like this. */
static void pod_cell(struct buf *out, const json_t *row)
{
    const json_t *owner = json_object_get(row, "owner");
    const uint64_t pods = status_number(row, STATUS_PODS);
    size_t begin;

    show_plain(out, str_from(status_text(row, "namespace")));
    buf_add_byte(out, '/');
    if (!pods) {
        show_plain(out, str_from(status_text(row, "pod")));
        return;
    }
    begin = out->len;
    show_plain(out, str_from(status_text(owner, "kind")));
    for (size_t i = begin; i < out->len; i++)
        if (out->at[i] >= 'A' && out->at[i] <= 'Z')
            out->at[i] = (char)(out->at[i] - 'A' + 'a');
    buf_add_byte(out, '/');
    show_plain(out, str_from(status_text(owner, "name")));
    buf_printf(out, " (%llu pods)", (unsigned long long)pods);
}

static void add_cell(struct buf *out, const json_t *failure, enum column column,
                     const struct status_options *options)
{
    static const char *const keys[COLUMN_MAX] = {
        [CONTAINER] = "container", [CAUSE] = "cause", [REASON] = "reason", [IMAGE] = "image"
    };

    buf_reset(out);
    switch (column) {
    case POD:
        pod_cell(out, failure);
        break;
    case AGE:
        age_cell(out, failure, options);
        break;
    case ATTEMPTS:
        buf_add_uint(out, status_number(failure, "attempts"));
        break;
    case NEXT:
        next_cell(out, failure, options);
        break;
    default:
        show_plain(out, str_from(status_text(failure, keys[column])));
        break;
    }
    if (out->len == 0) /* a sandbox has no container name */
        buf_add_text(out, column == CONTAINER ? "sandbox" : "-");
}

struct layout {
    size_t widths[COLUMN_MAX]; /* 0: the column is not shown */
    struct buf cell;
};

static size_t total(const struct layout *layout)
{
    size_t sum = 0;

    for (enum column c = 0; c < COLUMN_MAX; c++)
        sum += layout->widths[c] ? layout->widths[c] + 2 : 0;
    return sum > 2 ? sum - 2 : 0;
}

static void shrink(struct layout *layout, enum column column, size_t width)
{
    size_t over = total(layout) > width ? total(layout) - width : 0;
    size_t spare = layout->widths[column] > columns[column].least
                       ? layout->widths[column] - columns[column].least
                       : 0;

    layout->widths[column] -= over < spare ? over : spare;
}

/* Each column as wide as its longest value. If that is too wide, drop and shrink columns. */
static void lay_out(struct layout *layout, const json_t *rows, const struct status_options *options,
                    size_t width)
{
    const json_t *failure;
    size_t i;

    for (enum column c = 0; c < COLUMN_MAX; c++)
        layout->widths[c] = strlen(columns[c].title);
    json_array_foreach(rows, i, failure)
    {
        for (enum column c = 0; c < COLUMN_MAX; c++) {
            add_cell(&layout->cell, failure, c, options);
            if (layout->cell.len > layout->widths[c])
                layout->widths[c] = layout->cell.len;
        }
    }
    for (enum column c = COLUMN_MAX; c-- > 0 && total(layout) > width;)
        if (columns[c].optional)
            layout->widths[c] = 0;
    shrink(layout, POD, width);
    shrink(layout, CONTAINER, width);
    shrink(layout, ATTEMPTS, width);
}

static void add_header(struct buf *out, const struct layout *layout,
                       const struct status_options *options)
{
    size_t left = total(layout);

    status_style(out, options, STYLE_HEAD);
    for (enum column c = 0; c < COLUMN_MAX; c++) {
        if (!layout->widths[c])
            continue;
        left -= layout->widths[c];
        show_cell(out, str_from(columns[c].title),
                  left ? layout->widths[c] : strlen(columns[c].title));
        if (left) {
            buf_add(out, STR("  "));
            left -= 2;
        }
    }
    status_style(out, options, STYLE_PLAIN);
    buf_add_byte(out, '\n');
}

static void add_row(struct buf *out, struct layout *layout, const json_t *failure,
                    const struct status_options *options, size_t width)
{
    const bool stalled = strcmp(status_text(failure, "state"), "stalled") == 0;
    size_t left = total(layout);
    bool above;

    add_cell(&layout->cell, failure, POD, options);
    above = layout->cell.len > layout->widths[POD];
    if (above)
        show_wrap(out, buf_str(&layout->cell), 0, width);
    for (enum column c = 0; c < COLUMN_MAX; c++) {
        if (!layout->widths[c])
            continue;
        left -= layout->widths[c];
        add_cell(&layout->cell, failure, c, options);
        if (c == POD && above)
            buf_reset(&layout->cell);
        if (c == CAUSE)
            status_style(out, options, stalled ? STYLE_STALLED : STYLE_BAD);
        if (left) /* no trailing blanks */
            show_cell(out, buf_str(&layout->cell), layout->widths[c]);
        else
            show_cut(out, buf_str(&layout->cell), layout->widths[c]);
        if (c == CAUSE)
            status_style(out, options, STYLE_PLAIN);
        if (left) {
            buf_add(out, STR("  "));
            left -= 2;
        }
    }
    buf_add_byte(out, '\n');
}

/* The containers that a stall names. */
static void add_waiters(struct buf *out, struct buf *line, const json_t *failure, const char *key,
                        const char *title, size_t width)
{
    const json_t *list = json_object_get(json_object_get(failure, "stall"), key);
    const json_t *waiter;
    size_t i;

    if (json_array_size(list) == 0)
        return;
    buf_reset(line);
    buf_add_text(line, title);
    json_array_foreach(list, i, waiter)
    {
        buf_add_text(line, i ? ", " : "");
        show_plain(line, str_from(status_text(waiter, "namespace")));
        buf_add_byte(line, '/');
        show_plain(line, str_from(status_text(waiter, "pod")));
    }
    show_wrap(out, buf_str(line), 2, width);
}

/* The values that have no column, then the advice. */
static void add_below(struct buf *out, struct layout *layout, const json_t *failure,
                      const struct status_options *options, size_t width)
{
    const char *image = status_text(failure, "image");

    buf_reset(&layout->cell);
    if (!layout->widths[REASON])
        add_cell(&layout->cell, failure, REASON, options);
    if (!layout->widths[IMAGE]) {
        buf_add_text(&layout->cell, layout->widths[REASON] ? "" : "  ");
        show_plain(&layout->cell, str_from(image[0] ? image : "-"));
    }
    show_wrap(out, buf_str(&layout->cell), 2, width);
    buf_reset(&layout->cell);
    show_plain(&layout->cell, str_from(status_text(failure, "advice")));
    show_wrap(out, buf_str(&layout->cell), 2, width);
    add_waiters(out, &layout->cell, failure, "held_by", "Download slots held by: ", width);
    add_waiters(out, &layout->cell, failure, "waiting_behind", "Waiting behind it: ", width);
}

/* Ordered by cause, as in the table of causes. */
static void write_rows(struct buf *out, const json_t *rows, const struct status_options *options,
                       size_t width)
{
    struct layout layout = { .widths = { 0 } };
    const json_t *row;
    size_t i;

    buf_init(&layout.cell, CELL_MAX);
    if (buf_reserve(&layout.cell, CELL_MAX) < 0) {
        out->error = -ENOMEM;
        return;
    }
    lay_out(&layout, rows, options, width);
    add_header(out, &layout, options);
    for (enum cause cause = 0; cause < CAUSE_MAX; cause++) {
        json_array_foreach(rows, i, row)
        {
            if (strcmp(status_text(row, "cause"), cause_name(cause)) != 0)
                continue;
            add_row(out, &layout, row, options, width);
            add_below(out, &layout, row, options, width);
        }
    }
    buf_done(&layout.cell);
}

void status_write_failures(struct buf *out, const json_t *failures,
                           const struct status_options *options, size_t width)
{
    json_t *rows = status_group(failures, options);
    const json_t *failure;
    size_t not_kept = 0;
    size_t i;

    if (!rows) {
        out->error = -ENOMEM;
        return;
    }
    write_rows(out, rows, options, width);
    json_decref(rows);
    json_array_foreach(failures, i, failure)
    {
        not_kept += json_is_true(json_object_get(failure, STATUS_NOT_KEPT));
    }
    if (not_kept)
        buf_printf(out,
                   "... and %zu more, whose details are left out; use --namespace, --cause or "
                   "--output=json\n",
                   not_kept);
}
