/* SPDX-License-Identifier: Apache-2.0 */

/* Secrets without a key in front of them: tokens of known shapes, the word after Bearer or Basic,
 * options of commands, private keys, and passwords in prose. */
#include "agent/classify/redact_pass.h"

/* --- tokens of known shapes ------------------------------------------------ */

/* What follows a prefix. */
enum rest {
    REST_KEY,   /* bytes of keys */
    REST_PLAIN, /* letters and digits only */
    REST_BASE64,
    REST_CAPITAL, /* capital letters and digits, exactly length_min with the prefix */
};

/* Their issuers gave them a prefix, so that they are recognised. */
static const struct shape {
    char prefix[26];    /* case matters */
    uint8_t length_min; /* with the prefix; shorter words are not tokens */
    enum rest rest;
} shapes[] = {
    /* GitHub, GitLab */
    { "ghp_", 20, REST_KEY },
    { "gho_", 20, REST_KEY },
    { "ghu_", 20, REST_KEY },
    { "ghs_", 20, REST_KEY },
    { "ghr_", 20, REST_KEY },
    { "github_pat_", 30, REST_KEY },
    { "glpat-", 20, REST_KEY },
    { "gldt-", 20, REST_KEY },
    { "glrt-", 20, REST_KEY },
    { "glrtr-", 20, REST_KEY },
    { "glcbt-", 20, REST_KEY },
    { "glptt-", 20, REST_KEY },
    { "glft-", 20, REST_KEY },
    { "glsoat-", 20, REST_KEY },
    { "glimt-", 20, REST_KEY },
    { "glagent-", 30, REST_KEY },
    { "gloas-", 30, REST_KEY },
    { "GR1348941", 25, REST_KEY },
    /* registries */
    { "dckr_pat_", 20, REST_KEY },
    { "dckr_oat_", 20, REST_KEY },
    { "nvapi-", 20, REST_KEY },
    { "npm_", 40, REST_PLAIN },
    { "AKCp", 60, REST_PLAIN },
    { "cmVmdGtu", 40, REST_PLAIN },
    { "hf_", 36, REST_PLAIN },
    { "pypi-AgE", 40, REST_KEY },
    /* private keys in PEM, in base64 */
    { "LS0tLS1CRUdJTiBSU0EgUFJJ", 40, REST_BASE64 },
    { "LS0tLS1CRUdJTiBQUklWQVRF", 40, REST_BASE64 },
    { "LS0tLS1CRUdJTiBFQyBQUklW", 40, REST_BASE64 },
    { "LS0tLS1CRUdJTiBPUEVOU1NI", 40, REST_BASE64 },
    /* clouds */
    { "AKIA", 20, REST_CAPITAL },
    { "ASIA", 20, REST_CAPITAL },
    { "ABIA", 20, REST_CAPITAL },
    { "ACCA", 20, REST_CAPITAL },
    { "LTAI", 20, REST_PLAIN },
    { "AIza", 39, REST_KEY },
    { "GOCSPX-", 24, REST_KEY },
    { "dop_v1_", 40, REST_PLAIN },
    { "doo_v1_", 40, REST_PLAIN },
    { "dor_v1_", 40, REST_PLAIN },
    { "HRKU-", 36, REST_KEY },
    /* others */
    { "xoxb-", 20, REST_KEY },
    { "xoxp-", 20, REST_KEY },
    { "xoxa-", 20, REST_KEY },
    { "xoxr-", 20, REST_KEY },
    { "xoxs-", 20, REST_KEY },
    { "xoxe-", 20, REST_KEY },
    { "xapp-1-", 20, REST_KEY },
    { "CCIPAT_", 40, REST_KEY },
    { "sk-ant-", 40, REST_KEY },
    { "AGE-SECRET-KEY-1", 40, REST_PLAIN },
};

/* Prefixes that end with a "." or "~", by the byte in front of it. */
static const struct str dotted[256] = {
    ['s'] = STR("hvs."),  ['b'] = STR("hvb."),    ['r'] = STR("hvr."),
    ['9'] = STR("ya29."), ['6'] = STR("sha256~"),
};

/* A JSON web token has three parts in base64url; the first two are JSON objects. */
#define JWT_PART_MIN 8u

/* JSON in base64: a docker configuration, a token of ECR. Whole words that begin so by accident are
 * shorter. */
#define JSON_MIN 24u
#define SPACED_JSON_MIN 40u

#define AZURE_LENGTH 52u     /* of a registry's password */
#define AZURE_SECRET_MIN 31u /* of a client secret, after its mark */

static bool is_plain(char c)
{
    return is_letter(c) || is_digit(c);
}

static bool is_capital(char c)
{
    return (c >= 'A' && c <= 'Z') || is_digit(c);
}

