/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/commands/classify_output.h"

#include <stdio.h>
#include <string.h>

#include "agent/classify/explain.h"
#include "agent/commands/classify_facts.h"
#include "agent/commands/classify_json.h"
#include "agent/commands/show.h"
#include "agent/commands/terminal.h"
#include "buf.h"
#include "mem.h"

#define WRITE_AT (64u << 10) /* write when about this much text is there */
#define OUTPUT_MAX (1u << 20)
#define HANG 4u
#define ROW "%-14s %-26s %-8s %-4s "

struct classify_output {
    struct classify_json *json; /* NULL: a table */
    bool explain;
    bool header_done;
    int error;
    size_t width; /* of the table */
    struct buf text;
    struct buf line; /* of the table, before it is wrapped */
    struct message message;
    struct explanation explanation;
};

struct classify_output *classify_output_new(bool json, bool explain)
{
    struct classify_output *out = mem_alloc(sizeof(*out));

    if (!out)
        return NULL;
    out->json = json ? classify_json_new() : NULL;
    if (json && !out->json) {
        mem_free(out);
        return NULL;
    }
    out->explain = explain;
    out->header_done = false;
    out->error = 0;
    out->width = terminal_size().columns;
    if (out->width == 0)
        out->width = SIZE_MAX;
    buf_init(&out->text, OUTPUT_MAX);
    buf_init(&out->line, OUTPUT_MAX);
    return out;
}

int classify_output_error(const struct classify_output *out)
{
    return out->error;
}

static void flush(struct classify_output *out)
{
    if (!out->error)
        out->error = terminal_write(buf_str(&out->text), NULL);
    buf_reset(&out->text);
}

int classify_output_free(struct classify_output *out)
{
    int error;

    flush(out);
    error = out->error;
    buf_done(&out->text);
    buf_done(&out->line);
    classify_json_free(out->json);
    mem_free(out);
    return error;
}

/* ---- the table --------------------------------------------------------------------- */

/* Writes the line, wrapped at the width, and empties it. Its blanks at the front are the indent;
 * where it goes on, `hang` more. */
static void end_line(struct classify_output *out, size_t hang)
{
    const struct str line = buf_str(&out->line);
    size_t indent = 0;

    if (buf_error(&out->line) && !out->error)
        out->error = buf_error(&out->line);
    while (indent < line.len && line.at[indent] == ' ')
        indent++;
    show_hang(&out->text, str_skip(line, indent), indent, indent + hang, out->width);
    buf_reset(&out->line);
}

static void table_text(struct classify_output *out, const char *key, struct str text)
{
    buf_add_text(&out->line, key);
    show_plain(&out->line, text);
    end_line(out, HANG);
}

/* The wrappers of one part, outermost first, then the error inside. */
static void table_part(struct classify_output *out, size_t part)
{
    const struct message_part *p = &out->message.parts[part];
    const struct explanation *why = &out->explanation;

    buf_printf(&out->line, "    part %zu%s", part + 1,
               why->part == (int)part ? ", which decided" : "");
    end_line(out, HANG);
    for (size_t i = 0; i < why->n_steps; i++)
        if (why->steps[i].part == part)
            table_text(out, "      wrapper: ", why->steps[i].text);
    if (p->http_status > 0)
        buf_printf(&out->line, "      HTTP status: %d", p->http_status);
    else
        buf_add(&out->line, STR("      HTTP status: none"));
    end_line(out, HANG);
    table_text(out, "      error: ", p->terminal.len ? p->terminal : STR("none"));
}

static void table_explanation(struct classify_output *out, const struct verdict *v)
{
    const struct message *m = &out->message;
    const struct explanation *why = &out->explanation;

    table_text(out, "    rule: ", str_from(v->rule));
    table_text(out, "    message: ", m->text.len ? m->text : STR("none"));
    for (size_t i = 0; i < m->n_parts; i++)
        table_part(out, i);
    for (size_t i = 0; i < why->n_steps; i++)
        if (why->steps[i].part >= m->n_parts)
            table_text(out, "    wrapper without an error: ", why->steps[i].text);
    for (size_t i = 0; i < why->n_runners_up; i++) {
        const struct explain_rule *rule = &why->runners_up[i];

        buf_printf(&out->line, "    also matches: %s: %s/%s (part %u)", rule->name,
                   cause_name(reason_cause(rule->reason)), reason_name(rule->reason),
                   rule->part + 1);
        end_line(out, HANG);
    }
}

static void write_table(struct classify_output *out, const struct verdict *v)
{
    const struct message *m = &out->message;
    struct classify_facts known;
    struct advice_facts facts;
    const char *stage = stage_name(v->stage);
    char status[16] = "-";

    classify_facts_find(m, v, &known);
    facts = classify_advice_facts(&known);
    if (!out->header_done) {
        buf_printf(&out->line, ROW "%s", "CAUSE", "REASON", "STAGE", "HTTP", "IMAGE");
        end_line(out, HANG);
    }
    out->header_done = true;
    if (v->http_status > 0)
        snprintf(status, sizeof(status), "%d", v->http_status);
    buf_printf(&out->line, ROW, cause_name(v->cause), reason_name(v->reason), stage ? stage : "-",
               status);
    show_plain(&out->line, known.named.image[0] ? str_from(known.named.image) : STR("-"));
    end_line(out, HANG);
    buf_add(&out->line, STR("    "));
    advice_write(&out->line, v, &facts);
    end_line(out, 0);
    if (out->explain)
        table_explanation(out, v);
}

static int write_message(struct classify_output *out, struct str text)
{
    struct message *message = &out->message;
    struct verdict verdict;

    if (out->json && out->explain)
        return classify_json_explain(&out->text, text, NULL);
    if (out->explain) {
        verdict = explain((struct str){ 0 }, text, message, &out->explanation);
    } else {
        normalise((struct str){ 0 }, text, message);
        verdict = classify(message);
    }
    if (out->json)
        return classify_json_line(out->json, &out->text, message, &verdict);
    write_table(out, &verdict);
    return buf_error(&out->text);
}

void classify_output_line(struct classify_output *out, struct str message)
{
    int r = write_message(out, message);

    if (r < 0 && !out->error)
        out->error = r;
    if (out->text.len >= WRITE_AT || out->error)
        flush(out);
}
