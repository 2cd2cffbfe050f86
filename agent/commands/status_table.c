/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/commands/status_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/commands/show.h"
#include "agent/commands/status_parts.h"
#include "buf.h"
#include "util.h"

#define LINE_MAX_TEXT 4096u
#define BAR_CELLS 10u

void status_style(struct buf *out, const struct status_view *view, enum status_style style)
{
    static const char *const codes[STYLE_MAX] = {
        [STYLE_PLAIN] = "\033[0m",      [STYLE_HEAD] = "\033[1m",    [STYLE_BAD] = "\033[1;31m",
        [STYLE_STALLED] = "\033[1;33m", [STYLE_GOOD] = "\033[1;32m",
    };

    if (view->colour)
        buf_add_text(out, codes[style]);
}

/* --- what the answers say ----------------------------------------------------------------------
 */

const char *status_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

uint64_t status_number(const json_t *object, const char *key)
{
    json_int_t number = json_integer_value(json_object_get(object, key));

    return number > 0 ? (uint64_t)number : 0;
}

bool status_selected(const json_t *failure, const struct status_view *view)
{
    return (!view->namespace || strcmp(status_text(failure, "namespace"), view->namespace) == 0) &&
           (!view->cause || strcmp(status_text(failure, "cause"), view->cause) == 0);
}

bool status_open(const json_t *failure)
{
    const char *state = status_text(failure, "state");

    return strcmp(state, "recovered") != 0 && strcmp(state, "gone") != 0;
}

static const json_t *failures_of(const struct status_answers *answers)
{
    return json_object_get(answers->failures, "failures");
}

/* Of the selected ones. */
static size_t count_state(const struct status_answers *answers, const struct status_view *view,
                          const char *state)
{
    const json_t *failure;
    size_t n = 0;
    size_t i;

    json_array_foreach(failures_of(answers), i, failure)
    {
        n += status_selected(failure, view) && strcmp(status_text(failure, "state"), state) == 0;
    }
    return n;
}

size_t status_blocked(const struct status_answers *answers, const struct status_view *view)
{
    const json_t *failure;
    size_t n = 0;
    size_t i;

    json_array_foreach(failures_of(answers), i, failure)
    {
        n += status_selected(failure, view) && status_open(failure);
    }
    return n;
}

/* Why nothing can be said of what is not blocked; NULL: it can. */
static const char *why_unknown(const struct status_answers *answers)
{
    const json_t *source;
    size_t i;

    json_array_foreach(json_object_get(answers->sources, "sources"), i, source)
    {
        if (strcmp(status_text(source, "source"), "pods") != 0)
            continue;
        if (strcmp(status_text(source, "state"), "off") == 0)
            return "not known, this agent reads no pods";
        if (!status_text(source, "last_success")[0])
            return "not known yet, the first list of pods has not come";
        if (strcmp(status_text(source, "state"), "up") != 0)
            return "not known, the pods cannot be read now";
    }
    return NULL;
}

bool status_known(const struct status_answers *answers)
{
    return !why_unknown(answers);
}

/* Pulls have no namespace and no cause: who asks for one of these does not ask for them. */
static bool shows_pull(const json_t *image, const struct status_view *view)
{
    return !view->namespace && !view->cause && status_number(image, "containers_pulling") > 0 &&
           !json_is_true(json_object_get(image, "present"));
}

static size_t count_pulls(const struct status_answers *answers, const struct status_view *view)
{
    const json_t *image;
    size_t n = 0;
    size_t i;

    json_array_foreach(json_object_get(answers->images, "images"), i, image)
    {
        n += shows_pull(image, view);
    }
    return n;
}

/* --- lines ------------------------------------------------------------------------------------
 */

static size_t width_of(const struct status_view *view)
{
    return view->width > STATUS_WIDTH_LEAST ? (size_t)view->width : STATUS_WIDTH_LEAST;
}

/* What `line` holds, cut to the width, in a style; `line` is empty then. */
static void end_line(struct buf *out, struct buf *line, const struct status_view *view,
                     enum status_style style)
{
    if (style != STYLE_PLAIN)
        status_style(out, view, style);
    show_cut(out, buf_str(line), width_of(view));
    if (style != STYLE_PLAIN)
        status_style(out, view, STYLE_PLAIN);
    buf_add_byte(out, '\n');
    buf_reset(line);
}

static void add_node(struct buf *line, const struct status_answers *answers)
{
    const json_t *runtime = json_object_get(answers->failures, "runtime");
    const char *node = status_text(answers->failures, "node");

    show_plain(line, str_from(node[0] ? node : "this node"));
    if (status_text(runtime, "name")[0]) {
        buf_add(line, STR(" ("));
        show_plain(line, str_from(status_text(runtime, "name")));
        buf_add_byte(line, ' ');
        show_plain(line, str_from(status_text(runtime, "version")));
        buf_add_byte(line, ')');
    }
}

