/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The phrases of wrappers.c and rules_*.c, compiled once before main() and read-only afterwards.
 *
 * A phrase is written as words in lower case, separated by spaces:
 *
 *   *   any one token                 #   a number from 100 to 599
 *   $   a value                       ~   up to PHRASE_GAP_MAX tokens, not across a break
 *   @   a value that is a URL
 *
 * Punctuation does not matter: "x509: certificate signed by" is written "x509 certificate signed
 * by". The first element is a word, "#" or "@". There is at most one "~". The longest phrase that
 * fits wins.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/classify/normalise_tokens.h"

#define PHRASE_GAP_MAX 8u
#define PHRASE_ELEMENTS_MAX 14u

enum phrase_kind { PHRASE_WRAPPER, PHRASE_RULE };

struct phrase {
    uint16_t element[PHRASE_ELEMENTS_MAX];
    uint8_t n;
    uint8_t kind; /* enum phrase_kind */
    bool takes_values;
    uint8_t gap;  /* the place of its "~"; 0: none */
    int8_t slot;  /* its "#", else its first "*" or "$"; -1: none */
    uint16_t row; /* in wrappers[], or for rule_at() */
};

/* Compiles all phrases and adds their words to the vocabulary, which calls this before main(). */
void phrases_compile(void);

/*
 * The longest phrase that starts at token i, or NULL. *ret_n is the number of tokens that it
 * covers. *ret_slot is the token in its slot; untouched if it has none.
 */
const struct phrase *phrases_match(const struct tokens *tokens, size_t i, size_t *ret_n,
                                   size_t *ret_slot);
