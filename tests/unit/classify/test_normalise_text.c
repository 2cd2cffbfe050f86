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

static void html_entities_become_their_character(void **state)
{
    (void)state;
    assert_plain("msg=&#34;a&#34; &quot;b&quot; &lt;html&gt;", "msg=\"a\" \"b\" <html>");
    assert_plain("&amp;quot;a&amp;#39; &amp; b", "\"a' & b");
    assert_plain("https://r.example.com/t?scope=a&service=b&lt=1", /* no entity */
                 "https://r.example.com/t?scope=a&service=b&lt=1");
    assert_plain("&", "&");
    assert_plain("&quot", "&quot");
    assert_plain("&amp;amp;amp;", "&");
}

#define COLUMNS_60 "123456789 123456789 123456789 123456789 123456789 12345 "

static void a_line_that_a_terminal_broke_is_joined(void **state)
{
    (void)state;
    assert_plain(COLUMNS_60 "conn\n" COLUMNS_60 "refu\nsed",
                 COLUMNS_60 "conn " COLUMNS_60 "refused"); /* the second line begins with a digit */
    assert_plain("x" COLUMNS_60 "con\nnection refused by the peer which is there, and so on: r.exa"
                 "\nmple.com",
                 "x" COLUMNS_60
                 "connection refused by the peer which is there, and so on: r.example.com");
    assert_plain("connection\nrefused\nconnection\nrefused",
                 "connection refused connection refused");               /* short lines */
    assert_plain(COLUMNS_60 "conn\nrefused", COLUMNS_60 "conn refused"); /* only one line */
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
        cmocka_unit_test(html_entities_become_their_character),
        cmocka_unit_test(a_line_that_a_terminal_broke_is_joined),
    };

    return cmocka_run_group_tests_name("normalise_text", tests, NULL, NULL);
}
