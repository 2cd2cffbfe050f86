/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/commands/classify_output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/classify/explain.h"
#include "agent/classify/image_ref.h"
#include "agent/commands/status_text.h"
#include "buf.h"
#include "exporter/debug/debug_json.h"
#include "mem.h"

#define WRITE_AT (64u << 10) /* output is handed over in pieces of about this size */
#define OUTPUT_MAX (1u << 20)
#define FRAME_MAX 8192u

/*
 * What stood around the image in the last object with this reason, `{"cause":...,"image":` and
 * `,"registry":...,"advice":...`. In a log the same reason comes with the same facts again and
 * again.
 */
struct frame {
    enum stage stage;
    int http_status;
    char registry[LIMIT_NAME_TEXT];
    struct buf head; /* empty: none yet */
    struct buf tail;
};

struct classify_output {
    bool json;
    bool explain;
    bool header_done;
    int error;
    struct buf text;
    struct buf advice;
    struct frame frames[REASON_MAX];
    struct message message;
    struct explanation explanation;
};

struct classify_output *classify_output_new(bool json, bool explain)
{
    struct classify_output *out = mem_alloc(sizeof(*out));

    if (!out)
        return NULL;
    out->json = json;
    out->explain = explain;
    out->header_done = false;
    out->error = 0;
    buf_init(&out->text, OUTPUT_MAX);
    buf_init(&out->advice, FRAME_MAX);
    for (size_t i = 0; i < REASON_MAX; i++) {
        buf_init(&out->frames[i].head, FRAME_MAX);
        buf_init(&out->frames[i].tail, FRAME_MAX);
    }
    return out;
}

int classify_output_error(const struct classify_output *out)
{
    return out->error;
}

static void flush(struct classify_output *out)
{
    struct str rest = buf_str(&out->text);

    if (buf_error(&out->text) && !out->error)
        out->error = buf_error(&out->text);
    while (rest.len > 0 && !out->error) {
        ssize_t n = write(STDOUT_FILENO, rest.at, rest.len);

        if (n < 0 && errno != EINTR)
            out->error = -errno;
        if (n > 0)
            rest = str_skip(rest, (size_t)n);
    }
    buf_reset(&out->text);
}

int classify_output_free(struct classify_output *out)
{
    int error;

    flush(out);
    error = out->error;
    buf_done(&out->text);
    buf_done(&out->advice);
    for (size_t i = 0; i < REASON_MAX; i++) {
        buf_done(&out->frames[i].head);
        buf_done(&out->frames[i].tail);
    }
    mem_free(out);
    return error;
}

/* ---- JSON: a few fixed keys, written without a library, which would be the slowest part ---- */

/* One character: how many bytes it has, and its code point. */
static size_t character(struct str text, uint32_t *ret)
{
    const unsigned char first = (unsigned char)text.at[0];
    const size_t size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    uint32_t code = size == 1 ? first : first & (0x7fu >> size);

    for (size_t i = 1; i < size && i < text.len; i++)
        code = code << 6 | ((unsigned char)text.at[i] & 0x3f);
    *ret = code;
    return size < text.len ? size : text.len;
}

static void json_escape(struct buf *to, uint32_t code)
{
    if (code == '"' || code == '\\')
        buf_printf(to, "\\%c", (int)code);
    else if (code > 0xffff)
        buf_printf(to, "\\u%04X\\u%04X", 0xd7c0 + (code >> 10), 0xdc00 + (code & 0x3ff));
    else
        buf_printf(to, "\\u%04X", code);
}

static const bool escaped[256] = {
    [0 ... ' ' - 1] = true,
    ['"'] = true,
    ['\\'] = true,
    ['~' + 1 ... 255] = true,
};

/* `text` is valid UTF-8 (normalise() saw to it); it comes out as printable ASCII, for a terminal
 * obeys other bytes. */
static void json_text(struct buf *to, struct str text)
{
    buf_add_byte(to, '"');
    for (;;) {
        size_t plain = 0;
        uint32_t code;

        while (plain < text.len && !escaped[(unsigned char)text.at[plain]])
            plain++;
        buf_add(to, str_head(text, plain));
        text = str_skip(text, plain);
        if (text.len == 0)
            break;
        text = str_skip(text, character(text, &code));
        json_escape(to, code);
    }
    buf_add_byte(to, '"');
}

static void json_text_or_null(struct buf *to, const char *key, struct str text)
{
    buf_add_text(to, key);
    if (text.len > 0)
        json_text(to, text);
    else
        buf_add(to, STR("null"));
}

/* A name of ours, which needs no escaping. */
static void json_name(struct buf *to, struct str key, const char *name)
{
    buf_add(to, key);
    if (!name) {
        buf_add(to, STR("null"));
        return;
    }
    buf_add_byte(to, '"');
    buf_add_text(to, name);
    buf_add_byte(to, '"');
}

static void json_causes(struct buf *to, uint32_t set)
{
    bool first = true;

    buf_add(to, STR(",\"ambiguous_with\":["));
    for (unsigned i = 0; i < CAUSE_MAX; i++) {
        if (!(set & (UINT32_C(1) << i)))
            continue;
        json_name(to, first ? STR("") : STR(","), cause_name((enum cause)i));
        first = false;
    }
    buf_add_byte(to, ']');
}

static void advise(struct buf *to, const struct verdict *v, struct str registry)
{
    const struct advice_facts facts = { .registry = registry };

    buf_reset(to);
    advice_write(to, v, &facts);
}

