/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/normalise_phrases.h"

#include <assert.h>
#include <string.h>

#include "agent/core/normalise_bytes.h"
#include "agent/core/rules.h"
#include "agent/core/wrappers.h"
#include "util.h"

/*
 * Built by a constructor, so before any thread exists, from constant tables, so
 * always the same: nobody else writes here, and a lookup needs no lock. It could be
 * generated when the program is built; then the tables would be in two places.
 */

#define SLOT_BITS 12 /* mostly empty, so that a strange word is refused at once */
#define SLOTS (1u << SLOT_BITS)
#define PHRASES_MAX 768u
#define WORD_LENGTH_MAX 32u

enum element { ELEMENT_GAP = 0xfffe, ELEMENT_ANY = 0xffff };

/* A word of up to 16 bytes is its length and its two ends, which may overlap. */
struct word_key {
    uint64_t head;
    uint64_t tail;
};

static struct word {
    struct word_key key;
    const char *text; /* in the phrase's own memory */
    uint8_t len;
    int8_t grpc_code;
    uint16_t first_phrase; /* those that begin with this word: phrases[first ... end - 1] */
    uint16_t end_phrase;
    uint64_t seconds; /* one bit each (the number modulo 64) for the words that may follow */
} words[WORDS_MAX];
uint8_t vocabulary_flags[WORDS_MAX];
static size_t n_words = WORD_FIRST;

static uint16_t slots[SLOTS];
static struct phrase phrases[PHRASES_MAX]; /* by first word, then longest first */
static size_t n_phrases;
static bool sound = true;

/*
 * The second and third element of each phrase as one number, and which of its bits
 * count. Nearly all phrases of a word fall out here, without a look at the phrase:
 * forty begin with "failed to".
 */
static struct glance {
    uint32_t bits;
    uint32_t mask;
} glances[PHRASES_MAX];

static const struct {
    const char *word;
    uint8_t flags;
} special_words[] = {
    { "code", WORD_LABEL },       { "message", WORD_LABEL }, { "msg", WORD_LABEL },
    { "error", WORD_LABEL },      { "err", WORD_LABEL },     { "errimagepull", WORD_LABEL },
    { "details", WORD_LABEL },    { "detail", WORD_LABEL },  { "desc", WORD_LABEL },
    { "daemon", WORD_LABEL },     { "output", WORD_LABEL },  { "image", WORD_NAMING },
    { "reference", WORD_NAMING }, { "tag", WORD_NAMING },    { "html", WORD_MARKUP },
    { "!doctype", WORD_MARKUP },  { "head", WORD_MARKUP },   { "body", WORD_MARKUP },
    { "title", WORD_MARKUP },     { "center", WORD_MARKUP }, { "h1", WORD_MARKUP },
    { "h2", WORD_MARKUP },        { "?xml", WORD_MARKUP },   { "bearer", WORD_SCHEME },
    { "basic", WORD_SCHEME },
};

/* google.golang.org/grpc/codes, in their order. */
static const char *const grpc_codes[] = {
    "ok",       "canceled",        "unknown",          "invalidargument",   "deadlineexceeded",
    "notfound", "alreadyexists",   "permissiondenied", "resourceexhausted", "failedprecondition",
    "aborted",  "outofrange",      "unimplemented",    "internal",          "unavailable",
    "dataloss", "unauthenticated",
};

/*
 * Case is folded by setting one bit, in the vocabulary as in the text. That also
 * makes one of "_" and DEL, or "@" and "`"; no two words of ours differ only there,
 * and control bytes are gone from the text.
 */
#define FOLD UINT64_C(0x2020202020202020)

/* `len` is not 0. Without a branch: how long the next word is cannot be foretold. */
static inline struct word_key key_of(const char *text, size_t len)
{
    bool is_short = len <= 8;
    uint64_t head = bytes_load(text) | FOLD;
    uint64_t tail = bytes_load(text + (is_short ? 0 : len - 8)) | FOLD;

    return (struct word_key){ .head = head << (is_short ? 8 * (8 - len) : 0),
                              .tail = is_short ? len : tail };
}

