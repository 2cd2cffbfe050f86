/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "agent/classify/normalise_text.h"
#include "util.h"

static void assert_plain(const char *text, const char *want)
{
    char out[512];
    bool cut = true;
    size_t n = text_plain(str_from(text), out, sizeof(out), &cut);

    out[n] = '\0';
    assert_string_equal(out, want);
    assert_false(cut);
}

static void nested_quoting_is_removed(void **state)
{
    (void)state;
    assert_plain("image \\\"a:b\\\"", "image \"a:b\"");
    assert_plain("image \\\\\\\"a:b\\\\\\\" failed", "image \"a:b\" failed");
    assert_plain("one\\ntwo\\\\nthree", "one two three");
    assert_plain("\\u003chtml\\u003e \\u00e9", "<html> ?");
    assert_plain("ends with a backslash\\", "ends with a backslash");
}

static void windows_paths_keep_their_backslashes(void **state)
{
    (void)state;
    assert_plain("C:\\root\\new: gone", "C:\\root\\new: gone");
    assert_plain("D:\\\\temp\\\\x", "D:\\temp\\x");
}

static void unprintable_bytes_become_spaces_or_question_marks(void **state)
{
    (void)state;
    assert_plain("a\tb\x7f\x01", "a b  ");
    assert_plain("\xff\xc3 \xe2\x82", "?? ??");
    assert_plain("\xe2\x80\x9cquoted\xe2\x80\x9d", "\"quoted\"");
    assert_plain("Stra\xc3\x9f"
                 "e",
                 "Stra\xc3\x9f"
                 "e");
}

/* 16 bytes are copied at once: a special byte may be at any place in them. */
static void the_place_of_a_special_byte_does_not_matter(void **state)
{
    (void)state;
    for (size_t place = 0; place < 40; place++) {
        char text[42];
        char want[42];

        memset(text, 'x', sizeof(text));
        text[place] = '\n';
        text[40] = '\0';
        memcpy(want, text, sizeof(want));
        want[place] = ' ';
        assert_plain(text, want);
    }
}

static void a_long_text_keeps_head_and_tail(void **state)
{
    char text[101];
    char out[64];
    bool cut;
    size_t n;

    (void)state;
    memset(text, 'h', 50);
    memset(text + 50, 't', 50);
    text[100] = '\0';
    n = text_plain(str_from(text), out, 60, &cut);
    assert_true(cut);
    assert_int_equal(n, 60);
    assert_int_equal(out[0], 'h');
    assert_int_equal(out[n - 1], 't');
    assert_non_null(memmem(out, n, " ... ", 5));
}

static void characters_are_not_cut(void **state)
{
    static const char text[] = "a\xe2\x82\xac"
                               "b";

    (void)state;
    assert_int_equal(text_whole_characters(text, 1), 1);
    assert_int_equal(text_whole_characters(text, 2), 1);
    assert_int_equal(text_whole_characters(text, 3), 1);
    assert_int_equal(text_whole_characters(text, 4), 4);
    assert_int_equal(text_whole_characters(text, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nested_quoting_is_removed),
        cmocka_unit_test(windows_paths_keep_their_backslashes),
        cmocka_unit_test(unprintable_bytes_become_spaces_or_question_marks),
        cmocka_unit_test(the_place_of_a_special_byte_does_not_matter),
        cmocka_unit_test(a_long_text_keeps_head_and_tail),
        cmocka_unit_test(characters_are_not_cut),
    };

    return cmocka_run_group_tests_name("normalise_text", tests, NULL, NULL);
}
