/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

static void expect_attempts(struct world *w, const char *pod, uint64_t shown, uint64_t booked)
{
    struct snapshot snapshot;

    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, pod)->attempts, shown);
    assert_int_equal(failures_of(&snapshot, CAUSE_NOT_FOUND), booked);
    assert_int_equal(attempts_of(&snapshot, REGISTRY), booked);
    snapshot_done(&snapshot);
}

static void attempt_counts_once_when_the_event_comes_first(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 1);
    expect_attempts(w, "web-0", 1, 1);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    expect_attempts(w, "web-0", 1, 1);
}

static void attempt_counts_once_when_the_status_comes_first(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 1);
    expect_attempts(w, "web-0", 1, 1);
}

static void events_count_attempts_that_the_status_skipped(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    world_advance(w, 30 * SEC);
    observe_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 3);
    expect_attempts(w, "web-0", 3, 3);
}

static void counts_of_several_event_objects_add_up(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 2);
    observe_event(w, "web-0", APP_PATH, "e2", "Failed", PULL_FAILED("manifest unknown"), 2);
    observe_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 2); /* again */
    expect_attempts(w, "web-0", 4, 4);
}

static void observe_series(struct world *w, const char *object, const char *message,
                           int64_t first_us, int32_t count)
{
    const struct observation observation = {
        .kind = OBSERVE_EVENT,
        .event = { .event_uid = str_from(object),
                   .namespace = STR("default"),
                   .pod_name = STR("web-0"),
                   .pod_uid = STR("web-0"),
                   .field_path = STR(APP_PATH),
                   .reason = STR("Failed"),
                   .message = str_from(message),
                   .count = count,
                   .first_us = first_us,
                   .last_us = w->now.wall_us / SEC * SEC },
    };

    assert_int_equal(correlate_observe(w->correlate, &observation, w->now), 0);
}

/*
 * The API server deletes an Event after an hour, but the kubelet remembers it. When it cannot patch
 * the object, it creates it again with the old count (client-go, recordEvent()). Its spam filter
 * seldom lets one through.
 */
static void recreated_event_object_continues_its_count(void **state)
{
    struct world *w = *state;
    int64_t first_us = w->now.wall_us / SEC * SEC;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_series(w, "e1", PULL_FAILED(NOT_FOUND_TEXT), first_us, 12);
    expect_attempts(w, "web-0", 12, 12);
    world_advance(w, 2 * HOUR);
    observe_series(w, "e2", PULL_FAILED(NOT_FOUND_TEXT), first_us, 40);
    expect_attempts(w, "web-0", 40, 40);
    observe_series(w, "e2", PULL_FAILED(NOT_FOUND_TEXT), first_us, 41);
    expect_attempts(w, "web-0", 41, 41);
    observe_series(w, "e3", PULL_FAILED("manifest unknown"), first_us,
                   2); /* another message, so another object */
    expect_attempts(w, "web-0", 43, 43);
    observe_series(w, "e4", PULL_FAILED(NOT_FOUND_TEXT), first_us + HOUR,
                   1); /* the kubelet has forgotten it */
    expect_attempts(w, "web-0", 44, 44);
}

static void status_counts_attempts_that_events_lost(void **state)
{
    struct world *w = *state;

    for (size_t i = 0; i < 4; i++) {
        observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
        observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
        world_advance(w, 10 * SEC);
    }
    observe_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 1);
    expect_attempts(w, "web-0", 4, 4);
}

static void back_off_without_its_pull_error_is_an_attempt(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_waiting(w, "web-0", "ImagePullBackOff",
                    BACK_OFF_TEXT ": ErrImagePull: " NOT_FOUND_TEXT);
    expect_attempts(w, "web-0", 1, 1);
}

static void combined_events_are_not_counted(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_event(w, "web-0", APP_PATH, "e1", "Failed",
                  "(combined from similar events): " PULL_FAILED(NOT_FOUND_TEXT), 40);
    expect_attempts(w, "web-0", 1, 1);
}

static void status_without_a_cause_waits_for_an_event_with_one(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "ErrImagePull", "");
    world_advance(w, 5 * SEC);
    expect_attempts(w, "web-0", 1, 0);
    observe_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 1);
    expect_attempts(w, "web-0", 1, 1);
}