static inline size_t hash(struct word_key key)
{
    return (
        size_t)(((key.head ^ (key.tail << 7) ^ (key.tail >> 9)) * UINT64_C(0x9e3779b97f4a7c15)) >>
                (64 - SLOT_BITS));
}

/* What lies between the two ends of a long word. */
static bool same_middle(const char *text, size_t len, const char *word)
{
    for (size_t i = 8; i + 8 < len; i++)
        if (((text[i] ^ word[i]) & ~0x20) != 0)
            return false;
    return true;
}

uint16_t vocabulary_find(const char *text, size_t len)
{
    struct word_key key;
    size_t i;

    if (len == 0)
        return WORD_OTHER;
    key = key_of(text, len);
    for (i = hash(key); slots[i] != WORD_OTHER; i = (i + 1) % SLOTS) {
        const struct word *w = &words[slots[i]];

        if (w->key.head == key.head && w->key.tail == key.tail && w->len == len &&
            (len <= 16 || same_middle(text, len, w->text)))
            return slots[i];
    }
    return WORD_OTHER;
}

int vocabulary_grpc_code(uint16_t word)
{
    return words[word].grpc_code;
}

static uint16_t learn(const char *text, size_t len)
{
    char padded[WORD_LENGTH_MAX + TEXT_PADDING] = { 0 };
    size_t i;
    uint16_t known;

    assert(len > 0 && len <= WORD_LENGTH_MAX && n_words < WORDS_MAX);
    memcpy(padded, text, len);
    known = vocabulary_find(padded, len);
    if (known != WORD_OTHER)
        return known;
    for (i = hash(key_of(padded, len)); slots[i] != WORD_OTHER; i = (i + 1) % SLOTS)
        ;
    slots[i] = (uint16_t)n_words;
    words[n_words].key = key_of(padded, len);
    words[n_words].text = text;
    words[n_words].len = (uint8_t)len;
    words[n_words].grpc_code = -1;
    return (uint16_t)n_words++;
}

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
    return learn(text, len);
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
        if (element == WORD_NUMBER ||
            (p->slot < 0 && (element == ELEMENT_ANY || element == WORD_VALUE)))
            p->slot = (int8_t)p->n;
        if (element == ELEMENT_GAP) {
            sound &= p->gap == 0;
            p->gap = p->n;
        }
        p->element[p->n++] = element;
        at += len;
    }
    sound &= p->n > 0 && p->element[0] < ELEMENT_GAP && p->element[p->n - 1] != ELEMENT_GAP;
    n_phrases++;
}

/* By first word; of one word the longer first, then wrappers before rules, then as written. */
static bool before(const struct phrase *a, const struct phrase *b)
{
    if (a->element[0] != b->element[0])
        return a->element[0] < b->element[0];
    return a->n > b->n;
}

static uint64_t bit_of(uint16_t word)
{
    return UINT64_C(1) << (word % 64);
}

/* All of them where the second element may be any word, or there is none. */
static uint64_t seconds_of(const struct phrase *p)
{
    bool any = p->n == 1 || p->element[1] >= ELEMENT_GAP || p->element[1] < WORD_FIRST;

    return any ? UINT64_MAX : bit_of(p->element[1]);
}

static bool is_exact(const struct phrase *p, size_t k)
{
    return k < p->n && (p->gap == 0 || k < p->gap) && p->element[k] < ELEMENT_GAP &&
           p->element[k] != WORD_VALUE;
}

static struct glance glance_of(const struct phrase *p)
{
    uint32_t second = is_exact(p, 1) ? UINT16_MAX : 0;
    uint32_t third = is_exact(p, 2) ? UINT16_MAX : 0;
    uint32_t mask = second | third << 16;

    return (struct glance){ .bits = (p->element[1] | (uint32_t)p->element[2] << 16) & mask,
                            .mask = mask };
}

