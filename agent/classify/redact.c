/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/classify/redact.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "agent/classify/redact_pass.h"
#include "bytes16.h"
#include "util.h"

/* A token is longer than any word of prose after "Bearer" or "Basic". */
#define TOKEN_LENGTH_MIN 16u

/* A key that contains one of these names a secret ... */
static const struct str secret_parts[] = {
    { "token", 5 },  { "secret", 6 },       { "passw", 5 },   { "sig", 3 },         { "x-amz-", 6 },
    { "apikey", 6 }, { "api_key", 7 },      { "api-key", 7 }, { "credential", 10 }, { "verify", 6 },
    { "auth", 4 },   { "key-pair-id", 11 }, { "private", 7 },
};

/* ... unless it is one of these, the public parameters of a token request. */
static const struct str public_keys[] = {
    { "scope", 5 },
    { "service", 7 },
    { "ns", 2 },
};

static bool one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static bool key_is_public(struct str key)
{
    for (size_t i = 0; i < ARRAY_SIZE(public_keys); i++)
        if (key.len == public_keys[i].len && same(key.at, public_keys[i]))
            return true;
    return false;
}

static bool begins_with_secret_part(struct str text)
{
    for (size_t i = 0; i < ARRAY_SIZE(secret_parts); i++)
        if (secret_parts[i].len <= text.len && same(text.at, secret_parts[i]))
            return true;
    return false;
}

static bool key_is_secret(struct str key)
{
    static const bool may_begin[256] = { ['t'] = true, ['s'] = true, ['p'] = true, ['x'] = true,
                                         ['a'] = true, ['c'] = true, ['v'] = true, ['k'] = true };

    for (size_t at = 0; at < key.len; at++)
        if (may_begin[(unsigned char)lower(key.at[at])] &&
            begins_with_secret_part(str_skip(key, at)))
            return true;
    return false;
}

bool redact_wants_key(struct str key)
{
    return key_is_secret(key) && !key_is_public(key);
}

bool redact_wants_url(struct str url)
{
    const char *end = url.at + url.len;
    const char *from = url.len > 0 ? memchr(url.at, '?', url.len) : NULL;
    const char *at = url.len > 0 ? memchr(url.at, '@', url.len) : NULL;

    if (at && !str_starts(str_span(at, end), STR("@sha")))
        return true;
    if (!from && str_starts(url, STR("http")))
        return memchr(url.at, '=', url.len) != NULL;
    while (from) {
        const char *equals = memchr(from + 1, '=', (size_t)(end - from - 1));

        if (!equals)
            return false;
        if (!key_is_public(str_span(from + 1, equals)))
            return true;
        from = memchr(equals, '&', (size_t)(end - equals));
    }
    return false;
}

/* Longer words are not keys. The longest key is in a query: "X-Amz-Signature". */
#define KEY_MAX 40u

/* Spaces between a quoted key and its colon, in JSON that was formatted for people. */
#define SPACES_MAX 4u

/* The word in front of `end`, in the text that is already written. */
static struct str key_in_front_of(const struct pass *p, size_t end)
{
    size_t at = end;

    while (at > 0 && end - at < KEY_MAX && is_key_byte(p->text[at - 1]))
        at--;
    return (struct str){ .at = p->text + at, .len = end - at };
}

/* At "?": the query of a URL, up to its end. */
static void redact_query(struct pass *p)
{
    keep(p);
    while (p->from < p->len && !is_space_or_quote(p->text[p->from])) {
        struct str key;
        size_t end;

        if (p->text[p->from] != '=') {
            keep(p);
            continue;
        }
        key = key_in_front_of(p, p->to);
        keep(p);
        end = p->from;
        while (end < p->len && p->text[end] != '&' && !is_space_or_quote(p->text[end]))
            end++;
        while (end > p->from && one_of(p->text[end - 1], ":,;.)]}"))
            end--;
        if (end > p->from && !key_is_public(key))
            mask_until(p, end);
        else
            while (p->from < end)
                keep(p);
    }
}

/* At "://": "user:password@" ends with the last "@" in front of the path. */
static void redact_userinfo(struct pass *p)
{
    size_t end;
    size_t at = 0;

    for (int i = 0; i < 3; i++)
        keep(p);
    for (end = p->from; end < p->len && p->text[end] != '/' && p->text[end] != '?' &&
                        !is_space_or_quote(p->text[end]);
         end++)
        if (p->text[end] == '@')
            at = end;
    if (at > p->from && !(at + 4 < p->len && same(p->text + at, STR("@sha"))))
        mask_until(p, at);
}

/* At "@" without a scheme: "user:password@host", but not "name:tag@sha256:...". */
static void redact_login(struct pass *p)
{
    size_t at = p->to;
    size_t colon = 0;

    if (p->len - p->from > 4 && same(p->text + p->from, STR("@sha")))
        goto out;
    while (at > 0 && !is_space_or_quote(p->text[at - 1]) && p->text[at - 1] != '/' &&
           p->text[at - 1] != '=' && p->to - at < 256) {
        at--;
        if (p->text[at] == ':')
            colon = at;
    }
    if (colon > at && colon + 1 < p->to && (at == 0 || p->text[at - 1] != '/')) {
        memset(p->text + at, '*', p->to - at);
        if (p->to - at > REDACT_MASK.len) {
            memcpy(p->text + at, REDACT_MASK.at, REDACT_MASK.len);
            p->to = at + REDACT_MASK.len;
        }
    }
out:
    keep(p);
}

