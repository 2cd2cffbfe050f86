/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "agent/classify/normalise_tokens.h"
#include "agent/classify/normalise_vocabulary.h"
#include "agent/classify/redact.h"

static char padded[512];

static uint16_t find(const char *word)
{
    size_t len = strlen(word);

    memcpy(padded, word, len);
    memset(padded + len, ' ', TEXT_PADDING);
    return vocabulary_find(padded, len);
}

static void words_are_found_whole_and_in_any_case(void **state)
{
    (void)state;
    assert_int_not_equal(find("denied"), WORD_OTHER);
    assert_int_equal(find("DENIED"), find("denied"));
    assert_int_equal(find("denie"), WORD_OTHER);
    assert_int_equal(find("denieds"), WORD_OTHER);
    assert_int_equal(find(""), WORD_OTHER);
    assert_int_equal(find("unauthenticate_"), WORD_OTHER);
    assert_int_not_equal(find("unauthenticated"), WORD_OTHER);
}

/* Beyond their first and last eight bytes, too. */
static void long_words_are_compared_in_full(void **state)
{
    (void)state;
    assert_int_not_equal(find("signaturevalidationfailed"), WORD_OTHER);
    assert_int_equal(find("signatureValidationfailed"), find("signaturevalidationfailed"));
    assert_int_equal(find("signaturexalidationfailed"), WORD_OTHER);
}

static void grpc_codes_are_found_by_name(void **state)
{
    (void)state;
    assert_int_equal(vocabulary_grpc_code(find("NotFound")), 5);
    assert_int_equal(vocabulary_grpc_code(find("Unauthenticated")), 16);
    assert_int_equal(vocabulary_grpc_code(find("denied")), -1);
    assert_int_equal(vocabulary_grpc_code(WORD_OTHER), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_found_whole_and_in_any_case),
        cmocka_unit_test(long_words_are_compared_in_full),
        cmocka_unit_test(grpc_codes_are_found_by_name),
    };

    return cmocka_run_group_tests_name("normalise_vocabulary", tests, NULL, NULL);
}
