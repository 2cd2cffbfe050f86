/* SPDX-License-Identifier: Apache-2.0 */
#include "utf8.h"

#include "buf.h"
#include "bytes16.h"
#include "util.h"

size_t utf8_length(struct str text)
{
    const unsigned char *at = (const unsigned char *)text.at;
    unsigned char low = 0x80, high = 0xbf; /* the range of the second byte */
    size_t length;

    if (at[0] < 0x80)
        return 1;
    if (at[0] >= 0xc2 && at[0] <= 0xdf)
        length = 2;
    else if ((at[0] & 0xf0) == 0xe0)
        length = 3;
    else if (at[0] >= 0xf0 && at[0] <= 0xf4)
        length = 4;
    else
        return 0;

    if (at[0] == 0xe0)
        low = 0xa0; /* less is overlong */
    else if (at[0] == 0xed)
        high = 0x9f; /* more is a surrogate */
    else if (at[0] == 0xf0)
        low = 0x90; /* less is overlong */
    else if (at[0] == 0xf4)
        high = 0x8f; /* more is over U+10FFFF */

    if (text.len < length || at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

uint32_t utf8_code(const char *at, size_t length)
{
    const unsigned char *bytes = (const unsigned char *)at;
    uint32_t code = length == 1 ? bytes[0] : bytes[0] & (0x7fu >> length);

    for (size_t i = 1; i < length; i++)
        code = code << 6 | (bytes[i] & 0x3f);
    return code;
}

size_t utf8_prefix(struct str text)
{
    size_t done = 0;

    while (done < text.len) {
        size_t length;

        /* Nearly all text is ASCII. */
        while (text.len - done >= 16) {
            const unsigned stop =
                bytes16_mask(bytes16_between(bytes16_load(text.at + done), 0x80, 0xff));

            done += stop ? bytes16_first(stop) : 16;
            if (stop)
                break;
        }
        while (done < text.len && (unsigned char)text.at[done] < 0x80)
            done++;
        if (done == text.len)
            break;
        length = utf8_length(str_skip(text, done));
        if (!length)
            break;
        done += length;
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

bool utf8_is_visible(uint32_t code)
{
    static const struct {
        uint32_t first, last;
    } hidden[] = {
        { 0, 0x1f },          { 0x7f, 0x9f },     /* controls; a terminal obeys U+009B as ESC [ */
        { 0xad, 0xad },       { 0x61c, 0x61c },   /* soft hyphen, Arabic letter mark */
        { 0x180e, 0x180e },   { 0x200b, 0x200f }, /* without width; directions */
        { 0x2028, 0x202e },   { 0x2060, 0x206f }, /* ends of lines, directions, isolates */
        { 0xfeff, 0xfeff },   { 0xfff9, 0xfffb }, /* byte order mark, annotations */
        { 0xe0000, 0xe007f },                     /* tags */
    };

    if (code >= 0x20 && code < 0x7f)
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(hidden); i++)
        if (code >= hidden[i].first && code <= hidden[i].last)
            return false;
    return true;
}

void utf8_add_visible(struct buf *out, struct str text)
{
    while (text.len) {
        size_t length = utf8_length(text);

        if (length && utf8_is_visible(utf8_code(text.at, length)))
            buf_add(out, str_head(text, length));
        else
            buf_add(out, STR("\xef\xbf\xbd"));
        text = str_skip(text, length ? length : 1);
    }
}
