/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * For redact*.c: one pass over a text that becomes shorter in place. Text that is kept moves from
 * `from` to `to`, which is never larger. Each redact_...() below is called at the byte that its
 * comment names; it keeps or masks some text from there, or nothing.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "str.h"
#include "util.h"

/* Where an Azure registry's password has its mark "+ACR". */
#define AZURE_MARK_AT 42u

#define REDACT_MASK STR("REDACTED")

struct pass {
    char *text;
    size_t len;
    size_t from;
    size_t to;
    size_t query_end; /* of the last URL */
    bool masked;      /* something that was no mask */
};

/* At ":", "=" or ">": the value of a key that names a secret. */
void redact_value(struct pass *p);

/* At the "b" of "Bearer" or "Basic". */
void redact_scheme(struct pass *p);

/* At the "w" of "password", which is rarer than its "p": a password in prose. */
void redact_prose(struct pass *p);

/* At the start of a long word: a token of a known shape. */
void redact_shape(struct pass *p);

/* At the "~" of an Azure client secret. */
void redact_azure_secret(struct pass *p);

/* At the "-" of an option or of "-----BEGIN PRIVATE KEY-----". */
void redact_option(struct pass *p);

/* Whether a text has the length and the mix of bytes of a token, and is not a host or a path. */
bool redact_is_token(struct str text);

/* The length of "Bearer " or "Basic " at the start of the text, with all spaces; 0 without it. */
size_t redact_scheme_length(struct str text);

/* Sets of letters, without case. */
#define LETTER(c) ((c)&31u)
#define BIT(c) (1u << LETTER(c))

/* The last three letters of the keys in redact_keys.c, in front of `end`: most words in front of a
 * colon end in others. */
static inline bool redact_may_end_key(const char *end)
{
    static const struct {
        uint32_t before;
        uint32_t after;
    } letters[32] = {
        [LETTER('r')] = { BIT('o') | BIT('u'), BIT('d') | BIT('e') },
        [LETTER('w')] = { BIT('s') | BIT('p'), BIT('d') },
        [LETTER('s')] = { BIT('a'), BIT('e') | BIT('s') },
        [LETTER('e')] = { BIT('k') | BIT('r'), BIT('n') | BIT('t') | BIT('y') },
        [LETTER('t')] = { BIT('u') | BIT('a'), BIT('h') | BIT('a') },
        [LETTER('p')] = { BIT('a'), BIT('i') },
        [LETTER('i')] = { BIT('s') | BIT('k'), BIT('g') | BIT('e') },
        [LETTER('a')] = { BIT('i'), BIT('l') },
        [LETTER('l')] = { BIT('a'), BIT('s') },
        [LETTER('d')] = { BIT('e'), BIT('s') },
        [LETTER('o')] = { BIT('i'), BIT('n') },
    };
    const unsigned middle = LETTER(end[-2]);

    return (letters[middle].before >> LETTER(end[-3]) & letters[middle].after >> LETTER(end[-1]) &
            1) != 0;
}

/* The first two bytes of the shapes in redact_words.c, without case; or "dop_"; or a prefix
 * that ends with `before`, or a mark inside. They rule out most words. */
static inline bool redact_may_be_shape(struct str text, char before)
{
    static const uint32_t pairs[32] = {
        [LETTER('a')] = BIT('k') | BIT('s') | BIT('b') | BIT('c') | BIT('i') | BIT('g'),
        [LETTER('c')] = BIT('m') | BIT('c'),
        [LETTER('d')] = BIT('c'),
        [LETTER('e')] = BIT('y') | BIT('w'),
        [LETTER('g')] = BIT('h') | BIT('i') | BIT('l') | BIT('r') | BIT('o'),
        [LETTER('h')] = BIT('f') | BIT('r'),
        [LETTER('l')] = BIT('t') | BIT('s'),
        [LETTER('n')] = BIT('v') | BIT('p'),
        [LETTER('p')] = BIT('y'),
        [LETTER('s')] = BIT('h') | BIT('k'),
        [LETTER('x')] = BIT('o') | BIT('a'),
    };

    return (pairs[LETTER(text.at[0])] >> LETTER(text.at[1]) & 1) || text.at[3] == '_' ||
           before == '.' || before == '~' ||
           (text.len > AZURE_MARK_AT && text.at[AZURE_MARK_AT] == '+');
}

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

