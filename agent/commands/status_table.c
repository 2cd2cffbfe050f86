/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/commands/status_table.h"

#include <errno.h>
#include <string.h>

#include "agent/commands/show.h"
#include "agent/commands/status_parts.h"
#include "buf.h"
#include "limit.h"
#include "util.h"

#define LINE_MAX_TEXT (24u << 10)
#define BAR_CELLS 10u

void status_style(struct buf *out, const struct status_options *options, enum status_style style)
{
    static const char *const codes[STYLE_MAX] = {
        [STYLE_PLAIN] = "\033[0m",      [STYLE_HEAD] = "\033[1m",    [STYLE_BAD] = "\033[1;31m",
        [STYLE_STALLED] = "\033[1;33m", [STYLE_GOOD] = "\033[1;32m",
    };

    if (options->colour)
        buf_add_text(out, codes[style]);
}

/* --- counts ------------------------------------------------------------------------------------
 */

static const json_t *failures_of(const struct status_answers *answers)
{
    return json_object_get(answers->failures, "failures");
}

/* Number of selected failures in this state. */
static size_t count_state(const struct status_answers *answers,
                          const struct status_options *options, const char *state)
{
    const json_t *failure;
    size_t n = 0;
    size_t i;

    json_array_foreach(failures_of(answers), i, failure)
    {
        n += status_selected(failure, options) && strcmp(status_text(failure, "state"), state) == 0;
    }
    return n;
}

static size_t count_pulls(const struct status_answers *answers,
                          const struct status_options *options, bool queued)
{
    const json_t *image;
    size_t n = 0;
    size_t i;

    json_array_foreach(json_object_get(answers->images, "images"), i, image)
    {
        n += status_shows_pull(image, options) && status_is_queued(image) == queued;
    }
    return n;
}

/* --- lines ------------------------------------------------------------------------------------
 */

static size_t width_of(const struct status_options *options)
{
    return options->width > STATUS_WIDTH_LEAST ? (size_t)options->width : STATUS_WIDTH_LEAST;
}

/* Writes `line` in a style, wrapped at the width, and empties it. */
static void end_line(struct buf *out, struct buf *line, size_t indent,
                     const struct status_options *options, enum status_style style)
{
    if (style != STYLE_PLAIN)
        status_style(out, options, style);
    show_wrap(out, buf_str(line), indent, width_of(options));
    if (style != STYLE_PLAIN)
        status_style(out, options, STYLE_PLAIN);
    buf_reset(line);
}

static void add_node(struct buf *line, const struct status_answers *answers)
{
    const char *node = status_text(answers->failures, "node");

    show_plain(line, str_from(node[0] ? node : "this node"));
}

static void add_runtime(struct buf *line, const struct status_answers *answers)
{
    const json_t *runtime = json_object_get(answers->failures, "runtime");

    if (status_text(runtime, "name")[0]) {
        buf_add(line, STR(" ("));
        show_plain(line, str_from(status_text(runtime, "name")));
        buf_add_byte(line, ' ');
        show_plain(line, str_from(status_text(runtime, "version")));
        buf_add_byte(line, ')');
    }
}

/* Returns its style. */
static enum status_style add_state(struct buf *line, const struct status_answers *answers,
                                   const struct status_options *options)
{
    const struct status_options everything = { .namespace = NULL };
    const size_t all = status_blocked(answers, &everything);
    const size_t blocked = status_blocked(answers, options);
    const size_t queued = count_pulls(answers, options, true);
    const size_t pulls = count_pulls(answers, options, false);
    const char *unknown = status_unknown(answers);
    const bool incomplete = status_incomplete(answers);
    const char *none = unknown ? unknown : "nothing is blocked";

    if (blocked < all)
        buf_printf(line, ": %zu of %zu blocked containers match", blocked, all);
    else if (blocked)
        buf_printf(line, ": %s%s%zu container%s blocked", unknown ? "when last read, " : "",
                   incomplete ? "at least " : "", blocked, blocked == 1 ? "" : "s");
    else
        buf_printf(line, ": %s", incomplete && !unknown ? "not known completely" : none);
    if (pulls && !unknown) /* which containers wait is not known either */
        buf_printf(line, ", %zu image%s being pulled", pulls, pulls == 1 ? "" : "s");
    if (queued && !unknown)
        buf_printf(line, ", %zu waiting for their turn", queued);
    if (blocked)
        return STYLE_BAD;
    return unknown || incomplete ? STYLE_STALLED : STYLE_GOOD;
}

