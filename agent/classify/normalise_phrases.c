/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/classify/normalise_phrases.h"

#include <assert.h>
#include <string.h>

#include "agent/classify/normalise_vocabulary.h"
#include "agent/classify/rules.h"
#include "agent/classify/wrappers.h"
#include "util.h"

#define PHRASES_MAX 1024u

enum element { ELEMENT_GAP = 0xfffe, ELEMENT_ANY = 0xffff };

static struct phrase phrases[PHRASES_MAX]; /* sorted by first word, then longest first */
static size_t n_phrases;

/*
 * An index of phrases by their first words: forty start with "failed to", but three with "failed to
 * resolve". There is a list of candidates for each three, each two and each one word that phrases
 * start with.
 */
#define BEGINNING_BITS 11
#define BEGINNINGS (1u << BEGINNING_BITS)
#define CANDIDATES_MAX 4096u

struct list { /* candidates[first ... end - 1] */
    uint16_t first;
    uint16_t end;
};

static uint16_t candidates[CANDIDATES_MAX]; /* numbers of phrases; each list is in their order */
static size_t n_candidates;

static struct beginning {
    uint64_t words; /* beginning_of(); 0: an empty slot */
    struct list list;
} beginnings[BEGINNINGS];
static size_t n_beginnings;

static struct list one_word[WORDS_MAX];

static uint16_t element_of(const char *text, size_t len)
{
    if (len == 1 && *text == '*')
        return ELEMENT_ANY;
    if (len == 1 && *text == '~')
        return ELEMENT_GAP;
    if (len == 1 && *text == '#')
        return WORD_NUMBER;
    if (len == 1 && *text == '@')
        return WORD_URL;
    if (len == 1 && *text == '$')
        return WORD_VALUE;
    return vocabulary_learn(text, len);
}

static void compile(const char *text, enum phrase_kind kind, size_t row)
{
    struct phrase *p = &phrases[n_phrases];

    assert(n_phrases < PHRASES_MAX);
    *p = (struct phrase){ .kind = (uint8_t)kind, .row = (uint16_t)row, .slot = -1 };
    for (const char *at = text; *at; at += *at == ' ') {
        size_t len = strcspn(at, " ");
        uint16_t element;

        assert(p->n < PHRASE_ELEMENTS_MAX);
        element = element_of(at, len);
        p->takes_values |= element == ELEMENT_ANY || element == WORD_VALUE || element == WORD_URL;
        if (element == WORD_NUMBER ||
            (p->slot < 0 && (element == ELEMENT_ANY || element == WORD_VALUE)))
            p->slot = (int8_t)p->n;
        if (element == ELEMENT_GAP) {
            assert(p->gap == 0);
            p->gap = p->n;
        }
        p->element[p->n++] = element;
        at += len;
    }
    assert(p->n > 0 && p->element[0] < ELEMENT_GAP && p->element[0] != WORD_VALUE &&
           p->element[p->n - 1] != ELEMENT_GAP);
    n_phrases++;
}

/* Sorts by first word, then the longer phrase first. Equal phrases keep their order: wrappers,
 * then rules. */
static bool before(const struct phrase *a, const struct phrase *b)
{
    if (a->element[0] != b->element[0])
        return a->element[0] < b->element[0];
    return a->n > b->n;
}

/* Whether only one word fits the element. ("$" fits values and URLs.) */
static bool is_exact(const struct phrase *p, size_t k)
{
    return k < p->n && (p->gap == 0 || k < p->gap) && p->element[k] < ELEMENT_GAP &&
           p->element[k] != WORD_VALUE;
}

static uint64_t beginning_of(uint16_t first, uint16_t second, uint16_t third)
{
    return (uint64_t)first << 32 | (uint64_t)second << 16 | third;
}

/* The slot of the words, or the empty slot for them. */
static struct beginning *beginning_find(uint64_t words)
{
    size_t i = (size_t)((words * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - BEGINNING_BITS));

    while (beginnings[i].words != words && beginnings[i].words != 0)
        i = (i + 1) % BEGINNINGS;
    return &beginnings[i];
}

/* Whether a phrase belongs to the list of its first word and these two. WORD_OTHER: to the list for
 * words without a list of their own. */
static bool may_follow(const struct phrase *p, uint16_t second, uint16_t third)
{
    if (!is_exact(p, 1))
        return true;
    return p->element[1] == second && (!is_exact(p, 2) || p->element[2] == third);
}

/* The candidates among the phrases from `first` to `end`. */
static struct list list_of(size_t first, size_t end, uint16_t second, uint16_t third)
{
    struct list list = { .first = (uint16_t)n_candidates };

    for (size_t i = first; i < end; i++) {
        if (!may_follow(&phrases[i], second, third))
            continue;
        assert(n_candidates < CANDIDATES_MAX);
        candidates[n_candidates++] = (uint16_t)i;
    }
    list.end = (uint16_t)n_candidates;
    return list;
}

