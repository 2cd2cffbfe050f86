/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/classify/normalise_text.h"

#include <stdint.h>
#include <string.h>

#include "bytes16.h"
#include "utf8.h"
#include "util.h"

#define CUT_MARK STR(" ... ")

/* Nobody reads logs in a narrower terminal. */
#define TERMINAL_WIDTH_MIN 60u
#define WIDTH_UNKNOWN SIZE_MAX

/* A message that is too long keeps three quarters head and one quarter tail. */
#define HEAD_SHARE(size) ((size) / 4 * 3)

struct reader {
    const unsigned char *at;
    const unsigned char *end;
    const char *written;
    const unsigned char *line; /* where the present line began */
    size_t width;              /* of lines that a terminal broke; 0: none; WIDTH_UNKNOWN */
    bool windows_path;         /* "C:\" was seen: "\r" may be part of a path */
};

/* Bytes that are not copied as they are: control bytes, backslashes, ampersands, and bytes over
 * 0x7e. */
static bytes16 not_plain(bytes16 bytes)
{
    return ~bytes16_between(bytes, ' ', '~') | bytes16_equal(bytes, '\\') |
           bytes16_equal(bytes, '&');
}

static int hex4(const unsigned char *at, const unsigned char *end)
{
    int value = 0;

    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        unsigned char c = at[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;

        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static bool is_letter(char c)
{
    int small = c | 0x20;

    return small >= 'a' && small <= 'z';
}

/* Whether the text written so far ends with "C:" or another drive. */
static bool after_drive(const struct reader *r, const char *to)
{
    return to - r->written >= 2 && to[-1] == ':' && is_letter(to[-2]) &&
           (to - r->written == 2 || !is_letter(to[-3]));
}

/*
 * A run of backslashes. Each level of quoting doubles them: in front of a quote there are one,
 * three or seven, in front of "n" one, two or four, and for a real backslash two or four. So the
 * next byte decides. For "n", "r" and "t" it also matters whether the text has Windows paths.
 */
static char *plain_backslashes(struct reader *r, char *to)
{
    int code;

    r->windows_path |= after_drive(r, to);
    while (r->at < r->end && *r->at == '\\')
        r->at++;
    if (r->at == r->end)
        return to;
    if (*r->at == '"' || *r->at == '\'') {
        *to++ = (char)*r->at++;
        return to;
    }
    if (*r->at == 'u' && (code = hex4(r->at + 1, r->end)) >= 0) {
        *to++ = (char)(code >= 0x7f ? '?' : code < 0x20 ? ' ' : code);
        r->at += 5;
        return to;
    }
    if (!r->windows_path && (*r->at == 'n' || *r->at == 'r' || *r->at == 't')) {
        *to++ = ' ';
        r->at++;
        return to;
    }
    *to++ = '\\';
    return to;
}

static char *plain_character(struct reader *r, char *to)
{
    const size_t n = utf8_length(str_span((const char *)r->at, (const char *)r->end));

    if (n == 0) {
        r->at++;
        *to++ = '?';
        return to;
    }
    if (n == 3 && r->at[0] == 0xe2 && r->at[1] == 0x80 && r->at[2] >= 0x98 && r->at[2] <= 0x9f)
        *to++ = (char)(r->at[2] >= 0x9c ? '"' : '\'');
    else if ((n == 2 && r->at[0] == 0xc2 && r->at[1] == 0xa0) ||        /* no-break space */
             (n == 3 && r->at[0] == 0xe2 && (r->at[1] & 0xfe) == 0x94)) /* lines of a drawn table */
        *to++ = ' ';
    else
        to = (char *)memcpy(to, r->at, n) + n;
    r->at += n;
    return to;
}

/* "&quot;", "&#34;", also escaped twice ("&amp;quot;"): one character. "&" in a query stays. */
static char *plain_ampersand(struct reader *r, char *to)
{
    static const struct {
        struct str name;
        char character;
    } entities[] = {
        { STR("quot;"), '"' },  { STR("#34;"), '"' },  { STR("#x22;"), '"' },
        { STR("apos;"), '\'' }, { STR("#39;"), '\'' }, { STR("#x27;"), '\'' },
        { STR("lt;"), '<' },    { STR("#60;"), '<' },  { STR("gt;"), '>' },
        { STR("#62;"), '>' },   { STR("nbsp;"), ' ' }, { STR("#160;"), ' ' },
        { STR("#96;"), '`' },   { STR("amp;"), '&' },
    };
    struct str rest = str_span((const char *)r->at + 1, (const char *)r->end);

    while (str_starts(rest, STR("amp;")) && rest.len > 4 && rest.at[4] != ' ')
        rest = str_skip(rest, 4);
    for (size_t i = 0; i < ARRAY_SIZE(entities); i++) {
        if (!str_starts(rest, entities[i].name))
            continue;
        *to++ = entities[i].character;
        r->at = (const unsigned char *)rest.at + entities[i].name.len;
        return to;
    }
    *to++ = '&';
    r->at = (const unsigned char *)rest.at;
    return to;
}

static bool is_word_byte(unsigned char c)
{
    return is_letter((char)c) || (c >= '0' && c <= '9');
}

/* The length of the longest lines, if there are several of this length; else 0. */
static size_t broken_width(struct str message)
{
    size_t width = 0;
    size_t n = 0;
    const char *stop;

    for (; message.len > 0 && (stop = memchr(message.at, '\n', message.len)) != NULL;
         message = str_skip(message, (size_t)(stop - message.at) + 1)) {
        size_t length = (size_t)(stop - message.at);

        n = length == width ? n + 1 : length > width ? 1 : n;
        width = length > width ? length : width;
    }
    return n > 1 && width >= TERMINAL_WIDTH_MIN ? width : 0;
}

/*
 * The end of a line becomes a space. A terminal breaks long lines anywhere, also inside a word: all
 * its lines but the last one are equally long, and the next one goes on in the middle.
 */
static char *plain_line_end(struct reader *r, char *to)
{
    size_t length = (size_t)(r->at - r->line);
    bool broken;

    if (r->width == WIDTH_UNKNOWN) /* this is the first line */
        r->width = broken_width(str_span((const char *)r->line, (const char *)r->end));
    broken = r->width > 0 && length == r->width && r->at + 1 < r->end && is_word_byte(r->at[-1]) &&
             r->at[1] >= 'a' && r->at[1] <= 'z';

    r->at++;
    r->line = r->at;
    if (!broken)
        *to++ = ' ';
    return to;
}

static inline char *plain_byte(struct reader *r, char *to)
{
    if (*r->at >= ' ' && *r->at <= '~' && *r->at != '\\' && *r->at != '&') {
        *to++ = (char)*r->at++;
        return to;
    }
    if (*r->at == '\\')
        return plain_backslashes(r, to);
    if (*r->at == '&')
        return plain_ampersand(r, to);
    if (*r->at == '\n')
        return plain_line_end(r, to);
    if (*r->at >= 0x80)
        return plain_character(r, to);
    *to++ = ' ';
    r->at++;
    return to;
}

/* Writes at most message.len bytes to `to`, and returns their end. */
static char *plain_part(struct str message, char *to)
{
    struct reader r = {
        .at = (const unsigned char *)message.at,
        .end = (const unsigned char *)message.at + message.len,
        .written = to,
        .line = (const unsigned char *)message.at,
        .width = WIDTH_UNKNOWN,
    };

    while (r.end - r.at >= 16) {
        const unsigned stop = bytes16_mask(not_plain(bytes16_load((const char *)r.at)));
        const size_t n = stop ? bytes16_first(stop) : 16;

        memcpy(to, r.at, 16); /* writing never overtakes reading */
        to += n;
        r.at += n;
        if (stop)
            to = plain_byte(&r, to);
    }
    while (r.at < r.end)
        to = plain_byte(&r, to);
    return to;
}

size_t text_whole_characters(const char *text, size_t max)
{
    while (max > 0 && ((unsigned char)text[max] & 0xc0) == 0x80)
        max--;
    return max;
}

size_t text_plain(struct str message, char *to, size_t size, bool *ret_cut)
{
    size_t head = HEAD_SHARE(size);
    size_t tail = size - head - CUT_MARK.len;
    char *end;

    *ret_cut = message.len > size;
    if (!*ret_cut)
        return message.len > 0 ? (size_t)(plain_part(message, to) - to) : 0;
    head = text_whole_characters(message.at, head);
    end = plain_part(str_head(message, head), to);
    memcpy(end, CUT_MARK.at, CUT_MARK.len);
    end = plain_part(str_skip(message, message.len - tail), end + CUT_MARK.len);
    return (size_t)(end - to);
}
