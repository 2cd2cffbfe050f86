/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "agent/classify/normalise_phrases.h"
#include "agent/classify/redact.h"
#include "agent/classify/rules.h"
#include "agent/classify/wrappers.h"
#include "util.h"

static char padded[512];

static struct tokens tokens;

/* The phrase at token `i` of `text`, as written in its table; "" for none. */
static const char *phrase_at(const char *text, size_t i, size_t *ret_n)
{
    uint64_t words[WORD_MAP_SIZE(sizeof(padded))];
    const struct phrase *p;
    size_t len = strlen(text);
    size_t slot = 0;

    memcpy(padded, text, len);
    memset(padded + len, ' ', TEXT_PADDING);
    redact_and_map(padded, len, words);
    tokens_split((struct str){ .at = padded, .len = len }, words, &tokens);
    assert_true(i < tokens.n);
    p = phrases_match(&tokens, i, ret_n, &slot);
    if (!p)
        return "";
    return p->kind == PHRASE_WRAPPER ? wrappers[p->row].phrase : rule_at(p->row)->phrase;
}

static void the_longest_phrase_wins(void **state)
{
    size_t n = 0;

    (void)state;
    assert_string_equal(phrase_at("not found", 0, &n), "not found");
    assert_int_equal(n, 2);
    assert_string_equal(phrase_at("request canceled while waiting for connection", 0, &n),
                        "request canceled while waiting for connection");
    assert_string_equal(phrase_at("request canceled", 0, &n), "request canceled");
}

static void a_phrase_cut_by_the_end_of_the_text_does_not_match(void **state)
{
    size_t n = 0;

    (void)state;
    assert_string_equal(phrase_at("not", 0, &n), "");
    assert_string_equal(phrase_at("connection", 0, &n), "");
    assert_string_equal(phrase_at("certificate signed by unknown", 0, &n), "");
}

static void a_gap_spans_a_few_words_but_no_break(void **state)
{
    size_t n = 0;

    (void)state;
    assert_string_equal(phrase_at("snapshot a b c does not exist", 0, &n),
                        "snapshot ~ does not exist");
    assert_string_equal(phrase_at("snapshot a; does not exist", 0, &n), "");
    assert_string_equal(phrase_at("snapshot a b c d e f g h i j does not exist", 0, &n), "");
}

static void values_fill_slots(void **state)
{
    size_t n = 0;

    (void)state;
    assert_string_equal(phrase_at("failed to resolve reference \"r.example.com/a\": x", 0, &n),
                        "failed to resolve reference $");
    assert_int_equal(n, 5);
    assert_string_equal(phrase_at("failed to resolve reference x", 0, &n),
                        "failed to resolve reference");
    assert_string_equal(phrase_at("get https://r.example.com/v2/: forbidden", 0, &n),
                        "get @ forbidden");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_phrase_wins),
        cmocka_unit_test(a_phrase_cut_by_the_end_of_the_text_does_not_match),
        cmocka_unit_test(a_gap_spans_a_few_words_but_no_break),
        cmocka_unit_test(values_fill_slots),
    };

    return cmocka_run_group_tests_name("normalise_phrases", tests, NULL, NULL);
}
