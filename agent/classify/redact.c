/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Every message comes here, and most have no secret. So the text is searched 64 bytes at a time for
 * the places where a secret can begin or end; at each of them, a function decides.
 */
#include "agent/classify/redact.h"

#include "agent/classify/redact_pass.h"
#include "bytes16.h"

/* --- URLs ------------------------------------------------------------------ */

/* Parameters without a secret: what is asked for, and until when a signed URL is valid. */
static const struct str public_keys[] = {
    STR("timeout"),
    STR("limit"),
    STR("watch"),
    STR("fieldselector"),
    STR("resourceversion"),
    STR("resourceversionmatch"),
    STR("sendinitialevents"),
    STR("allowwatchbookmarks"),
    STR("timeoutseconds"),
    STR("scope"),
    STR("service"),
    STR("ns"),
    STR("n"),
    STR("last"),
    STR("tag"),
    STR("fromimage"),
    STR("platform"),
    STR("digest"),
    STR("expires"),
    STR("x-amz-date"),
    STR("x-amz-expires"),
    STR("x-amz-algorithm"),
    STR("x-amz-signedheaders"),
    STR("x-goog-date"),
    STR("x-goog-expires"),
    STR("x-goog-algorithm"),
    STR("x-goog-signedheaders"),
    STR("x-oss-date"),
    STR("x-oss-expires"),
    STR("se"),
    STR("st"),
    STR("sp"),
    STR("spr"),
    STR("sr"),
    STR("sv"),
};

/* A password with a "/" is looked for up to here. Longer passwords are tokens. */
#define PASSWORD_MAX 256u
#define USERINFO_MAX 4096u

static bool key_is_public(struct str key)
{
    for (size_t i = 0; i < ARRAY_SIZE(public_keys); i++)
        if (key.len == public_keys[i].len && same(key.at, public_keys[i]))
            return true;
    return false;
}

static size_t url_end(const struct pass *p, size_t at)
{
    while (at < p->len && !is_space_or_quote(p->text[at]))
        at++;
    return at;
}

/* At "?": the query of a URL, up to its end. */
static void redact_query(struct pass *p)
{
    size_t name = p->from + 1;

    if (p->from < p->query_end)
        return;
    p->query_end = url_end(p, name);
    for (size_t at = name; at < p->query_end; at++) {
        struct str key;
        size_t end;

        if (p->text[at] == '&')
            name = at + 1;
        if (p->text[at] != '=')
            continue;
        key = str_span(p->text + name, p->text + at);
        for (end = at + 1; end < p->query_end && p->text[end] != '&';)
            end++;
        name = end;
        while (end > at + 1 && one_of(p->text[end - 1], ":,;.)]}"))
            end--;
        if (end > at + 1 && !key_is_public(key)) {
            keep_until(p, at + 1);
            mask_until(p, end);
        }
        at = name - 1;
    }
}

static bool is_host_end(char c)
{
    return c == '/' || c == '?' || is_space_or_quote(c);
}

/* Whether "host:..." at `from`, up to "/" at `end`, has a port. Else it is "user:password". */
static bool has_port(const struct pass *p, size_t from, size_t end)
{
    const char *colon = memchr(p->text + from, ':', end - from);

    if (!colon || p->text[from] == '[')
        return true;
    for (const char *at = colon + 1; at < p->text + end; at++)
        if (!is_digit(*at))
            return false;
    return true;
}

/* The last "@" of the word in front of the path, from the one at `from` on. */
static size_t last_at(const struct pass *p, size_t from)
{
    size_t last = from;

    for (size_t at = from; at < p->len && at - from < PASSWORD_MAX && !is_host_end(p->text[at]);
         at++) {
        if (p->text[at] != '@')
            continue;
        if (is_digest(text_from(p, at)))
            break;
        last = at;
    }
    return last;
}

/* The end of "://" in front of `end` in the same word, in the text that is already written; 0: it
 * is not there. */
static size_t after_scheme(const struct pass *p, size_t end)
{
    size_t at = end;

    while (at > 2 && end - at < USERINFO_MAX && !is_space_or_quote(p->text[at - 1])) {
        if (p->text[at - 1] == '/' && p->text[at - 2] == '/' && p->text[at - 3] == ':')
            return at;
        at--;
    }
    return 0;
}

