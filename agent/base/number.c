/* SPDX-License-Identifier: Apache-2.0 */
#include "number.h"

#include <stddef.h>

#include "util.h"

#define PORT_DIGITS 5u

bool number_take(struct str *text, uint64_t *ret)
{
    uint64_t value = 0;
    size_t n = 0;

    for (; n < text->len && text->at[n] >= '0' && text->at[n] <= '9'; n++) {
        const unsigned digit = (unsigned)(text->at[n] - '0');

        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (n == 0)
        return false;
    *text = str_skip(*text, n);
    *ret = value;
    return true;
}

bool number_parse(struct str text, uint64_t max, uint64_t *ret)
{
    uint64_t value;

    if (!number_take(&text, &value) || text.len > 0 || value > max)
        return false;
    *ret = value;
    return true;
}

bool number_port(struct str text, uint16_t *ret)
{
    uint64_t value;

    if (text.len > PORT_DIGITS || !number_parse(text, UINT16_MAX, &value))
        return false;
    *ret = (uint16_t)value;
    return true;
}

bool number_duration(struct str text, int64_t *ret_us)
{
    static const struct {
        struct str name;
        int64_t us;
    } units[] = { { { "s", 1 }, SEC }, { { "m", 1 }, MINUTE }, { { "h", 1 }, HOUR } };
    uint64_t value;

    if (!number_take(&text, &value))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        if (!str_eq(text, units[i].name))
            continue;
        if (value > (uint64_t)(INT64_MAX / units[i].us))
            return false;
        *ret_us = (int64_t)value * units[i].us;
        return true;
    }
    return false;
}
