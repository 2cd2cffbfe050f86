/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The vocabulary and the phrases of wrappers.c and the rules_*.c, compiled once before
 * main(), read-only afterwards.
 *
 * A phrase is written as words in lower case, separated by spaces:
 *
 *   *   any one token                 #   a number from 100 to 599
 *   $   a value                       ~   up to PHRASE_GAP_MAX tokens, not across a break
 *   @   a value that is a URL
 *
 * Punctuation does not matter: "x509: certificate signed by" is written "x509 certificate
 * signed by". The first element is a word, "#" or "@", and there is one "~" at most; the longest
 * phrase that fits wins.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/core/normalise_tokens.h"

#define PHRASE_GAP_MAX 8u
#define PHRASE_ELEMENTS_MAX 14u

enum {
    WORD_OTHER,  /* not in the vocabulary */
    WORD_VALUE,  /* lifted out */
    WORD_URL,    /* a value that is a URL */
    WORD_NUMBER, /* 100 to 599 */
    WORD_FIRST,
};

enum phrase_kind { PHRASE_WRAPPER, PHRASE_RULE };

struct phrase {
    uint16_t element[PHRASE_ELEMENTS_MAX];
    uint8_t n;
    uint8_t kind; /* enum phrase_kind */
    uint8_t gap;  /* where its "~" stands, 0: has none */
    int8_t slot;  /* its "#", else its first "*" or "$", -1: none */
    uint16_t row; /* in wrappers[], or for rule_at() */
};

/* The number of a word, WORD_OTHER for a strange one. Case does not matter. `text` has TEXT_PADDING
 * readable bytes behind it. */
uint16_t vocabulary_find(const char *text, size_t len);

enum word_flag {
    WORD_LABEL = 1u << 0,  /* a piece in quotes behind it is text, as in `"message":"denied"` */
    WORD_NAMING = 1u << 1, /* all up to the closing quote behind it is one name: `image "a b"` */
    WORD_MARKUP = 1u << 2, /* an HTML or XML element: behind "<", the answer's body begins */
    WORD_SCHEME = 1u << 3, /* "Bearer", "Basic": a token may follow */
    WORD_BEGINS = 1u << 4, /* a phrase begins with it */
};

#define WORDS_MAX 1024u

/* By word; set before main(), read-only afterwards. */
extern uint8_t vocabulary_flags[WORDS_MAX];

static inline bool vocabulary_has(uint16_t word, enum word_flag flag)
{
    return (vocabulary_flags[word] & flag) != 0;
}

/* The gRPC code that a word names, -1 for other words. */
int vocabulary_grpc_code(uint16_t word);

/*
 * The longest phrase that begins at token i, or NULL. *ret_n is the number of
 * tokens it covers, *ret_slot the token that stands in its slot (only where the
 * phrase has one).
 */
const struct phrase *phrases_match(const struct tokens *tokens, size_t i, size_t *ret_n,
                                   size_t *ret_slot);

/* False if two phrases could not be compiled as they are written; for the unit test. */
bool phrases_sound(void);
