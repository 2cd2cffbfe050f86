/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

#define PULL_FAILED(text) "Failed to pull image \"" IMAGE "\": " text

static void expect_attempts(struct world *w, const char *pod, uint64_t shown, uint64_t booked)
{
    struct look look;

    world_look(w, &look);
    assert_int_equal(look_one(&look, pod)->attempts, shown);
    assert_int_equal(look_failures(&look, CAUSE_NOT_FOUND), booked);
    assert_int_equal(look_attempts(&look, REGISTRY), booked);
    world_look_done(&look);
}

static void an_attempt_counts_once_when_the_event_comes_first(void **state)
{
    struct world *w = *state;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 1);
    expect_attempts(w, "web-0", 1, 1);
    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    expect_attempts(w, "web-0", 1, 1);
}

static void an_attempt_counts_once_when_the_status_comes_first(void **state)
{
    struct world *w = *state;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    tell_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 1);
    expect_attempts(w, "web-0", 1, 1);
}

static void events_count_what_the_status_skipped(void **state)
{
    struct world *w = *state;

    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    world_advance(w, 30 * SEC);
    tell_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 3);
    expect_attempts(w, "web-0", 3, 3);
}

static void counts_of_several_event_objects_add_up(void **state)
{
    struct world *w = *state;

    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    tell_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 2);
    tell_event(w, "web-0", APP_PATH, "e2", "Failed", PULL_FAILED("manifest unknown"), 2);
    tell_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 2); /* again */
    expect_attempts(w, "web-0", 4, 4);
}

static void tell_series(struct world *w, const char *object, const char *message, int64_t first_us,
                        int32_t count)
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
 * The server forgets an Event after an hour; the kubelet does not, and its spam filter seldom lets
 * one through. client-go, recordEvent(): what cannot be patched is created anew, with all it
 * counts.
 */
static void an_event_object_that_is_made_anew_goes_on_counting(void **state)
{
    struct world *w = *state;
    int64_t first_us = w->now.wall_us / SEC * SEC;

    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    tell_series(w, "e1", PULL_FAILED(NOT_FOUND_TEXT), first_us, 12);
    expect_attempts(w, "web-0", 12, 12);
    world_advance(w, 2 * HOUR);
    tell_series(w, "e2", PULL_FAILED(NOT_FOUND_TEXT), first_us, 40);
    expect_attempts(w, "web-0", 40, 40);
    tell_series(w, "e2", PULL_FAILED(NOT_FOUND_TEXT), first_us, 41);
    expect_attempts(w, "web-0", 41, 41);
    tell_series(w, "e3", PULL_FAILED("manifest unknown"), first_us, 2); /* other words */
    expect_attempts(w, "web-0", 43, 43);
    tell_series(w, "e4", PULL_FAILED(NOT_FOUND_TEXT), first_us + HOUR, 1); /* forgotten by all */
    expect_attempts(w, "web-0", 44, 44);
}

static void the_status_counts_what_events_lost(void **state)
{
    struct world *w = *state;

    for (size_t i = 0; i < 4; i++) {
        tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
        tell_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
        world_advance(w, 10 * SEC);
    }
    tell_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 1);
    expect_attempts(w, "web-0", 4, 4);
}

static void a_back_off_whose_pull_error_was_never_seen_is_an_attempt(void **state)
{
    struct world *w = *state;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT ": ErrImagePull: " NOT_FOUND_TEXT);
    expect_attempts(w, "web-0", 1, 1);
}

static void combined_events_are_not_counted(void **state)
{
    struct world *w = *state;

    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    tell_event(w, "web-0", APP_PATH, "e1", "Failed",
               "(combined from similar events): " PULL_FAILED(NOT_FOUND_TEXT), 40);
    expect_attempts(w, "web-0", 1, 1);
}

static void a_status_without_a_cause_waits_for_the_event_that_names_it(void **state)
{
    struct world *w = *state;

    tell_waiting(w, "web-0", "ErrImagePull", "");
    world_advance(w, 5 * SEC);
    expect_attempts(w, "web-0", 1, 0);
    tell_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 1);
    expect_attempts(w, "web-0", 1, 1);
}

static void a_cause_that_nobody_names_is_booked_as_unknown(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ErrImagePull", "");
    world_advance(w, 31 * SEC);

    world_look(w, &look);
    assert_int_equal(look_failures(&look, CAUSE_UNKNOWN), 1);
    world_look_done(&look);

    /* Late words name the incident's cause, but the attempt is not booked again. */
    tell_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 1);
    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->verdict.cause, CAUSE_NOT_FOUND);
    assert_int_equal(look_failures(&look, CAUSE_NOT_FOUND), 0);
    assert_int_equal(look_failures(&look, CAUSE_UNKNOWN), 1);
    world_look_done(&look);
}

