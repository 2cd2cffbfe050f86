/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/commands/show.h"
#include "buf.h"
#include "util.h"

static struct buf text;

static int begin(void **state)
{
    (void)state;
    buf_init(&text, 1 << 20);
    return 0;
}

static int end(void **state)
{
    (void)state;
    buf_done(&text);
    return 0;
}

static void assert_text(const char *wanted)
{
    assert_int_equal(buf_error(&text), 0);
    assert_string_equal(text.at ? text.at : "", wanted);
    buf_reset(&text);
}

static void text_becomes_printable_ascii(void **state)
{
    (void)state;
    show_plain(&text, STR("web-0 ~!"));
    assert_text("web-0 ~!");
    show_plain(&text, STR("\x1b[31m\r\n\t\0\x7f"));
    assert_text("?[31m?????");
    show_plain(&text, STR("gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\xb3 \xe2\x80\xae"));
    assert_text("gr?? ? ?");
    show_plain(&text, STR("\xff\xfe"));
    assert_text("??");
}

static void long_text_loses_its_middle(void **state)
{
    (void)state;
    show_cut(&text, STR("registry.example.com/team/app:v1"), 32);
    assert_text("registry.example.com/team/app:v1");
    show_cut(&text, STR("registry.example.com/team/app:v1"), 15);
    assert_text("regist...app:v1");
    show_cut(&text, STR("registry"), 4);
    assert_text("regi");
    show_cut(&text, STR("registry"), 0);
    assert_text("");
}

static void a_cell_has_the_given_width(void **state)
{
    (void)state;
    for (size_t width = 0; width < 40; width++) {
        show_cell(&text, STR("registry.example.com/a"), width);
        assert_int_equal(text.len, width);
        buf_reset(&text);
    }
    show_cell(&text, STR("app"), 5);
    assert_text("app  ");
}

static void text_is_wrapped_at_blanks(void **state)
{
    (void)state;
    show_wrap(&text, STR("one two three"), 2, 9);
    assert_text("  one two\n  three\n");
    show_wrap(&text, STR("one   two"), 0, 4);
    assert_text("one\ntwo\n");
    show_wrap(&text, STR("longerthanaline x"), 1, 8);
    assert_text(" longert\n hanalin\n e x\n");
    show_wrap(&text, STR(""), 2, 9);
    assert_text("");
    show_hang(&text, STR("one two three"), 1, 3, 8);
    assert_text(" one two\n   three\n");
    show_wrap(&text, STR("abc"), 5, 3); /* the indent is wider than the line */
    assert_text("     a\n     b\n     c\n");
}

static void ages_have_one_or_two_units(void **state)
{
    static const struct {
        int64_t us;
        const char *text;
    } rows[] = {
        { -5 * SEC, "0s" },
        { 0, "0s" },
        { 999 * MSEC, "0s" },
        { 119 * SEC, "119s" },
        { 2 * MINUTE, "2m" },
        { 130 * SEC, "2m10s" },
        { 10 * MINUTE + 5 * SEC, "10m" },
        { 2 * HOUR, "120m" },
        { 3 * HOUR + 20 * MINUTE, "3h20m" },
        { 4 * HOUR, "4h" },
        { 9 * HOUR + 59 * MINUTE, "9h" },
        { 47 * HOUR, "47h" },
        { 48 * HOUR, "2d" },
        { 1000 * 24 * HOUR, "1000d" },
        { INT64_MAX, "106751991d" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        show_age(&text, rows[i].us);
        assert_text(rows[i].text);
    }
}

static void bytes_have_units_of_1024(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } rows[] = {
        { 0, "0 B" },
        { 1023, "1023 B" },
        { 1024, "1.0 KiB" },
        { 4096 + 512, "4.5 KiB" },
        { 100 * 1024, "100 KiB" },
        { 1024 * 1024 - 1, "1.0 MiB" },
        { UINT64_C(5) << 30, "5.0 GiB" },
        { UINT64_MAX, "16.0 EiB" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        show_bytes(&text, rows[i].bytes);
        assert_text(rows[i].text);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(text_becomes_printable_ascii), TEST(long_text_loses_its_middle),
        TEST(a_cell_has_the_given_width),   TEST(text_is_wrapped_at_blanks),
        TEST(ages_have_one_or_two_units),   TEST(bytes_have_units_of_1024),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
