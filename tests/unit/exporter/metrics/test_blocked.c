/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "exporter/metrics/blocked.h"
#include "tests/unit/support/fault_heap.h"
#include "tests/unit/support/snapshot_fixture.h"

static struct fixture node;
static struct blocked blocked;

static void collect(void)
{
    struct err err = ERR_INIT;

    blocked_done(&blocked);
    assert_int_equal(blocked_collect(&node.snapshot, &blocked, &err), 0);
}

static int begin(void **state)
{
    (void)state;
    fixture_init(&node);
    fixture_registry(&node, "registry.example.com");
    memset(&blocked, 0, sizeof(blocked));
    return 0;
}

static int end(void **state)
{
    (void)state;
    blocked_done(&blocked);
    return fault_heap_live() == 0 ? 0 : -1;
}

static void a_healthy_node_has_no_series(void **state)
{
    (void)state;
    collect();
    assert_int_equal(blocked.n_containers, 0);
    assert_int_equal(blocked.n_groups, 0);
    assert_int_equal(blocked.n_left_out, 0);
}

static void ended_incidents_have_no_series(void **state)
{
    (void)state;
    fixture_incident(&node, "ns", "a", "c", "i")->state = INCIDENT_RECOVERED;
    fixture_incident(&node, "ns", "b", "c", "i")->state = INCIDENT_GONE;
    fixture_incident(&node, "ns", "c", "c", "i")->state = INCIDENT_FAILING;
    fixture_incident(&node, "ns", "d", "c", "i")->state = INCIDENT_STALLED;
    collect();
    assert_int_equal(blocked.n_containers, 2);
    assert_string_equal(blocked.containers[0].pod, "c");
    assert_string_equal(blocked.containers[1].pod, "d");
    assert_int_equal(blocked.groups[0].containers, 2);
}

static void a_pod_and_its_successor_are_one_series(void **state)
{
    struct snapshot_incident *old = fixture_incident(&node, "ns", "web-0", "app", "image");
    struct snapshot_incident *new = fixture_incident(&node, "ns", "web-0", "app", "image");

    (void)state;
    old->pod_uid = "uid-1";
    new->pod_uid = "uid-2";
    new->first_failure_us = FIXTURE_NOW - 10 * SEC;
    new->last_failure_us = FIXTURE_NOW - 1 * SEC;
    new->verdict.cause = CAUSE_NETWORK;
    new->verdict.reason = REASON_DEADLINE;
    collect();
    assert_int_equal(blocked.n_containers, 1);
    assert_int_equal(blocked.containers[0].since_us, old->first_failure_us);
    assert_int_equal(blocked.containers[0].reason,
                     REASON_DEADLINE); /* of the one that failed last */
    assert_int_equal(blocked.n_groups, 2);
}

static void an_image_volume_and_its_container_are_one_series(void **state)
{
    (void)state;
    fixture_incident(&node, "ns", "web-0", "app", "image");
    fixture_incident(&node, "ns", "web-0", "app", "image")->kind = CONTAINER_IMAGE_VOLUME;
    collect();
    assert_int_equal(blocked.n_containers, 1);
    assert_int_equal(blocked.n_groups, 1);
    assert_int_equal(blocked.groups[0].containers, 1); /* one container with two images */
}

static void a_known_age_replaces_an_unknown_one(void **state)
{
    (void)state;
    fixture_incident(&node, "ns", "web-0", "app", "image")->first_failure_us = 0;
    fixture_incident(&node, "ns", "web-0", "app", "image")->first_failure_us = 5 * SEC;
    collect();
    assert_int_equal(blocked.containers[0].since_us, 5 * SEC);
}

static void groups_count_containers(void **state)
{
    (void)state;
    fixture_incident(&node, "b", "pod-1", "x", "i1");
    fixture_incident(&node, "a", "pod-1", "x", "i1");
    fixture_incident(&node, "b", "pod-1", "y", "i1");
    fixture_incident(&node, "b", "pod-2", "x", "i2")->verdict.reason = REASON_IMAGE_NOT_FOUND;
    fixture_incident(&node, "b", "pod-3", "x", "i3");
    collect();
    assert_int_equal(blocked.n_groups, 3);
    assert_string_equal(blocked.groups[0].namespace, "a");
    assert_int_equal(blocked.groups[0].containers, 1);
    assert_string_equal(blocked.groups[1].namespace, "b");
    assert_int_equal(blocked.groups[1].containers, 3);
    assert_int_equal(blocked.groups[2].reason, REASON_IMAGE_NOT_FOUND);
}

static void a_container_has_the_true_name_of_a_registry_without_counters(void **state)
{
    (void)state;
    fixture_registry(&node, "other");
    fixture_incident(&node, "ns", "a", "c", "i")->registry = "one.of.thousands.example";
    collect();
    assert_string_equal(blocked.containers[0].registry, "one.of.thousands.example");
    assert_string_equal(blocked.groups[0].registry, "other");
}

/* Both the registry "other" of the snapshot and one without counters. */
static void registries_without_counters_are_other(void **state)
{
    (void)state;
    fixture_incident(&node, "ns", "a", "c", "i")->registry = "one.of.thousands.example";
    fixture_incident(&node, "ns", "b", "c", "i")->registry = "other";
    collect();
    assert_int_equal(blocked.n_groups, 1);
    assert_string_equal(blocked.groups[0].registry, "other");
    assert_int_equal(blocked.groups[0].containers, 2);

    fixture_registry(&node, "other");
    collect();
    assert_int_equal(blocked.n_groups, 1);
    assert_int_equal(blocked.groups[0].containers, 2);
}

