/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clock.h"
#include "util.h"

static void times_are_written_as_rfc_3339(void **state)
{
    char text[TIME_TEXT_SIZE];

    (void)state;
    time_format(INT64_C(1795297280) * SEC + 999999, text);
    assert_string_equal(text, "2026-11-21T21:41:20Z");
    time_format(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00Z");
}

static void times_out_of_range_are_still_valid_text(void **state)
{
    char text[TIME_TEXT_SIZE];

    (void)state;
    time_format(INT64_MAX, text);
    assert_int_equal(strlen(text), 20);
    time_format(INT64_MIN, text);
    assert_int_equal(strlen(text), 20);
}

static void times_in_rfc_3339_are_parsed(void **state)
{
    int64_t wall_us = 0;

    (void)state;
    assert_true(time_parse(STR("2026-11-21T21:41:20Z"), &wall_us));
    assert_true(wall_us == INT64_C(1795297280) * SEC);
    assert_true(time_parse(STR("1970-01-01T00:00:00Z"), &wall_us));
    assert_true(wall_us == 0);
}

static void other_texts_are_not_times(void **state)
{
    static const struct str texts[] = {
        STR(""),
        STR("2026-11-21"),
        STR("2026-11-21T21:41:20"),
        STR("2026-11-21T21:41:20+01:00"),
        STR("2026-11-21T21:41:20Z "),
        STR("2026-11-21T21:41:20Z\0"),
        STR("2026-13-21T21:41:20Z"),
        STR("2026-11-21T21:41:20Z2026-11-21T21:41:20Z"),
    };
    int64_t wall_us = 7;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        assert_false(time_parse(texts[i], &wall_us));
        assert_true(wall_us == 7);
    }
}

static void the_systems_clock_does_not_go_back(void **state)
{
    struct instant a = clock_now(clock_system());
    struct instant b = clock_now(clock_system());

    (void)state;
    assert_true(b.mono_us >= a.mono_us);
    assert_true(a.wall_us > INT64_C(1700000000) * SEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_written_as_rfc_3339),
        cmocka_unit_test(times_out_of_range_are_still_valid_text),
        cmocka_unit_test(times_in_rfc_3339_are_parsed),
        cmocka_unit_test(other_texts_are_not_times),
        cmocka_unit_test(the_systems_clock_does_not_go_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
