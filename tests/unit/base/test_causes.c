/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "causes.h"

static bool is_label(const char *name)
{
    return name && name[0] != '\0' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name);
}

static void cause_names_are_unique(void **state)
{
    (void)state;
    assert_int_equal(CAUSE_MAX, 9);
    for (unsigned i = 0; i < CAUSE_MAX; i++) {
        assert_true(is_label(cause_name((enum cause)i)));
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(cause_name((enum cause)i), cause_name((enum cause)k));
    }
}

static void reason_names_are_unique_and_have_a_cause(void **state)
{
    unsigned seen = 0;

    (void)state;
    for (unsigned i = 0; i < REASON_MAX; i++) {
        assert_true(is_label(reason_name((enum reason)i)));
        assert_true(reason_cause((enum reason)i) < CAUSE_MAX);
        seen |= 1u << reason_cause((enum reason)i);
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(reason_name((enum reason)i), reason_name((enum reason)k));
    }
    assert_int_equal(seen, (1u << CAUSE_MAX) - 1);
}

static void names_are_the_label_values(void **state)
{
    (void)state;
    assert_string_equal(cause_name(CAUSE_RATE_LIMITED), "rate_limited");
    assert_string_equal(reason_name(REASON_TLS_UNKNOWN_AUTHORITY), "tls_unknown_authority");
    assert_int_equal(reason_cause(REASON_STORAGE_QUOTA), CAUSE_REGISTRY_ERROR);
    assert_int_equal(reason_cause(REASON_PULL_STALLED), CAUSE_NETWORK);
}

static void stages_have_names_except_unknown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < STAGE_MAX; i++)
        assert_true(is_label(stage_name((enum stage)i)));
    assert_null(stage_name(STAGE_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cause_names_are_unique),
        cmocka_unit_test(reason_names_are_unique_and_have_a_cause),
        cmocka_unit_test(names_are_the_label_values),
        cmocka_unit_test(stages_have_names_except_unknown),
    };

    return cmocka_run_group_tests_name("causes", tests, NULL, NULL);
}
