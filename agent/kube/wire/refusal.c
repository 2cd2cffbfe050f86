/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/wire/refusal.h"

#include <stdbool.h>
#include <stdint.h>

#include "agent/kube/wire/decode.h"
#include "agent/kube/wire/envelope.h"

#define STATUS_ARENA (1u << 20)

/* --- writing one line ------------------------------------------------------------------------ */

struct line {
    char *at;
    size_t len;
    bool cut;
};

/* Neither half a character nor a byte that is none. */
static char in_ascii(uint32_t rune)
{
    if (rune >= 0x80)
        return '?';
    if (rune < ' ' || rune == 0x7f)
        return ' ';
    return (char)rune;
}

static void line_add(struct line *line, uint32_t rune)
{
    if (line->len == REFUSAL_TEXT_SIZE - 1)
        line->cut = true;
    else
        line->at[line->len++] = in_ascii(rune);
}

static void line_end(struct line *line)
{
    if (line->cut)
        memcpy(line->at + line->len - 3, "...", 3);
    line->at[line->len] = '\0';
}

void refusal_clean(struct str text, char *ret)
{
    struct line line = { .at = ret };

    for (size_t i = 0; i < text.len; i++)
        line_add(&line, (unsigned char)text.at[i]);
    line_end(&line);
}

/* --- just enough JSON ------------------------------------------------------------------------- */

static void skip_blanks(struct str *rest)
{
    while (rest->len && strchr(" \t\r\n", rest->at[0]) && rest->at[0])
        *rest = str_skip(*rest, 1);
}

static bool take(struct str *rest, char byte)
{
    skip_blanks(rest);
    if (!rest->len || rest->at[0] != byte)
        return false;
    *rest = str_skip(*rest, 1);
    return true;
}

/* A string as it is written, escapes and all, without its quotes. */
static bool take_string(struct str *rest, struct str *ret)
{
    if (!take(rest, '"'))
        return false;
    for (size_t i = 0; i < rest->len; i++) {
        if (rest->at[i] == '\\') {
            i++;
        } else if (rest->at[i] == '"') {
            *ret = str_head(*rest, i);
            *rest = str_skip(*rest, i + 1);
            return true;
        }
    }
    return false;
}

/* Any value up to the comma or brace that follows it. Counts brackets instead of calling itself. */
static bool skip_value(struct str *rest)
{
    struct str ignored;
    size_t depth = 0;

    for (;;) {
        skip_blanks(rest);
        if (!rest->len)
            return false;
        switch (rest->at[0]) {
        case '"':
            if (!take_string(rest, &ignored))
                return false;
            continue;
        case '{':
        case '[':
            depth++;
            break;
        case '}':
        case ']':
            if (depth == 0)
                return true;
            depth--;
            break;
        case ',':
            if (depth == 0)
                return true;
            break;
        default:
            break;
        }
        *rest = str_skip(*rest, 1);
    }
}

/* The member `key` of the object `json`, if it is a string, as it is written. */
static bool find_string(struct str json, struct str key, struct str *ret)
{
    struct str name;

    if (!take(&json, '{'))
        return false;
    do {
        if (!take_string(&json, &name) || !take(&json, ':'))
            return false;
        if (str_eq(name, key))
            return take_string(&json, ret);
        if (!skip_value(&json))
            return false;
    } while (take(&json, ','));
    return false;
}

static bool take_hex4(struct str *rest, uint32_t *ret)
{
    uint32_t value = 0;

    if (rest->len < 4)
        return false;
    for (size_t i = 0; i < 4; i++) {
        const char c = rest->at[i];

        value <<= 4;
        if (c >= '0' && c <= '9')
            value |= (uint32_t)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            value |= (uint32_t)((c | 0x20) - 'a' + 10);
        else
            return false;
    }
    *rest = str_skip(*rest, 4);
    *ret = value;
    return true;
}

/* What stands for itself, and what does not: Go escapes <, > and & as \u003c and so on. */
static void add_unescaped(struct line *line, struct str text)
{
    while (text.len) {
        unsigned char byte = (unsigned char)text.at[0];
        uint32_t rune;

        text = str_skip(text, 1);
        if (byte == '\\' && text.len) {
            byte = (unsigned char)text.at[0];
            text = str_skip(text, 1);
            if (byte == 'u' && take_hex4(&text, &rune)) {
                line_add(line, rune);
                continue;
            }
            if (byte && strchr("nrtbfu", byte))
                byte = ' ';
        }
        line_add(line, byte);
    }
}

/* --- the three kinds of bodies ---------------------------------------------------------------- */

static bool json_message(struct str body, char *ret)
{
    struct line line = { .at = ret };
    struct str message;

    if (!find_string(body, STR("message"), &message))
        return false;
    add_unescaped(&line, message);
    line_end(&line);
    return true;
}

static bool protobuf_message(struct str body, char *ret)
{
    struct kube_object object;
    struct kube_refusal status;
    struct arena arena;
    bool found;

    if (kube_object_open(body, &object, NULL) < 0 || !str_eq(object.kind, STR("Status")))
        return false;
    arena_init(&arena, STATUS_ARENA);
    found = kube_decode_status(&arena, object.raw, &status, NULL) == 0;
    if (found)
        refusal_clean(status.message.len ? status.message : status.reason, ret);
    arena_done(&arena);
    return found;
}

static struct str first_line(struct str body)
{
    const char *end;

    skip_blanks(&body);
    end = str_find(body, STR("\n"));
    return end ? str_span(body.at, end) : body;
}

void refusal_text(struct str body, char *ret)
{
    ret[0] = '\0';
    if (kube_object_begins(body)) {
        protobuf_message(body, ret);
        return;
    }
    if (!json_message(body, ret))
        refusal_clean(first_line(body), ret);
}
