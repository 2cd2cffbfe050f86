/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Keys and their values, in the notations of JSON, YAML, logs, Go, headers and forms:
 *
 *   password=x   password = "x"   "password": "x"   {Username:bob Password:x}   Cookie: a=x; b=y
 *
 * A colon also follows such words in prose: "failed to fetch oauth token: EOF". There, only a value
 * that looks like a secret is one.
 */
#include "agent/classify/redact_pass.h"

/* Longer words are not keys. */
#define KEY_MAX 40u

/* Spaces around a separator. */
#define SPACES_MAX 4u

/* How far back a "{" or "map[" is looked for. */
#define STRUCT_MAX 256u

/* A closing quote is not looked for further than this; then everything is masked. */
#define QUOTED_MAX 4096u

/* A token is longer than any word of prose. */
#define TOKEN_MIN 16u
#define QUOTED_TOKEN_MIN 8u

enum key_kind {
    KEY_OTHER,
    KEY_SECRET,
    KEY_PASSWORD, /* its value can look like a word */
    KEY_AUTHORIZATION,
    KEY_COOKIE,
};

/* What a key ends with. */
struct ending {
    struct str text;
    bool whole_word; /* "pass", not "bypass" */
    enum key_kind kind;
};

/* By their last letter, because they are searched often. The last one of a list is empty. */
#define LAST                                                                                       \
    {                                                                                              \
        .kind = KEY_OTHER                                                                          \
    }
static const struct ending ending_d[] = { { STR("password"), false, KEY_PASSWORD },
                                          { STR("passwd"), false, KEY_PASSWORD },
                                          { STR("pwd"), false, KEY_PASSWORD },
                                          LAST };
static const struct ending ending_e[] = { { STR("passphrase"), false, KEY_PASSWORD },
                                          { STR("signature"), false, KEY_SECRET },
                                          { STR("cookie"), false, KEY_COOKIE },
                                          LAST };
static const struct ending ending_g[] = { { STR("sig"), true, KEY_SECRET }, LAST };
static const struct ending ending_h[] = { { STR("auth"), true, KEY_SECRET }, LAST };
static const struct ending ending_l[] = { { STR("credential"), false, KEY_SECRET }, LAST };
static const struct ending ending_n[] = { { STR("token"), false, KEY_SECRET },
                                          { STR("authorization"), false, KEY_AUTHORIZATION },
                                          LAST };
static const struct ending ending_s[] = { { STR("credentials"), false, KEY_SECRET },
                                          { STR("creds"), true, KEY_SECRET },
                                          { STR("pass"), true, KEY_SECRET },
                                          LAST };
static const struct ending ending_t[] = { { STR("secret"), false, KEY_SECRET }, LAST };
static const struct ending ending_y[] = { { STR("apikey"), false, KEY_SECRET },
                                          { STR("api_key"), false, KEY_SECRET },
                                          { STR("api-key"), false, KEY_SECRET },
                                          { STR("accesskey"), false, KEY_SECRET },
                                          { STR("access_key"), false, KEY_SECRET },
                                          { STR("accountkey"), false, KEY_SECRET },
                                          { STR("secretkey"), false, KEY_SECRET },
                                          { STR("secret_key"), false, KEY_SECRET },
                                          { STR("secret-key"), false, KEY_SECRET },
                                          { STR("privatekey"), false, KEY_SECRET },
                                          { STR("private_key"), false, KEY_SECRET },
                                          { STR("private-key"), false, KEY_SECRET },
                                          LAST };
static const struct ending ending_a[] = { { STR("key-data"), false, KEY_SECRET }, LAST };
static const struct ending ending_i[] = { { STR("x-jfrog-art-api"), false, KEY_SECRET }, LAST };
static const struct ending *const endings[32] = {
    [LETTER('a')] = ending_a, [LETTER('i')] = ending_i, [LETTER('d')] = ending_d,
    [LETTER('e')] = ending_e, [LETTER('g')] = ending_g, [LETTER('h')] = ending_h,
    [LETTER('l')] = ending_l, [LETTER('n')] = ending_n, [LETTER('s')] = ending_s,
    [LETTER('t')] = ending_t, [LETTER('y')] = ending_y,
};

static bool begins_word(struct str key, size_t at)
{
    return at == 0 || !is_letter(key.at[at - 1]) ||
           (key.at[at] >= 'A' && key.at[at] <= 'Z' && key.at[at - 1] >= 'a');
}

