/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/classify_output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "explain.h"
#include "image_ref.h"
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
    struct failure failure;
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

static size_t plain_length(struct str text)
{
    const char *quote = memchr(text.at, '"', text.len);
    size_t n = quote ? (size_t)(quote - text.at) : text.len;
    const char *slash = memchr(text.at, '\\', n);

    return slash ? (size_t)(slash - text.at) : n;
}

/* `text` is valid UTF-8 without control bytes (normalise() saw to it). */
static void json_text(struct buf *to, struct str text)
{
    buf_add_byte(to, '"');
    while (text.len > 0) {
        size_t n = plain_length(text);

        buf_add(to, str_head(text, n));
        text = str_skip(text, n);
        if (text.len > 0) {
            char escaped[2] = { '\\', text.at[0] };

            buf_add(to, (struct str){ .at = escaped, .len = 2 });
            text = str_skip(text, 1);
        }
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

static void json_chain(struct buf *to, const struct explanation *why, size_t attempt)
{
    bool first = true;

    buf_add(to, STR("{\"chain\":["));
    for (size_t i = 0; i < why->n_steps; i++) {
        if (why->steps[i].attempt != attempt)
            continue;
        if (!first)
            buf_add_byte(to, ',');
        json_text(to, why->steps[i].text);
        first = false;
    }
    buf_add_byte(to, ']');
}

static void json_explanation(struct buf *to, const struct failure *f, const struct verdict *v,
                             const struct explanation *why)
{
    json_name(to, STR(",\"rule\":"), v->rule);
    buf_printf(to, ",\"attempt\":%d", why->attempt);
    json_text_or_null(to, ",\"message\":", f->message);
    buf_printf(to, ",\"back_off\":%s,\"attempts\":[", f->back_off ? "true" : "false");
    for (size_t i = 0; i < f->n_attempts; i++) {
        const struct attempt *a = &f->attempts[i];

        if (i > 0)
            buf_add_byte(to, ',');
        json_chain(to, why, i);
        json_text_or_null(to, ",\"terminal\":", a->terminal);
        buf_printf(to, ",\"grpc_code\":%d,\"http_status\":%d}", a->grpc_code, a->http_status);
    }
    buf_add(to, STR("],\"runners_up\":["));
    for (size_t i = 0; i < why->n_runners_up; i++) {
        const struct explain_rule *rule = &why->runners_up[i];

        json_name(to, i > 0 ? STR(",{\"rule\":") : STR("{\"rule\":"), rule->name);
        json_name(to, STR(",\"cause\":"), cause_name(reason_cause(rule->reason)));
        json_name(to, STR(",\"reason\":"), reason_name(rule->reason));
        buf_printf(to, ",\"attempt\":%u}", rule->attempt);
    }
    buf_add_byte(to, ']');
}

static void advise(struct buf *to, const struct verdict *v, struct str registry)
{
    struct advice_facts facts = { .pull_secrets_known = false };

    if (v->reason != REASON_INVALID_REFERENCE) /* the name is no name, so neither is its host */
        facts.registry = registry;
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

static void write_json(struct classify_output *out, const struct failure *f,
                       const struct verdict *v, const char *registry)
{
    struct frame *frame = &out->frames[v->reason];
    struct buf *to = &out->text;

    if (frame->head.len == 0 || frame->stage != v->stage || frame->http_status != v->http_status)
        write_head(frame, v);
    if (frame->tail.len == 0 || strcmp(frame->registry, registry) != 0)
        write_tail(out, frame, v, registry);
    buf_add(to, buf_str(&frame->head));
    if (f->image.len > 0)
        json_text(to, f->image);
    else
        buf_add(to, STR("null"));
    buf_add(to, buf_str(&frame->tail));
    if (out->explain)
        json_explanation(to, f, v, &out->explanation);
    buf_add(to, STR("}\n"));
}

/* ---- a table for people --------------------------------------------------------------------- */

/* The wrappers of one attempt, outermost first, and the error that was inside. */
static void table_attempt(struct buf *to, const struct failure *f, const struct explanation *why,
                          size_t attempt)
{
    buf_printf(to, "    attempt %zu%s\n", attempt + 1,
               why->attempt == (int)attempt ? ", which decided" : "");
    for (size_t i = 0; i < why->n_steps; i++)
        if (why->steps[i].attempt == attempt)
            buf_printf(to, "        in: %.*s\n", STR_ARG(why->steps[i].text));
    if (f->attempts[attempt].http_status > 0)
        buf_printf(to, "      HTTP: %d\n", f->attempts[attempt].http_status);
    buf_printf(to, "     error: %.*s\n", STR_ARG(f->attempts[attempt].terminal));
}

static void table_explanation(struct buf *to, const struct failure *f, const struct verdict *v,
                              const struct explanation *why)
{
    buf_printf(to, "    rule: %s\n    message: %.*s\n", v->rule, STR_ARG(f->message));
    for (size_t i = 0; i < f->n_attempts; i++)
        table_attempt(to, f, why, i);
    for (size_t i = 0; i < why->n_steps; i++)
        if (why->steps[i].attempt >= f->n_attempts)
            buf_printf(to, "    without an error: %.*s\n", STR_ARG(why->steps[i].text));
    for (size_t i = 0; i < why->n_runners_up; i++) {
        const struct explain_rule *rule = &why->runners_up[i];

        buf_printf(to, "    runner-up: %s: %s/%s (attempt %u)\n", rule->name,
                   cause_name(reason_cause(rule->reason)), reason_name(rule->reason),
                   rule->attempt + 1);
    }
}

static void write_table(struct classify_output *out, const struct failure *f,
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
    buf_add(to, f->image.len > 0 ? f->image : STR("-"));
    buf_add(to, STR("\n    "));
    advise(&out->advice, v, str_from(registry));
    buf_add(to, buf_str(&out->advice));
    buf_add_byte(to, '\n');
    if (out->explain)
        table_explanation(to, f, v, &out->explanation);
}

void classify_output_line(struct classify_output *out, struct str message)
{
    struct failure *f = &out->failure;
    struct verdict verdict;
    char registry[LIMIT_NAME_TEXT] = "";

    if (out->explain) {
        verdict = explain((struct str){ 0 }, message, f, &out->explanation);
    } else {
        normalise((struct str){ 0 }, message, f);
        verdict = classify(f);
    }
    if (f->image.len > 0)
        image_registry(f->image, registry);
    if (out->json)
        write_json(out, f, &verdict, registry);
    else
        write_table(out, f, &verdict, registry);
    if (out->text.len >= WRITE_AT || buf_error(&out->text))
        flush(out);
}
