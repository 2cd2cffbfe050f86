/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/kube/versions.h"
#include "tests/unit/support/fault_heap.h"

static int take(struct versions *versions, const char *uid, const char *version)
{
    return versions_take(versions, str_from(uid), str_from(version));
}

static void a_version_is_news_once(void **state)
{
    struct versions versions;

    (void)state;
    versions_init(&versions);
    assert_int_equal(take(&versions, "a", "9"), 1);
    assert_int_equal(take(&versions, "a", "9"), 0);
    assert_int_equal(take(&versions, "a", "10"), 1); /* numbers, not texts */
    assert_int_equal(take(&versions, "a", "9"), 0);
    assert_int_equal(take(&versions, "b", "3"), 1); /* each object has its own */
    assert_int_equal(take(&versions, "a", "11"), 1);
    versions_done(&versions);
}

static void what_cannot_be_compared_is_always_news(void **state)
{
    static const char *const odd[] = {
        "", "v7", "7v", "-7", "18446744073709551616", "99999999999999999999999"
    };
    struct versions versions;

    (void)state;
    versions_init(&versions);
    assert_int_equal(take(&versions, "a", "18446744073709551615"), 1);
    for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++)
        assert_int_equal(take(&versions, "a", odd[i]), 1);
    assert_int_equal(take(&versions, "a", "18446744073709551615"), 0);
    versions_done(&versions);
}

static void a_reset_begins_anew(void **state)
{
    struct versions versions;

    (void)state;
    versions_init(&versions);
    assert_int_equal(take(&versions, "a", "1000"), 1);
    versions_reset(&versions);
    assert_int_equal(take(&versions, "a", "7"), 1);
    assert_int_equal(take(&versions, "a", "7"), 0);
    versions_done(&versions);
}

static void the_memory_is_bounded_and_forgets_the_oldest(void **state)
{
    struct versions versions;
    char uid[32], version[32];

    (void)state;
    versions_init(&versions);
    for (unsigned i = 1; i <= 3000; i++) {
        snprintf(uid, sizeof(uid), "uid-%u", i);
        snprintf(version, sizeof(version), "%u", i);
        assert_int_equal(take(&versions, uid, version), 1);
        assert_int_equal(take(&versions, uid, version), 0);
    }
    assert_int_equal(versions.n, 1024);
    assert_int_equal(take(&versions, "uid-2999", "2998"), 0);
    assert_int_equal(take(&versions, "uid-1", "1"), 1);
    versions_done(&versions);
}

static void without_memory_it_says_so(void **state)
{
    struct versions versions;

    (void)state;
    versions_init(&versions);
    fault_heap_fail_at(0);
    assert_int_equal(take(&versions, "a", "1"), -ENOMEM);
    assert_true(fault_heap_fired());
    assert_int_equal(take(&versions, "a", "1"), 1);
    versions_done(&versions);
    assert_int_equal(fault_heap_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_version_is_news_once),
        cmocka_unit_test(what_cannot_be_compared_is_always_news),
        cmocka_unit_test(a_reset_begins_anew),
        cmocka_unit_test(the_memory_is_bounded_and_forgets_the_oldest),
        cmocka_unit_test(without_memory_it_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
