/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/commands/classify_json.h"

#include <errno.h>
#include <string.h>

#include "agent/classify/explain.h"
#include "agent/commands/classify_facts.h"
#include "buf.h"
#include "bytes16.h"
#include "mem.h"
#include "utf8.h"
#include "util.h"

#define FRAME_MAX 8192u
#define FRAMES_OF_REASON 32u /* by the hosts that the line names */

/*
 * The text around the image in an earlier line with this reason and these hosts:
 * `{"cause":...,"image":` and `,"registry":...,"advice":...`. A log repeats the same few reasons
 * with the same values.
 */
struct frame {
    enum stage stage;
    int http_status;
    uint32_t ambiguous_with;
    struct classify_facts facts;
    struct buf head; /* empty: not written yet */
    struct buf tail;
};

struct classify_json {
    struct buf advice;
    struct frame *frames[REASON_MAX * FRAMES_OF_REASON]; /* NULL: not used yet */
};

/* ---- values --------------------------------------------------------------------------------- */

static void add_escape(struct buf *to, uint32_t code)
{
    if (code == '"' || code == '\\')
        buf_printf(to, "\\%c", (int)code);
    else if (code > 0xffff)
        buf_printf(to, "\\u%04X\\u%04X", 0xd7c0 + (code >> 10), 0xdc00 + (code & 0x3ff));
    else
        buf_printf(to, "\\u%04X", code);
}

/* Whether the byte must be escaped, for each of sixteen. */
static bytes16 escaped16(bytes16 bytes)
{
    return ~bytes16_between(bytes, ' ', '~') | bytes16_equal(bytes, '"') |
           bytes16_equal(bytes, '\\');
}

static bool is_escaped(char c)
{
    return c < ' ' || c > '~' || c == '"' || c == '\\';
}

/* How many bytes at the start of `text` need no escape. */
static size_t plain_length(struct str text)
{
    size_t plain = 0;

    for (; text.len - plain >= 16; plain += 16) {
        unsigned stop = bytes16_mask(escaped16(bytes16_load(text.at + plain)));

        if (stop)
            return plain + bytes16_first(stop);
    }
    while (plain < text.len && !is_escaped(text.at[plain]))
        plain++;
    return plain;
}

/* Printable ASCII, whatever `text` holds: a terminal obeys other bytes. */
static void add_text(struct buf *to, struct str text)
{
    buf_add_byte(to, '"');
    for (;;) {
        size_t plain = plain_length(text);
        size_t length;

        buf_add(to, str_head(text, plain));
        text = str_skip(text, plain);
        if (text.len == 0)
            break;
        length = utf8_length(text);
        add_escape(to, length ? utf8_code(text.at, length) : 0xfffd);
        text = str_skip(text, length ? length : 1);
    }
    buf_add_byte(to, '"');
}

static void add_text_or_null(struct buf *to, const char *key, struct str text)
{
    buf_add_text(to, key);
    if (text.len > 0)
        add_text(to, text);
    else
        buf_add(to, STR("null"));
}

/* A name from our tables, which needs no escaping. */
static void add_name(struct buf *to, const char *key, const char *name)
{
    buf_add_text(to, key);
    if (!name) {
        buf_add(to, STR("null"));
        return;
    }
    buf_add_byte(to, '"');
    buf_add_text(to, name);
    buf_add_byte(to, '"');
}

static void add_number_or_null(struct buf *to, const char *key, bool known, int number)
{
    buf_add_text(to, key);
    if (known)
        buf_printf(to, "%d", number);
    else
        buf_add(to, STR("null"));
}

static void add_bool(struct buf *to, const char *key, bool value)
{
    buf_add_text(to, key);
    buf_add_text(to, value ? "true" : "false");
}

/* ---- the keys of every line ----------------------------------------------------------------- */