static void attempt_without_a_cause_is_booked_as_unknown(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", "");
    world_advance(w, 31 * SEC);

    world_snapshot(w, &snapshot);
    assert_int_equal(failures_of(&snapshot, CAUSE_UNKNOWN), 1);
    snapshot_done(&snapshot);

    /* A late message names the incident's cause, but the attempt is not booked again. */
    observe_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 1);
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->verdict.cause, CAUSE_NOT_FOUND);
    assert_int_equal(failures_of(&snapshot, CAUSE_NOT_FOUND), 0);
    assert_int_equal(failures_of(&snapshot, CAUSE_UNKNOWN), 1);
    snapshot_done(&snapshot);
}

/* A pod that had failed for an hour when this process started. */
static void observe_found_failing(struct world *w, const char *name)
{
    struct pod_facts facts;

    pod_of(w, &facts, name);
    facts.fact.created_us -= HOUR;
    facts.containers[0].waiting_reason = STR("ImagePullBackOff");
    facts.containers[0].waiting_message = STR(BACK_OFF_TEXT ": ErrImagePull: " NOT_FOUND_TEXT);
    observe_list_begin(w);
    observe_pod(w, &facts);
    observe_list_end(w);
}

static void attempts_before_the_start_are_shown_but_not_booked(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;
    int64_t oldest_us;

    observe_found_failing(w, "web-0");
    expect_attempts(w, "web-0", 1, 0);

    world_advance(w, -50 * MINUTE); /* the event's own time */
    oldest_us = w->now.wall_us / SEC * SEC;
    observe_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 9);
    world_advance(w, 50 * MINUTE);
    expect_attempts(w, "web-0", 9, 0);

    world_advance(w, MINUTE);
    observe_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 10);
    expect_attempts(w, "web-0", 10, 1);

    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->first_failure_us, oldest_us);
    assert_false(incident_of(&snapshot, "web-0")->first_failure_exact);
    snapshot_done(&snapshot);
}

static void new_incident_does_not_inherit_the_counts_of_the_last_one(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 5);
    observe_running(w, "web-0");
    world_advance(w, MINUTE);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 6);

    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.incidents[0].attempts, 1);
    assert_int_equal(snapshot.incidents[1].attempts, 5);
    assert_int_equal(failures_of(&snapshot, CAUSE_NOT_FOUND), 6);
    snapshot_done(&snapshot);
}

static void refused_pull_counts_once(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    for (size_t i = 0; i < 3; i++) {
        observe_waiting(w, "web-0", "ErrImageNeverPull", NEVER_PULL_TEXT);
        observe_waiting(w, "web-0", "ContainerCreating", "");
        world_advance(w, 10 * SEC);
    }
    observe_event(w, "web-0", APP_PATH, "e1", "ErrImageNeverPull", NEVER_PULL_TEXT, 9);

    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->attempts, 1);
    assert_int_equal(incident_of(&snapshot, "web-0")->verdict.reason, REASON_NEVER_PULL);
    assert_int_equal(failures_of(&snapshot, CAUSE_CONFIG), 1);
    snapshot_done(&snapshot);
}

static void newest_failure_of_a_counter_is_remembered(void **state)
{
    const struct snapshot_registry *registry;
    struct world *w = *state;
    struct snapshot snapshot;
    int64_t failed_us;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    world_advance(w, SEC);
    observe_waiting(w, "web-1", "ErrImagePull", NOT_FOUND_TEXT);
    failed_us = w->now.wall_us;
    world_advance(w, SEC);
    world_snapshot(w, &snapshot);
    registry = &snapshot.registries[0];
    assert_string_equal(registry->newest[CAUSE_NOT_FOUND].namespace, "default");
    assert_string_equal(registry->newest[CAUSE_NOT_FOUND].pod, "web-1");
    assert_int_equal(registry->newest[CAUSE_NOT_FOUND].at_us, failed_us);
    assert_null(registry->newest[CAUSE_NETWORK].namespace);
    snapshot_done(&snapshot);
}

/* Containers "app" and "side" both mount the volume whose image cannot be pulled. */
static void observe_volume_pod(struct world *w, const char *reason, bool app_runs)
{
    static const char text[] = "failed to pull and unpack image \"" REGISTRY "/model:v3\": failed "
                               "to resolve image: " REGISTRY "/model:v3: not found";
    struct pod_facts facts;

    pod_of(w, &facts, "web-0");
    facts.fact.n_image_volumes = 1;
    facts.volumes[0] = (struct image_volume_fact){ .reference = STR(REGISTRY "/model:v3") };
    facts.fact.n_containers = 2;
    facts.containers[1] = facts.containers[0];
    facts.containers[1].name = STR("side");
    for (size_t i = 0; i < 2; i++) {
        facts.containers[i].waiting_reason = str_from(reason);
        facts.containers[i].waiting_message = str_from(text);
    }
    if (app_runs)
        facts.containers[0].phase = PHASE_RUNNING;
    observe_pod(w, &facts);
}

