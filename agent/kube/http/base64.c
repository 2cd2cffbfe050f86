/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/http/base64.h"

#include <errno.h>

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

int base64_decode(struct str text, struct buf *ret)
{
    unsigned group = 0, digits = 0, padding = 0;

    for (size_t i = 0; i < text.len; i++) {
        const char c = text.at[i];
        const int value = value_of(c);

        if (c == '\n' || c == '\r')
            continue;
        if (c == '=' && digits + padding >= 2 && digits + padding < 4) {
            padding++;
            continue;
        }
        if (value < 0 || padding)
            return -EINVAL;
        group = group << 6 | (unsigned)value;
        if (++digits < 4)
            continue;
        buf_add_byte(ret, (char)(group >> 16 & 0xff));
        buf_add_byte(ret, (char)(group >> 8 & 0xff));
        buf_add_byte(ret, (char)(group & 0xff));
        group = digits = 0;
    }
    if (digits + padding != 0 && digits + padding != 4)
        return -EINVAL;
    if (digits == 3) {
        buf_add_byte(ret, (char)(group >> 10 & 0xff));
        buf_add_byte(ret, (char)(group >> 2 & 0xff));
    } else if (digits == 2) {
        buf_add_byte(ret, (char)(group >> 4 & 0xff));
    }
    return 0;
}