/* Indexes the phrases from `first` to `end`, which have the same first word. */
static void index_word(size_t first, size_t end)
{
    uint16_t word = phrases[first].element[0];

    vocabulary_flags[word] |= WORD_BEGINS;
    one_word[word] = list_of(first, end, WORD_OTHER, WORD_OTHER);
    for (size_t i = first; i < end; i++) {
        const struct phrase *p = &phrases[i];
        uint16_t thirds[] = { WORD_OTHER, is_exact(p, 2) ? p->element[2] : (uint16_t)WORD_OTHER };

        for (size_t k = 0; k < ARRAY_SIZE(thirds) && is_exact(p, 1); k++) {
            uint64_t words = beginning_of(word, p->element[1], thirds[k]);
            struct beginning *beginning = beginning_find(words);

            if (beginning->words == words)
                continue;
            n_beginnings++;
            assert(n_beginnings < BEGINNINGS / 2); /* an empty slot ends a search */
            beginning->words = words;
            beginning->list = list_of(first, end, p->element[1], thirds[k]);
        }
    }
}

/* A phrase is in one table only: if two phrases were equal, the second one would never match. */
static void assert_new(const struct phrase *p, size_t at)
{
    for (size_t i = at; i > 0 && phrases[i - 1].element[0] == p->element[0]; i--)
        assert(memcmp(phrases[i - 1].element, p->element, sizeof(p->element)) != 0);
}

static void sort(void)
{
    for (size_t i = 1; i < n_phrases; i++) {
        struct phrase p = phrases[i];
        size_t k = i;

        for (; k > 0 && before(&p, &phrases[k - 1]); k--)
            phrases[k] = phrases[k - 1];
        assert_new(&p, k);
        phrases[k] = p;
    }
    for (size_t first = 0, end; first < n_phrases; first = end) {
        for (end = first + 1;
             end < n_phrases && phrases[end].element[0] == phrases[first].element[0];)
            end++;
        index_word(first, end);
    }
}

/* Rows with the same phrase are adjacent; the first represents them. */
static void compile_table(size_t number)
{
    const struct rule *rows = rule_tables[number]->rows;

    assert(rule_tables[number]->n <= RULE_TABLE_ROWS);
    for (size_t i = 0; i < rule_tables[number]->n; i++)
        if (i == 0 || strcmp(rows[i].phrase, rows[i - 1].phrase) != 0)
            compile(rows[i].phrase, PHRASE_RULE, rule_number(number, i));
}

void phrases_compile(void)
{
    for (size_t i = 0; i < n_wrappers; i++)
        compile(wrappers[i].phrase, PHRASE_WRAPPER, i);
    for (size_t i = 0; i < n_rule_tables; i++)
        compile_table(i);
    sort();
}

static inline bool fits(uint16_t element, uint16_t word)
{
    return element == word || element == ELEMENT_ANY || (element == WORD_VALUE && word == WORD_URL);
}

/* Whether the elements from `k` to `end` fit the tokens from i on. `end` is the gap or the end of
 * the phrase. */
static inline bool covers(const struct phrase *p, size_t k, size_t end, const struct tokens *tokens,
                          size_t i)
{
    if (end - k > tokens->n - i)
        return false;
    for (; k < end; k++, i++)
        if (!fits(p->element[k], tokens->at[i].word))
            return false;
    return true;
}

/* How many tokens from i on the phrase covers; 0 if it does not fit. Its first element fits. */
static inline size_t length_at(const struct phrase *p, const struct tokens *tokens, size_t i)
{
    size_t rest = p->n - p->gap - 1u; /* after the gap */

    if (p->gap == 0)
        return covers(p, 1, p->n, tokens, i + 1) ? p->n : 0;
    if (!covers(p, 1, p->gap, tokens, i + 1))
        return 0;
    i += p->gap;
    for (size_t gap = 0; gap <= PHRASE_GAP_MAX && i + gap < tokens->n; gap++) {
        if (tokens->at[i + gap].flags & TOKEN_BREAK)
            break;
        if (covers(p, p->gap + 1u, p->n, tokens, i + gap))
            return p->gap + gap + rest;
    }
    return 0;
}

static inline struct list candidates_at(const struct tokens *tokens, size_t i)
{
    uint16_t first = tokens->at[i].word;
    uint16_t second = i + 1 < tokens->n ? tokens->at[i + 1].word : (uint16_t)WORD_OTHER;
    uint16_t third = i + 2 < tokens->n ? tokens->at[i + 2].word : (uint16_t)WORD_OTHER;
    const struct beginning *found = beginning_find(beginning_of(first, second, third));

    if (found->words == 0)
        found = beginning_find(beginning_of(first, second, WORD_OTHER));
    return found->words != 0 ? found->list : one_word[first];
}

const struct phrase *phrases_match(const struct tokens *tokens, size_t i, size_t *ret_n,
                                   size_t *ret_slot)
{
    struct list list = candidates_at(tokens, i);

    for (size_t k = list.first; k < list.end; k++) {
        const struct phrase *p = &phrases[candidates[k]];
        size_t n = length_at(p, tokens, i);

        if (n == 0)
            continue;
        if (p->slot >= 0) /* after the gap, the distance to the end is that of the phrase */
            *ret_slot = p->gap > 0 && p->slot > p->gap ? i + n - (p->n - (size_t)p->slot)
                                                       : i + (size_t)p->slot;
        *ret_n = n;
        return p;
    }
    return NULL;
}
