/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/classify/redact.h"
#include "agent/classify/redact_pass.h"
#include "util.h"

/*
 * Tokens that can be recognised without a key or a scheme in front of them: their issuers gave them
 * a prefix for that.
 */
static const struct shape {
    struct str prefix; /* case matters */
    size_t length_min; /* with the prefix; shorter words are not tokens */
} shapes[] = {
    { { "ghp_", 4 }, 20 },      { { "gho_", 4 }, 20 },      { { "ghu_", 4 }, 20 },
    { { "ghs_", 4 }, 20 },      { { "ghr_", 4 }, 20 },      { { "github_pat_", 11 }, 30 },
    { { "glpat-", 6 }, 20 },    { { "gldt-", 5 }, 20 },     { { "glcbt-", 6 }, 20 },
    { { "dckr_pat_", 9 }, 20 }, { { "dckr_oat_", 9 }, 20 }, { { "nvapi-", 6 }, 20 },
    { { "AKIA", 4 }, 20 },      { { "ASIA", 4 }, 20 },      { { "sha256~", 7 }, 30 },
};

/* Whether such a token or a JSON web token may start here. Two bytes rule out most words. */
static bool may_begin(struct str text)
{
    char second = (char)(text.len > 1 ? text.at[1] : ' ');

    switch (text.len > 0 ? text.at[0] : ' ') {
    case 'g':
        return second == 'h' || second == 'i' || second == 'l';
    case 'd':
        return second == 'c';
    case 'n':
        return second == 'v';
    case 'A':
        return second == 'K' || second == 'S';
    case 's':
        return second == 'h';
    case 'e':
        return second == 'y';
    default:
        return false;
    }
}

/* A JSON web token has three parts in base64url; the first two are JSON objects. */
#define JWT_START STR("eyJ")
#define JWT_PART_MIN 8u

static size_t run_of_key_bytes(struct str text, size_t at)
{
    while (at < text.len && is_key_byte(text.at[at]))
        at++;
    return at;
}

static bool is_upper_or_digit(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!((text.at[i] >= 'A' && text.at[i] <= 'Z') || (text.at[i] >= '0' && text.at[i] <= '9')))
            return false;
    return true;
}

static bool is_jwt(struct str text)
{
    size_t parts = 1;
    size_t begin = 0;

    if (!str_starts(text, JWT_START))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] != '.')
            continue;
        if (i - begin < JWT_PART_MIN)
            return false;
        begin = i + 1;
        parts++;
    }
    return parts == 3 && text.len - begin >= JWT_PART_MIN;
}

/* The length of the token at the start of the text; 0 without one. */
static size_t shape_length(struct str text)
{
    for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
        size_t end;

        if (text.at[0] != shapes[i].prefix.at[0] || !str_starts(text, shapes[i].prefix))
            continue;
        end = run_of_key_bytes(text, shapes[i].prefix.len);
        if (text.at[0] == 'A' &&
            (end != shapes[i].length_min || !is_upper_or_digit(str_head(text, end))))
            return 0;
        return end >= shapes[i].length_min ? end : 0;
    }
    if (text.at[0] == 'e') {
        size_t end = run_of_key_bytes(text, 0);

        while (end > 0 && text.at[end - 1] == '.') /* the end of a sentence */
            end--;
        return is_jwt(str_head(text, end)) ? end : 0;
    }
    return 0;
}

bool redact_wants_word(struct str text)
{
    const char *colon;

    if (text.len == 0)
        return false;
    if (may_begin(text) && shape_length(text) > 0)
        return true;
    colon = memchr(text.at, ':', text.len);
    text = colon ? str_span(colon + 1, text.at + text.len) : str_head(text, 0);
    return may_begin(text) && shape_length(text) > 0;
}

enum option {
    OPTION_PUBLIC,
    OPTION_SECRET, /* its value is a secret */
    OPTION_LOGIN,  /* its value is "user:password" */
    OPTION_SHORT,  /* "-p": a password only after "login" */
};

static bool has_ending(struct str name, struct str ending)
{
    return name.len >= ending.len && same(name.at + name.len - ending.len, ending);
}

/* `name` has no dashes. "--password-stdin" has no value, "--password-file" has a path. */
static enum option option_of(struct str name, bool is_long)
{
    if (!is_long && str_eq(name, STR("u")))
        return OPTION_LOGIN;
    if (!is_long)
        return str_eq(name, STR("p")) ? OPTION_SHORT : OPTION_PUBLIC;
    if (has_ending(name, STR("-stdin")) || has_ending(name, STR("-file")) ||
        has_ending(name, STR("-path")) || has_ending(name, STR("-dir")))
        return OPTION_PUBLIC;
    if (has_ending(name, STR("creds")) || str_eq(name, STR("user")))
        return OPTION_LOGIN;
    if (has_ending(name, STR("password")) || has_ending(name, STR("token")) ||
        has_ending(name, STR("passphrase")) || has_ending(name, STR("secret")))
        return OPTION_SECRET;
    return OPTION_PUBLIC;
}

/* "1000:1000" is a user and a group, "8080:80" are ports. */
static bool is_login(struct str value)
{
    bool colon = false;
    bool other = false;

    for (size_t i = 0; i < value.len; i++) {
        colon |= value.at[i] == ':';
        other |= value.at[i] != ':' && !(value.at[i] >= '0' && value.at[i] <= '9');
    }
    return colon && other;
}

static bool is_secret_value(enum option option, struct str value, bool login_seen)
{
    if (value.len == 0 || value.at[0] == '-')
        return false;
    if (option == OPTION_LOGIN)
        return is_login(value);
    return option == OPTION_SECRET || (option == OPTION_SHORT && login_seen);
}

/* At the "-" of an option: keeps it, and masks its value if that is a secret. */
static void redact_option(struct pass *p, bool login_seen)
{
    struct str text = { .at = p->text, .len = p->len };
    size_t name = p->from;
    size_t value;
    size_t end;
    enum option option;
    char quote = ' ';

    while (name < p->len && p->text[name] == '-')
        name++;
    end = run_of_key_bytes(text, name);
    option = option_of(str_span(p->text + name, p->text + end), name - p->from == 2);
    while (p->from < end)
        keep(p);
    if (option == OPTION_PUBLIC || end >= p->len || (p->text[end] != ' ' && p->text[end] != '='))
        return;
    for (value = end; value < p->len && (p->text[value] == ' ' || p->text[value] == '=');)
        value++;
    if (value < p->len && (p->text[value] == '"' || p->text[value] == '\''))
        quote = p->text[value++];
    for (end = value; end < p->len && p->text[end] != quote;)
        end++;
    while (quote == ' ' && end > value && strchr(",;)]}\"'`", p->text[end - 1]))
        end--;
    if (!is_secret_value(option, str_span(p->text + value, p->text + end), login_seen))
        return;
    while (p->from < value)
        keep(p);
    mask_until(p, end);
}

size_t redact_words(char *text, size_t len)
{
    struct pass p = { .text = text, .len = len };
    bool login_seen = false;

    while (p.from < len) {
        struct str rest = { .at = text + p.from, .len = len - p.from };
        size_t end = may_begin(rest) ? shape_length(rest) : 0;

        if (end > 0)
            mask_until(&p, p.from + end);
        else if (*rest.at == '-')
            redact_option(&p, login_seen);
        else if (lower(*rest.at) == 'l')
            login_seen |= rest.len > 5 && same(rest.at, STR("login"));
        for (end = p.from; end < len && is_key_byte(text[end]);)
            end++;
        while (end < len && !is_key_byte(text[end]))
            end++;
        keep_until(&p, end);
    }
    return p.to;
}
