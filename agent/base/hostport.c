/* SPDX-License-Identifier: Apache-2.0 */
#include "hostport.h"

#include <string.h>

static const char *find_byte(struct str text, char byte)
{
    return text.len ? memchr(text.at, byte, text.len) : NULL;
}

static bool has_bracket(struct str text)
{
    return find_byte(text, '[') || find_byte(text, ']');
}

/* Takes "[host]" off `rest`. */
static bool take_in_brackets(struct str *rest, struct str *ret_host)
{
    const char *end = find_byte(*rest, ']');

    if (!end || end == rest->at + 1)
        return false;
    *ret_host = str_span(rest->at + 1, end);
    *rest = str_skip(*rest, (size_t)(end - rest->at) + 1);
    return rest->len == 0 || rest->at[0] == ':';
}

bool hostport_split(struct str text, struct hostport *ret)
{
    struct hostport found = { .in_brackets = str_starts(text, STR("[")) };
    const char *colon;

    if (found.in_brackets && !take_in_brackets(&text, &found.host))
        return false;
    colon = find_byte(text, ':');
    if (!found.in_brackets)
        found.host = colon ? str_span(text.at, colon) : text;
    if (colon) {
        found.has_port = true;
        found.port = str_skip(text, (size_t)(colon - text.at) + 1);
    }
    if (find_byte(found.port, ':') || has_bracket(found.port) ||
        (!found.in_brackets && has_bracket(found.host)))
        return false;
    *ret = found;
    return true;
}
