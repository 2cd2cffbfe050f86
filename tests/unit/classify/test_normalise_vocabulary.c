/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "agent/classify/normalise_tokens.h"
#include "agent/classify/normalise_vocabulary.h"

static char padded[512];

static uint16_t find(const char *word)
{
    size_t len = strlen(word);

    memcpy(padded, word, len);
    memset(padded + len, ' ', TEXT_PADDING);
    return vocabulary_find(padded, len);
}

static void case_does_not_matter_all_else_does(void **state)
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

/* Words over 16 bytes are compared in the middle too. */
static void long_words_are_told_apart(void **state)
{
    (void)state;
    assert_int_not_equal(find("signaturevalidationfailed"), WORD_OTHER);
    assert_int_equal(find("signatureValidationfailed"), find("signaturevalidationfailed"));
    assert_int_equal(find("signaturexalidationfailed"), WORD_OTHER);
}

static void grpc_codes_are_known_by_name(void **state)
{
    (void)state;
    assert_int_equal(vocabulary_grpc_code(find("NotFound")), 5);
    assert_int_equal(vocabulary_grpc_code(find("Unauthenticated")), 16);
    assert_int_equal(vocabulary_grpc_code(find("denied")), -1);
    assert_int_equal(vocabulary_grpc_code(WORD_OTHER), -1);
}

/* Sixteen bytes at once say of each what was asked, also of those over 127. */
static void vectors_tell_each_byte_apart(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        for (unsigned at = 0; at < 16; at++) {
            char text[16] = { 0 };
            bytes16 sixteen;

            text[at] = (char)c;
            sixteen = bytes16_load(text);
            assert_int_equal(bytes16_mask(bytes16_between(sixteen, 'a', 'z')),
                             c >= 'a' && c <= 'z' ? 1u << at : 0);
            assert_int_equal(bytes16_mask((bytes16)(sixteen > 0)), c > 0 ? 1u << at : 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_does_not_matter_all_else_does),
        cmocka_unit_test(long_words_are_told_apart),
        cmocka_unit_test(grpc_codes_are_known_by_name),
        cmocka_unit_test(vectors_tell_each_byte_apart),
    };

    return cmocka_run_group_tests_name("normalise_vocabulary", tests, NULL, NULL);
}
