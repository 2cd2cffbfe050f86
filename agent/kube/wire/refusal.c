/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/wire/refusal.h"

#include <stdbool.h>
#include <stdint.h>

#include "agent/kube/wire/decode.h"
#include "agent/kube/wire/envelope.h"
#include "agent/kube/wire/json_scan.h"
#include "limit.h"

/* --- one line --------------------------------------------------------------------------------- */

struct line {
    char *at;
    size_t len;
    bool cut;
};

/* A text is cut at any byte, so only ASCII is safe. */
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

/* --- JSON ------------------------------------------------------------------------------------- */

/* Finds the member `key` of the object `json` if it is a string: its text without quotes, escapes
 * included. Not a full parser, because a long body is cut. */
static bool find_string(struct str json, struct str key, struct str *ret)
{
    struct str name, value;
    bool first = true;

    if (!json_scan_byte(&json, '{'))
        return false;
    while (json_scan_next(&json, &first, &name, &value) > 0) {
        if (!str_eq(name, key))
            continue;
        if (value.at[0] != '"')
            return false;
        *ret = (struct str){ .at = value.at + 1, .len = value.len - 2 };
        return true;
    }
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

/* Go escapes <, > and & as \u003c and so on. */
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

/* --- kinds of bodies -------------------------------------------------------------------------- */

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
    arena_init(&arena, LIMIT_STATUS_ARENA);
    found = kube_decode_status(&arena, object.raw, &status, NULL) == 0;
    if (found)
        refusal_clean(status.message.len ? status.message : status.reason, ret);
    arena_done(&arena);
    return found;
}

static struct str first_line(struct str body)
{
    const char *end;

    while (body.len && body.at[0] && strchr(" \t\r\n", body.at[0]))
        body = str_skip(body, 1);
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
