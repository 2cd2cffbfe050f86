/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "agent/classify/normalise_phrases.h"
#include "agent/classify/normalise_tokens.h"
#include "agent/classify/normalise_vocabulary.h"
#include "agent/classify/redact.h"
#include "util.h"

static struct tokens tokens;
static char padded[1024];

static void split(const char *text)
{
    uint64_t words[WORD_MAP_SIZE(sizeof(padded))];
    size_t len = strlen(text);

    assert_true(len + TEXT_PADDING < sizeof(padded));
    memcpy(padded, text, len);
    memset(padded + len, ' ', TEXT_PADDING);
    assert_int_equal(redact_and_map(padded, len, words), len);
    tokens_split((struct str){ .at = padded, .len = len }, words, &tokens);
}

/* Words as they are, "$" for a value, "@" for a URL, "#" for a possible status. */
static void assert_tokens(const char *text, const char *want)
{
    char got[1024];
    size_t n = 0;

    split(text);
    for (size_t i = 0; i < tokens.n; i++) {
        const struct token *t = &tokens.at[i];

        got[n++] = ' ';
        if (t->word == WORD_VALUE || t->word == WORD_URL || t->word == WORD_NUMBER) {
            got[n++] = t->word == WORD_VALUE ? '$' : t->word == WORD_URL ? '@' : '#';
            continue;
        }
        memcpy(got + n, padded + t->at, t->len);
        n += t->len;
    }
    got[n] = '\0';
    assert_string_equal(n > 0 ? got + 1 : got, want);
}

static void names_urls_and_paths_are_values(void **state)
{
    (void)state;
    assert_tokens("dial tcp 10.0.0.1:443: i/o timeout", "dial tcp $ i/o timeout");
    assert_tokens("Head \"https://r.example.com/v2/denied/manifests/404\": EOF", "Head @ EOF");
    assert_tokens("Get https://r.example.com/v2/: x509: bad", "Get @ x509 bad");
    assert_tokens("r.example.com/not-found:429 gone", "$ gone");
    assert_tokens("the \"denied\" one", "the $ one");
    assert_tokens("image \"a denied b\": EOF", "image $ EOF");
    assert_tokens("open /etc/timeout: denied", "open $ denied");
}

static void three_digit_numbers_may_be_a_status(void **state)
{
    (void)state;
    assert_tokens("status 404, 99, 600, 1500, 503.", "status # 99 600 1500 #");
}

static void other_scripts_separate_words(void **state)
{
    (void)state;
    assert_tokens("\xe6\x8f\x90\xe7\xa4\xba"
                  "401 Unauthorized\xef\xbc\x9a"
                  "EOF",
                  "# Unauthorized EOF");
}

static void keys_and_messages_of_json_are_words(void **state)
{
    (void)state;
    assert_tokens("{\"code\":\"DENIED\",\"message\":\"no\"}", "code DENIED message no");
}

static void brackets_are_flagged_on_the_next_token(void **state)
{
    (void)state;
    split("[one two] three (x [four])five");
    assert_true(tokens.at[0].flags & TOKEN_OPEN);
    assert_false(tokens.at[1].flags & TOKEN_OPEN);
    assert_true(tokens.at[2].flags & TOKEN_BREAK);
    assert_true(tokens.at[4].flags & TOKEN_OPEN);
    assert_true(tokens.at[5].flags & TOKEN_MIRRORS_END);
}

static void tokens_over_the_limit_are_ignored(void **state)
{
    static char many[3 * TOKENS_MAX + TEXT_PADDING];
    static uint64_t words[WORD_MAP_SIZE(sizeof(many))];

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(many); i += 2) {
        many[i] = 'x';
        many[i + 1] = ' ';
    }
    memset(many + 3 * TOKENS_MAX, ' ', TEXT_PADDING);
    redact_and_map(many, 3 * TOKENS_MAX, words);
    tokens_split((struct str){ .at = many, .len = 3 * TOKENS_MAX }, words, &tokens);
    assert_int_equal(tokens.n, TOKENS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_urls_and_paths_are_values),
        cmocka_unit_test(three_digit_numbers_may_be_a_status),
        cmocka_unit_test(other_scripts_separate_words),
        cmocka_unit_test(keys_and_messages_of_json_are_words),
        cmocka_unit_test(brackets_are_flagged_on_the_next_token),
        cmocka_unit_test(tokens_over_the_limit_are_ignored),
    };

    return cmocka_run_group_tests_name("normalise_tokens", tests, NULL, NULL);
}