static void the_oldest_containers_keep_their_series(void **state)
{
    static char names[LIMIT_INFO_SERIES + 50][16];

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        /* Names that sort differently: only age counts. */
        snprintf(names[i], sizeof(names[i]), "pod-%u", (i * 7919) % 1000);
        fixture_incident(&node, "ns", names[i], "c", "i");
    }
    fixture_incident(&node, "ns", names[0], "c", "i"); /* has a series already */
    collect();
    assert_int_equal(blocked.n_containers, LIMIT_INFO_SERIES);
    assert_int_equal(blocked.n_left_out, 50);
    for (unsigned i = 0; i < LIMIT_INFO_SERIES; i++)
        assert_string_equal(blocked.containers[i].pod, names[i]);
    assert_int_equal(blocked.groups[0].containers, 150); /* groups count all of them */
}

static void a_namespace_with_many_blocked_containers_leaves_series_for_others(void **state)
{
    static char names[2 * LIMIT_INFO_SERIES][16];

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        snprintf(names[i], sizeof(names[i]), "pod-%u", i);
        fixture_incident(&node, "junk", names[i], "c", "i");
        if (i == 150) /* with a successor of the same name */
            fixture_incident(&node, "junk", names[i], "c", "i");
    }
    fixture_incident(&node, "company", "web-0", "c", "i");
    fixture_incident(&node, "company", "web-1", "c", "i");
    collect();
    assert_int_equal(blocked.n_containers, LIMIT_INFO_SERIES);
    assert_int_equal(blocked.n_left_out, LIMIT_INFO_SERIES + 2);
    for (unsigned i = 0; i < LIMIT_INFO_SERIES - 2; i++)
        assert_string_equal(blocked.containers[i].pod, names[i]);
    assert_string_equal(blocked.containers[LIMIT_INFO_SERIES - 2].pod, "web-0");
    assert_string_equal(blocked.containers[LIMIT_INFO_SERIES - 1].pod, "web-1");
}

/* Texts that are equal after the repair or the cut are one series. */
static void names_are_repaired_and_cut_before_the_comparison(void **state)
{
    static char endless[3][1000];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(endless); i++)
        memset(endless[i], 'x', sizeof(endless[i]) - 1);
    endless[1][900] = 'y';
    memcpy(endless[2] + LIMIT_IMAGE_TEXT - 1, "\xc3\xbc", 2); /* the cut splits it */
    fixture_incident(&node, "ns", "\xff", "c", "i");
    fixture_incident(&node, "ns", "\xfe", "c", "i");
    fixture_incident(&node, "ns", "p", "c", endless[0]);
    fixture_incident(&node, "ns", "p", "c", endless[1]);
    fixture_incident(&node, "ns", "q", "c", endless[2]);
    collect();
    assert_int_equal(blocked.n_containers, 3);
    assert_string_equal(blocked.containers[0].pod, "\xef\xbf\xbd");
    assert_int_equal(strlen(blocked.containers[1].image), LIMIT_IMAGE_TEXT);
    assert_int_equal(strlen(blocked.containers[2].image), LIMIT_IMAGE_TEXT - 1);
}

static void running_out_of_memory_leaks_nothing(void **state)
{
    static char broken[300][16];

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(broken); i++) {
        snprintf(broken[i], sizeof(broken[i]), "pod-%u\xff", i);
        fixture_incident(&node, "ns", broken[i], "c", "i");
    }
    for (unsigned n = 0;; n++) {
        struct err err = ERR_INIT;
        int r;

        fault_heap_fail_at(n);
        r = blocked_collect(&node.snapshot, &blocked, &err);
        if (!fault_heap_fired()) {
            assert_int_equal(r, 0);
            assert_true(n > 300);
            return;
        }
        assert_int_equal(r, -ENOMEM);
        assert_int_equal(fault_heap_live(), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_healthy_node_has_no_series, begin, end),
        cmocka_unit_test_setup_teardown(ended_incidents_have_no_series, begin, end),
        cmocka_unit_test_setup_teardown(a_pod_and_its_successor_are_one_series, begin, end),
        cmocka_unit_test_setup_teardown(an_image_volume_and_its_container_are_one_series, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_known_age_replaces_an_unknown_one, begin, end),
        cmocka_unit_test_setup_teardown(groups_count_containers, begin, end),
        cmocka_unit_test_setup_teardown(registries_without_counters_are_other, begin, end),
        cmocka_unit_test_setup_teardown(the_oldest_containers_keep_their_series, begin, end),
        cmocka_unit_test_setup_teardown(
            a_container_has_the_true_name_of_a_registry_without_counters, begin, end),
        cmocka_unit_test_setup_teardown(
            a_namespace_with_many_blocked_containers_leaves_series_for_others, begin, end),
        cmocka_unit_test_setup_teardown(names_are_repaired_and_cut_before_the_comparison, begin,
                                        end),
        cmocka_unit_test_setup_teardown(running_out_of_memory_leaks_nothing, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
