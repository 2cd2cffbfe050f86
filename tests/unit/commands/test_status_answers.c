/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/commands/status_answers.h"
#include "util.h"

static int64_t time_of(json_t *value)
{
    json_t *object = json_pack("{s:o}", "time", value);
    int64_t us = status_time_us(object, "time");

    json_decref(object);
    return us;
}

static void times_are_read(void **state)
{
    (void)state;
    assert_int_equal(time_of(json_string("1970-01-01T00:00:01Z")), SEC);
    assert_int_equal(time_of(json_string("2026-11-21T22:40:00Z")), INT64_C(1795300800) * SEC);
    assert_int_equal(time_of(json_null()), 0);
    assert_int_equal(time_of(json_integer(5)), 0);
    assert_int_equal(time_of(json_string("")), 0);
    assert_int_equal(time_of(json_string("2026-11-21")), 0);
    assert_int_equal(time_of(json_string("2026-11-21T22:40:00Zx")), 0);
    assert_int_equal(status_time_us(NULL, "time"), 0);
}

static void values_of_other_types_are_empty(void **state)
{
    json_t *object = json_pack("{s:i, s:s, s:n}", "number", -4, "text", "x", "null");

    (void)state;
    assert_string_equal(status_text(object, "text"), "x");
    assert_string_equal(status_text(object, "number"), "");
    assert_string_equal(status_text(object, "null"), "");
    assert_string_equal(status_text(object, "missing"), "");
    assert_int_equal(status_number(object, "number"), 0);
    assert_int_equal(status_number(object, "text"), 0);
    json_decref(object);
}

static void ended_failures_are_not_blocked(void **state)
{
    static const struct status_options all = { .namespace = NULL };
    struct status_answers answers = {
        .failures = json_pack("{s:[{s:s}, {s:s}, {s:s}, {s:s}]}", "failures", "state", "failing",
                              "state", "gone", "state", "recovered", "state", "stalled"),
    };

    (void)state;
    assert_int_equal(status_blocked(&answers, &all), 2);
    status_answers_done(&answers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read),
        cmocka_unit_test(values_of_other_types_are_empty),
        cmocka_unit_test(ended_failures_are_not_blocked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