static const struct str schemes[] = { { "bearer ", 7 }, { "basic ", 6 } };

/* The length of "Bearer " or "Basic " at `from`; 0 if neither is there. */
static size_t scheme_at(const struct pass *p, size_t from)
{
    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++)
        if (p->len - from > schemes[i].len && same(p->text + from, schemes[i]))
            return schemes[i].len;
    return 0;
}

bool redact_ends_in_scheme(struct str text)
{
    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
        size_t n = schemes[i].len - 1;

        if (text.len >= n && same(text.at + text.len - n, str_head(schemes[i], n)))
            return true;
    }
    return false;
}

bool redact_is_token(struct str text)
{
    bool digit = false;
    bool letter = false;
    bool dot = false;
    bool slash = false;

    if (text.len < TOKEN_LENGTH_MIN)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];

        if (!is_key_byte(c) && !one_of(c, "+/=~"))
            return false;
        digit |= c >= '0' && c <= '9';
        letter |= lower(c) >= 'a' && lower(c) <= 'z';
        dot |= c == '.';
        slash |= c == '/';
        if (dot && slash) /* a host and a path */
            return false;
    }
    return digit && letter;
}

/* The end of the value at `from`; a quoted value ends at its quote. */
static size_t value_end(const struct pass *p, size_t from, bool quoted)
{
    size_t end = from;

    if (quoted) {
        const char *quote = memchr(p->text + from, '"', p->len - from);

        return quote ? (size_t)(quote - p->text) : p->len;
    }
    while (end < p->len && !is_space_or_quote(p->text[end]) && !one_of(p->text[end], "&,)"))
        end++;
    return end;
}

/*
 * At "=" or ":" after a key that may name a secret. In prose, a colon follows such words, too
 * ("failed to fetch oauth token: EOF"); there, only a value that looks like a token is a secret.
 */
static void redact_value(struct pass *p)
{
    bool assigned = p->text[p->from] == '=';
    size_t back = p->to;
    bool json;
    bool quoted = false;
    struct str key;
    size_t end;

    while (back > 0 && p->to - back < SPACES_MAX && p->text[back - 1] == ' ')
        back--;
    json = back > 0 && p->text[back - 1] == '"';
    key = key_in_front_of(p, json ? back - 1 : p->to);
    keep(p);
    if (!redact_wants_key(key))
        return;
    while (p->from < p->len && (p->text[p->from] == ' ' || p->text[p->from] == '"') && !quoted) {
        quoted = p->text[p->from] == '"';
        keep(p);
    }
    if (scheme_at(p, p->from) > 0)
        return; /* redact_scheme() handles the value */
    end = value_end(p, p->from, quoted);
    if ((end < p->len && p->text[end] == '&') || assigned || (json && quoted) ||
        redact_is_token(str_span(p->text + p->from, p->text + end)))
        mask_until(p, end);
}

/* At the "b" of "Bearer" or "Basic": a token may follow. */
static void redact_scheme(struct pass *p)
{
    size_t scheme = scheme_at(p, p->from);
    size_t skip = scheme > 0 ? scheme : 1;
    size_t end;

    for (size_t i = 0; i < skip; i++)
        keep(p);
    if (skip == 1)
        return;
    for (end = p->from; end < p->len && !is_space_or_quote(p->text[end]) && p->text[end] != ',';)
        end++;
    if (end - p->from < TOKEN_LENGTH_MIN)
        return;
    for (size_t i = p->from; i < end; i++)
        if (!is_key_byte(p->text[i]) && !one_of(p->text[i], "+/=~"))
            return;
    mask_until(p, end);
}

/* Bytes at which a secret may begin or end. */
static bool is_stop(char c)
{
    return c == '?' || c == '@' || c == ':' || c == '=' || (c | 0x20) == 'b';
}

static size_t next_stop(const char *text, size_t at, size_t len)
{
    for (; at + 16 <= len; at += 16) {
        const bytes16 all = bytes16_load(text + at);
        const unsigned stop = bytes16_mask(bytes16_equal(all, '?') | bytes16_equal(all, '@') |
                                           bytes16_equal(all, ':') | bytes16_equal(all, '=') |
                                           bytes16_equal(all | 0x20, 'b'));

        if (stop)
            return at + bytes16_first(stop);
    }
    while (at < len && !is_stop(text[at]))
        at++;
    return at;
}

static void redact_at_stop(struct pass *p)
{
    char c = p->text[p->from];
    char next = (char)(p->from + 1 < p->len ? p->text[p->from + 1] : ' ');
    char before = (char)(p->to > 0 ? p->text[p->to - 1] : ' ');

    if (c == '?' && next != ' ')
        redact_query(p);
    else if (c == '@')
        redact_login(p);
    else if (c == ':' && next == '/' && p->from + 2 < p->len && p->text[p->from + 2] == '/')
        redact_userinfo(p);
    else if ((c == '=' && before != ' ') ||
             (c == ':' && (before == '"' || before == ' ' || next == ' ')))
        redact_value(p);
    else if ((c | 0x20) == 'b')
        redact_scheme(p);
    else
        keep(p);
}

size_t redact(char *text, size_t len)
{
    struct pass p = { .text = text, .len = redact_words(text, len) };

    len = p.len;
    while (p.from < len) {
        keep_until(&p, next_stop(text, p.from, len));
        if (p.from < len)
            redact_at_stop(&p);
    }
    return p.to;
}
