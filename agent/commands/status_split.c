/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/commands/status_split.h"

#include <errno.h>
#include <string.h>

#include "limit.h"

#define REST_MAX (64u << 10) /* the node, the runtime and the file system of the images */

void status_split_begin(struct status_split *split)
{
    buf_init(&split->rest, REST_MAX);
    buf_init(&split->piece, LIMIT_DEBUG_MEMBER);
    split->depth = 0;
    split->in_text = split->escaped = split->in_list = false;
}

void status_split_done(struct status_split *split)
{
    buf_done(&split->rest);
    buf_done(&split->piece);
}

static void follow(struct status_split *split, char c)
{
    if (split->escaped)
        split->escaped = false;
    else if (split->in_text && c == '\\')
        split->escaped = true;
    else if (c == '"')
        split->in_text = !split->in_text;
    else if (!split->in_text && (c == '{' || c == '['))
        split->depth++;
    else if (!split->in_text && (c == '}' || c == ']'))
        split->depth--;
}

static struct str without_blanks(struct str text)
{
    while (text.len && strchr(" \t\r\n", text.at[text.len - 1]))
        text.len--;
    return text;
}

/* Whether `text` ends with the key of the list, a colon and a bracket. */
static bool ends_with_key(const struct status_split *split, struct str text)
{
    const struct str name = str_from(split->list);

    text = without_blanks(str_head(text, text.len - 1));
    if (!str_ends(text, STR(":")))
        return false;
    text = without_blanks(str_head(text, text.len - 1));
    if (!str_ends(text, STR("\"")))
        return false;
    text.len--;
    return str_ends(text, name) && text.len > name.len && text.at[text.len - name.len - 1] == '"';
}

static int begin_list(struct status_split *split, struct err *err)
{
    const size_t len = split->rest.len;
    int r;

    buf_add(&split->rest, STR("]}"));
    if (buf_error(&split->rest))
        return buf_error(&split->rest);
    r = split->begin(split->self, buf_str(&split->rest), err);
    split->rest.len = len;
    split->rest.at[len] = '\0';
    split->in_list = true;
    return r;
}

static int end_member(struct status_split *split, struct err *err)
{
    const struct str member = without_blanks(buf_str(&split->piece));
    int r = buf_error(&split->piece);

    if (r == 0 && member.len)
        r = split->member(split->self, member, err);
    buf_reset(&split->piece);
    return r;
}

static int take_byte(struct status_split *split, char c, struct err *err)
{
    const bool was_text = split->in_text;

    if (split->in_list && !was_text && split->depth == 2 && (c == ',' || c == ']')) {
        int r = end_member(split, err);

        if (c == ',')
            return r;
        split->in_list = false;
        if (r < 0)
            return r;
    }
    follow(split, c);
    if (split->in_list) {
        buf_add_byte(&split->piece, c);
        return buf_error(&split->piece);
    }
    buf_add_byte(&split->rest, c);
    if (buf_error(&split->rest))
        return buf_error(&split->rest);
    if (!was_text && c == '[' && split->depth == 2 && ends_with_key(split, buf_str(&split->rest)))
        return begin_list(split, err);
    return 0;
}

int status_split_feed(struct status_split *split, struct str bytes, struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < bytes.len && r == 0; i++)
        r = take_byte(split, bytes.at[i], err);
    return r;
}

struct str status_split_rest(const struct status_split *split)
{
    return buf_str(&split->rest);
}