static void write_summary(struct buf *out, struct buf *line, const struct status_answers *answers,
                          const struct status_view *view)
{
    const struct status_view everything = { .namespace = NULL };
    const size_t all = status_blocked(answers, &everything);
    const size_t blocked = status_blocked(answers, view);
    const size_t pulls = count_pulls(answers, view);
    const char *unknown = why_unknown(answers);
    enum status_style style = STYLE_BAD;

    add_node(line, answers);
    if (blocked < all)
        buf_printf(line, ": %zu of %zu blocked containers match", blocked, all);
    else if (blocked)
        buf_printf(line, ": %zu container%s blocked", blocked, blocked == 1 ? "" : "s");
    else
        buf_printf(line, ": %s", unknown ? unknown : "nothing is blocked");
    if (pulls)
        buf_printf(line, ", %zu image%s being pulled", pulls, pulls == 1 ? "" : "s");
    if (!blocked)
        style = unknown ? STYLE_STALLED : STYLE_GOOD;
    end_line(out, line, view, style);
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

/* "  quay.io/team/big:1", and on the next line how far it is: images' names are long. */
static void write_pull(struct buf *out, struct buf *line, const json_t *image,
                       const struct status_view *view)
{
    const uint64_t total = status_number(image, "total");
    const uint64_t waiting = status_number(image, "containers_waiting");
    const int64_t since_us = parse_time_us(status_text(image, "since"));

    buf_add(line, STR("  "));
    show_plain(line, str_from(status_text(image, "image")));
    end_line(out, line, view, STYLE_PLAIN);
    buf_add(line, STR("    "));
    if (total) {
        add_bar(line, status_number(image, "bytes"), total);
        buf_add(line, STR(", "));
    }
    if (since_us) {
        buf_add(line, STR("for "));
        show_age(line, view->now_us - since_us);
        buf_add(line, STR(", "));
    }
    buf_printf(line, "%llu container%s waiting", (unsigned long long)waiting,
               waiting == 1 ? "" : "s");
    if (json_is_true(json_object_get(image, "stalled")))
        buf_add(line, STR(", stalled"));
    end_line(out, line, view, STYLE_PLAIN);
}

static void write_pulls(struct buf *out, struct buf *line, const struct status_answers *answers,
                        const struct status_view *view)
{
    const json_t *image;
    size_t i;

    if (count_pulls(answers, view) == 0)
        return;
    buf_add(out, STR("\n"));
    buf_add(line, STR("PULLING"));
    end_line(out, line, view, STYLE_HEAD);
    json_array_foreach(json_object_get(answers->images, "images"), i, image)
    {
        if (shows_pull(image, view))
            write_pull(out, line, image, view);
    }
}

static void write_ended(struct buf *out, struct buf *line, const struct status_answers *answers,
                        const struct status_view *view)
{
    const size_t recovered = count_state(answers, view, "recovered");
    const size_t gone = count_state(answers, view, "gone");

    if (recovered + gone == 0)
        return;
    buf_printf(line, "Over in the last 10 minutes: %zu recovered, %zu gone", recovered, gone);
    buf_add(out, STR("\n"));
    end_line(out, line, view, STYLE_PLAIN);
}

static void write_down(struct buf *out, struct buf *line, const json_t *source,
                       const struct status_view *view)
{
    const int64_t since_us = parse_time_us(status_text(source, "since"));

    show_plain(line, str_from(status_text(source, "source")));
    buf_add(line, STR(" is down"));
    if (since_us) {
        buf_add(line, STR(" for "));
        show_age(line, view->now_us - since_us);
    }
    buf_add(line, STR(": "));
    show_plain(line, str_from(status_text(source, "last_error")));
    show_wrap(out, buf_str(line), 2, width_of(view));
    buf_reset(line);
}

static void write_sources(struct buf *out, struct buf *line, const struct status_answers *answers,
                          const struct status_view *view)
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
    end_line(out, line, view, STYLE_PLAIN);
    json_array_foreach(sources, i, source)
    {
        if (strcmp(status_text(source, "state"), "down") == 0)
            write_down(out, line, source, view);
    }
}

/* Takes the lines off the end that a window of this height has no room for, and says so. */
static void fit_height(struct buf *out, const struct status_view *view)
{
    size_t lines = 0;
    size_t kept = 0;

    if (view->height <= 1 || buf_error(out))
        return;
    for (size_t i = 0; i < out->len; i++) {
        if (out->at[i] != '\n')
            continue;
        lines++;
        if (lines == (size_t)view->height - 1)
            kept = i + 1;
    }
    if (lines <= (size_t)view->height)
        return;
    out->len = kept;
    buf_printf(out, "... and %zu more lines\n", lines - (size_t)view->height + 1);
}

void status_write_table(struct buf *out, const struct status_answers *answers,
                        const struct status_view *view)
{
    struct buf line;

    buf_init(&line, LINE_MAX_TEXT);
    write_summary(out, &line, answers, view);
    if (status_blocked(answers, view)) {
        buf_add(out, STR("\n"));
        status_write_failures(out, failures_of(answers), view, width_of(view));
    }
    write_pulls(out, &line, answers, view);
    write_ended(out, &line, answers, view);
    write_sources(out, &line, answers, view);
    buf_done(&line);
    fit_height(out, view);
}

/* --- JSON --------------------------------------------------------------------------------------
 */

static json_t *selected(const struct status_answers *answers, const struct status_view *view)
{
    json_t *array = json_array();
    json_t *failure;
    bool whole = true;
    size_t i;

    json_array_foreach(json_object_get(answers->failures, "failures"), i, failure)
    {
        if (status_selected(failure, view))
            whole &= json_array_append(array, failure) == 0;
    }
    if (whole)
        return array;
    json_decref(array);
    return NULL;
}

int status_write_json(struct buf *out, const struct status_answers *answers,
                      const struct status_view *view)
{
    json_t *list = selected(answers, view);
    json_t *json = list ? json_pack("{s:O?, s:O?, s:o, s:O?, s:O?}", "node",
                                    json_object_get(answers->failures, "node"), "runtime",
                                    json_object_get(answers->failures, "runtime"), "failures", list,
                                    "images", json_object_get(answers->images, "images"), "sources",
                                    json_object_get(answers->sources, "sources"))
                        : NULL;
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

    json_decref(json);
    if (!text)
        return -ENOMEM;
    buf_add_text(out, text);
    buf_add_byte(out, '\n');
    free(text);
    return buf_error(out);
}