static inline bool starts_with(struct str text, struct str word)
{
    return text.len >= word.len && same(text.at, word);
}

static inline bool one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static inline bool is_letter(char c)
{
    return lower(c) >= 'a' && lower(c) <= 'z';
}

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Classes of bytes, one bit each. */
enum byte_class {
    BYTE_KEY = 1u << 0,
    BYTE_TOKEN = 1u << 1, /* also in base64 */
    BYTE_SPACE = 1u << 2,
    BYTE_QUOTE = 1u << 3,
    BYTE_MARKUP = 1u << 4, /* "<", ">", and a backslash */
    BYTE_LIST = 1u << 5,   /* ends a value in a list or a structure */
    BYTE_WORD = 1u << 6,   /* of long words, which can be tokens */
};

static inline bool has_class(char c, unsigned classes)
{
    static const uint8_t of[256] = {
        [0 ... ' '] = BYTE_SPACE,
        ['0' ... '9'] = BYTE_KEY | BYTE_TOKEN | BYTE_WORD,
        ['a' ... 'z'] = BYTE_KEY | BYTE_TOKEN | BYTE_WORD,
        ['A' ... 'Z'] = BYTE_KEY | BYTE_TOKEN | BYTE_WORD,
        ['-'] = BYTE_KEY | BYTE_TOKEN | BYTE_WORD,
        ['_'] = BYTE_KEY | BYTE_TOKEN | BYTE_WORD,
        ['.'] = BYTE_KEY | BYTE_TOKEN,
        ['+'] = BYTE_TOKEN,
        ['/'] = BYTE_TOKEN,
        ['='] = BYTE_TOKEN,
        ['~'] = BYTE_TOKEN,
        ['"'] = BYTE_QUOTE,
        ['\''] = BYTE_QUOTE,
        ['`'] = BYTE_QUOTE,
        ['<'] = BYTE_MARKUP,
        ['>'] = BYTE_MARKUP,
        ['\\'] = BYTE_MARKUP,
        ['&'] = BYTE_LIST,
        [','] = BYTE_LIST,
        [';'] = BYTE_LIST,
        [')'] = BYTE_LIST,
        [']'] = BYTE_LIST,
        ['}'] = BYTE_LIST,
    };

    return (of[(unsigned char)c] & classes) != 0;
}

static inline bool is_key_byte(char c)
{
    return has_class(c, BYTE_KEY);
}

static inline bool is_token_byte(char c)
{
    return has_class(c, BYTE_TOKEN);
}

static inline bool is_space(char c)
{
    return has_class(c, BYTE_SPACE);
}

static inline bool is_quote(char c)
{
    return has_class(c, BYTE_QUOTE);
}

static inline bool is_space_or_quote(char c)
{
    return has_class(c, BYTE_SPACE | BYTE_QUOTE | BYTE_MARKUP);
}

/* What follows, from `at` on. */
static inline struct str text_from(const struct pass *p, size_t at)
{
    return str_span(p->text + at, p->text + p->len);
}

/* "$TOKEN": the shell's variable, not its value. */
static inline bool redact_is_variable(struct str value)
{
    for (size_t i = 1; i < value.len; i++)
        if (!(value.at[i] >= 'A' && value.at[i] <= 'Z') && !one_of(value.at[i], "_{}()"))
            return false;
    return value.len > 1 && value.at[0] == '$';
}

static inline bool is_digest(struct str text)
{
    return starts_with(text, STR("@sha256:")) || starts_with(text, STR("@sha512:"));
}

static inline void keep_until(struct pass *p, size_t end)
{
    if (p->to != p->from)
        memmove(p->text + p->to, p->text + p->from, end - p->from);
    p->to += end - p->from;
    p->from = end;
}

/* Replaces the text up to `end`, and what was written from `start` on, by a mask that is not
 * longer. */
static inline void mask_from_until(struct pass *p, size_t start, size_t end)
{
    size_t n = p->to - start + end - p->from;
    struct str mask = n < REDACT_MASK.len ? str_head(STR("*******"), n) : REDACT_MASK;

    p->masked |= p->to < p->from || !str_eq(mask, str_span(p->text + start, p->text + end));
    memcpy(p->text + start, mask.at, mask.len);
    p->to = start + mask.len;
    p->from = end;
}

static inline void mask_until(struct pass *p, size_t end)
{
    mask_from_until(p, p->to, end);
}
