/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The words of all phrases in wrappers.c and rules_*.c, and a few that say how to read the text
 * after them. Filled before main() and read-only afterwards, so a look-up needs no lock. Inline,
 * because each word of each message is looked up.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    WORD_OTHER,  /* not in the vocabulary */
    WORD_VALUE,  /* a text that no rule can match */
    WORD_URL,    /* a value that is a URL */
    WORD_NUMBER, /* 100 to 599 */
    WORD_FIRST,
};

enum word_flag {
    WORD_LABEL = 1u << 0,  /* a quoted piece after it is prose, as in `"message":"denied"` */
    WORD_NAMING = 1u << 1, /* quoted text after it is one name: `image "a b"` */
    WORD_MARKUP = 1u << 2, /* an HTML or XML element: with "<", it starts a page */
    WORD_BEGINS = 1u << 3, /* a phrase starts with it */
};

#define WORDS_MAX 1024u

/* By word. */
extern uint8_t vocabulary_flags[WORDS_MAX];

static inline bool vocabulary_has(uint16_t word, enum word_flag flag)
{
    return (vocabulary_flags[word] & flag) != 0;
}

/* The gRPC code that a word names; -1 for other words. */
int vocabulary_grpc_code(uint16_t word);

/* Returns the number of a word; a new word gets the next one. Only before main(). `text` is static
 * and in lower case. */
uint16_t vocabulary_learn(const char *text, size_t len);

/*
 * The key of a word of up to 8 bytes is the word and its length. The key of a longer word is its
 * first and its last 8 bytes, which may overlap. (Text is never as small as a length.)
 */
struct word_key {
    uint64_t head;
    uint64_t tail;
};

extern struct word_key vocabulary_keys[WORDS_MAX];

#define VOCABULARY_SLOT_BITS 12 /* mostly empty, so most unknown words need one probe */
extern uint16_t vocabulary_slots[1u << VOCABULARY_SLOT_BITS];

/* vocabulary_find(), if the first slot is not enough. */
uint16_t vocabulary_search(const char *text, size_t len);

/*
 * Case is folded by setting one bit, in the vocabulary and in the text. This also makes "_" and DEL
 * equal, and "@" and "`". No two words in the vocabulary differ only in these, and the text has no
 * control bytes.
 */
#define VOCABULARY_FOLD UINT64_C(0x2020202020202020)

/* Eight bytes of text, the first one lowest. */
static inline uint64_t vocabulary_load(const char *at)
{
    uint64_t eight;

    memcpy(&eight, at, sizeof(eight));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    eight = __builtin_bswap64(eight);
#endif
    return eight;
}

/* `len` is not 0. */
static inline struct word_key vocabulary_key(const char *text, size_t len)
{
    bool is_short = len <= 8;
    uint64_t head = vocabulary_load(text) | VOCABULARY_FOLD;
    uint64_t tail = vocabulary_load(text + (is_short ? 0 : len - 8)) | VOCABULARY_FOLD;

    return (struct word_key){ .head = head << (is_short ? 8 * (8 - len) : 0),
                              .tail = is_short ? len : tail };
}

static inline size_t vocabulary_slot(struct word_key key)
{
    uint64_t mixed = (key.head ^ (key.tail << 7) ^ (key.tail >> 9)) * UINT64_C(0x9e3779b97f4a7c15);

    return (size_t)(mixed >> (64 - VOCABULARY_SLOT_BITS));
}

/* The number of a word; WORD_OTHER for an unknown one. Case does not matter. TEXT_PADDING bytes
 * after `text` are readable. */
static inline uint16_t vocabulary_find(const char *text, size_t len)
{
    struct word_key key;
    uint16_t word;

    if (len == 0)
        return WORD_OTHER;
    key = vocabulary_key(text, len);
    word = vocabulary_slots[vocabulary_slot(key)];
    if (word == WORD_OTHER || (len <= 8 && vocabulary_keys[word].head == key.head &&
                               vocabulary_keys[word].tail == key.tail))
        return word;
    return vocabulary_search(text, len);
}
