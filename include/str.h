/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A view of text that somebody else owns. It is not NUL-terminated and may hold any byte, also NUL
 * and invalid UTF-8. `at` may be NULL only when `len` is 0.
 */

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct str {
    const char *at;
    size_t len;
};

/* For printf: "%.*s", STR_ARG(s). */
#define STR_ARG(s) (int)(s).len, (s).at ? (s).at : ""

/* A string literal as a view; also usable in static tables. */
#define STR(literal) ((struct str){ .at = (literal), .len = sizeof(literal) - 1 })

static inline struct str str_from(const char *text)
{
    return (struct str){ .at = text, .len = text ? strlen(text) : 0 };
}

static inline struct str str_span(const char *from, const char *to)
{
    return (struct str){ .at = from, .len = (size_t)(to - from) };
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.at, prefix.at, prefix.len) == 0);
}

static inline bool str_ends(struct str s, struct str suffix)
{
    return s.len >= suffix.len &&
           (suffix.len == 0 || memcmp(s.at + s.len - suffix.len, suffix.at, suffix.len) == 0);
}

/* `s` without its first `n` bytes; empty if it has fewer. */
static inline struct str str_skip(struct str s, size_t n)
{
    if (n > s.len)
        n = s.len;
    return (struct str){ .at = s.at ? s.at + n : NULL, .len = s.len - n };
}

/* The first `n` bytes of `s`; all of it if it has fewer. */
static inline struct str str_head(struct str s, size_t n)
{
    return (struct str){ .at = s.at, .len = n < s.len ? n : s.len };
}

/* The first occurrence of `needle` in `s`, or NULL. An empty needle is found at the start. */
static inline const char *str_find(struct str s, struct str needle)
{
    if (needle.len == 0)
        return s.at;
    if (s.len < needle.len)
        return NULL;
    return memmem(s.at, s.len, needle.at, needle.len);
}
