/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * All words that the phrases of wrappers.c and rules_*.c are made of, and a few that say how
 * what stands behind them is read. Filled before main(), read-only
 * afterwards, so a look-up needs no lock. It is here and inline because every word of every
 * message goes through it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    WORD_OTHER,  /* not in the vocabulary */
    WORD_VALUE,  /* lifted out */
    WORD_URL,    /* a value that is a URL */
    WORD_NUMBER, /* 100 to 599 */
    WORD_FIRST,
};

enum word_flag {
    WORD_LABEL = 1u << 0,  /* a piece in quotes behind it is text, as in `"message":"denied"` */
    WORD_NAMING = 1u << 1, /* all up to the closing quote behind it is one name: `image "a b"` */
    WORD_MARKUP = 1u << 2, /* an HTML or XML element: behind "<", the answer's body begins */
    WORD_SCHEME = 1u << 3, /* "Bearer", "Basic": a token may follow */
    WORD_BEGINS = 1u << 4, /* a phrase begins with it */
};

#define WORDS_MAX 1024u

/* By word. */
extern uint8_t vocabulary_flags[WORDS_MAX];

static inline bool vocabulary_has(uint16_t word, enum word_flag flag)
{
    return (vocabulary_flags[word] & flag) != 0;
}

/* The gRPC code that a word names, -1 for other words. */
int vocabulary_grpc_code(uint16_t word);

/* Its number; a new word gets the next one. Before main() only. `text` is static and in lower
 * case. */
uint16_t vocabulary_learn(const char *text, size_t len);

/*
 * A word of up to 8 bytes is its first 8 and its length, a longer one its first and its last 8,
 * which may overlap. (A tail is text, so it is never as small as a length.)
 */
struct word_key {
    uint64_t head;
    uint64_t tail;
};

extern struct word_key vocabulary_keys[WORDS_MAX];

#define VOCABULARY_SLOT_BITS 12 /* mostly empty, so that a strange word is refused at once */
extern uint16_t vocabulary_slots[1u << VOCABULARY_SLOT_BITS];

/* vocabulary_find() where the first slot does not settle it. */
uint16_t vocabulary_search(const char *text, size_t len);

/*
 * Case is folded by setting one bit, in the vocabulary as in the text. That also
 * makes one of "_" and DEL, or "@" and "`"; no two words of ours differ only there,
 * and control bytes are gone from the text.
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

/* The number of a word, WORD_OTHER for a strange one. Case does not matter. `text` has
 * TEXT_PADDING readable bytes behind it. */
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
