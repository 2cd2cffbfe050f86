/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/classify/normalise_tokens.h"

#include <string.h>

#include "agent/classify/normalise_vocabulary.h"
#include "bytes16.h"

/* Classes of bytes, one bit each. */
enum class {
    SPACE = 1u << 0,
    QUOTE = 1u << 1,
    OPEN = 1u << 2,
    CLOSE = 1u << 3,
    SEPARATOR = 1u << 4,
    WORD = 1u << 5,
    INNER = 1u << 6, /* inside a value, or punctuation after a word */
    URL_END = 1u << 7,
};

#define RANGE(from, to, class) [(from)...(to)] = (class)

static const uint8_t classes[256] = {
    RANGE(0, ' ', SPACE | URL_END),
    ['!'] = INNER,
    ['"'] = QUOTE | URL_END,
    RANGE('#', '&', INNER),
    ['\''] = QUOTE,
    ['('] = OPEN,
    [')'] = CLOSE | URL_END,
    ['*'] = SEPARATOR,
    ['+'] = INNER,
    [','] = SEPARATOR,
    ['-'] = WORD,
    RANGE('.', '/', INNER),
    RANGE('0', '9', WORD),
    [':'] = INNER,
    [';'] = SEPARATOR,
    ['<'] = OPEN | URL_END,
    ['='] = SEPARATOR,
    ['>'] = CLOSE | URL_END,
    RANGE('?', '@', INNER),
    RANGE('A', 'Z', WORD),
    ['['] = OPEN | URL_END,
    ['\\'] = INNER,
    [']'] = CLOSE | URL_END,
    ['^'] = INNER,
    ['_'] = WORD,
    ['`'] = QUOTE | URL_END,
    RANGE('a', 'z', WORD),
    ['{'] = OPEN,
    ['|'] = SEPARATOR,
    ['}'] = CLOSE,
    RANGE('~', 0x7f, INNER),
    RANGE(0x80, 0xff, SPACE), /* not in any name or phrase; other scripts have no spaces */
};

/* A longer text with punctuation inside ("i/o", "net/http") is never in the vocabulary. */
#define INNER_WORD_MAX 24u

struct splitter {
    const char *text; /* followed by spaces, so a scan that stops at a space needs no limit */
    const uint64_t *words;
    size_t len;
    size_t at;
    unsigned flags; /* for the next token */
    struct token *first;
    struct token *next; /* where the next token goes */
    struct token *limit;
};

static bool is(const struct splitter *s, size_t at, unsigned which)
{
    return (classes[(unsigned char)s->text[at]] & which) != 0;
}

static size_t skip(const struct splitter *s, size_t at, unsigned which)
{
    while (classes[(unsigned char)s->text[at]] & which)
        at++;
    return at;
}

/* The end of a run of WORD bytes: letters, digits, "-" and "_". */
static inline size_t word_end(const uint64_t *words, size_t at)
{
    for (;; at = (at | 63) + 1) {
        uint64_t stop = ~words[at / 64] >> at % 64;

        if (stop)
            return at + (size_t)__builtin_ctzll(stop);
    }
}

/* The place of the next space or `quote`. */
static inline size_t quoted_end(const struct splitter *s, size_t at, char quote)
{
    for (;; at += 16) {
        bytes16 all = bytes16_load(s->text + at);
        unsigned stop = bytes16_mask(bytes16_between(all, 0, ' ') | bytes16_equal(all, quote));

        if (stop)
            return at + bytes16_first(stop);
    }
}

static inline void add(struct splitter *s, size_t from, size_t to, unsigned word, unsigned flags)
{
    struct token *token = s->next++;

    token->at = (uint16_t)from;
    token->len = (uint16_t)(to - from);
    token->word = (uint16_t)word;
    token->flags = (uint16_t)(s->flags | flags);
    s->flags = 0;
}

static bool is_status_number(const char *at, size_t len)
{
    return len == 3 && at[0] >= '1' && at[0] <= '5' && at[1] >= '0' && at[1] <= '9' &&
           at[2] >= '0' && at[2] <= '9';
}