static void write_head(struct buf *to, const struct verdict *verdict)
{
    add_name(to, "{\"cause\":", cause_name(verdict->cause));
    add_name(to, ",\"reason\":", reason_name(verdict->reason));
    add_name(to, ",\"stage\":", stage_name(verdict->stage));
    add_number_or_null(to, ",\"http_status\":", verdict->http_status > 0, verdict->http_status);
    buf_add(to, STR(",\"image\":"));
}

static void write_tail(struct buf *to, struct buf *advice, const struct verdict *verdict,
                       const struct classify_facts *known)
{
    const struct advice_facts facts = classify_advice_facts(known);
    const char *separator = "";

    add_text_or_null(to, ",\"registry\":", facts.registry);
    add_text_or_null(to, ",\"failed_host\":", facts.failed_host);
    add_name(to, ",\"failed_role\":", role_name(known->party.role));
    buf_add(to, STR(",\"ambiguous_with\":["));
    for (unsigned i = 0; i < CAUSE_MAX; i++) {
        if (!(verdict->ambiguous_with & (UINT32_C(1) << i)))
            continue;
        add_name(to, separator, cause_name((enum cause)i));
        separator = ",";
    }
    buf_reset(advice);
    advice_write(advice, verdict, &facts);
    add_text_or_null(to, "],\"advice\":", buf_str(advice));
}

struct classify_json *classify_json_new(void)
{
    struct classify_json *json = mem_zalloc(sizeof(*json));

    if (json)
        buf_init(&json->advice, ADVICE_MAX);
    return json;
}

void classify_json_free(struct classify_json *json)
{
    if (!json)
        return;
    buf_done(&json->advice);
    for (size_t i = 0; i < ARRAY_SIZE(json->frames); i++) {
        if (!json->frames[i])
            continue;
        buf_done(&json->frames[i]->head);
        buf_done(&json->frames[i]->tail);
        mem_free(json->frames[i]);
    }
    mem_free(json);
}

static struct frame *frame_new(void)
{
    struct frame *frame = mem_zalloc(sizeof(*frame));

    if (!frame)
        return NULL;
    buf_init(&frame->head, FRAME_MAX);
    buf_init(&frame->tail, FRAME_MAX);
    return frame;
}

/* Names of hosts differ in their length or their end: the port, the region, the number. */
static unsigned hash_of(const char *name)
{
    size_t len = strlen(name);

    return len > 0 ? (unsigned)len + (unsigned char)name[len - 1] * 3u + (unsigned char)name[0] : 0;
}

/* NULL: no memory. */
static struct frame *frame_for(struct classify_json *json, enum reason reason,
                               const struct classify_facts *facts)
{
    unsigned hash = hash_of(facts->named.registry) + hash_of(facts->party.host);
    struct frame **frame = &json->frames[reason * FRAMES_OF_REASON + hash % FRAMES_OF_REASON];

    if (!*frame)
        *frame = frame_new();
    return *frame;
}

/* Rewrites the parts of `frame` that do not fit this verdict. */
static int fill_frame(struct frame *frame, struct buf *advice, const struct verdict *verdict,
                      const struct classify_facts *facts)
{
    int r;

    if (frame->head.len == 0 || frame->stage != verdict->stage ||
        frame->http_status != verdict->http_status) {
        frame->stage = verdict->stage;
        frame->http_status = verdict->http_status;
        buf_reset(&frame->head);
        write_head(&frame->head, verdict);
    }
    if (frame->tail.len == 0 || frame->ambiguous_with != verdict->ambiguous_with ||
        !classify_same_facts(&frame->facts, facts)) {
        frame->ambiguous_with = verdict->ambiguous_with;
        classify_facts_keep(&frame->facts, facts);
        buf_reset(&frame->tail);
        write_tail(&frame->tail, advice, verdict, facts);
    }
    r = buf_error(&frame->head) ? buf_error(&frame->head) : buf_error(&frame->tail);
    if (r == 0)
        r = buf_error(advice);
    if (r < 0) {
        buf_reset(&frame->head);
        buf_reset(&frame->tail);
    }
    return r;
}

