/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Secrets that must go, and texts that must stay. Each text is read by redact() and by normalise().
 *
 * secrets.jsonl, published.jsonl, corpus-secrets.jsonl: of each of "secrets", no five bytes in a
 * row may remain; each of "keep" must remain. harmless.jsonl, and the messages of tests/corpus/
 * that are not in corpus-secrets.jsonl: must remain byte for byte. With arguments: checks those
 * files instead.
 */

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/classify/message.h"
#include "agent/classify/normalise_text.h"
#include "agent/classify/redact.h"
#include "util.h"

/* Fewer bytes of a secret tell nothing. */
#define PIECE 5u

#define FOLDER "tests/redact/"
#define CORPUS "tests/corpus/"

static const char *const secrets[] = { FOLDER "secrets.jsonl", FOLDER "published.jsonl",
                                       FOLDER "corpus-secrets.jsonl" };
static const char *const harmless[] = {
    FOLDER "harmless.jsonl", CORPUS "field.jsonl", CORPUS "field2.jsonl",
    CORPUS "found.jsonl",    CORPUS "lab.jsonl",   CORPUS "recordings.jsonl",
    CORPUS "variants.jsonl",
};

struct tally {
    unsigned right;
    unsigned all;
};

static json_t *corpus_secrets; /* text -> true */
static char copy[LIMIT_CLASSIFY_TEXT];
static char plain[LIMIT_CLASSIFY_TEXT];
static struct message message;

static struct str string_of(const json_t *value)
{
    return (struct str){ .at = json_string_value(value), .len = json_string_length(value) };
}

/* Whether `text` has a piece of `secret`; of a short secret, all of it. */
static bool has_piece(struct str text, struct str secret)
{
    size_t n = secret.len < PIECE ? secret.len : PIECE;

    for (size_t i = 0; i + n <= secret.len; i++)
        if (str_find(text, str_head(str_skip(secret, i), n)))
            return true;
    return false;
}

static bool report(const char *what, struct str detail, struct str text)
{
    printf("  %s %.*s\n       %.*s\n", what, STR_ARG(detail), STR_ARG(text));
    return false;
}

/* What redact() makes of the text; also checks that a second time changes nothing. */
static struct str redacted(struct str text)
{
    struct str once = { .at = copy };

    memcpy(copy, text.at, text.len);
    once.len = redact(copy, text.len);
    memcpy(plain, copy, once.len);
    if (once.len > text.len || redact(plain, once.len) != once.len ||
        memcmp(plain, copy, once.len) != 0)
        report("CHANGES TWICE", text, once);
    return once;
}

static bool has_all(const json_t *keep, struct str text)
{
    const json_t *value;
    size_t i;

    json_array_foreach(keep, i, value)
    {
        if (!str_find(text, string_of(value)))
            return report("HIDDEN", string_of(value), text);
    }
    return true;
}

static bool has_none(const json_t *list, struct str text, const char *what)
{
    const json_t *value;
    size_t i;

    json_array_foreach(list, i, value)
    {
        if (has_piece(text, string_of(value)))
            return report(what, string_of(value), text);
    }
    return true;
}

static bool check_secret(const json_t *row)
{
    const json_t *list = json_object_get(row, "secrets");
    struct str text = string_of(json_object_get(row, "text"));
    struct str once = redacted(text);

    if (!has_none(list, once, "LEAK") || !has_all(json_object_get(row, "keep"), once))
        return false;
    normalise((struct str){ 0 }, text, &message);
    return has_none(list, message.text, "LEAK AFTER normalise()") &&
           has_none(list, message.image, "LEAK AS IMAGE");
}

static bool check_harmless(const json_t *row)
{
    const json_t *value = json_object_get(row, "text");
    struct str text = string_of(value ? value : json_object_get(row, "message"));
    struct str want = { .at = plain };
    struct str once;
    bool cut;

    if (json_object_get(corpus_secrets, text.at))
        return true;
    once = redacted(text);
    if (!str_eq(once, text))
        return report("MASKED", text, once);
    normalise((struct str){ 0 }, text, &message);
    want.len = text_plain(text, plain, sizeof(plain), &cut);
    while (want.len > 0 && want.at[want.len - 1] == ' ')
        want.len--;
    return want.len > LIMIT_MESSAGE_TEXT || str_eq(message.text, want) ||
           report("MASKED BY normalise()", text, message.text);
}

static int check_file(const char *path, struct tally *tally)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;
    int r = file ? 0 : -1;

    while (r == 0 && getline(&line, &size, file) > 0) {
        json_t *row = json_loads(line, 0, NULL);

        memset(copy, 0, sizeof(copy));
        r = row ? 0 : -1;
        if (row) {
            tally->all++;
            tally->right +=
                json_object_get(row, "secrets") ? check_secret(row) : check_harmless(row);
        }
        json_decref(row);
    }
    if (r < 0)
        fprintf(stderr, "cannot read %s, or a line of it is not JSON\n", path);
    free(line);
    if (file)
        fclose(file);
    printf("%s: %u of %u right\n", path, tally->right, tally->all);
    return r < 0 || tally->right < tally->all ? -1 : 0;
}

static void load_corpus_secrets(void)
{
    FILE *file = fopen(FOLDER "corpus-secrets.jsonl", "re");
    char *line = NULL;
    size_t size = 0;

    corpus_secrets = json_object();
    while (file && getline(&line, &size, file) > 0) {
        json_t *row = json_loads(line, 0, NULL);

        json_object_set_new(corpus_secrets, json_string_value(json_object_get(row, "text")),
                            json_true());
        json_decref(row);
    }
    free(line);
    if (file)
        fclose(file);
}

static int check_all(const char *const *paths, size_t n)
{
    int r = 0;

    for (size_t i = 0; i < n; i++) {
        struct tally tally = { 0 };

        if (check_file(paths[i], &tally) < 0)
            r = -1;
    }
    return r;
}

int main(int argc, char **argv)
{
    int r;

    load_corpus_secrets();
    if (argc > 1) {
        r = check_all((const char *const *)argv + 1, (size_t)argc - 1);
    } else {
        r = check_all(secrets, ARRAY_SIZE(secrets));
        if (check_all(harmless, ARRAY_SIZE(harmless)) < 0)
            r = -1;
    }
    json_decref(corpus_secrets);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