/* `len` is not 0. */
static inline uint16_t word_number(const char *at, size_t len)
{
    return is_status_number(at, len) ? (uint16_t)WORD_NUMBER : vocabulary_find(at, len);
}

static void add_word(struct splitter *s, size_t from, size_t to)
{
    if (s->text[from] == '-' || s->text[to - 1] == '-') {
        while (to > from && s->text[to - 1] == '-')
            to--;
        while (from < to && s->text[from] == '-')
            from++;
        if (from == to)
            return; /* a dash between two clauses */
    }
    add(s, from, to, word_number(s->text + from, to - from), 0);
}

static void add_value(struct splitter *s, size_t from, size_t to, unsigned flags)
{
    struct str value = { .at = s->text + from, .len = to - from };
    bool url = value.len > 8 && (value.at[0] | 0x20) == 'h' &&
               (str_starts(value, STR("http://")) || str_starts(value, STR("https://")));

    add(s, from, to, url ? WORD_URL : WORD_VALUE, url ? flags | TOKEN_URL : flags);
}

/* The end of a URL, which may hold bytes that separate words elsewhere. */
static size_t url_end(const struct splitter *s, size_t at)
{
    if (s->text[at] == '[') { /* an IPv6 address */
        at = skip(s, at + 1, WORD | INNER);
        at += s->text[at] == ']';
    }
    while (!is(s, at, URL_END))
        at++;
    return at;
}

static bool is_trailing(char c)
{
    return c == ':' || c == '.' || c == ',' || c == ';' || c == '!' || c == '?' || c == '\'';
}

/* A word or punctuation that continues: "i/o", "host:5000/name", a URL. */
static void split_value(struct splitter *s, size_t from, size_t next)
{
    bool url = next - from >= 3 && memcmp(s->text + next - 3, "://", 3) == 0;
    size_t end = url ? url_end(s, next) : skip(s, next, WORD | INNER);
    unsigned word = WORD_OTHER;

    s->at = end;
    while (end > from + 1 && is_trailing(s->text[end - 1]))
        end--;
    if (end - from <= INNER_WORD_MAX)
        word = vocabulary_find(s->text + from, end - from);
    if (word != WORD_OTHER)
        add(s, from, end, word, 0);
    else
        add_value(s, from, end, 0);
}

/*
 * The word at `from` does not end at a space. If it is part of a value, adds the value and returns
 * `from`. Otherwise returns the end of the word and moves s->at past its punctuation.
 */
static size_t split_rest(struct splitter *s, size_t from, size_t end)
{
    size_t next;

    while (s->text[end] == '\'' && is(s, end + 1, WORD)) /* couldn't */
        end = word_end(s->words, end + 1);
    next = skip(s, end, INNER);
    if (is(s, next, WORD) || s->text[end] == '/' || (s->text[next] == '[' && next > end + 2)) {
        split_value(s, from, next);
        return from;
    }
    s->at = next > from ? next : from + 1;
    return end;
}

/* A piece without spaces and quotes: a word with its punctuation, or a value. */
static void split_piece(struct splitter *s, size_t from, size_t end)
{
    if (s->text[end] == ' ' && end > from)
        s->at = end;
    else
        end = split_rest(s, from, end);
    if (end > from)
        add_word(s, from, end);
}

/* A piece that starts with punctuation. The colon after a JSON key is skipped: `"status":403`. */
static void split_inner(struct splitter *s)
{
    size_t from = s->at + (s->text[s->at] == ':' && s->at > 0 && s->text[s->at - 1] == '"');

    split_piece(s, from, word_end(s->words, from));
}

/*
 * The fast path, for most of a message: words that end with " " or ": ". Stops at anything else,
 * which is left to split_piece(). Returns the end of the word at s->at; s->at if there is none.
 */
static inline size_t split_words(struct splitter *s)
{
    const char *text = s->text;
    const uint64_t *words = s->words;
    struct token *token = s->next;
    size_t at = s->at;
    size_t end;
    size_t space;

    for (;; at = space + 1) {
        end = word_end(words, at);
        space = end + (text[end] == ':');
        if (text[space] != ' ' || end == at || text[at] == '-' || text[end - 1] == '-' ||
            token == s->limit)
            break;
        token->at = (uint16_t)at;
        token->len = (uint16_t)(end - at);
        token->word = word_number(text + at, end - at);
        token->flags = (uint16_t)s->flags;
        s->flags = 0;
        token++;
    }
    s->at = at;
    s->next = token;
    return end;
}

