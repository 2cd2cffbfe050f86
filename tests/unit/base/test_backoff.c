/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backoff.h"
#include "util.h"

static void delays_double_up_to_the_longest(void **state)
{
    static const int64_t expected_s[] = { 1, 2, 4, 8, 15, 15, 15 };
    struct backoff backoff = { .first_us = SEC, .longest_us = 15 * SEC };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(expected_s); i++)
        assert_int_equal(backoff_next_us(&backoff, NULL), expected_s[i] * SEC);
}

static void reset_starts_with_the_first_delay_again(void **state)
{
    struct backoff backoff = { .first_us = SEC, .longest_us = 15 * SEC };

    (void)state;
    backoff_next_us(&backoff, NULL);
    backoff_next_us(&backoff, NULL);
    backoff_reset(&backoff);
    assert_int_equal(backoff_next_us(&backoff, NULL), SEC);
}

static void jitter_adds_at_most_a_half(void **state)
{
    struct jitter jitter = { .state = 7 };
    int64_t shortest = INT64_MAX, longest = 0;

    (void)state;
    for (int i = 0; i < 10000; i++) {
        struct backoff backoff = { .first_us = 1000, .longest_us = 20000 };
        const int64_t delay_us = backoff_next_us(&backoff, &jitter);

        shortest = delay_us < shortest ? delay_us : shortest;
        longest = delay_us > longest ? delay_us : longest;
    }
    assert_int_equal(shortest, 1000);
    assert_int_equal(longest, 1500);
}

static void nodes_with_different_seeds_retry_at_different_times(void **state)
{
    struct jitter one = { .state = 1 }, two = { .state = 2 };
    struct backoff a = { .first_us = SEC, .longest_us = MINUTE }, b = a;

    (void)state;
    assert_int_not_equal(backoff_next_us(&a, &one), backoff_next_us(&b, &two));
}

static void delays_stay_finite_after_many_failures(void **state)
{
    struct backoff backoff = { .first_us = SEC, .longest_us = HOUR, .failures = 4000000000u };

    (void)state;
    assert_int_equal(backoff_next_us(&backoff, NULL), HOUR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delays_double_up_to_the_longest),
        cmocka_unit_test(reset_starts_with_the_first_delay_again),
        cmocka_unit_test(jitter_adds_at_most_a_half),
        cmocka_unit_test(nodes_with_different_seeds_retry_at_different_times),
        cmocka_unit_test(delays_stay_finite_after_many_failures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
