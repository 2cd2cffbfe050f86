/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Eight or sixteen bytes at once. Most of a message is looked at only to find where a word
 * or a quoted piece ends, and a loop that leaves after a different number of bytes
 * each time is guessed wrong each time.
 *
 * The masks have the high bit set in each byte that is meant, the first byte lowest.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define EACH_BYTE(b) (UINT64_C(0x0101010101010101) * (b))
#define HIGH_BITS EACH_BYTE(0x80)

static inline uint64_t bytes_load(const char *at)
{
    uint64_t eight;

    memcpy(&eight, at, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    eight = __builtin_bswap64(eight);
#endif
    return eight;
}

/* `eight` has no high bit set. */
static inline uint64_t bytes_equal(uint64_t eight, char c)
{
    return ~((eight ^ EACH_BYTE((unsigned char)c)) + EACH_BYTE(0x7f)) & HIGH_BITS;
}

/* From `low` to `high`. `eight` has no high bit set. */
static inline uint64_t bytes_between(uint64_t eight, char low, char high)
{
    return (eight + EACH_BYTE(0x80u - (unsigned char)low)) &
           ~(eight + EACH_BYTE(0x7fu - (unsigned char)high)) & HIGH_BITS;
}

/* How many bytes stand before the first of the mask, which is not empty. */
static inline size_t bytes_before(uint64_t mask)
{
    return (size_t)__builtin_ctzll(mask) / 8;
}

/* Sixteen bytes, in the vectors that gcc and clang have for every processor. */
typedef uint8_t bytes16 __attribute__((vector_size(16)));

static inline bytes16 bytes16_load(const char *at)
{
    bytes16 sixteen;

    memcpy(&sixteen, at, sizeof(sixteen));
    return sixteen;
}

/* From `low` to `high`: 0xff in each byte that is. */
static inline bytes16 bytes16_between(bytes16 sixteen, uint8_t low, uint8_t high)
{
    return (bytes16)(sixteen - low <= (uint8_t)(high - low));
}

/* One bit for each byte that is 0xff (the others are 0), the first byte lowest. */
static inline unsigned bytes16_mask(bytes16 sixteen)
{
#ifdef __SSE2__
    typedef char chars16 __attribute__((vector_size(16)));

    return (unsigned)__builtin_ia32_pmovmskb128((chars16)sixteen);
#else
    const char *at = (const char *)&sixteen;
    uint64_t gather = UINT64_C(0x0102040810204080); /* bit 8n to bit 56 + n */

    return (unsigned)(((bytes_load(at) & EACH_BYTE(1)) * gather) >> 56 |
                      ((bytes_load(at + 8) & EACH_BYTE(1)) * gather) >> 56 << 8);
#endif
}