/* Without the runtime if the line is too long with it. */
static void write_summary(struct buf *out, struct buf *line, const struct status_answers *answers,
                          const struct status_options *options)
{
    enum status_style style;

    add_node(line, answers);
    add_runtime(line, answers);
    style = add_state(line, answers, options);
    if (line->len > width_of(options)) {
        buf_reset(line);
        add_node(line, answers);
        add_state(line, answers, options);
    }
    end_line(out, line, 0, options, style);
}

/* What the key of "left_out" means. A newer agent may have others. */
static const char *left_out_text(const char *key)
{
    for (enum limit limit = 0; limit < LIMIT_HIT_MAX; limit++)
        if (limit_left_out(limit) && strcmp(limit_name(limit), key) == 0)
            return limit_left_out(limit);
    return key;
}

static void write_left_out(struct buf *out, struct buf *line, const struct status_answers *answers,
                           const struct status_options *options)
{
    json_t *list = json_object_get(answers->failures, "left_out");
    const char *key, *between = " ";
    json_t *number;

    if (!status_incomplete(answers))
        return;
    buf_add(line,
            STR("Limits of the agent leave something out, and failures of it are not shown:"));
    json_object_foreach(list, key, number)
    {
        buf_add_text(line, between);
        show_plain(line, str_from(left_out_text(key)));
        buf_printf(line, " (%llu)", (unsigned long long)status_number(list, key));
        between = ", ";
    }
    end_line(out, line, 0, options, STYLE_PLAIN);
}

static void add_bar(struct buf *line, uint64_t bytes, uint64_t total)
{
    const size_t full =
        bytes >= total ? BAR_CELLS : (size_t)((double)bytes / (double)total * BAR_CELLS);

    buf_add_byte(line, '[');
    for (size_t i = 0; i < BAR_CELLS; i++)
        buf_add_byte(line, i < full ? '#' : '.');
    buf_add(line, STR("] "));
    show_bytes(line, bytes);
    buf_add(line, STR(" of "));
    show_bytes(line, total);
}

static void write_queue(struct buf *out, struct buf *line, const json_t *image,
                        const struct status_options *options)
{
    const json_t *ahead = json_object_get(image, "waiting_behind");
    const json_t *name;
    size_t i;

    if (json_array_size(ahead) == 0)
        return;
    buf_add_text(line, status_is_queued(image) ? "in the kubelet's queue behind "
                                               : "waits for a download slot behind ");
    json_array_foreach(ahead, i, name)
    {
        buf_add_text(line, i ? ", " : "");
        show_plain(line, str_from(json_string_value(name)));
    }
    end_line(out, line, 4, options, STYLE_PLAIN);
}

/* Two lines, because image names are long: the name, then the progress. A third one says which
 * pulls are ahead of it. */
static void write_pull(struct buf *out, struct buf *line, const json_t *image,
                       const struct status_options *options)
{
    const uint64_t total = status_number(image, "total");
    const uint64_t waiting = status_number(image, "containers_waiting");
    const int64_t since_us = status_time_us(image, "since");

    show_plain(line, str_from(status_text(image, "image")));
    end_line(out, line, 2, options, STYLE_PLAIN);
    if (total) {
        add_bar(line, status_number(image, "bytes"), total);
        buf_add(line, STR(", "));
    }
    if (since_us) {
        buf_add(line, STR("for "));
        show_age(line, options->now_us - since_us);
        buf_add(line, STR(", "));
    }
    buf_printf(line, "%llu container%s waiting", (unsigned long long)waiting,
               waiting == 1 ? "" : "s");
    if (json_is_true(json_object_get(image, "stalled")))
        buf_add(line, STR(", stalled"));
    end_line(out, line, 4, options, STYLE_PLAIN);
    write_queue(out, line, image, options);
}