static enum key_kind kind_of(struct str key)
{
    const struct ending *ending = key.len > 0 ? endings[LETTER(key.at[key.len - 1])] : NULL;

    for (; ending && ending->kind != KEY_OTHER; ending++)
        if (key.len >= ending->text.len &&
            same(key.at + key.len - ending->text.len, ending->text) &&
            (!ending->whole_word || begins_word(key, key.len - ending->text.len)))
            return ending->kind;
    return KEY_OTHER;
}

/* A key, its separator and where its value is. */
struct assignment {
    const struct pass *p;
    struct str key;
    enum key_kind kind;
    char separator;
    char before; /* in front of the key and its quote; a space at the start of the text */
    bool key_quoted;
    bool tight;     /* no space in front of the value */
    char quote;     /* of the value; 0: none */
    size_t slashes; /* in front of the opening quote */
    size_t value;
};

/* The key in front of the separator, in the text that is already written. */
static bool find_key(const struct pass *p, struct assignment *a)
{
    size_t end = p->to;
    size_t limit = end > SPACES_MAX ? end - SPACES_MAX : 0;
    size_t at;

    if (a->separator == '=' && end > 0 && p->text[end - 1] == ':')
        end--;
    while (end > limit && p->text[end - 1] == ' ')
        end--;
    if (end > 0 && is_quote(p->text[end - 1])) {
        a->key_quoted = true;
        end--;
        while (end > 0 && p->text[end - 1] == '\\')
            end--;
    }
    if (end < 3 || !redact_may_end_key(p->text + end))
        return false;
    for (at = end; at > 0 && end - at < KEY_MAX && is_key_byte(p->text[at - 1]);)
        at--;
    a->key = str_span(p->text + at, p->text + end);
    a->kind = kind_of(a->key);
    if (a->kind == KEY_OTHER)
        return false;
    while (a->key_quoted && at > 0 && (is_quote(p->text[at - 1]) || p->text[at - 1] == '\\'))
        at--;
    while (a->key_quoted && at > 0 && is_space(p->text[at - 1]))
        at--;
    a->before = (char)(at > 0 ? p->text[at - 1] : ' ');
    return a->separator != '>' || a->before == '<';
}

/* Returns false if there is none. */
static bool find_value(struct assignment *a)
{
    const struct pass *p = a->p;
    size_t at = p->from + 1;

    if (a->separator == '=' && at < p->len && p->text[at] == '>')
        at++;
    a->tight = at < p->len && !is_space(p->text[at]);
    for (size_t n = 0; n < SPACES_MAX && at < p->len && is_space(p->text[at]); n++)
        at++;
    while (at < p->len && p->text[at] == '\\') {
        a->slashes++;
        at++;
    }
    if (at < p->len && is_quote(p->text[at]))
        a->quote = p->text[at++];
    else if (a->slashes)
        return false;
    a->value = at;
    return at < p->len;
}

/* --- where a value ends ---------------------------------------------------- */

static size_t slashes_before(const struct pass *p, size_t at)
{
    size_t n = 0;

    while (n < at && p->text[at - n - 1] == '\\')
        n++;
    return n;
}

/*
 * The closing quote has as many backslashes as the opening one, and no word follows it: in
 * `"password":"a"b"`, an escaped quote has already lost its backslash. Without one, the value ends
 * with the word after the first quote; without any, with the text.
 */
static size_t quoted_end(const struct assignment *a)
{
    const struct pass *p = a->p;
    size_t limit = p->len - a->value > QUOTED_MAX ? a->value + QUOTED_MAX : p->len;
    const char closing[] = { '}', a->quote };
    size_t first = 0;

    if (a->value < limit && p->text[a->value] == '{') { /* JSON in JSON, without its backslashes */
        const char *end = str_find(str_span(p->text + a->value, p->text + limit),
                                   (struct str){ .at = closing, .len = sizeof(closing) });

        if (end)
            return (size_t)(end + 1 - p->text);
    }
    for (size_t at = a->value; at < limit; at++) {
        if (p->text[at] != a->quote || slashes_before(p, at) != a->slashes)
            continue;
        if (at + 1 == p->len ||
            (!is_key_byte(p->text[at + 1]) && !one_of(p->text[at + 1], "!$%#*@+")))
            return at - a->slashes;
        first = first ? first : at + 1;
    }
    if (!first || limit < p->len)
        return p->len;
    while (first < p->len && !is_space(p->text[first]))
        first++;
    return first;
}