static void observe_volume_failing(struct world *w, const char *reason)
{
    observe_volume_pod(w, reason, false);
}

#define VOLUME_EVENT_TEXT                                                                          \
    "Failed to pull image \"" REGISTRY "/model:v3\": " REGISTRY "/model:v3: not found"

static void volume_pull_that_blocks_two_containers_is_one_attempt(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_volume_failing(w, "ContainerCreating");
    observe_volume_failing(w, "ErrImagePull");
    observe_event(w, "web-0", "", "e1", "Failed", VOLUME_EVENT_TEXT, 1);

    world_snapshot(w, &snapshot);
    assert_int_equal(incidents_of_pod(&snapshot, "web-0"), 2);
    assert_int_equal(failures_of(&snapshot, CAUSE_NOT_FOUND), 1);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(snapshot.incidents[i].kind, CONTAINER_IMAGE_VOLUME);
        assert_int_equal(snapshot.incidents[i].attempts, 1);
    }
    snapshot_done(&snapshot);
}

static void other_container_of_a_volume_continues_to_count(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_volume_failing(w, "ErrImagePull");
    observe_event(w, "web-0", "", "e1", "Failed", VOLUME_EVENT_TEXT, 1);
    world_advance(w, 10 * SEC);
    observe_volume_pod(w, "ErrImagePull", true);
    observe_event(w, "web-0", "", "e1", "Failed", VOLUME_EVENT_TEXT, 3);

    world_snapshot(w, &snapshot);
    assert_int_equal(failures_of(&snapshot, CAUSE_NOT_FOUND), 3);
    snapshot_done(&snapshot);
}

static void event_after_the_end_still_names_the_cause(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", "");
    world_advance(w, 2 * SEC);
    observe_running(w, "web-0");
    observe_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 1);
    world_advance(w, MINUTE);

    world_snapshot(w, &snapshot);
    assert_int_equal(failures_of(&snapshot, CAUSE_NOT_FOUND), 1);
    assert_int_equal(failures_of(&snapshot, CAUSE_UNKNOWN), 0);
    assert_int_equal(incident_of(&snapshot, "web-0")->verdict.cause, CAUSE_NOT_FOUND);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_RECOVERED);
    snapshot_done(&snapshot);
}

static void event_objects_over_the_limit_replace_the_oldest_and_keep_the_count(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;
    char object[16];

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    for (unsigned i = 0; i < LIMIT_EVENT_OBJECTS_PER_POD + 10; i++) {
        snprintf(object, sizeof(object), "e%u", i);
        world_advance(w, SEC);
        observe_event(w, "web-0", APP_PATH, object, "Failed", PULL_FAILED(NOT_FOUND_TEXT), 1);
    }
    world_snapshot(w, &snapshot);
    assert_true(incident_of(&snapshot, "web-0")->attempts >= LIMIT_EVENT_OBJECTS_PER_POD);
    assert_int_equal(snapshot.limit_hits[LIMIT_HIT_EVENT_OBJECTS], 10);
    snapshot_done(&snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(attempt_counts_once_when_the_event_comes_first),
        WORLD_TEST(attempt_counts_once_when_the_status_comes_first),
        WORLD_TEST(events_count_attempts_that_the_status_skipped),
        WORLD_TEST(counts_of_several_event_objects_add_up),
        WORLD_TEST(recreated_event_object_continues_its_count),
        WORLD_TEST(status_counts_attempts_that_events_lost),
        WORLD_TEST(back_off_without_its_pull_error_is_an_attempt),
        WORLD_TEST(combined_events_are_not_counted),
        WORLD_TEST(status_without_a_cause_waits_for_an_event_with_one),
        WORLD_TEST(attempt_without_a_cause_is_booked_as_unknown),
        WORLD_TEST(attempts_before_the_start_are_shown_but_not_booked),
        WORLD_TEST(new_incident_does_not_inherit_the_counts_of_the_last_one),
        WORLD_TEST(refused_pull_counts_once),
        WORLD_TEST(newest_failure_of_a_counter_is_remembered),
        WORLD_TEST(volume_pull_that_blocks_two_containers_is_one_attempt),
        WORLD_TEST(other_container_of_a_volume_continues_to_count),
        WORLD_TEST(event_after_the_end_still_names_the_cause),
        WORLD_TEST(event_objects_over_the_limit_replace_the_oldest_and_keep_the_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