static void sort(void)
{
    for (size_t i = 1; i < n_phrases; i++) {
        struct phrase p = phrases[i];
        size_t k = i;

        for (; k > 0 && before(&p, &phrases[k - 1]); k--)
            phrases[k] = phrases[k - 1];
        phrases[k] = p;
    }
    for (size_t i = n_phrases; i > 0; i--) {
        uint16_t word = phrases[i - 1].element[0];

        if (words[word].end_phrase == 0)
            words[word].end_phrase = (uint16_t)i;
        words[word].first_phrase = (uint16_t)(i - 1);
        words[word].seconds |= seconds_of(&phrases[i - 1]);
        glances[i - 1] = glance_of(&phrases[i - 1]);
        vocabulary_flags[word] |= WORD_BEGINS;
    }
}

/* Rows that share a phrase stand together; the first stands for all. */
static void compile_table(size_t number)
{
    const struct rule *rows = rule_tables[number]->rows;

    assert(rule_tables[number]->n <= RULE_TABLE_ROWS);
    for (size_t i = 0; i < rule_tables[number]->n; i++)
        if (i == 0 || strcmp(rows[i].phrase, rows[i - 1].phrase) != 0)
            compile(rows[i].phrase, PHRASE_RULE, rule_number(number, i));
}

__attribute__((constructor)) static void build(void)
{
    for (size_t i = 0; i < WORD_FIRST; i++)
        words[i].grpc_code = -1;
    for (size_t i = 0; i < ARRAY_SIZE(special_words); i++)
        vocabulary_flags[learn(special_words[i].word, strlen(special_words[i].word))] |=
            special_words[i].flags;
    for (size_t i = 0; i < ARRAY_SIZE(grpc_codes); i++)
        words[learn(grpc_codes[i], strlen(grpc_codes[i]))].grpc_code = (int8_t)i;
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

/*
 * The end of what the elements from `k` to `end` cover from token i on, or 0.
 * `end` is the phrase's gap or its end.
 */
static inline size_t match_part(const struct phrase *p, size_t k, size_t end,
                                const struct tokens *tokens, size_t i, size_t *ret_slot)
{
    for (; k < end; k++, i++) {
        if (i >= tokens->n || !fits(p->element[k], tokens->at[i].word))
            return 0;
        if (p->slot == (int)k)
            *ret_slot = i;
    }
    return i;
}

/* As above, for the whole phrase but its first element. */
static size_t match_rest(const struct phrase *p, const struct tokens *tokens, size_t i,
                         size_t *ret_slot)
{
    size_t end = match_part(p, 1, p->gap > 0 ? p->gap : p->n, tokens, i, ret_slot);

    if (p->gap == 0 || end == 0)
        return end;
    for (i = end; i < tokens->n && i <= end + PHRASE_GAP_MAX; i++) {
        size_t whole;

        if (tokens->at[i].flags & TOKEN_BREAK)
            break;
        whole = match_part(p, p->gap + 1u, p->n, tokens, i, ret_slot);
        if (whole > 0)
            return whole;
    }
    return 0;
}

const struct phrase *phrases_match(const struct tokens *tokens, size_t i, size_t *ret_n,
                                   size_t *ret_slot)
{
    const struct word *w = &words[tokens->at[i].word];
    uint16_t next = i + 1 < tokens->n ? tokens->at[i + 1].word : (uint16_t)WORD_OTHER;
    uint16_t third = i + 2 < tokens->n ? tokens->at[i + 2].word : (uint16_t)WORD_OTHER;
    uint32_t bits = next | (uint32_t)third << 16;

    if (!(w->seconds & bit_of(next)))
        return NULL;
    for (size_t k = w->first_phrase; k < w->end_phrase; k++) {
        const struct phrase *p = &phrases[k];
        size_t end;

        if ((bits & glances[k].mask) != glances[k].bits)
            continue;
        end = match_rest(p, tokens, i + 1, ret_slot);
        if (end == 0)
            continue;
        if (p->slot == 0)
            *ret_slot = i;
        *ret_n = end - i;
        return p;
    }
    return NULL;
}

bool phrases_sound(void)
{
    for (size_t i = 1; i < n_phrases; i++)
        sound &=
            memcmp(phrases[i - 1].element, phrases[i].element, sizeof(phrases[i].element)) != 0;
    return sound && words[WORD_OTHER].end_phrase == 0 && words[WORD_VALUE].end_phrase == 0;
}