int classify_json_line(struct classify_json *json, struct buf *out, const struct message *message,
                       const struct verdict *verdict)
{
    struct classify_facts facts;
    struct frame *frame;
    int r;

    classify_facts_find(message, verdict, &facts);
    frame = frame_for(json, verdict->reason, &facts);
    if (!frame)
        return -ENOMEM;
    r = fill_frame(frame, &json->advice, verdict, &facts);
    if (r < 0)
        return r;
    buf_add(out, buf_str(&frame->head));
    add_text_or_null(out, "", str_from(facts.named.image));
    buf_add(out, buf_str(&frame->tail));
    buf_add(out, STR("}\n"));
    return buf_error(out);
}

/* ---- the explanation ------------------------------------------------------------------------ */

static void write_chain(struct buf *to, const struct explanation *why, size_t part)
{
    const char *separator = "";

    buf_add(to, STR("{\"chain\":["));
    for (size_t i = 0; i < why->n_steps; i++) {
        if (why->steps[i].part != part)
            continue;
        buf_add_text(to, separator);
        add_text(to, why->steps[i].text);
        separator = ",";
    }
    buf_add_byte(to, ']');
}

static void write_parts(struct buf *to, const struct message *message,
                        const struct explanation *why)
{
    buf_add(to, STR(",\"attempts\":["));
    for (size_t i = 0; i < message->n_parts; i++) {
        const struct message_part *part = &message->parts[i];

        buf_add_text(to, i ? "," : "");
        write_chain(to, why, i);
        add_text_or_null(to, ",\"terminal\":", part->terminal);
        add_number_or_null(to, ",\"grpc_code\":", part->grpc_code >= 0, part->grpc_code);
        add_number_or_null(to, ",\"http_status\":", part->http_status > 0, part->http_status);
        buf_add_byte(to, '}');
    }
    buf_add_byte(to, ']');
}

static void write_runners_up(struct buf *to, const struct explanation *why)
{
    buf_add(to, STR(",\"runners_up\":["));
    for (size_t i = 0; i < why->n_runners_up; i++) {
        const struct explain_rule *rule = &why->runners_up[i];

        add_name(to, i ? ",{\"rule\":" : "{\"rule\":", rule->name);
        add_name(to, ",\"cause\":", cause_name(reason_cause(rule->reason)));
        add_name(to, ",\"reason\":", reason_name(rule->reason));
        add_number_or_null(to, ",\"attempt\":", true, (int)rule->part);
        buf_add_byte(to, '}');
    }
    buf_add_byte(to, ']');
}

static void write_explanation(struct buf *to, struct buf *advice, const struct message *message,
                              const struct verdict *verdict, const struct explanation *why)
{
    struct classify_facts facts;

    classify_facts_find(message, verdict, &facts);
    write_head(to, verdict);
    add_text_or_null(to, "", str_from(facts.named.image));
    write_tail(to, advice, verdict, &facts);
    add_name(to, ",\"rule\":", verdict->rule);
    add_number_or_null(to, ",\"attempt\":", why->part >= 0, why->part);
    add_text_or_null(to, ",\"message\":", message->text);
    add_bool(to, ",\"back_off\":", message->back_off);
    add_bool(to, ",\"truncated\":", message->truncated);
    write_parts(to, message, why);
    write_runners_up(to, why);
    buf_add(to, STR("}\n"));
}

int classify_json_explain(struct buf *out, struct str text, struct err *err)
{
    struct explanation why;
    struct message message;
    struct verdict verdict = explain(STR(""), text, &message, &why);
    struct buf advice;
    int r;

    buf_init(&advice, ADVICE_MAX);
    write_explanation(out, &advice, &message, &verdict, &why);
    r = buf_error(&advice) ? buf_error(&advice) : buf_error(out);
    buf_done(&advice);
    if (r == -E2BIG)
        return err_set(err, r, "the JSON has more than %zu bytes", out->max);
    return r < 0 ? err_set(err, r, "no memory for JSON") : 0;
}
