/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/wire/json_scan.h"

#include <errno.h>

static void skip_blanks(struct str *rest)
{
    size_t n = 0;

    while (n < rest->len && (rest->at[n] == ' ' || rest->at[n] == '\n' || rest->at[n] == '\r' ||
                             rest->at[n] == '\t'))
        n++;
    *rest = str_skip(*rest, n);
}

bool json_scan_byte(struct str *rest, char byte)
{
    skip_blanks(rest);
    if (!rest->len || rest->at[0] != byte)
        return false;
    *rest = str_skip(*rest, 1);
    return true;
}

bool json_scan_is_over(struct str rest)
{
    skip_blanks(&rest);
    return rest.len == 0;
}

/* Length of the string at the start of `text`, with its quotes; 0: it does not end. */
static size_t string_length(struct str text)
{
    for (size_t i = 1; i < text.len; i++) {
        if (text.at[i] == '\\')
            i++;
        else if (text.at[i] == '"')
            return i + 1;
    }
    return 0;
}

/* Length of the object or list at the start of `text`; 0: it does not end. Not recursive: the
 * sender chooses the depth. */
static size_t nest_length(struct str text)
{
    size_t depth = 0;

    for (size_t i = 0; i < text.len; i++) {
        const char byte = text.at[i];

        if (byte == '"') {
            const size_t n = string_length(str_span(text.at + i, text.at + text.len));

            if (n == 0)
                return 0;
            i += n - 1;
        } else if (byte == '{' || byte == '[') {
            depth++;
        } else if ((byte == '}' || byte == ']') && --depth == 0) {
            return i + 1;
        }
    }
    return 0;
}

/* Length of the number, true, false or null at the start of `text`. */
static size_t word_length(struct str text)
{
    size_t n = 0;

    while (n < text.len &&
           ((text.at[n] >= '0' && text.at[n] <= '9') || (text.at[n] >= 'a' && text.at[n] <= 'z') ||
            text.at[n] == '-' || text.at[n] == '+' || text.at[n] == '.' || text.at[n] == 'E'))
        n++;
    return n;
}

bool json_scan_value(struct str *rest, struct str *ret)
{
    size_t n = 0;

    skip_blanks(rest);
    if (!rest->len)
        return false;
    if (rest->at[0] == '"')
        n = string_length(*rest);
    else if (rest->at[0] == '{' || rest->at[0] == '[')
        n = nest_length(*rest);
    else
        n = word_length(*rest);
    if (n == 0)
        return false;
    *ret = str_head(*rest, n);
    *rest = str_skip(*rest, n);
    return true;
}

int json_scan_next(struct str *rest, bool *first, struct str *ret_key, struct str *ret)
{
    struct str key = { 0 }, value;

    if (json_scan_byte(rest, ret_key ? '}' : ']'))
        return 0;
    if (!*first && !json_scan_byte(rest, ','))
        return -EPROTO;
    if (ret_key && (!json_scan_value(rest, &key) || key.at[0] != '"' || !json_scan_byte(rest, ':')))
        return -EPROTO;
    if (!json_scan_value(rest, &value))
        return -EPROTO;
    *first = false;
    if (ret_key)
        *ret_key = (struct str){ .at = key.at + 1, .len = key.len - 2 };
    *ret = value;
    return 1;
}
