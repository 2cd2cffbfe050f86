/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The second step of normalise(): plain text becomes words and values. Only
 * words can be part of a phrase. A value is what a tenant, a registry's operator
 * or a clock chose: references, URLs, hosts, addresses, digests, paths, anything
 * in quotes that is one piece. So no rule can ever see it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "limits.h"
#include "str.h"

/* More of them in one message are not read. */
#define TOKENS_MAX 4096u

enum token_flag {
    TOKEN_BREAK = 1u << 0,       /* one of []; stands before it */
    TOKEN_OPEN = 1u << 1,        /* "[" stands before it */
    TOKEN_MIRRORS_END = 1u << 2, /* "])" stands before it: the end of CRI-O's list of mirrors */
    TOKEN_MARKUP = 1u << 3,      /* "<" stands right before it */
    TOKEN_QUOTED = 1u << 4,
    TOKEN_URL = 1u << 5,
    TOKEN_CLOSE = 1u << 6, /* "]" stands before it */
};

struct token {
    uint16_t at; /* offset in the text */
    uint16_t len;
    uint16_t word; /* its number in the vocabulary; see normalise_phrases.h */
    uint16_t flags;
};

struct tokens {
    size_t n;
    struct token at[TOKENS_MAX];
};

_Static_assert(LIMIT_CLASSIFY_TEXT <= UINT16_MAX, "offsets are 16 bits");

/* So many spaces must stand behind the text. */
#define TEXT_PADDING 32u

/*
 * Fills `ret`. Returns whether there may be something to redact (a query, "user@",
 * "key=value", "Bearer ..."), which most messages have not.
 */
bool tokens_split(struct str text, struct tokens *ret);