static void write_head(struct frame *frame, const struct verdict *v)
{
    struct buf *to = &frame->head;

    frame->stage = v->stage;
    frame->http_status = v->http_status;
    buf_reset(to);
    json_name(to, STR("{\"cause\":"), cause_name(v->cause));
    json_name(to, STR(",\"reason\":"), reason_name(v->reason));
    json_name(to, STR(",\"stage\":"), stage_name(v->stage));
    buf_add(to, STR(",\"http_status\":"));
    if (v->http_status > 0)
        buf_add_uint(to, (uint64_t)v->http_status);
    else
        buf_add(to, STR("null"));
    buf_add(to, STR(",\"image\":"));
}

static void write_tail(struct classify_output *out, struct frame *frame, const struct verdict *v,
                       const char *registry)
{
    struct buf *to = &frame->tail;

    memcpy(frame->registry, registry, strlen(registry) + 1);
    buf_reset(to);
    json_text_or_null(to, ",\"registry\":", str_from(registry));
    json_causes(to, v->ambiguous_with);
    advise(&out->advice, v, str_from(registry));
    json_text_or_null(to, ",\"advice\":", buf_str(&out->advice));
}

static void write_json(struct classify_output *out, const struct message *m,
                       const struct verdict *v, const char *registry)
{
    struct frame *frame = &out->frames[v->reason];
    struct buf *to = &out->text;

    if (frame->head.len == 0 || frame->stage != v->stage || frame->http_status != v->http_status)
        write_head(frame, v);
    if (frame->tail.len == 0 || strcmp(frame->registry, registry) != 0)
        write_tail(out, frame, v, registry);
    buf_add(to, buf_str(&frame->head));
    if (m->image.len > 0)
        json_text(to, m->image);
    else
        buf_add(to, STR("null"));
    buf_add(to, buf_str(&frame->tail));
    buf_add(to, STR("}\n"));
}

/* ---- a table for people --------------------------------------------------------------------- */

static void table_text(struct buf *to, const char *key, struct str text)
{
    buf_add_text(to, key);
    show_plain(to, text);
    buf_add_byte(to, '\n');
}

/* The wrappers of one part, outermost first, and the error that was inside. */
static void table_part(struct buf *to, const struct message *m, const struct explanation *why,
                       size_t part)
{
    const struct message_part *p = &m->parts[part];

    buf_printf(to, "    attempt %zu%s\n", part + 1,
               why->part == (int)part ? ", which decided" : "");
    for (size_t i = 0; i < why->n_steps; i++)
        if (why->steps[i].part == part)
            table_text(to, "        in: ", why->steps[i].text);
    if (p->http_status > 0)
        buf_printf(to, "      HTTP: %d\n", p->http_status);
    else
        buf_add(to, STR("      HTTP: none\n"));
    table_text(to, "     error: ", p->terminal.len ? p->terminal : STR("none"));
}

static void table_explanation(struct buf *to, const struct message *m, const struct verdict *v,
                              const struct explanation *why)
{
    buf_printf(to, "    rule: %s\n", v->rule);
    table_text(to, "    message: ", m->text.len ? m->text : STR("none"));
    for (size_t i = 0; i < m->n_parts; i++)
        table_part(to, m, why, i);
    for (size_t i = 0; i < why->n_steps; i++)
        if (why->steps[i].part >= m->n_parts)
            table_text(to, "    without an error: ", why->steps[i].text);
    for (size_t i = 0; i < why->n_runners_up; i++) {
        const struct explain_rule *rule = &why->runners_up[i];

        buf_printf(to, "    runner-up: %s: %s/%s (attempt %u)\n", rule->name,
                   cause_name(reason_cause(rule->reason)), reason_name(rule->reason),
                   rule->part + 1);
    }
}

static void write_table(struct classify_output *out, const struct message *m,
                        const struct verdict *v, const char *registry)
{
    struct buf *to = &out->text;
    const char *stage = stage_name(v->stage);
    char status[16] = "-";

    if (!out->header_done)
        buf_printf(to, "%-14s %-26s %-8s %-4s %s\n", "CAUSE", "REASON", "STAGE", "HTTP", "IMAGE");
    out->header_done = true;
    if (v->http_status > 0)
        snprintf(status, sizeof(status), "%d", v->http_status);
    buf_printf(to, "%-14s %-26s %-8s %-4s ", cause_name(v->cause), reason_name(v->reason),
               stage ? stage : "-", status);
    show_plain(to, m->image.len > 0 ? m->image : STR("-"));
    buf_add(to, STR("\n    "));
    advise(&out->advice, v, str_from(registry));
    buf_add(to, buf_str(&out->advice));
    buf_add_byte(to, '\n');
    if (out->explain)
        table_explanation(to, m, v, &out->explanation);
}

/* As the debug listener explains it, which need not be fast. */
static void explain_json(struct classify_output *out, struct str message)
{
    struct err err = ERR_INIT;
    int r = debug_json_explain(&out->text, message, &err);

    if (r < 0 && !out->error)
        out->error = r;
}

static void write_message(struct classify_output *out, struct str text)
{
    struct message *m = &out->message;
    struct verdict verdict;
    char registry[LIMIT_NAME_TEXT] = "";

    if (out->explain) {
        verdict = explain((struct str){ 0 }, text, m, &out->explanation);
    } else {
        normalise((struct str){ 0 }, text, m);
        verdict = classify(m);
    }
    if (m->image.len > 0)
        image_registry(m->image, registry);
    if (out->json)
        write_json(out, m, &verdict, registry);
    else
        write_table(out, m, &verdict, registry);
}

void classify_output_line(struct classify_output *out, struct str message)
{
    if (out->json && out->explain)
        explain_json(out, message);
    else
        write_message(out, message);
    if (out->text.len >= WRITE_AT || buf_error(&out->text))
        flush(out);
}
