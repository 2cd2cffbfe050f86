/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The second step of normalise(): plain text becomes words and values. Only words can be part of a
 * phrase. A value is a text that a tenant, an operator or a clock chose: a reference, URL, host,
 * address, digest or path, or a quoted piece without spaces. So no rule can match it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "limit.h"
#include "str.h"

/* Further tokens of a message are ignored. */
#define TOKENS_MAX 4096u

enum token_flag {
    TOKEN_BREAK = 1u << 0,       /* after one of []; */
    TOKEN_OPEN = 1u << 1,        /* after "[" */
    TOKEN_MIRRORS_END = 1u << 2, /* after "])", the end of CRI-O's list of mirrors */
    TOKEN_MARKUP = 1u << 3,      /* directly after "<" */
    TOKEN_QUOTED = 1u << 4,
    TOKEN_URL = 1u << 5,
    TOKEN_CLOSE = 1u << 6, /* after "]" */
};

struct token {
    uint16_t at; /* offset in the text, in bytes */
    uint16_t len;
    uint16_t word; /* its number in the vocabulary; see normalise_phrases.h */
    uint16_t flags;
};

struct tokens {
    size_t n;
    struct token at[TOKENS_MAX];
};

_Static_assert(LIMIT_CLASSIFY_TEXT <= UINT16_MAX, "offsets are 16 bits");

/* Fills `ret`. The text is followed by TEXT_PADDING spaces; `words` is from redact_and_map(). */
void tokens_split(struct str text, const uint64_t *words, struct tokens *ret);
