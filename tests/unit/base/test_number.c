/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "number.h"
#include "util.h"

#define UNTOUCHED 4711

/* No function accepts these. */
static const struct str not_numbers[] = {
    { NULL, 0 },
    { "", 0 },
    { " ", 1 },
    { " 1", 2 },
    { "1 ", 2 },
    { "\t1", 2 },
    { "1\n", 2 },
    { "-1", 2 },
    { "+1", 2 },
    { "- 1", 3 },
    { " -18446744073709551615", 22 },
    { "0x10", 4 },
    { "1e3", 3 },
    { "1.5", 3 },
    { "1,000", 5 },
    { "1\0", 2 },
    { "18446744073709551616", 20 },
    { "99999999999999999999999999999999999999", 38 },
    { "\xd9\xa1", 2 }, /* ARABIC-INDIC DIGIT ONE */
    { "one", 3 },
};

static void plain_numbers_are_read(void **state)
{
    uint64_t value;

    (void)state;
    assert_true(number_parse(STR("0"), 0, &value));
    assert_int_equal(value, 0);
    assert_true(number_parse(STR("007"), 7, &value));
    assert_int_equal(value, 7);
    assert_true(number_parse(STR("18446744073709551615"), UINT64_MAX, &value));
    assert_int_equal(value, UINT64_MAX);
}

static void anything_else_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(not_numbers); i++) {
        uint64_t value = UNTOUCHED;
        uint16_t port = UNTOUCHED;

        assert_false(number_parse(not_numbers[i], UINT64_MAX, &value));
        assert_int_equal(value, UNTOUCHED);
        assert_false(number_port(not_numbers[i], &port));
        assert_int_equal(port, UNTOUCHED);
    }
}

static void numbers_over_the_maximum_are_refused(void **state)
{
    uint64_t value = UNTOUCHED;

    (void)state;
    assert_true(number_parse(STR("10"), 10, &value));
    value = UNTOUCHED;
    assert_false(number_parse(STR("11"), 10, &value));
    assert_int_equal(value, UNTOUCHED);
}

static void digits_at_the_start_are_taken(void **state)
{
    struct str text = STR("12.34");
    uint64_t value;

    (void)state;
    assert_true(number_take(&text, &value));
    assert_int_equal(value, 12);
    assert_true(str_eq(text, STR(".34")));
    assert_false(number_take(&text, &value));
    assert_int_equal(value, 12);
    assert_true(str_eq(text, STR(".34")));
}

static void digits_that_do_not_fit_are_not_taken(void **state)
{
    struct str text = STR("18446744073709551616.1");
    uint64_t value = UNTOUCHED;

    (void)state;
    assert_false(number_take(&text, &value));
    assert_int_equal(value, UNTOUCHED);
    assert_int_equal(text.len, 22);
}

static void ports_end_at_65535(void **state)
{
    uint16_t port;

    (void)state;
    assert_true(number_port(STR("0"), &port));
    assert_int_equal(port, 0);
    assert_true(number_port(STR("65535"), &port));
    assert_int_equal(port, 65535);
    assert_false(number_port(STR("65536"), &port));
    assert_false(number_port(STR("000080"), &port)); /* six digits */
    assert_int_equal(port, 65535);
}

static void durations_have_one_unit(void **state)
{
    int64_t us;

    (void)state;
    assert_true(number_duration(STR("90s"), &us));
    assert_int_equal(us, 90 * SEC);
    assert_true(number_duration(STR("15m"), &us));
    assert_int_equal(us, 15 * MINUTE);
    assert_true(number_duration(STR("24h"), &us));
    assert_int_equal(us, 24 * HOUR);
    assert_true(number_duration(STR("0s"), &us));
    assert_int_equal(us, 0);
    assert_true(number_duration(STR("9223372036854s"), &us));
    assert_int_equal(us, INT64_C(9223372036854) * SEC);
}

static void other_durations_are_refused(void **state)
{
    static const char *const texts[] = {
        "",     "s",    "90",          "90 s", " 90s",  "-90s",           "+90s",
        "1m30", "1.5h", "1m30s",       "90S",  "100ms", "9223372036855s", "18446744073709551617s",
        "1d",   "90ss", "2562047789h",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        int64_t us = UNTOUCHED;

        assert_false(number_duration(str_from(texts[i]), &us));
        assert_int_equal(us, UNTOUCHED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_numbers_are_read),
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(numbers_over_the_maximum_are_refused),
        cmocka_unit_test(digits_at_the_start_are_taken),
        cmocka_unit_test(digits_that_do_not_fit_are_not_taken),
        cmocka_unit_test(ports_end_at_65535),
        cmocka_unit_test(durations_have_one_unit),
        cmocka_unit_test(other_durations_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