/* Whether the text from `from` to `end` is a path, not a password with a "/". */
static bool has_path(const struct pass *p, size_t from, size_t end)
{
    const char *slash = memchr(p->text + from, '/', end - from);
    const char *query = memchr(p->text + from, '?', end - from);

    return query || (slash && has_port(p, from, (size_t)(slash - p->text)));
}

/* The start of "user:password" in front of `end`, in the text that is already written; `end` if it
 * is something else, such as a repository and its tag. */
static size_t login_start(const struct pass *p, size_t end)
{
    size_t at = end;
    const char *colon;

    while (at > 0 && end - at < PASSWORD_MAX && !is_space_or_quote(p->text[at - 1]) &&
           p->text[at - 1] != '=')
        at--;
    while (at < end && ((unsigned char)p->text[at] & 0xc0) == 0x80)
        at++; /* do not cut a character */
    colon = memchr(p->text + at, ':', end - at);
    if (!colon || colon == p->text + at || colon + 1 == p->text + end || colon[1] == '/' ||
        has_path(p, at, end))
        return end;
    return at;
}

/*
 * At "@": "user:password@host" ends with the last "@" in front of the path; without a password only
 * after a scheme, "https://token@host". "name:tag@sha256:..." is no login.
 */
static void redact_login(struct pass *p)
{
    size_t last = last_at(p, p->from);
    size_t start;

    if (is_digest(text_from(p, p->from)))
        return;
    start = after_scheme(p, p->to);
    if (start == 0)
        start = login_start(p, p->to);
    else if (has_path(p, start, p->to))
        start = p->to;
    if (start < p->to)
        mask_from_until(p, start, last);
    else
        keep_until(p, last);
}

/* --- where to look --------------------------------------------------------- */

#define CHUNK 64u
#define LONG_WORD 16u /* can be a token */
#define LOOK_BACK 5u  /* of means_nothing(): a space, a quote, three letters of a key */

/* One bit for each byte of a chunk. */
struct places {
    uint64_t stops;  /* where a secret can begin or end */
    uint64_t starts; /* "-" and "b": the same, at the start of a word */
    uint64_t words;  /* letters, digits, "-" and "_" */
};

/* Adds 16 bytes of a chunk, which begin at `place`. */
static inline void add_places(struct places *places, const char *chunk, unsigned place)
{
    const bytes16 all = bytes16_load(chunk + place);
    const bytes16 folded = all | 0x20;
    const bytes16 dash = bytes16_equal(all, '-');
    const bytes16 word = bytes16_between(folded, 'a', 'z') | bytes16_between(all, '0', '9') | dash |
                         bytes16_equal(all, '_');
    const bytes16 stop =
        bytes16_between(all, ':', '@') | bytes16_equal(all, '~') | bytes16_equal(folded, 'w');
    const bytes16 start = dash | bytes16_equal(folded, 'b');

    places->stops |= (uint64_t)bytes16_mask(stop) << place;
    places->starts |= (uint64_t)bytes16_mask(start) << place;
    places->words |= (uint64_t)bytes16_mask(word) << place;
}

/* Runs of 1, 2, 4, 8 and 16 bytes of words: the places where they end. */
struct runs {
    uint64_t of[5];
};

/* Goes on to the next chunk. Returns the places where a word becomes a long one. */
static inline uint64_t next_runs(struct runs *runs, uint64_t words)
{
    uint64_t two = words & (words << 1 | runs->of[0] >> 63);
    uint64_t four = two & (two << 2 | runs->of[1] >> 62);
    uint64_t eight = four & (four << 4 | runs->of[2] >> 60);
    uint64_t all = eight & (eight << 8 | runs->of[3] >> 56);
    uint64_t first = all & ~(all << 1 | runs->of[4] >> 63);

    *runs = (struct runs){ { words, two, four, eight, all } };
    return first;
}

/* Most stops mean nothing: for example a colon without a key in front of it (see find_key()).
 * LOOK_BACK bytes are in front of `at`. */
static inline bool means_nothing(const struct pass *p, const char *at)
{
    const char *end = at;

    if ((*at | 0x20) == 'w')
        return (at[-1] | 0x20) != 's' || (at[-4] | 0x20) != 'p';
    if ((*at | 0x20) == 'b')
        return p->text + p->len - at < 6 || ((at[2] | 0x20) != 'a' && (at[2] | 0x20) != 's');
    if (*at != ':' && *at != '=')
        return *at == ';' || *at == '<';
    end -= end[-1] == ' ';
    end -= is_quote(end[-1]);
    return !redact_may_end_key(end) && !has_class(end[-1], BYTE_SPACE | BYTE_MARKUP) &&
           end[-1] != ':';
}