static bool fits(char c, enum rest rest)
{
    switch (rest) {
    case REST_KEY:
        return is_key_byte(c);
    case REST_PLAIN:
        return is_plain(c);
    case REST_BASE64:
        return is_token_byte(c);
    case REST_CAPITAL:
        return is_capital(c);
    }
    return false;
}

static size_t run_of_key_bytes(struct str text, size_t at)
{
    while (at < text.len && is_key_byte(text.at[at]))
        at++;
    return at;
}

static size_t shape_length(struct str text)
{
    const struct shape *shape = shapes;
    const struct shape *last = shapes + ARRAY_SIZE(shapes);
    size_t end;

    while (shape < last && (text.at[0] != shape->prefix[0] || text.at[1] != shape->prefix[1] ||
                            !str_starts(text, str_from(shape->prefix))))
        shape++;
    if (shape == last)
        return 0;
    for (end = strlen(shape->prefix); end < text.len && fits(text.at[end], shape->rest);)
        end++;
    while (text.at[end - 1] == '.') /* the end of a sentence */
        end--;
    if (end < shape->length_min)
        return 0;
    if (shape->rest == REST_CAPITAL &&
        (end != shape->length_min || (end < text.len && is_key_byte(text.at[end]))))
        return 0;
    return end;
}

static bool is_jwt(struct str text)
{
    size_t parts = 1;
    size_t begin = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] != '.')
            continue;
        if (i - begin < JWT_PART_MIN)
            return false;
        begin = i + 1;
        parts++;
    }
    return (parts == 3 || parts == 5) && text.len - begin >= JWT_PART_MIN;
}

/* At "eyJ": a JSON web token, or any JSON in base64. */
static size_t json_length(struct str text)
{
    size_t end = run_of_key_bytes(text, 0);
    bool spaced = !str_starts(text, STR("eyJ"));

    if (spaced && !str_starts(text, STR("ewo")) && !str_starts(text, STR("ewk")) &&
        !str_starts(text, STR("ew0")) && !str_starts(text, STR("eyA")))
        return 0;
    while (end > 0 && text.at[end - 1] == '.')
        end--;
    if (!spaced && is_jwt(str_head(text, end)))
        return end;
    for (end = 0; end < text.len && is_token_byte(text.at[end]) && text.at[end] != '.';)
        end++;
    return end >= (spaced ? SPACED_JSON_MIN : JSON_MIN) && redact_is_token(str_head(text, end))
               ? end
               : 0;
}

static bool is_azure_registry(struct str text)
{
    if (text.len < AZURE_LENGTH || memcmp(text.at + AZURE_MARK_AT, "+ACR", 4) != 0)
        return false;
    for (size_t i = 0; i < AZURE_LENGTH; i++)
        if (!is_token_byte(text.at[i]))
            return false;
    return true;
}

/* The length of the prefix in front of the word, in the text that is already written. */
static size_t dotted_prefix(const struct pass *p)
{
    struct str prefix = { .len = 0 };

    if (p->to > 1 && (p->text[p->to - 1] == '.' || p->text[p->to - 1] == '~'))
        prefix = dotted[(unsigned char)p->text[p->to - 2]];
    if (prefix.len > p->to || !str_ends(str_span(p->text, p->text + p->to), prefix) ||
        (prefix.len < p->to && is_key_byte(p->text[p->to - prefix.len - 1])))
        return 0;
    return prefix.len;
}

void redact_shape(struct pass *p)
{
    struct str text = text_from(p, p->from);
    size_t before = dotted_prefix(p);
    size_t n = 0;

    if (before > 0)
        n = run_of_key_bytes(text, 0);
    else
        n = text.at[0] == 'e' ? json_length(text) : shape_length(text);
    if (n == 0 && is_azure_registry(text))
        n = AZURE_LENGTH;
    if (n > 0)
        mask_from_until(p, p->to - before, p->from + n);
}

/* Three bytes and a digit, then "Q~". */
void redact_azure_secret(struct pass *p)
{
    size_t end = p->from + 1;

    if (p->to < 5 || p->text[p->to - 1] != 'Q' || !is_digit(p->text[p->to - 2]) ||
        !is_key_byte(p->text[p->to - 3]) || !is_key_byte(p->text[p->to - 4]) ||
        !is_key_byte(p->text[p->to - 5]))
        return;
    while (end < p->len && (is_key_byte(p->text[end]) || p->text[end] == '~'))
        end++;
    if (end - p->from > AZURE_SECRET_MIN)
        mask_from_until(p, p->to - 5, end);
}

/* --- Bearer, Basic --------------------------------------------------------- */

#define MIXED_TOKEN_MIN 20u

