/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/kube/versions.h"
#include "limit.h"
#include "tests/unit/support/fault_heap.h"

static int take(struct versions *versions, const char *uid, const char *version)
{
    return versions_take(versions, str_from(uid), str_from(version), false);
}

static void version_is_new_once(void **state)
{
    struct versions versions;

    (void)state;
    versions_init(&versions);
    assert_int_equal(take(&versions, "a", "9"), 1);
    assert_int_equal(take(&versions, "a", "9"), 0);
    assert_int_equal(take(&versions, "a", "10"), 1); /* compared as numbers */
    assert_int_equal(take(&versions, "a", "9"), 0);
    assert_int_equal(take(&versions, "b", "3"), 1); /* each object has its own */
    assert_int_equal(take(&versions, "a", "11"), 1);
    versions_done(&versions);
}

static void version_that_is_not_a_number_is_always_new(void **state)
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

static void reset_forgets_all_versions(void **state)
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

static void full_table_drops_the_oldest_version(void **state)
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

/* As many pods as the table has room for, with the version 7 each. */
static void fill(struct versions *versions)
{
    char uid[32];

    versions_init(versions);
    for (unsigned i = 1; i <= LIMIT_POD_VERSIONS; i++) {
        snprintf(uid, sizeof(uid), "uid-%u", i);
        assert_int_equal(take(versions, uid, "7"), 1);
    }
}

static void version_of_a_deleted_pod_is_dropped_first(void **state)
{
    struct versions versions;

    (void)state;
    fill(&versions);
    assert_int_equal(versions_take(&versions, STR("uid-500"), STR("9"), true), 1);
    assert_int_equal(take(&versions, "uid-500", "8"),
                     0); /* the version comes late, but the pod is still known */
    assert_int_equal(take(&versions, "new", "9"), 1);
    assert_int_equal(versions.dropped, 0);
    assert_int_equal(take(&versions, "uid-1", "7"), 0);
    assert_int_equal(take(&versions, "another", "9"), 1);
    assert_int_equal(versions.dropped, 1);
    versions_done(&versions);
}

/* The DELETED event may have the version of the last change. */
static void deletion_without_a_newer_version_is_remembered(void **state)
{
    struct versions versions;

    (void)state;
    fill(&versions);
    assert_int_equal(versions_take(&versions, STR("uid-500"), STR("7"), true), 0);
    assert_int_equal(take(&versions, "new", "9"), 1);
    assert_int_equal(versions.dropped, 0);
    versions_done(&versions);
}

static void failed_allocation_is_an_error(void **state)
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
        cmocka_unit_test(version_is_new_once),
        cmocka_unit_test(version_that_is_not_a_number_is_always_new),
        cmocka_unit_test(reset_forgets_all_versions),
        cmocka_unit_test(full_table_drops_the_oldest_version),
        cmocka_unit_test(version_of_a_deleted_pod_is_dropped_first),
        cmocka_unit_test(deletion_without_a_newer_version_is_remembered),
        cmocka_unit_test(failed_allocation_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