static void redact_at(struct pass *p)
{
    char c = p->text[p->from];

    if (c == ':' || c == '=' || c == '>')
        redact_value(p);
    else if (c == '?')
        redact_query(p);
    else if (c == '@')
        redact_login(p);
    else if (c == '~')
        redact_azure_secret(p);
    else if (c == '-')
        redact_option(p);
    else if (lower(c) == 'w')
        redact_prose(p);
    else
        redact_scheme(p);
}

/* Whether the bytes in front of `at` are those of the text: none of them was overwritten. */
static inline bool can_look_back(const struct pass *p, size_t at)
{
    return at >= (p->to == p->from ? 0 : p->from) + LOOK_BACK;
}

static inline void look_at_stop(struct pass *p, size_t at)
{
    if (at < p->from || (can_look_back(p, at) && means_nothing(p, p->text + at)))
        return;
    keep_until(p, at);
    redact_at(p);
}

/* `at`: the byte that makes it a long word. */
static inline void look_at_word(struct pass *p, size_t at)
{
    char before = ' ';

    at -= LONG_WORD - 1;
    if (at > 0)
        before = p->text[at - 1];
    if (at < p->from || !redact_may_be_shape(text_from(p, at), before))
        return;
    keep_until(p, at);
    redact_shape(p);
}

/* Returns whether something was masked. `words`: see redact_and_map(); if it is NULL, nothing is
 * known of the bytes after the text. */
static bool run(char *text, size_t *len, uint64_t *words)
{
    struct pass p = { .text = text, .len = *len };
    struct runs runs = { { 0 } };

    for (size_t base = 0; base < p.len; base += CHUNK) {
        char padded[CHUNK];
        const char *chunk = text + base;
        struct places places = { 0 };
        uint64_t stops;
        uint64_t long_words;

        if (!words && p.len - base < CHUNK) {
            memset(padded, ' ', sizeof(padded));
            memcpy(padded, chunk, p.len - base);
            chunk = padded;
        }
        add_places(&places, chunk, 0);
        add_places(&places, chunk, 16);
        add_places(&places, chunk, 32);
        add_places(&places, chunk, 48);
        if (words)
            *words++ = places.words;
        stops = places.stops | (places.starts & ~(places.words << 1 | runs.of[0] >> 63));
        long_words = next_runs(&runs, places.words);
        for (uint64_t all = stops | long_words; all; all &= all - 1) {
            unsigned place = (unsigned)__builtin_ctzll(all);

            if (long_words >> place & 1)
                look_at_word(&p, base + place);
            else
                look_at_stop(&p, base + place);
        }
    }
    if (words)
        *words = 0;
    keep_until(&p, p.len);
    *len = p.to;
    return p.masked;
}

/* A mask can make a new key or word of what is around it. Real messages need one pass more at most.
 */
#define PASSES_MAX 4

/* As redact_and_map(), of a text that does not change. */
static void map(const char *text, size_t len, uint64_t *words)
{
    for (size_t base = 0; base < len; base += CHUNK) {
        struct places places = { 0 };

        for (unsigned place = 0; place < CHUNK; place += 16)
            add_places(&places, text + base, place);
        *words++ = places.words;
    }
    *words = 0;
}

/* After a pass that masked something: more of them, until one finds nothing. A text that goes on
 * without end was made to do so; nothing of it is shown. Returns the new length. */
static size_t settle(char *text, size_t len)
{
    struct str mask = REDACT_MASK;

    for (int i = 1; i < PASSES_MAX; i++)
        if (!run(text, &len, NULL))
            return len;
    if (len < mask.len)
        mask = str_head(STR("*******"), len);
    memcpy(text, mask.at, mask.len);
    return mask.len;
}

size_t redact_and_map(char *text, size_t len, uint64_t *words)
{
    size_t before = len;

    if (!run(text, &len, words))
        return len;
    len = settle(text, len);
    memset(text + len, ' ', before - len);
    map(text, len, words);
    return len;
}

size_t redact(char *text, size_t len)
{
    return run(text, &len, NULL) ? settle(text, len) : len;
}
