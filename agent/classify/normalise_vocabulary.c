/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/classify/normalise_vocabulary.h"

#include <assert.h>
#include <string.h>

#include "agent/classify/normalise_phrases.h"
#include "agent/classify/redact.h"
#include "util.h"

#define WORD_LENGTH_MAX 32u

struct word_key vocabulary_keys[WORDS_MAX];
uint8_t vocabulary_flags[WORDS_MAX];
uint16_t vocabulary_slots[1u << VOCABULARY_SLOT_BITS];

static struct {
    const char *text; /* static */
    uint8_t len;
    int8_t grpc_code_and_1; /* 0: not a code */
} words[WORDS_MAX];
static size_t n_words = WORD_FIRST;

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
    { "h2", WORD_MARKUP },        { "?xml", WORD_MARKUP },
};

/* google.golang.org/grpc/codes, in their order. */
static const char *const grpc_codes[] = {
    "ok",       "canceled",        "unknown",          "invalidargument",   "deadlineexceeded",
    "notfound", "alreadyexists",   "permissiondenied", "resourceexhausted", "failedprecondition",
    "aborted",  "outofrange",      "unimplemented",    "internal",          "unavailable",
    "dataloss", "unauthenticated",
};

/* Whether a word with the same key is also equal between its ends. */
static bool same_middle(uint16_t word, const char *text, size_t len)
{
    if (words[word].len != len)
        return false;
    for (size_t i = 8; i + 8 < len; i++)
        if (((text[i] ^ words[word].text[i]) & ~0x20) != 0)
            return false;
    return true;
}

uint16_t vocabulary_search(const char *text, size_t len)
{
    struct word_key key = vocabulary_key(text, len);
    size_t i = vocabulary_slot(key);
    uint16_t word;

    for (; (word = vocabulary_slots[i]) != WORD_OTHER; i = (i + 1) % ARRAY_SIZE(vocabulary_slots))
        if (vocabulary_keys[word].head == key.head && vocabulary_keys[word].tail == key.tail &&
            same_middle(word, text, len))
            break;
    return word;
}

int vocabulary_grpc_code(uint16_t word)
{
    return words[word].grpc_code_and_1 - 1;
}

uint16_t vocabulary_learn(const char *text, size_t len)
{
    char padded[WORD_LENGTH_MAX + TEXT_PADDING] = { 0 };
    struct word_key key;
    size_t i;

    assert(len > 0 && len <= WORD_LENGTH_MAX && n_words < WORDS_MAX);
    memcpy(padded, text, len);
    if (vocabulary_find(padded, len) != WORD_OTHER)
        return vocabulary_find(padded, len);
    key = vocabulary_key(padded, len);
    for (i = vocabulary_slot(key); vocabulary_slots[i] != WORD_OTHER;)
        i = (i + 1) % ARRAY_SIZE(vocabulary_slots);
    vocabulary_slots[i] = (uint16_t)n_words;
    vocabulary_keys[n_words] = key;
    words[n_words].text = text;
    words[n_words].len = (uint8_t)len;
    return (uint16_t)n_words++;
}

/*
 * A constructor: it runs before any thread exists, and nothing writes the tables later, so look-ups
 * need no lock. It stands in this file so that every program that looks words up links it.
 */
__attribute__((constructor)) static void build(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(special_words); i++)
        vocabulary_flags[vocabulary_learn(special_words[i].word, strlen(special_words[i].word))] |=
            special_words[i].flags;
    for (size_t i = 0; i < ARRAY_SIZE(grpc_codes); i++)
        words[vocabulary_learn(grpc_codes[i], strlen(grpc_codes[i]))].grpc_code_and_1 =
            (int8_t)(i + 1);
    phrases_compile();
}