/* A pod that failed for an hour before this process began. */
static void tell_found_failing(struct world *w, const char *name)
{
    struct pod_told told;

    pod_of(w, &told, name);
    told.fact.created_us -= HOUR;
    told.containers[0].waiting_reason = STR("ImagePullBackOff");
    told.containers[0].waiting_message = STR(BACK_OFF_TEXT ": ErrImagePull: " NOT_FOUND_TEXT);
    tell_list_begin(w);
    tell_pod(w, &told);
    tell_list_end(w);
}

static void attempts_before_this_process_are_shown_and_not_booked(void **state)
{
    struct world *w = *state;
    struct look look;
    int64_t oldest_us;

    tell_found_failing(w, "web-0");
    expect_attempts(w, "web-0", 1, 0);

    world_advance(w, -50 * MINUTE); /* the event's own time; the core goes by what it says */
    oldest_us = w->now.wall_us / SEC * SEC;
    tell_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 9);
    world_advance(w, 50 * MINUTE);
    expect_attempts(w, "web-0", 9, 0);

    world_advance(w, MINUTE);
    tell_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 10);
    expect_attempts(w, "web-0", 10, 1);

    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->first_failure_us, oldest_us);
    assert_false(look_one(&look, "web-0")->first_failure_exact);
    world_look_done(&look);
}

static void a_new_incident_does_not_inherit_the_counts_of_the_one_before(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    tell_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 5);
    tell_running(w, "web-0");
    world_advance(w, MINUTE);
    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    tell_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 6);

    world_look(w, &look);
    assert_int_equal(look.snapshot.incidents[0].attempts, 1);
    assert_int_equal(look.snapshot.incidents[1].attempts, 5);
    assert_int_equal(look_failures(&look, CAUSE_NOT_FOUND), 6);
    world_look_done(&look);
}

static void what_is_never_pulled_counts_once(void **state)
{
    static const char text[] =
        "Container image \"" IMAGE "\" is not present with pull policy of Never";
    struct world *w = *state;
    struct look look;

    for (size_t i = 0; i < 3; i++) {
        tell_waiting(w, "web-0", "ErrImageNeverPull", text);
        tell_waiting(w, "web-0", "ContainerCreating", "");
        world_advance(w, 10 * SEC);
    }
    tell_event(w, "web-0", APP_PATH, "e1", "ErrImageNeverPull", text, 9);

    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->attempts, 1);
    assert_int_equal(look_one(&look, "web-0")->verdict.reason, REASON_NEVER_PULL);
    assert_int_equal(look_failures(&look, CAUSE_CONFIG), 1);
    world_look_done(&look);
}

static void a_counters_newest_failure_is_remembered(void **state)
{
    const struct snapshot_registry *registry;
    struct world *w = *state;
    struct look look;
    int64_t failed_us;

    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    world_advance(w, SEC);
    tell_waiting(w, "web-1", "ErrImagePull", NOT_FOUND_TEXT);
    failed_us = w->now.wall_us;
    world_advance(w, SEC);
    world_look(w, &look);
    registry = &look.snapshot.registries[0];
    assert_string_equal(registry->newest[CAUSE_NOT_FOUND].namespace, "default");
    assert_string_equal(registry->newest[CAUSE_NOT_FOUND].pod, "web-1");
    assert_int_equal(registry->newest[CAUSE_NOT_FOUND].at_us, failed_us);
    assert_null(registry->newest[CAUSE_NETWORK].namespace);
    world_look_done(&look);
}

/* Containers "app" and "side" both mount the volume whose image cannot be pulled. */
static void tell_volume_pod(struct world *w, const char *reason, bool app_runs)
{
    static const char text[] = "failed to pull and unpack image \"" REGISTRY "/model:v3\": failed "
                               "to resolve image: " REGISTRY "/model:v3: not found";
    struct pod_told told;

    pod_of(w, &told, "web-0");
    told.fact.n_image_volumes = 1;
    told.volumes[0] = (struct image_volume_fact){ .reference = STR(REGISTRY "/model:v3") };
    told.fact.n_containers = 2;
    told.containers[1] = told.containers[0];
    told.containers[1].name = STR("side");
    for (size_t i = 0; i < 2; i++) {
        told.containers[i].waiting_reason = str_from(reason);
        told.containers[i].waiting_message = str_from(text);
    }
    if (app_runs)
        told.containers[0].phase = PHASE_RUNNING;
    tell_pod(w, &told);
}

