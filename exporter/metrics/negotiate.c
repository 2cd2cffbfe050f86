/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/metrics/negotiate.h"

#include <strings.h>

#include "str.h"

/* Weights in thousandths. 0 means "not acceptable". */
#define NOT_NAMED (-1)
#define WEIGHT_FULL 1000

/* One item of the header: "text/plain;version=0.0.4;q=0.5". */
struct preference {
    struct str name;
    struct str version; /* empty: any */
    int weight;
};

static struct str trim(struct str text)
{
    while (text.len && (text.at[0] == ' ' || text.at[0] == '\t'))
        text = str_skip(text, 1);
    while (text.len && (text.at[text.len - 1] == ' ' || text.at[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* Takes the text before the next `separator` off `rest`, trimmed. */
static struct str next_part(struct str *rest, char separator)
{
    const char *end = rest->len ? memchr(rest->at, separator, rest->len) : NULL;
    struct str part = end ? str_span(rest->at, end) : *rest;

    *rest = end ? str_skip(*rest, part.len + 1) : (struct str){ .len = 0 };
    return trim(part);
}

static bool same(struct str text, const char *word)
{
    return text.len == strlen(word) && strncasecmp(text.at, word, text.len) == 0;
}

static struct str unquoted(struct str text)
{
    if (text.len >= 2 && text.at[0] == '"' && text.at[text.len - 1] == '"')
        return str_head(str_skip(text, 1), text.len - 2);
    return text;
}

/* "0.75" is 750. An invalid weight is ignored, as in Prometheus' Go library. */
static int parse_weight(struct str text)
{
    int weight = 0, unit = WEIGHT_FULL;

    if (!text.len || (text.at[0] != '0' && text.at[0] != '1'))
        return WEIGHT_FULL;
    if (text.at[0] == '1')
        return WEIGHT_FULL;
    if (text.len > 1 && text.at[1] != '.')
        return WEIGHT_FULL;
    for (size_t i = 2; i < text.len && unit > 1; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return WEIGHT_FULL;
        unit /= 10;
        weight += (text.at[i] - '0') * unit;
    }
    return weight;
}

static bool next_preference(struct str *list, struct preference *ret)
{
    struct str member;

    if (!list->len)
        return false;
    member = next_part(list, ',');
    *ret = (struct preference){ .name = next_part(&member, ';'), .weight = WEIGHT_FULL };
    while (member.len) {
        struct str value = next_part(&member, ';'), key = next_part(&value, '=');

        if (same(key, "q"))
            ret->weight = parse_weight(trim(value));
        else if (same(key, "version"))
            ret->version = unquoted(trim(value));
    }
    return true;
}

static int better(int a, int b)
{
    return a > b ? a : b;
}

enum exposition_format negotiate_format(const char *accept)
{
    int openmetrics = NOT_NAMED, text = NOT_NAMED, all_text = NOT_NAMED, anything = NOT_NAMED;
    struct str list = str_from(accept);

    for (struct preference wish; next_preference(&list, &wish);) {
        if (same(wish.name, "application/openmetrics-text")) {
            if (!wish.version.len || same(wish.version, "1.0.0"))
                openmetrics = better(openmetrics, wish.weight);
        } else if (same(wish.name, "text/plain")) {
            if (!wish.version.len || same(wish.version, "0.0.4"))
                text = better(text, wish.weight);
        } else if (same(wish.name, "text/*")) {
            all_text = better(all_text, wish.weight);
        } else if (same(wish.name, "*/*")) {
            anything = better(anything, wish.weight);
        }
    }
    /* The most specific name of a type counts. */
    if (text == NOT_NAMED)
        text = all_text != NOT_NAMED ? all_text : anything;
    return openmetrics > 0 && openmetrics >= text ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT;
}

bool negotiate_gzip(const char *accept_encoding)
{
    int gzip = NOT_NAMED, identity = NOT_NAMED;
    struct str list = str_from(accept_encoding);

    for (struct preference wish; next_preference(&list, &wish);) {
        if (same(wish.name, "gzip") || same(wish.name, "x-gzip"))
            gzip = better(gzip, wish.weight);
        else if (same(wish.name, "identity"))
            identity = better(identity, wish.weight);
    }
    return gzip > 0 && gzip >= identity;
}
