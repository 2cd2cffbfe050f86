/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/kube/progress.h"
#include "util.h"

static const struct instant now = { .mono_us = HOUR };

static void turn(struct progress *progress, unsigned times, unsigned called_back)
{
    while (times--)
        progress_turned(progress, called_back);
}

static void a_quiet_loop_makes_progress(void **state)
{
    struct progress progress = { 0 };

    (void)state;
    for (int ticks = 0; ticks < 1000; ticks++) {
        turn(&progress, 100, 0);
        assert_true(progress_made(&progress, now.mono_us + SEC, now));
    }
}

static void a_loop_that_spins_makes_none(void **state)
{
    struct progress progress = { 0 };

    (void)state;
    turn(&progress, 1000000, 0);
    assert_false(progress_made(&progress, now.mono_us + SEC, now));
    turn(&progress, 1, 0);
    assert_true(progress_made(&progress, now.mono_us + SEC, now));
}

static void a_loop_that_reads_much_makes_progress(void **state)
{
    struct progress progress = { 0 };

    (void)state;
    turn(&progress, 1000000, 1);
    assert_true(progress_made(&progress, now.mono_us, now));
}

static void a_loop_that_leaves_undone_what_is_due_makes_none(void **state)
{
    struct progress progress = { 0 };

    (void)state;
    assert_true(progress_made(&progress, now.mono_us - MINUTE, now));
    assert_false(progress_made(&progress, now.mono_us - MINUTE - 1, now));
    assert_true(progress_made(&progress, INT64_MAX, now));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quiet_loop_makes_progress),
        cmocka_unit_test(a_loop_that_spins_makes_none),
        cmocka_unit_test(a_loop_that_reads_much_makes_progress),
        cmocka_unit_test(a_loop_that_leaves_undone_what_is_due_makes_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