static void tell_volume_failing(struct world *w, const char *reason)
{
    tell_volume_pod(w, reason, false);
}

#define VOLUME_EVENT_TEXT                                                                          \
    "Failed to pull image \"" REGISTRY "/model:v3\": " REGISTRY "/model:v3: not found"

static void one_pull_of_a_volume_that_blocks_two_containers_is_one_attempt(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_volume_failing(w, "ContainerCreating");
    tell_volume_failing(w, "ErrImagePull");
    tell_event(w, "web-0", "", "e1", "Failed", VOLUME_EVENT_TEXT, 1);

    world_look(w, &look);
    assert_int_equal(look_count(&look, "web-0"), 2);
    assert_int_equal(look_failures(&look, CAUSE_NOT_FOUND), 1);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(look.snapshot.incidents[i].kind, CONTAINER_IMAGE_VOLUME);
        assert_int_equal(look.snapshot.incidents[i].attempts, 1);
    }
    world_look_done(&look);
}

static void the_other_container_of_a_volume_goes_on_counting(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_volume_failing(w, "ErrImagePull");
    tell_event(w, "web-0", "", "e1", "Failed", VOLUME_EVENT_TEXT, 1);
    world_advance(w, 10 * SEC);
    tell_volume_pod(w, "ErrImagePull", true);
    tell_event(w, "web-0", "", "e1", "Failed", VOLUME_EVENT_TEXT, 3);

    world_look(w, &look);
    assert_int_equal(look_failures(&look, CAUSE_NOT_FOUND), 3);
    world_look_done(&look);
}

static void an_event_that_comes_after_the_end_still_names_the_cause(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ErrImagePull", "");
    world_advance(w, 2 * SEC);
    tell_running(w, "web-0");
    tell_event(w, "web-0", APP_PATH, "e1", "Failed",
               "Failed to pull image \"" IMAGE "\": " NOT_FOUND_TEXT, 1);
    world_advance(w, MINUTE);

    world_look(w, &look);
    assert_int_equal(look_failures(&look, CAUSE_NOT_FOUND), 1);
    assert_int_equal(look_failures(&look, CAUSE_UNKNOWN), 0);
    assert_int_equal(look_one(&look, "web-0")->verdict.cause, CAUSE_NOT_FOUND);
    assert_int_equal(look_one(&look, "web-0")->state, INCIDENT_RECOVERED);
    world_look_done(&look);
}

static void event_objects_over_the_cap_push_out_the_oldest_and_lower_nothing(void **state)
{
    struct world *w = *state;
    struct look look;
    char object[16];

    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    for (unsigned i = 0; i < LIMIT_EVENT_OBJECTS_PER_POD + 10; i++) {
        snprintf(object, sizeof(object), "e%u", i);
        world_advance(w, SEC);
        tell_event(w, "web-0", APP_PATH, object, "Failed", PULL_FAILED(NOT_FOUND_TEXT), 1);
    }
    world_look(w, &look);
    assert_true(look_one(&look, "web-0")->attempts >= LIMIT_EVENT_OBJECTS_PER_POD);
    assert_int_equal(look.snapshot.limit_hits[LIMIT_HIT_EVENT_OBJECTS], 10);
    world_look_done(&look);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(an_attempt_counts_once_when_the_event_comes_first),
        WORLD_TEST(an_attempt_counts_once_when_the_status_comes_first),
        WORLD_TEST(events_count_what_the_status_skipped),
        WORLD_TEST(counts_of_several_event_objects_add_up),
        WORLD_TEST(an_event_object_that_is_made_anew_goes_on_counting),
        WORLD_TEST(the_status_counts_what_events_lost),
        WORLD_TEST(a_back_off_whose_pull_error_was_never_seen_is_an_attempt),
        WORLD_TEST(combined_events_are_not_counted),
        WORLD_TEST(a_status_without_a_cause_waits_for_the_event_that_names_it),
        WORLD_TEST(a_cause_that_nobody_names_is_booked_as_unknown),
        WORLD_TEST(attempts_before_this_process_are_shown_and_not_booked),
        WORLD_TEST(a_new_incident_does_not_inherit_the_counts_of_the_one_before),
        WORLD_TEST(what_is_never_pulled_counts_once),
        WORLD_TEST(a_counters_newest_failure_is_remembered),
        WORLD_TEST(one_pull_of_a_volume_that_blocks_two_containers_is_one_attempt),
        WORLD_TEST(the_other_container_of_a_volume_goes_on_counting),
        WORLD_TEST(an_event_that_comes_after_the_end_still_names_the_cause),
        WORLD_TEST(event_objects_over_the_cap_push_out_the_oldest_and_lower_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
