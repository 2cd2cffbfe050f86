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

struct classify_output {
    struct classify_json *json; /* NULL: a table */
    bool explain;
    bool header_done;
    int error;
    struct buf text;
    struct buf advice;
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
    buf_init(&out->text, OUTPUT_MAX);
    buf_init(&out->advice, ADVICE_MAX);
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
    buf_done(&out->advice);
    classify_json_free(out->json);
    mem_free(out);
    return error;
}

/* ---- the table --------------------------------------------------------------------- */

static void table_text(struct buf *to, const char *key, struct str text)
{
    buf_add_text(to, key);
    show_plain(to, text);
    buf_add_byte(to, '\n');
}

/* The wrappers of one part, outermost first, then the error inside. */
static void table_part(struct buf *to, const struct message *m, const struct explanation *why,
                       size_t part)
{
    const struct message_part *p = &m->parts[part];

    buf_printf(to, "    part %zu%s\n", part + 1, why->part == (int)part ? ", which decided" : "");
    for (size_t i = 0; i < why->n_steps; i++)
        if (why->steps[i].part == part)
            table_text(to, "      wrapper: ", why->steps[i].text);
    if (p->http_status > 0)
        buf_printf(to, "      HTTP status: %d\n", p->http_status);
    else
        buf_add(to, STR("      HTTP status: none\n"));
    table_text(to, "      error: ", p->terminal.len ? p->terminal : STR("none"));
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
            table_text(to, "    wrapper without an error: ", why->steps[i].text);
    for (size_t i = 0; i < why->n_runners_up; i++) {
        const struct explain_rule *rule = &why->runners_up[i];

        buf_printf(to, "    also matches: %s: %s/%s (part %u)\n", rule->name,
                   cause_name(reason_cause(rule->reason)), reason_name(rule->reason),
                   rule->part + 1);
    }
}

static void write_table(struct classify_output *out, const struct message *m,
                        const struct verdict *v)
{
    struct classify_facts known;
    struct advice_facts facts;
    struct buf *to = &out->text;
    const char *stage = stage_name(v->stage);
    char status[16] = "-";

    classify_facts_find(m, v, &known);
    facts = classify_advice_facts(&known);
    if (!out->header_done)
        buf_printf(to, "%-14s %-26s %-8s %-4s %s\n", "CAUSE", "REASON", "STAGE", "HTTP", "IMAGE");
    out->header_done = true;
    if (v->http_status > 0)
        snprintf(status, sizeof(status), "%d", v->http_status);
    buf_printf(to, "%-14s %-26s %-8s %-4s ", cause_name(v->cause), reason_name(v->reason),
               stage ? stage : "-", status);
    show_plain(to, known.named.image[0] ? str_from(known.named.image) : STR("-"));
    buf_add(to, STR("\n    "));
    buf_reset(&out->advice);
    advice_write(&out->advice, v, &facts);
    buf_add(to, buf_str(&out->advice));
    buf_add_byte(to, '\n');
    if (out->explain)
        table_explanation(to, m, v, &out->explanation);
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
    write_table(out, message, &verdict);
    return buf_error(&out->advice) ? buf_error(&out->advice) : buf_error(&out->text);
}

void classify_output_line(struct classify_output *out, struct str message)
{
    int r = write_message(out, message);

    if (r < 0 && !out->error)
        out->error = r;
    if (out->text.len >= WRITE_AT || out->error)
        flush(out);
}