static size_t unquoted_end(const struct pass *p, size_t at)
{
    size_t from = at;

    while (at < p->len &&
           !has_class(p->text[at], BYTE_SPACE | BYTE_QUOTE | BYTE_MARKUP | BYTE_LIST))
        at++;
    while (at > from && one_of(p->text[at - 1], ":."))
        at--;
    return at;
}

/* --- what a secret looks like ---------------------------------------------- */

bool redact_is_token(struct str text)
{
    bool digit = false;
    bool small = false;
    bool large = false;
    bool dot = false;
    bool slash = false;

    if (text.len < TOKEN_MIN)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];

        if (!is_token_byte(c))
            return false;
        digit |= is_digit(c);
        large |= c >= 'A' && c <= 'Z';
        small |= c >= 'a' && c <= 'z';
        dot |= c == '.';
        slash |= c == '/';
        if (c == '=' && i + 1 < text.len && text.at[i + 1] != '=') /* not padding */
            return false;
    }
    if (dot && (slash || !large)) /* a host, with or without a path */
        return false;
    return digit && (small || large);
}

static bool is_stars(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] != '*')
            return false;
    return true;
}

static bool is_nothing(struct str text)
{
    static const struct str words[] = { STR("true"), STR("false"), STR("null"), STR("nil"),
                                        STR("none") };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (text.len == words[i].len && same(text.at, words[i]))
            return true;
    return is_stars(text) || redact_is_variable(text);
}

/* Whether a colon follows: "password: x509: ...", "Password: Auth:". */
static bool is_followed_by_colon(const struct pass *p, struct str text)
{
    const char *end = text.at + text.len;

    return end < p->text + p->len && *end == ':';
}

/* Words of error messages that have digits. */
static bool is_protocol(struct str text)
{
    static const struct str words[] = { STR("x509"), STR("http2"), STR("oauth2"), STR("base64") };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (text.len == words[i].len && same(text.at, words[i]))
            return true;
    return false;
}

/* After "password: ": a word that is not prose, such as "hunter2" or "s3cr3t!". */
static bool is_password(struct str text)
{
    bool letter = false;
    bool digit = false;
    bool other = false;

    for (size_t i = 0; i < text.len; i++) {
        letter |= is_letter(text.at[i]);
        digit |= is_digit(text.at[i]);
        other |= one_of(text.at[i], "!$%^*#+=~@&?");
        if (text.at[i] == ':' || text.at[i] == '/')
            return false;
    }
    return letter && (digit || other) && !is_protocol(text);
}

/* Whether "username: x" is a little in front of the key. */
static bool after_user_name(const struct assignment *a)
{
    size_t back = (size_t)(a->key.at - a->p->text);
    size_t n = back < 64 ? back : 64;

    for (size_t i = 0; i + 9 <= n; i++)
        if (same(a->key.at - n + i, STR("username:")))
            return true;
    return false;
}

/* Whether the key is in a Go structure or map: {Username:bob Password:x}, map[password:x]. */
static bool in_struct(const struct assignment *a)
{
    const char *start = a->p->text;
    const char *limit = (size_t)(a->key.at - start) > STRUCT_MAX ? a->key.at - STRUCT_MAX : start;

    for (const char *at = a->key.at; at > limit;) {
        at--;
        if (is_quote(*at) || *at == '}')
            return false;
        if (*at == '{')
            return true;
        if (*at == '[' && at - start >= 3 && same(at - 3, STR("map")))
            return true;
    }
    return false;
}

/* "token:x&..." */
static bool is_parameter(const struct pass *p, struct str value)
{
    const char *end = value.at + value.len;

    return end < p->text + p->len && *end == '&';
}

static bool is_quoted_secret(const struct assignment *a, struct str value)
{
    bool digit = false;

    if (a->key_quoted || a->kind == KEY_PASSWORD || a->tight || a->separator == '=')
        return true;
    for (size_t i = 0; i < value.len; i++) {
        digit |= is_digit(value.at[i]);
        if (is_space(value.at[i]))
            return false;
    }
    return value.len >= QUOTED_TOKEN_MIN && digit;
}

/* "<password>x</password>", not "<sig> and more". */
static bool is_element(const struct pass *p, struct str value)
{
    return str_starts(text_from(p, (size_t)(value.at + value.len - p->text)), STR("</"));
}

