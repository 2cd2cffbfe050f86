/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "buf.h"
#include "utf8.h"

struct sample {
    const char *text;
    size_t prefix;
    const char *repaired;
};

#define BAD "\xef\xbf\xbd"

/* clang-format off */
static const struct sample samples[] = {
    { "", 0, "" },
    { "plain ASCII of more than eight bytes", 36, "plain ASCII of more than eight bytes" },
    { "gr\xc3\xbc\xc3\x9f", 6, "gr\xc3\xbc\xc3\x9f" },
    { "\xe2\x82\xac \xf0\x9f\x90\xb3", 8, "\xe2\x82\xac \xf0\x9f\x90\xb3" },
    { "a\xff" "b", 1, "a" BAD "b" },
    { "12345678\xfe", 8, "12345678" BAD },
    { "\x80", 0, BAD },                            /* a continuation on its own */
    { "\xc0\xaf", 0, BAD BAD },                    /* an overlong slash */
    { "\xe0\x80\xaf", 0, BAD BAD BAD },
    { "\xf0\x80\x80\xaf", 0, BAD BAD BAD BAD },
    { "\xed\xa0\x80", 0, BAD BAD BAD },            /* a surrogate */
    { "\xed\x9f\xbf", 3, "\xed\x9f\xbf" },         /* the last before them */
    { "\xf4\x8f\xbf\xbf", 4, "\xf4\x8f\xbf\xbf" }, /* U+10FFFF */
    { "\xf4\x90\x80\x80", 0, BAD BAD BAD BAD },
    { "\xf5\x80\x80\x80", 0, BAD BAD BAD BAD },
    { "cut \xe2\x82", 4, "cut " BAD BAD },
    { "\xe2\x82" "A", 0, BAD BAD "A" },
    { "\xe2\x28\xa1", 0, BAD "(" BAD },
};
/* clang-format on */

static void prefix_ends_at_the_first_bad_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
        assert_int_equal(utf8_prefix(str_from(samples[i].text)), samples[i].prefix);
}

static void each_bad_byte_is_replaced(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
        struct buf out;

        buf_init(&out, 1024);
        buf_add(&out, STR("<"));
        utf8_add(&out, str_from(samples[i].text));
        assert_int_equal(buf_error(&out), 0);
        assert_string_equal(out.at + 1, samples[i].repaired);
        buf_done(&out);
    }
}

/* All sequences of two bytes and three that begin like a sequence of three: what is called valid is
 * repaired to itself, and what is repaired is valid. */
static void repaired_text_is_valid(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 64);
    for (unsigned n = 0; n < 0x10000; n++) {
        const char text[] = { (char)(n >> 8), (char)n, (char)(0x80 + n % 0x40) };
        struct str all = { .at = text, .len = sizeof(text) };

        buf_reset(&out);
        utf8_add(&out, all);
        assert_int_equal(utf8_prefix(buf_str(&out)), out.len);
        if (utf8_prefix(all) == all.len)
            assert_true(str_eq(all, buf_str(&out)));
    }
    buf_done(&out);
}

static void each_length_gives_its_code_point(void **state)
{
    static const struct {
        const char *text;
        uint32_t code;
    } rows[] = {
        { "A", 'A' },
        { "\x7f", 0x7f },
        { "\xc2\x80", 0x80 },
        { "\xdf\xbf", 0x7ff },
        { "\xe0\xa0\x80", 0x800 },
        { "\xef\xbf\xbf", 0xffff },
        { "\xf0\x90\x80\x80", 0x10000 },
        { "\xf4\x8f\xbf\xbf", 0x10ffff },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct str text = str_from(rows[i].text);

        assert_int_equal(utf8_length(text), text.len);
        assert_int_equal(utf8_code(text.at, text.len), rows[i].code);
        if (text.len > 1)
            assert_int_equal(utf8_length(str_head(text, text.len - 1)), 0);
    }
}

static void a_zero_byte_is_valid(void **state)
{
    (void)state;
    assert_int_equal(utf8_prefix(STR("a\0b")), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefix_ends_at_the_first_bad_byte),
        cmocka_unit_test(each_bad_byte_is_replaced),
        cmocka_unit_test(repaired_text_is_valid),
        cmocka_unit_test(each_length_gives_its_code_point),
        cmocka_unit_test(a_zero_byte_is_valid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
