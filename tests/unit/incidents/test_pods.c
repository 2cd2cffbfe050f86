/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

static void a_deleted_pod_takes_its_incident_with_it(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    tell_deleted(w, "web-0");
    tell_deleted(w, "never-heard-of");

    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->state, INCIDENT_GONE);
    assert_int_equal(look_failures(&look, CAUSE_NOT_FOUND), 1);
    world_look_done(&look);
}

static void a_pod_missing_in_a_complete_list_is_gone(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    tell_waiting(w, "web-1", "ErrImagePull", NOT_FOUND_TEXT);
    tell_list_begin(w);
    tell_waiting(w, "web-1", "ErrImagePull", NOT_FOUND_TEXT);

    world_look(w, &look); /* the list has not ended: nothing is known of web-0 */
    assert_int_equal(look_one(&look, "web-0")->state, INCIDENT_FAILING);
    world_look_done(&look);

    tell_list_end(w);
    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->state, INCIDENT_GONE);
    assert_int_equal(look_one(&look, "web-1")->state, INCIDENT_FAILING);
    assert_int_equal(look_one(&look, "web-1")->attempts, 1);
    assert_int_equal(look_failures(&look, CAUSE_NOT_FOUND), 2);
    world_look_done(&look);
}

static void a_list_that_broke_off_takes_nothing_away(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    tell_list_begin(w);
    tell_list_begin(w);
    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    tell_list_end(w);

    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->state, INCIDENT_FAILING);
    world_look_done(&look);
}

static void a_static_pod_is_known_by_the_hash_of_its_manifest_too(void **state)
{
    struct world *w = *state;
    struct pod_told told;
    struct look look;

    pod_of(w, &told, "etcd-node");
    told.fact.mirror_uid = STR("0123456789abcdef");
    tell_pod(w, &told);
    tell_event(w, "0123456789abcdef", APP_PATH, "e1", "Failed",
               "Failed to pull image \"" IMAGE "\": " NOT_FOUND_TEXT, 1);

    world_look(w, &look);
    assert_int_equal(look_one(&look, "etcd-node")->verdict.cause, CAUSE_NOT_FOUND);
    world_look_done(&look);
}

static void a_pod_replaced_under_the_same_name_is_another_one(void **state)
{
    struct world *w = *state;
    struct pod_told told;
    struct look look;

    pod_of(w, &told, "web-0");
    told.fact.uid = STR("uid-1");
    told.containers[0].waiting_reason = STR("ErrImagePull");
    told.containers[0].waiting_message = STR(NOT_FOUND_TEXT);
    tell_pod(w, &told);
    tell_deleted(w, "uid-1");
    told.fact.uid = STR("uid-2");
    tell_pod(w, &told);

    world_look(w, &look);
    assert_int_equal(look_count(&look, "web-0"), 2);
    assert_string_equal(look.snapshot.incidents[0].pod_uid, "uid-2");
    assert_int_equal(look.snapshot.incidents[0].state, INCIDENT_FAILING);
    assert_string_equal(look.snapshot.incidents[1].pod_uid, "uid-1");
    assert_int_equal(look.snapshot.incidents[1].state, INCIDENT_GONE);
    world_look_done(&look);
}

static void pods_over_the_cap_are_left_out_and_counted(void **state)
{
    struct world *w = *state;
    struct look look;
    char name[16];

    for (unsigned i = 0; i < LIMIT_PODS + 3; i++) {
        snprintf(name, sizeof(name), "web-%u", i);
        tell_waiting(w, name, "ContainerCreating", "");
    }
    world_look(w, &look);
    assert_int_equal(look.snapshot.limit_hits[LIMIT_HIT_PODS], 3);
    world_look_done(&look);
}

static void a_pods_own_uid_goes_before_another_ones_manifest(void **state)
{
    struct world *w = *state;
    struct pod_told told;
    struct look look;

    pod_of(w, &told, "static");
    told.fact.mirror_uid = STR("web-0");
    tell_pod(w, &told);
    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    tell_deleted(w, "static");

    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->state, INCIDENT_FAILING);
    world_look_done(&look);
}

static void a_node_that_booted_without_a_right_clock_books_nothing_old(void **state)
{
    struct world *w = *state;
    struct pod_told told;
    struct look look;

    correlate_free(w->correlate);
    w->correlate = correlate_new(
        &(struct correlate_config){ .max_registries = 4, .stall_after_us = 2 * MINUTE },
        (struct instant){ .mono_us = w->now.mono_us, .wall_us = SEC });
    pod_of(w, &told, "web-0"); /* by now the clock was set */
    told.fact.created_us -= HOUR;
    told.containers[0].waiting_reason = STR("ErrImagePull");
    told.containers[0].waiting_message = STR(NOT_FOUND_TEXT);
    tell_list_begin(w);
    tell_pod(w, &told);
    tell_list_end(w);

    world_look(w, &look);
    assert_int_equal(look_failures(&look, CAUSE_NOT_FOUND), 0);
    world_look_done(&look);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_deleted_pod_takes_its_incident_with_it),
        WORLD_TEST(a_pod_missing_in_a_complete_list_is_gone),
        WORLD_TEST(a_list_that_broke_off_takes_nothing_away),
        WORLD_TEST(a_static_pod_is_known_by_the_hash_of_its_manifest_too),
        WORLD_TEST(a_pod_replaced_under_the_same_name_is_another_one),
        WORLD_TEST(a_pods_own_uid_goes_before_another_ones_manifest),
        WORLD_TEST(a_node_that_booted_without_a_right_clock_books_nothing_old),
        WORLD_TEST(pods_over_the_cap_are_left_out_and_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
