/* SPDX-License-Identifier: Apache-2.0 */
#include "utf8.h"

#include <stdint.h>
#include <string.h>

#include "buf.h"

/* How many bytes the well-formed sequence at `at` has (Unicode 15, table 3-7), or 0. */
static size_t sequence(const unsigned char *at, size_t len)
{
    unsigned char low = 0x80, high = 0xbf; /* what the second byte may be */
    size_t size;

    if (at[0] < 0x80)
        return 1;
    if (at[0] >= 0xc2 && at[0] <= 0xdf)
        size = 2;
    else if ((at[0] & 0xf0) == 0xe0)
        size = 3;
    else if (at[0] >= 0xf0 && at[0] <= 0xf4)
        size = 4;
    else
        return 0;

    if (at[0] == 0xe0)
        low = 0xa0; /* below it is overlong */
    else if (at[0] == 0xed)
        high = 0x9f; /* above it are surrogates */
    else if (at[0] == 0xf0)
        low = 0x90;
    else if (at[0] == 0xf4)
        high = 0x8f; /* above it is over U+10FFFF */

    if (len < size || at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    return size;
}

size_t utf8_prefix(struct str text)
{
    const uint64_t high_bits = UINT64_C(0x8080808080808080);
    size_t done = 0;

    while (done < text.len) {
        uint64_t word;
        size_t size;

        /* Nearly all text is ASCII: eight bytes a step. */
        while (text.len - done >= sizeof(word)) {
            memcpy(&word, text.at + done, sizeof(word));
            if (word & high_bits)
                break;
            done += sizeof(word);
        }
        while (done < text.len && (unsigned char)text.at[done] < 0x80)
            done++;
        if (done == text.len)
            break;
        size = sequence((const unsigned char *)text.at + done, text.len - done);
        if (!size)
            break;
        done += size;
    }
    return done;
}

void utf8_add(struct buf *out, struct str text)
{
    while (text.len) {
        size_t good = utf8_prefix(text);

        buf_add(out, str_head(text, good));
        text = str_skip(text, good);
        if (text.len) {
            buf_add(out, STR("\xef\xbf\xbd"));
            text = str_skip(text, 1);
        }
    }
}
