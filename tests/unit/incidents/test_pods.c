/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

static void deleted_pod_ends_its_incident(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_deleted(w, "web-0");
    observe_deleted(w, "unknown-pod");

    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_GONE);
    assert_int_equal(failures_of(&snapshot, CAUSE_NOT_FOUND), 1);
    snapshot_done(&snapshot);
}

static void pod_missing_from_a_complete_list_is_gone(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_waiting(w, "web-1", "ErrImagePull", NOT_FOUND_TEXT);
    observe_list_begin(w);
    observe_waiting(w, "web-1", "ErrImagePull", NOT_FOUND_TEXT);

    world_snapshot(w, &snapshot); /* the list has not ended: web-0 may still be in it */
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_FAILING);
    snapshot_done(&snapshot);

    observe_list_end(w);
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_GONE);
    assert_int_equal(incident_of(&snapshot, "web-1")->state, INCIDENT_FAILING);
    assert_int_equal(incident_of(&snapshot, "web-1")->attempts, 1);
    assert_int_equal(failures_of(&snapshot, CAUSE_NOT_FOUND), 2);
    snapshot_done(&snapshot);
}

static void incomplete_list_removes_nothing(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_list_begin(w);
    observe_list_begin(w);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_list_end(w);

    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_FAILING);
    snapshot_done(&snapshot);
}

static void static_pod_is_found_by_the_hash_of_its_manifest(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;

    pod_of(w, &facts, "etcd-node");
    facts.fact.mirror_uid = STR("0123456789abcdef");
    observe_pod(w, &facts);
    observe_event(w, "0123456789abcdef", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 1);

    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "etcd-node")->verdict.cause, CAUSE_NOT_FOUND);
    snapshot_done(&snapshot);
}

/* Its file was removed. The kubelet reports its container as terminated, then deletes the mirror.
 */
static void container_that_was_never_made_has_not_recovered(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;

    pod_of(w, &facts, "etcd-node");
    facts.containers[0].waiting_reason = STR("ErrImagePull");
    facts.containers[0].waiting_message = STR(NOT_FOUND_TEXT);
    observe_pod(w, &facts);
    facts.containers[0].phase = PHASE_TERMINATED;
    facts.containers[0].exit_code = 137;
    facts.containers[0].waiting_reason = STR("");
    facts.containers[0].waiting_message = STR("");
    observe_pod(w, &facts);

    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "etcd-node")->state, INCIDENT_GONE);
    assert_int_equal(snapshot.recoveries[CAUSE_NOT_FOUND].count, 0);
    assert_int_equal(correlate_waiting(w->correlate), 0);
    snapshot_done(&snapshot);
}

static void pod_replaced_under_the_same_name_is_another_pod(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;

    pod_of(w, &facts, "web-0");
    facts.fact.uid = STR("uid-1");
    facts.containers[0].waiting_reason = STR("ErrImagePull");
    facts.containers[0].waiting_message = STR(NOT_FOUND_TEXT);
    observe_pod(w, &facts);
    observe_deleted(w, "uid-1");
    facts.fact.uid = STR("uid-2");
    observe_pod(w, &facts);

    world_snapshot(w, &snapshot);
    assert_int_equal(incidents_of_pod(&snapshot, "web-0"), 2);
    assert_string_equal(snapshot.incidents[0].pod_uid, "uid-2");
    assert_int_equal(snapshot.incidents[0].state, INCIDENT_FAILING);
    assert_string_equal(snapshot.incidents[1].pod_uid, "uid-1");
    assert_int_equal(snapshot.incidents[1].state, INCIDENT_GONE);
    snapshot_done(&snapshot);
}

static void pods_over_the_limit_are_left_out_and_counted(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;
    char name[16];

    for (unsigned i = 0; i < LIMIT_PODS + 3; i++) {
        snprintf(name, sizeof(name), "web-%u", i);
        observe_waiting(w, name, "ContainerCreating", "");
    }
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.limit_hits[LIMIT_HIT_PODS], 3);
    snapshot_done(&snapshot);
}

static void own_uid_of_a_pod_wins_over_the_manifest_hash_of_another(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;

    pod_of(w, &facts, "static");
    facts.fact.mirror_uid = STR("web-0");
    observe_pod(w, &facts);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_deleted(w, "static");

    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_FAILING);
    snapshot_done(&snapshot);
}

static void node_that_booted_with_a_wrong_clock_books_no_old_attempts(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;

    correlate_free(w->correlate);
    w->correlate = correlate_new(
        &(struct correlate_config){ .max_registries = 4, .stall_after_us = 2 * MINUTE },
        (struct instant){ .mono_us = w->now.mono_us, .wall_us = SEC });
    pod_of(w, &facts, "web-0"); /* the clock is right now */
    facts.fact.created_us -= HOUR;
    facts.containers[0].waiting_reason = STR("ErrImagePull");
    facts.containers[0].waiting_message = STR(NOT_FOUND_TEXT);
    observe_list_begin(w);
    observe_pod(w, &facts);
    observe_list_end(w);

    world_snapshot(w, &snapshot);
    assert_int_equal(failures_of(&snapshot, CAUSE_NOT_FOUND), 0);
    snapshot_done(&snapshot);
}

static bool is_fresh(struct world *w, int64_t created_us)
{
    struct pod_facts facts;
    struct snapshot snapshot;
    bool fresh;

    observe_list_begin(w);
    pod_of(w, &facts, "web-0");
    facts.fact.created_us = created_us;
    facts.containers[0].waiting_reason = STR("ErrImagePull");
    facts.containers[0].waiting_message = STR(NOT_FOUND_TEXT);
    observe_pod(w, &facts);
    observe_list_end(w);
    world_snapshot(w, &snapshot);
    fresh = failures_of(&snapshot, CAUSE_NOT_FOUND) == 1; /* its first attempt was booked */
    snapshot_done(&snapshot);
    return fresh;
}

static void pod_created_in_our_first_second_is_fresh(void **state)
{
    struct world *w = *state;

    assert_true(is_fresh(w, w->now.wall_us - SEC + 1));
}

static void pod_created_a_second_before_our_start_is_not_fresh(void **state)
{
    struct world *w = *state;

    assert_false(is_fresh(w, w->now.wall_us - SEC));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(deleted_pod_ends_its_incident),
        WORLD_TEST(pod_missing_from_a_complete_list_is_gone),
        WORLD_TEST(incomplete_list_removes_nothing),
        WORLD_TEST(static_pod_is_found_by_the_hash_of_its_manifest),
        WORLD_TEST(container_that_was_never_made_has_not_recovered),
        WORLD_TEST(pod_replaced_under_the_same_name_is_another_pod),
        WORLD_TEST(own_uid_of_a_pod_wins_over_the_manifest_hash_of_another),
        WORLD_TEST(node_that_booted_with_a_wrong_clock_books_no_old_attempts),
        WORLD_TEST(pods_over_the_limit_are_left_out_and_counted),
        WORLD_TEST(pod_created_in_our_first_second_is_fresh),
        WORLD_TEST(pod_created_a_second_before_our_start_is_not_fresh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