static void write_pulls(struct buf *out, struct buf *line, const struct status_answers *answers,
                        const struct status_options *options)
{
    const json_t *image;
    size_t not_kept = 0;
    size_t i;

    if (count_pulls(answers, options, false) + count_pulls(answers, options, true) == 0)
        return;
    buf_add(out, STR("\n"));
    buf_add(line, STR("PULLING"));
    end_line(out, line, 0, options, STYLE_HEAD);
    json_array_foreach(json_object_get(answers->images, "images"), i, image)
    {
        if (status_shows_pull(image, options))
            write_pull(out, line, image, options);
        not_kept += json_is_true(json_object_get(image, STATUS_NOT_KEPT));
    }
    if (not_kept)
        buf_printf(out, "  ... and %zu more, which are left out; use --output=json\n", not_kept);
}

static void write_ended(struct buf *out, struct buf *line, const struct status_answers *answers,
                        const struct status_options *options)
{
    const size_t recovered = count_state(answers, options, "recovered");
    const size_t gone = count_state(answers, options, "gone");

    if (recovered + gone == 0)
        return;
    buf_printf(line, "Ended in the last 10 minutes: %zu recovered, %zu gone", recovered, gone);
    buf_add(out, STR("\n"));
    end_line(out, line, 0, options, STYLE_PLAIN);
}

static void write_down(struct buf *out, struct buf *line, const json_t *source,
                       const struct status_options *options)
{
    const int64_t since_us = status_time_us(source, "since");

    show_plain(line, str_from(status_text(source, "source")));
    buf_add(line, STR(" is down"));
    if (since_us) {
        buf_add(line, STR(" for "));
        show_age(line, options->now_us - since_us);
    }
    buf_add(line, STR(": "));
    show_plain(line, str_from(status_text(source, "last_error")));
    end_line(out, line, 2, options, STYLE_PLAIN);
}

static void write_sources(struct buf *out, struct buf *line, const struct status_answers *answers,
                          const struct status_options *options)
{
    const json_t *sources = json_object_get(answers->sources, "sources");
    const json_t *source;
    size_t i;

    buf_add(line, STR("Sources:"));
    json_array_foreach(sources, i, source)
    {
        buf_add_text(line, i ? ", " : " ");
        show_plain(line, str_from(status_text(source, "source")));
        buf_add_byte(line, ' ');
        show_plain(line, str_from(status_text(source, "state")));
    }
    buf_add(out, STR("\n"));
    end_line(out, line, 0, options, STYLE_PLAIN);
    json_array_foreach(sources, i, source)
    {
        if (strcmp(status_text(source, "state"), "down") == 0)
            write_down(out, line, source, options);
    }
}

/* Replaces the lines that do not fit into the window with one that counts them. */
static void fit_height(struct buf *out, const struct status_options *options)
{
    size_t lines = 0;
    size_t kept = 0;

    if (options->height <= 1 || buf_error(out))
        return;
    for (size_t i = 0; i < out->len; i++) {
        if (out->at[i] != '\n')
            continue;
        lines++;
        if (lines == (size_t)options->height - 1)
            kept = i + 1;
    }
    if (lines <= (size_t)options->height)
        return;
    out->len = kept;
    buf_printf(out, "... and %zu more lines; --namespace and --cause select\n",
               lines - (size_t)options->height + 1);
}

void status_write_table(struct buf *out, const struct status_answers *answers,
                        const struct status_options *options)
{
    struct buf line;

    buf_init(&line, LINE_MAX_TEXT);
    if (buf_reserve(&line, LINE_MAX_TEXT) < 0) {
        out->error = -ENOMEM;
        return;
    }
    write_summary(out, &line, answers, options);
    write_left_out(out, &line, answers, options);
    if (status_blocked(answers, options)) {
        buf_add(out, STR("\n"));
        status_write_failures(out, failures_of(answers), options, width_of(options));
    }
    write_pulls(out, &line, answers, options);
    write_ended(out, &line, answers, options);
    write_sources(out, &line, answers, options);
    buf_done(&line);
    fit_height(out, options);
}
