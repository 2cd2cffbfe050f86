/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * For redact.c and redact_words.c: one pass over a text that becomes shorter in place. Text that is
 * kept moves from `from` to `to`, which is never larger.
 */

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "str.h"

#define REDACT_MASK STR("REDACTED")

struct pass {
    char *text;
    size_t len;
    size_t from;
    size_t to;
};

static inline char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

/* `text` has at least as many bytes as `word`, which is in lower case. */
static inline bool same(const char *text, struct str word)
{
    for (size_t i = 0; i < word.len; i++)
        if (lower(text[i]) != word.at[i])
            return false;
    return true;
}

/* The bytes of keys. */
static inline bool is_key_byte(char c)
{
    static const bool is[256] = {
        ['0' ... '9'] = true, ['a' ... 'z'] = true, ['A' ... 'Z'] = true,
        ['-'] = true,         ['_'] = true,         ['.'] = true,
    };

    return is[(unsigned char)c];
}

static inline bool is_space_or_quote(char c)
{
    return c == ' ' || c == '"' || c == '\'' || c == '<' || c == '>' || c == '`' || c == '\\';
}

static inline void keep(struct pass *p)
{
    p->text[p->to++] = p->text[p->from++];
}

static inline void keep_until(struct pass *p, size_t end)
{
    if (p->to != p->from)
        memmove(p->text + p->to, p->text + p->from, end - p->from);
    p->to += end - p->from;
    p->from = end;
}

/* Replaces the text up to `end` by a mask that is not longer. */
static inline void mask_until(struct pass *p, size_t end)
{
    size_t n = end - p->from;

    if (n >= REDACT_MASK.len) {
        memcpy(p->text + p->to, REDACT_MASK.at, REDACT_MASK.len);
        p->to += REDACT_MASK.len;
    } else {
        memset(p->text + p->to, '*', n);
        p->to += n;
    }
    p->from = end;
}