static bool is_unquoted_secret(const struct assignment *a, struct str value)
{
    if (a->kind == KEY_PASSWORD && value.at[0] == '/') /* PWD=/root, passwd:/etc/passwd */
        return false;
    if (value.at[0] == '{' || value.at[0] == '[' || value.at[0] == '=')
        return false;
    if (a->separator == '>' && !is_element(a->p, value))
        return false;
    if (a->separator != ':' || (a->key_quoted && (a->before == '{' || a->before == ',')))
        return true;
    if (a->tight && a->key_quoted)
        return a->kind == KEY_PASSWORD || redact_is_token(value);
    if (a->tight)
        return in_struct(a) || (a->kind == KEY_PASSWORD && one_of(a->before, " ,;([&|")) ||
               redact_is_token(value) || is_parameter(a->p, value);
    if (redact_is_token(value))
        return true;
    return a->kind == KEY_PASSWORD &&
           (is_password(value) || (after_user_name(a) && !is_followed_by_colon(a->p, value)));
}

/* --- headers --------------------------------------------------------------- */

/* "Credential=x": the "=" is not padding. */
static bool is_pair(struct str text)
{
    const char *equals = text.len > 0 ? memchr(text.at, '=', text.len - 1) : NULL;

    return equals && equals[1] != '=';
}

/* "Authorization: SCHEME TOKEN". Returns false if there is no scheme. */
static bool redact_authorization(struct pass *p, size_t at)
{
    size_t word = at;
    size_t end;
    struct str value;

    while (word < p->len && is_key_byte(p->text[word]))
        word++;
    if (word == at || word == p->len || p->text[word] != ' ')
        return false;
    while (word < p->len && p->text[word] == ' ')
        word++;
    end = unquoted_end(p, word);
    value = str_span(p->text + word, p->text + end);
    if (value.len > 0 && memchr(value.at, ':', value.len)) /* account:signature */
        value = str_span((const char *)memrchr(value.at, ':', value.len) + 1, p->text + end);
    if (!is_pair(value) && (redact_is_token(value) || is_password(value))) {
        keep_until(p, word);
        mask_until(p, end);
    }
    return true;
}

static bool is_attribute(struct str name)
{
    static const struct str names[] = { STR("path"), STR("domain"), STR("expires"), STR("max-age"),
                                        STR("samesite") };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (name.len == names[i].len && same(name.at, names[i]))
            return true;
    return false;
}

/* "Cookie: a=x; b=y". */
static void redact_cookies(struct pass *p, size_t at)
{
    for (;;) {
        size_t name;
        size_t end;

        while (at < p->len && (is_space(p->text[at]) || one_of(p->text[at], "[;")))
            at++;
        name = at;
        while (at < p->len && (is_key_byte(p->text[at])))
            at++;
        if (at == name)
            return;
        end = at;
        if (at < p->len && p->text[at] == '=') {
            at++;
            for (end = at;
                 end < p->len && !is_space_or_quote(p->text[end]) && !one_of(p->text[end], ";]}");)
                end++;
            if (end > at && !is_attribute(str_span(p->text + name, p->text + at - 1))) {
                keep_until(p, at);
                mask_until(p, end);
            }
        }
        if (end >= p->len || p->text[end] != ';')
            return;
        at = end;
    }
}

/* --- the value ------------------------------------------------------------- */

static void redact_quoted(struct pass *p, const struct assignment *a)
{
    size_t from = a->value + redact_scheme_length(text_from(p, a->value));
    size_t end = quoted_end(a);
    struct str value = str_span(p->text + from, p->text + end);

    if (end <= from || is_nothing(value) || !is_quoted_secret(a, value))
        return;
    keep_until(p, from);
    mask_until(p, end);
}

static void redact_unquoted(struct pass *p, const struct assignment *a)
{
    size_t scheme = redact_scheme_length(text_from(p, a->value));
    size_t from = a->value + scheme;
    size_t end = unquoted_end(p, from);
    struct str value = str_span(p->text + from, p->text + end);

    if (value.len == 0 || is_nothing(value))
        return;
    if (scheme > 0 ? !is_password(value) : !is_unquoted_secret(a, value))
        return; /* redact_scheme() looks at longer ones */
    keep_until(p, from);
    mask_until(p, end);
}

void redact_value(struct pass *p)
{
    struct assignment a = { .p = p, .separator = p->text[p->from] };

    if (!find_key(p, &a) || !find_value(&a))
        return;
    if (a.quote)
        redact_quoted(p, &a);
    else if (a.kind == KEY_COOKIE && a.separator == ':')
        redact_cookies(p, a.value);
    else if (a.kind != KEY_AUTHORIZATION || a.tight || !redact_authorization(p, a.value))
        redact_unquoted(p, &a);
}