/* The word in front of this piece, if only separators are between them: it says what follows. */
static uint16_t word_before(const struct splitter *s)
{
    const struct token *last;

    if (s->next == s->first)
        return WORD_OTHER;
    last = s->next - 1;
    return last->at + last->len + 4u >= s->at ? last->word : (uint16_t)WORD_OTHER;
}

static bool opens(const struct splitter *s)
{
    if (is(s, s->at + 1, SPACE))
        return false;
    return s->at == 0 || is(s, s->at - 1, SPACE | OPEN | SEPARATOR) || s->text[s->at - 1] == ':' ||
           s->text[s->at - 1] == '/';
}

/* In `{"code":"DENIED"}`, the key is a word, not a value. */
static bool is_key(const struct splitter *s, size_t close)
{
    size_t at = s->at;

    while (at > 0 && s->at - at < 4 && s->text[at - 1] == ' ')
        at--;
    close += 1 + (s->text[close + 1] == ' ');
    return at > 0 && (s->text[at - 1] == '{' || s->text[at - 1] == ',') && close < s->len &&
           s->text[close] == ':';
}

/*
 * A quote. A quoted piece without spaces is a value, whatever it reads like. After "image" and the
 * like, everything up to the closing quote is a value: the API server accepts any text as an image.
 * In all other cases the quotes are ignored.
 */
static void split_quote(struct splitter *s)
{
    char quote = s->text[s->at];
    uint16_t before = word_before(s);
    size_t close;
    const char *found;

    if (!opens(s)) {
        s->at++;
        return;
    }
    close = quoted_end(s, s->at + 1, quote);
    if (quote == '"' && vocabulary_has(before, WORD_NAMING) && close < s->len &&
        s->text[close] != quote) {
        size_t limit = s->len - close < LIMIT_IMAGE_TEXT ? s->len - close : LIMIT_IMAGE_TEXT;

        found = memchr(s->text + close, quote, limit);
        if (found)
            close = (size_t)(found - s->text);
    }
    if (is_key(s, close) || s->text[close] != quote || vocabulary_has(before, WORD_LABEL)) {
        s->at++;
        return;
    }
    add_value(s, s->at + 1, close, TOKEN_QUOTED);
    s->at = close + 1;
}

static void split_punctuation(struct splitter *s)
{
    switch (s->text[s->at++]) {
    case '[':
        s->flags |= TOKEN_OPEN | TOKEN_BREAK;
        break;
    case ']':
        s->flags |= TOKEN_BREAK | TOKEN_CLOSE;
        break;
    case ')':
        if (s->flags & TOKEN_CLOSE)
            s->flags |= TOKEN_MIRRORS_END;
        break;
    case ';':
        s->flags |= TOKEN_BREAK;
        break;
    case '<':
        if (is(s, s->at, WORD | INNER))
            s->flags |= TOKEN_MARKUP;
        break;
    default:
        break;
    }
}

void tokens_split(struct str text, const uint64_t *words, struct tokens *ret)
{
    struct splitter s = { .text = text.at, .words = words, .len = text.len };

    /* cppcheck-suppress ctuuninitvar ; an output, filled from the front */
    s.first = ret->at;
    s.next = s.first;
    s.limit = s.first + TOKENS_MAX;
    while (s.next < s.limit && s.at < s.len) {
        unsigned class = classes[(unsigned char)s.text[s.at]];

        if (class & WORD) {
            size_t end = split_words(&s);

            if (end > s.at && s.next < s.limit)
                split_piece(&s, s.at, end);
        } else if (class & SPACE) {
            s.at++;
        } else if (class & QUOTE) {
            split_quote(&s);
        } else if (class & INNER) {
            if (s.text[s.at] == ':' && s.text[s.at + 1] == ' ') /* mostly after a quote */
                s.at += 2;
            else
                split_inner(&s);
        } else {
            split_punctuation(&s);
        }
    }
    ret->n = (size_t)(s.next - s.first);
}