size_t redact_scheme_length(struct str text)
{
    size_t word = starts_with(text, STR("bearer")) ? 6 : starts_with(text, STR("basic")) ? 5 : 0;
    size_t n = word;

    while (word > 0 && n < text.len && is_space(text.at[n]))
        n++;
    return n > word ? n : 0;
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (is_digit(c))
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Whether the text is "user:password" in base64. */
static bool is_base64_login(struct str text)
{
    unsigned bits = 0;
    unsigned n = 0;
    bool colon = false;

    for (size_t i = 0; i < text.len && text.at[i] != '='; i++) {
        int value = base64_value(text.at[i]);

        if (value < 0)
            return false;
        bits = bits << 6 | (unsigned)value;
        n += 6;
        if (n < 8)
            continue;
        n -= 8;
        colon |= ((bits >> n) & 0xff) == ':';
        if (((bits >> n) & 0xff) < ' ')
            return false;
    }
    return colon;
}

/* A token without a digit. */
static bool is_mixed(struct str text)
{
    bool small = false;
    bool large = false;

    for (size_t i = 0; i < text.len; i++) {
        small |= text.at[i] >= 'a' && text.at[i] <= 'z';
        large |= text.at[i] >= 'A' && text.at[i] <= 'Z';
    }
    return small && large && text.len >= MIXED_TOKEN_MIN;
}

void redact_scheme(struct pass *p)
{
    size_t from = p->from + redact_scheme_length(text_from(p, p->from));
    size_t end = from;
    struct str token;

    if (end == p->from)
        return;
    while (end < p->len && is_token_byte(p->text[end]))
        end++;
    if (end > from && end < p->len && p->text[end - 1] == '=' && is_quote(p->text[end]))
        return; /* Bearer realm="..." */
    while (end > from && p->text[end - 1] == '.')
        end--;
    token = str_span(p->text + from, p->text + end);
    if (!redact_is_token(token) && !is_mixed(token) && !is_base64_login(token))
        return;
    keep_until(p, from);
    mask_until(p, end);
}

/* --- private keys ---------------------------------------------------------- */

#define PEM_BEGIN STR("-----BEGIN ")
#define PEM_END STR("-----END ")
#define PEM_LABEL_MAX 40u

/* Masks the body of "-----BEGIN PRIVATE KEY----- ... -----END PRIVATE KEY-----". */
static void redact_pem(struct pass *p)
{
    struct str label = str_skip(text_from(p, p->from), PEM_BEGIN.len);
    const char *dashes = label.at ? str_find(str_head(label, PEM_LABEL_MAX), STR("-----")) : NULL;
    const char *end;
    size_t from;

    if (!dashes || !str_find(str_span(label.at, dashes), STR("PRIVATE KEY")))
        return;
    from = (size_t)(dashes + 5 - p->text);
    while (from < p->len && is_space(p->text[from]))
        from++;
    end = str_find(text_from(p, from), PEM_END);
    if (!end)
        end = p->text + p->len;
    while (end > p->text + from && is_space(end[-1]))
        end--;
    if (end == p->text + from)
        return;
    keep_until(p, from);
    mask_until(p, (size_t)(end - p->text));
}

/* --- options --------------------------------------------------------------- */

/* How far back "login" is looked for. */
#define COMMAND_MAX 256u

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
        return str_starts(name, STR("p")) ? OPTION_SHORT : OPTION_PUBLIC;
    if (has_ending(name, STR("-stdin")) || has_ending(name, STR("-file")) ||
        has_ending(name, STR("-path")) || has_ending(name, STR("-dir")))
        return OPTION_PUBLIC;
    if (has_ending(name, STR("creds")) || str_eq(name, STR("user")))
        return OPTION_LOGIN;
    if (has_ending(name, STR("password")) || has_ending(name, STR("token")) ||
        has_ending(name, STR("passphrase")) || has_ending(name, STR("secret")) ||
        str_eq(name, STR("auth")))
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
        other |= value.at[i] != ':' && !is_digit(value.at[i]);
    }
    return colon && other;
}

/* Whether the option is one of "sshpass". Its other options are in front of the command that it
 * runs. */
static bool is_of_sshpass(const struct pass *p)
{
    size_t at = p->to;
    size_t end;

    for (;;) {
        while (at > 0 && is_space(p->text[at - 1]))
            at--;
        for (end = at; at > 0 && is_key_byte(p->text[at - 1]);)
            at--;
        if (at == end || p->text[at] != '-')
            break;
    }
    return end - at == 7 && same(p->text + at, STR("sshpass"));
}

static bool after_login(const struct pass *p)
{
    size_t at = p->to > COMMAND_MAX ? p->to - COMMAND_MAX : 0;

    for (; at + 6 <= p->to; at++)
        if (same(p->text + at, STR("login")))
            return true;
    return false;
}

static bool is_secret_value(const struct pass *p, enum option option, struct str value)
{
    if (value.len == 0 || value.at[0] == '-' || redact_is_variable(value))
        return false;
    if (option == OPTION_LOGIN)
        return is_login(value);
    return option == OPTION_SECRET || after_login(p) || is_of_sshpass(p);
}

