/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "histogram.h"
#include "util.h"

static const struct histogram_bounds bounds = { .n = 2, .us = { SEC, MINUTE } };

static void a_duration_is_counted_in_the_first_bucket_that_fits(void **state)
{
    struct histogram histogram = { .count = 0 };

    (void)state;
    histogram_add(&histogram, &bounds, SEC);
    histogram_add(&histogram, &bounds, SEC + 1);
    histogram_add(&histogram, &bounds, HOUR);

    assert_int_equal(histogram.counts[0], 1);
    assert_int_equal(histogram.counts[1], 1);
    assert_int_equal(histogram.counts[2], 1);
    assert_int_equal(histogram.count, 3);
    assert_int_equal(histogram.sum_us, 2 * SEC + 1 + HOUR);
}

static void a_negative_duration_counts_as_zero(void **state)
{
    struct histogram histogram = { .count = 0 };

    (void)state;
    histogram_add(&histogram, &bounds, -HOUR);

    assert_int_equal(histogram.counts[0], 1);
    assert_int_equal(histogram.sum_us, 0);
}

static void bounds_ascend(void **state)
{
    const struct histogram_bounds *all[] = { &histogram_pull_bounds, &histogram_recovery_bounds };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        assert_in_range(all[i]->n, 1, HISTOGRAM_BOUNDS_MAX);
        for (size_t j = 1; j < all[i]->n; j++)
            assert_true(all[i]->us[j - 1] < all[i]->us[j]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_duration_is_counted_in_the_first_bucket_that_fits),
        cmocka_unit_test(a_negative_duration_counts_as_zero),
        cmocka_unit_test(bounds_ascend),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
