/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Scans text 16 bytes per step, with the vectors that gcc and clang have for every processor. A
 * loop over single bytes costs a mispredicted branch at the end of each word.
 *
 * An answer is a vector with 0xff in each byte that matches and 0 in the others. Comparison
 * operators on vectors return such answers, too. Combine answers with | and ~.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t bytes16 __attribute__((vector_size(16)));

/* 16 bytes must be readable at `at`. */
static inline bytes16 bytes16_load(const char *at)
{
    bytes16 bytes;

    memcpy(&bytes, at, sizeof(bytes));
    return bytes;
}

static inline bytes16 bytes16_equal(bytes16 bytes, char c)
{
    return (bytes16)(bytes == (uint8_t)c);
}

/* Matches bytes from `low` to `high`. */
static inline bytes16 bytes16_between(bytes16 bytes, uint8_t low, uint8_t high)
{
    return (bytes16)(bytes - low <= (uint8_t)(high - low));
}

/* One bit for each byte of an answer; the first byte is the lowest bit. */
static inline unsigned bytes16_mask(bytes16 answer)
{
#ifdef __SSE2__
    typedef char chars16 __attribute__((vector_size(16)));

    return (unsigned)__builtin_ia32_pmovmskb128((chars16)answer);
#else
    unsigned mask = 0;

    for (unsigned i = 0; i < sizeof(answer); i++)
        mask |= (answer[i] & 1u) << i;
    return mask;
#endif
}

/* The place of the first match in a mask that is not 0. */
static inline size_t bytes16_first(unsigned mask)
{
    return (size_t)__builtin_ctz(mask);
}