static size_t word_end(const struct pass *p, size_t at)
{
    while (at < p->len && !is_space_or_quote(p->text[at]))
        at++;
    return at;
}

/* The value after the option's name, up to its end. Empty: none. */
static struct str option_value(const struct pass *p, size_t at)
{
    struct str none = { .at = p->text + at };
    char quote = ' ';
    size_t from = at;
    size_t end;

    while (from < p->len && one_of(p->text[from], "\"',"))
        from++; /* ["--password","x"] */
    if (from == at && (from == p->len || (!is_space(p->text[from]) && p->text[from] != '=')))
        return none;
    while (from < p->len && (is_space(p->text[from]) || one_of(p->text[from], "=\\")))
        from++;
    if (from < p->len && is_quote(p->text[from]))
        quote = p->text[from++];
    else if (p->text[from - 1] == '"' || p->text[from - 1] == '\'')
        quote = p->text[from - 1];
    for (end = from;
         end < p->len && p->text[end] != quote && !(quote == ' ' && is_space(p->text[end]));)
        end++;
    while (end > from && one_of(p->text[end - 1], quote == ' ' ? ".:,;)]}\"'`\\" : "\\"))
        end--;
    return str_span(p->text + from, p->text + end);
}

void redact_option(struct pass *p)
{
    struct str text = text_from(p, p->from);
    size_t name = p->from;
    size_t end;
    enum option option;
    struct str value;

    if (str_starts(text, PEM_BEGIN)) {
        redact_pem(p);
        return;
    }
    while (name < p->len && p->text[name] == '-')
        name++;
    end = p->from + run_of_key_bytes(text, name - p->from);
    option = option_of(str_span(p->text + name, p->text + end), name - p->from > 1);
    if (option == OPTION_PUBLIC)
        return;
    value = option == OPTION_SHORT && end > name + 1
                ? str_span(p->text + name + 1, p->text + word_end(p, end)) /* -pSECRET */
                : option_value(p, end);
    if (!is_secret_value(p, option, value))
        return;
    end = (size_t)(value.at + value.len - p->text);
    keep_until(p, (size_t)(value.at - p->text));
    mask_until(p, end);
}

/* --- prose ----------------------------------------------------------------- */

/* Shorter words with a digit can be anything. */
#define PROSE_PASSWORD_MIN 6u

/* The length of "word ", "word is " and the like at the start of the text; 0 without it. */
static size_t prose_length(struct str text)
{
    static const struct str verbs[] = { STR("is "), STR("was ") };
    size_t n = starts_with(text, STR("word ")) ? 5 : starts_with(text, STR("wd ")) ? 3 : 0;

    for (size_t i = 0; i < ARRAY_SIZE(verbs) && n > 0; i++)
        if (starts_with(str_skip(text, n), verbs[i]))
            return n + verbs[i].len;
    return n;
}

/* Words with digits that follow "password" in error messages. */
static bool is_method(struct str text)
{
    static const struct str words[] = { STR("oauth2"), STR("base64"), STR("sha256"),
                                        STR("sha384"), STR("sha512"), STR("argon2") };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (starts_with(text, words[i]))
            return true;
    return false;
}

/* "hunter2", but not "incorrect", "db-1", "r.example.com" or "user=bob". */
static bool is_prose_password(struct str text)
{
    bool letter = false;
    bool sign = false; /* that no word of prose has inside */
    bool dash = false;
    bool other = false; /* that no name has */

    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        bool special = one_of(c, "!$%^*#~@&+");

        if (!is_letter(c) && !is_digit(c) && !special && c != '-' && c != '_')
            return false;
        letter |= is_letter(c);
        sign |= is_digit(c) || (special && c != '@' && c != '&');
        dash |= c == '-' || c == '_';
        other |= special || (c >= 'A' && c <= 'Z');
    }
    return text.len >= PROSE_PASSWORD_MIN && letter && sign && (!dash || other) &&
           !one_of(text.at[0], "%$") && !is_method(text);
}

void redact_prose(struct pass *p)
{
    size_t from = p->from + prose_length(text_from(p, p->from));
    size_t end;

    if (from == p->from || p->to < 4 || !same(p->text + p->to - 4, STR("pass")))
        return;
    if (from < p->len && is_quote(p->text[from]))
        from++;
    for (end = from; end < p->len &&
                     !has_class(p->text[end], BYTE_SPACE | BYTE_QUOTE | BYTE_MARKUP | BYTE_LIST);)
        end++;
    while (end > from && one_of(p->text[end - 1], ".:!?"))
        end--;
    if (!is_prose_password(str_span(p->text + from, p->text + end)))
        return;
    keep_until(p, from);
    mask_until(p, end);
}
