/* SPDX-License-Identifier: Apache-2.0 */

/* Which attempts a count in an Event object stands for: those of this incident, of an earlier one,
 * or of before this process started. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

#define INSPECT_TEXT                                                                               \
    "Failed to inspect image \"\": rpc error: code = Unavailable desc = connection error: desc = " \
    "\"transport: Error while dialing: dial unix /run/containerd/containerd.sock: connect: "       \
    "connection refused\""

/* web-0's newest incident shows `shown` attempts; the counters of the whole node have `booked`. */
static void expect_attempts(struct world *w, uint64_t shown, uint64_t booked)
{
    const struct snapshot_incident *newest = NULL;
    struct snapshot snapshot;

    world_snapshot(w, &snapshot);
    for (size_t i = 0; i < snapshot.n_incidents; i++)
        if (!newest || incident_state_open(snapshot.incidents[i].state))
            newest = &snapshot.incidents[i];
    assert_non_null(newest);
    assert_int_equal(newest->attempts, shown);
    assert_int_equal(failures_of(&snapshot, CAUSE_NOT_FOUND), booked);
    snapshot_done(&snapshot);
}

static void older_event_object_counts_one_current_attempt(void **state)
{
    struct world *w = *state;

    observe_failing_at_start(w, "ErrImagePull", NOT_FOUND_TEXT);
    world_advance(w, 10 * SEC);
    observe_failed_at(w, "e1", 7, w->now.wall_us - HOUR, w->now.wall_us);
    expect_attempts(w, 7, 1);
}

static void event_that_begins_with_the_incident_counts_in_full(void **state)
{
    struct world *w = *state;
    int64_t began_us = w->now.wall_us;

    observe_failing_at_start(w, "ErrImagePull", NOT_FOUND_TEXT);
    world_advance(w, 10 * SEC);
    observe_failed_at(w, "e1", 2, began_us, w->now.wall_us);
    expect_attempts(w, 3, 2); /* and one attempt before this process started */
}

static void event_that_ends_when_the_incident_begins_counts_once(void **state)
{
    struct world *w = *state;
    int64_t began_us = w->now.wall_us;

    observe_failing_at_start(w, "ErrImagePull", NOT_FOUND_TEXT);
    world_advance(w, 10 * SEC);
    observe_failed_at(w, "e1", 3, began_us - MINUTE, began_us);
    expect_attempts(w, 3, 1);
}

static void event_that_ends_before_the_incident_does_not_count(void **state)
{
    struct world *w = *state;
    int64_t began_us = w->now.wall_us;

    observe_failing_at_start(w, "ErrImagePull", NOT_FOUND_TEXT);
    world_advance(w, 10 * SEC);
    observe_failed_at(w, "e1", 3, began_us - MINUTE, began_us - 1);
    expect_attempts(w, 3, 0);
}

static void counts_of_an_ended_incident_do_not_move_to_the_next_one(void **state)
{
    struct world *w = *state;
    int64_t began_us = w->now.wall_us;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_failed_at(w, "e1", 2, began_us, began_us);
    observe_running(w, "web-0");
    world_advance(w, SEC);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_failed_at(w, "e1", 3, began_us, w->now.wall_us);
    expect_attempts(w, 1, 3);
}

static void late_event_about_an_ended_incident_counts_for_no_other_incident(void **state)
{
    struct world *w = *state;
    int64_t began_us = w->now.wall_us;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_running(w, "web-0");
    world_advance(w, 9 * MINUTE);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_failed_at(w, "e1", 3, began_us, began_us);
    expect_attempts(w, 1, 2);
}

static void event_time_cut_to_the_second_belongs_to_this_incident(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_running(w, "web-0");
    world_advance(w, MINUTE + SEC / 2);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_failed_at(w, "e1", 2, w->now.wall_us / SEC * SEC, w->now.wall_us / SEC * SEC);
    expect_attempts(w, 2, 3);
}

static void attempts_before_and_after_the_start_are_shown_together(void **state)
{
    struct world *w = *state;

    observe_failing_at_start(w, "ImagePullBackOff", BACK_OFF_TEXT);
    world_advance(w, MINUTE);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    expect_attempts(w, 2, 1);
}

/* The status comes up to 15 s after the attempt, and the Event that is listed has it already. */
static void attempt_just_before_the_start_is_in_the_events_and_in_the_status(void **state)
{
    struct world *w = *state;
    int64_t failed_us = w->now.wall_us - 3 * SEC;

    observe_failing_at_start(w, "ImagePullBackOff", BACK_OFF_TEXT);
    world_advance(w, 2 * SEC);
    observe_failed_at(w, "e1", 3, failed_us - MINUTE, failed_us);
    expect_attempts(w, 3, 0);
    world_advance(w, 8 * SEC);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    expect_attempts(w, 3, 0);
    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    expect_attempts(w, 3, 0);
}

static void attempt_just_after_the_start_counts(void **state)
{
    struct world *w = *state;
    int64_t first_us = w->now.wall_us - MINUTE;

    observe_failing_at_start(w, "ImagePullBackOff", BACK_OFF_TEXT);
    observe_failed_at(w, "e1", 3, first_us, first_us + 30 * SEC);
    world_advance(w, 2 * SEC);
    observe_failed_at(w, "e1", 4, first_us, w->now.wall_us);
    expect_attempts(w, 4, 1);
    world_advance(w, 11 * SEC);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    expect_attempts(w, 4, 1);
}

static void observe_status(struct world *w, const char *reason)
{
    struct pod_facts facts;

    pod_of(w, &facts, "web-0");
    facts.fact.status_us = w->now.wall_us;
    facts.containers[0].waiting_reason = str_from(reason);
    facts.containers[0].waiting_message = STR(NOT_FOUND_TEXT);
    observe_pod(w, &facts);
}

/* The status was not read for a while, and the spam filter holds events back: each of them has
 * attempts that the other one misses. */
static void attempts_of_the_status_that_are_newer_than_all_events_are_added(void **state)
{
    struct world *w = *state;
    int64_t first_us = w->now.wall_us;

    observe_status(w, "ErrImagePull");
    observe_failed_at(w, "e1", 4, first_us, first_us + 80 * SEC);
    expect_attempts(w, 4, 4);
    world_advance(w, 3 * MINUTE);
    observe_status(w, "ImagePullBackOff");
    expect_attempts(w, 4, 4);
    observe_status(w, "ErrImagePull");
    expect_attempts(w, 5, 5);
    observe_failed_at(w, "e1", 5, first_us, w->now.wall_us - 11 * SEC); /* the event comes late */
    expect_attempts(w, 5, 5);
}

/* One more attempt, and the back-off after it. No event of it is read. */
static void fail_once_more(struct world *w)
{
    world_advance(w, 2 * MINUTE);
    observe_status(w, "ErrImagePull");
    world_advance(w, 12 * SEC);
    observe_status(w, "ImagePullBackOff");
}

/* The namespace waits for its turn, or has too many events to read: its events have a gap. Then
 * the object has the attempts that the status told meanwhile, too. */
static void first_event_after_a_gap_counts_no_attempt_again(void **state)
{
    struct world *w = *state;
    int64_t first_us = w->now.wall_us - HOUR;

    observe_failing_at_start(w, "ImagePullBackOff", BACK_OFF_TEXT);
    for (unsigned i = 0; i < 3; i++)
        fail_once_more(w);
    expect_attempts(w, 4, 3); /* and at least one before the start */
    world_advance(w, 3 * MINUTE);
    observe_failed_at(w, "e1", 9, first_us, w->now.wall_us - 3 * MINUTE - 12 * SEC);
    expect_attempts(w, 9, 3);
    observe_failed_at(w, "e1", 10, first_us, w->now.wall_us);
    expect_attempts(w, 10, 4); /* the status tells it later */
    observe_status(w, "ErrImagePull");
    observe_status(w, "ImagePullBackOff");
    expect_attempts(w, 10, 4);
    fail_once_more(w);
    expect_attempts(w, 11, 5);
    observe_failed_at(w, "e1", 11, first_us, w->now.wall_us);
    expect_attempts(w, 11, 5);
}

/* The events were read before the gap, and go on after it. */
static void gap_between_two_events_counts_each_attempt_once(void **state)
{
    struct world *w = *state;
    int64_t first_us = w->now.wall_us - HOUR;

    observe_failing_at_start(w, "ImagePullBackOff", BACK_OFF_TEXT);
    observe_failed_at(w, "e1", 6, first_us, w->now.wall_us - MINUTE);
    expect_attempts(w, 6, 0);
    for (unsigned i = 0; i < 3; i++)
        fail_once_more(w);
    expect_attempts(w, 9, 3);
    observe_failed_at(w, "e1", 9, first_us, w->now.wall_us - 12 * SEC);
    expect_attempts(w, 9, 3);
    world_advance(w, 5 * MINUTE);
    observe_failed_at(w, "e1", 11, first_us, w->now.wall_us); /* the status missed one */
    expect_attempts(w, 11, 5);
}

/* In the gap the pull got another error, which has another object. The second one is new, or has
 * attempts from before the start, too. They come in any order. */
static void gap_with_two_errors_counts_no_attempt_twice(void **state)
{
    struct world *w = *state;

    for (unsigned i = 0; i < 4; i++) {
        const bool other_first = i & 1, other_is_old = i & 2;
        int64_t old_us, changed_us, first_us;

        world_end(w);
        world_begin(w);
        old_us = w->now.wall_us - HOUR;
        observe_failing_at_start(w, "ImagePullBackOff", BACK_OFF_TEXT);
        fail_once_more(w);
        changed_us = w->now.wall_us - 12 * SEC;
        fail_once_more(w);
        fail_once_more(w);
        first_us = other_is_old ? old_us : changed_us + 2 * MINUTE;
        if (!other_first)
            observe_failed_at(w, "e1", 5, old_us, changed_us);
        observe_event_at(w, APP_PATH, "e2", "Failed", PULL_FAILED("other: not found"),
                         other_is_old ? 4 : 2, first_us, w->now.wall_us - 12 * SEC);
        if (other_first)
            observe_failed_at(w, "e1", 5, old_us, changed_us);
        expect_attempts(w, other_is_old ? 9 : 7, 3);
    }
}

/* The object has attempts of this incident and of the one before it. */
static void gap_over_a_recovery_counts_for_no_other_incident(void **state)
{
    struct world *w = *state;
    int64_t first_us = w->now.wall_us;

    fail_once_more(w);
    fail_once_more(w);
    observe_running(w, "web-0");
    world_advance(w, MINUTE);
    fail_once_more(w);
    fail_once_more(w);
    expect_attempts(w, 2, 4);
    observe_failed_at(w, "e1", 4, first_us, w->now.wall_us - 12 * SEC);
    expect_attempts(w, 2, 4);
    world_advance(w, 5 * MINUTE);
    observe_failed_at(w, "e1", 5, first_us, w->now.wall_us);
    expect_attempts(w, 3, 5);
}

/* The pod was there before the agent, and fails for the first time. */
static void event_of_the_first_attempt_is_older_than_the_status(void **state)
{
    struct world *w = *state;
    int64_t failed_us = w->now.wall_us + 5 * SEC;
    struct snapshot snapshot;

    observe_failing_at_start(w, "ContainerCreating", "");
    world_advance(w, 17 * SEC);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_failed_at(w, "e1", 1, failed_us, failed_us);
    expect_attempts(w, 1, 1);
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->last_failure_us, failed_us);
    snapshot_done(&snapshot);
}

static void another_pull_error_is_another_attempt(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_waiting(w, "web-0", "RegistryUnavailable", NOT_FOUND_TEXT);
    expect_attempts(w, 2, 2);
}

/* The runtime is down for a while: the kubelet cannot ask it for the image, and does not pull. */
static void image_that_cannot_be_inspected_is_no_attempt(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_waiting(w, "web-0", "ImageInspectError", INSPECT_TEXT);
    observe_event(w, "web-0", APP_PATH, "i1", "InspectFailed", INSPECT_TEXT, 1);
    expect_attempts(w, 1, 1);
    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    expect_attempts(w, 1, 1);
    observe_waiting(w, "web-0", "ImageInspectError", INSPECT_TEXT);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    expect_attempts(w, 2, 2);
}

/* It is blocked, although no pull has failed. */
static void container_whose_image_cannot_be_inspected_is_shown(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "ImageInspectError", INSPECT_TEXT);
    expect_attempts(w, 1, 0);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    expect_attempts(w, 1, 1);
}

/* Containers "app" and "side" mount one image volume; each can run or fail on it. */
static void observe_volume_pod(struct world *w, bool app_fails, bool side_fails)
{
    static const char text[] = "failed to pull and unpack image \"model:v3\": failed to resolve "
                               "image: model:v3: not found";
    struct pod_facts facts;

    pod_of(w, &facts, "web-0");
    facts.fact.n_image_volumes = 1;
    facts.volumes[0] = (struct image_volume_fact){ .reference = STR("model:v3") };
    facts.fact.n_containers = 2;
    facts.containers[1] = facts.containers[0];
    facts.containers[1].name = STR("side");
    for (size_t i = 0; i < 2; i++) {
        if (!(i ? side_fails : app_fails))
            continue;
        facts.containers[i].waiting_reason = STR("ErrImagePull");
        facts.containers[i].waiting_message = STR(text);
    }
    observe_pod(w, &facts);
}

static void volume_failed(struct world *w, int count, int64_t first_us)
{
    observe_event_at(w, "", "e1", "Failed",
                     "Failed to pull image \"model:v3\": model:v3: not found", count, first_us,
                     w->now.wall_us);
}

static uint64_t volume_attempts(struct world *w)
{
    struct snapshot snapshot;
    uint64_t booked;

    world_snapshot(w, &snapshot);
    booked = failures_of(&snapshot, CAUSE_NOT_FOUND);
    snapshot_done(&snapshot);
    return booked;
}

static void second_container_of_a_volume_takes_no_counts_when_it_begins(void **state)
{
    struct world *w = *state;
    int64_t began_us;

    observe_waiting(w, "web-0", "ErrImagePull", UNAUTHORIZED_TEXT);
    observe_running(w, "web-0"); /* an incident of the pod has ended */
    observe_volume_pod(w, true, false);
    began_us = w->now.wall_us;
    volume_failed(w, 2, began_us);
    world_advance(w, MINUTE);
    observe_volume_pod(w, true, true);
    volume_failed(w, 3, began_us);
    assert_int_equal(volume_attempts(w), 3);
}

static void second_container_of_a_volume_takes_no_counts_when_it_ends(void **state)
{
    struct world *w = *state;
    int64_t began_us = w->now.wall_us;
    struct pod_facts facts;

    observe_volume_pod(w, true, true);
    volume_failed(w, 2, began_us);
    pod_of(w, &facts, "web-0"); /* "side" leaves the pod */
    facts.fact.n_image_volumes = 1;
    facts.volumes[0] = (struct image_volume_fact){ .reference = STR("model:v3") };
    facts.containers[0].waiting_reason = STR("ErrImagePull");
    facts.containers[0].waiting_message =
        STR("failed to pull and unpack image \"model:v3\": model:v3: not found");
    observe_pod(w, &facts);
    volume_failed(w, 3, began_us);
    assert_int_equal(volume_attempts(w), 3);
}

static void each_report_adds_a_believable_count(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_failed_at(w, "e1", LIMIT_EVENT_COUNT_STEP, w->now.wall_us, w->now.wall_us);
    expect_attempts(w, LIMIT_EVENT_COUNT_STEP, LIMIT_EVENT_COUNT_STEP);
    observe_failed_at(w, "e1", 2 * LIMIT_EVENT_COUNT_STEP + 1, w->now.wall_us, w->now.wall_us);
    expect_attempts(w, 2 * LIMIT_EVENT_COUNT_STEP, 2 * LIMIT_EVENT_COUNT_STEP);
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.limit_hits[LIMIT_HIT_EVENT_COUNT], 1);
    snapshot_done(&snapshot);
}

/* An old pod waits without an error. Returns how many attempts are booked for an event that
 * counts 3 and first happened at `first_us`. */
static uint64_t booked_of_event(struct world *w, int64_t first_us)
{
    struct snapshot snapshot;
    uint64_t booked;

    observe_failing_at_start(w, "ContainerCreating", "");
    observe_failed_at(w, "e1", 3, first_us, w->now.wall_us);
    world_snapshot(w, &snapshot);
    booked = failures_of(&snapshot, CAUSE_NOT_FOUND);
    snapshot_done(&snapshot);
    return booked;
}

static void event_in_our_first_second_counts_in_full(void **state)
{
    struct world *w = *state;

    assert_int_equal(booked_of_event(w, w->now.wall_us - SEC + 1), 3);
}

static void event_a_second_before_our_start_counts_once(void **state)
{
    struct world *w = *state;

    assert_int_equal(booked_of_event(w, w->now.wall_us - SEC), 1);
}

static void event_of_a_fresh_pod_counts_in_full(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_failed_at(w, "e1", 3, w->now.wall_us - HOUR, w->now.wall_us);
    expect_attempts(w, 3, 3);
}

static void event_object_that_was_seen_longest_ago_makes_room(void **state)
{
    struct world *w = *state;
    char object[16];

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    for (unsigned i = 0; i < LIMIT_EVENT_OBJECTS_PER_POD + 2; i++) { /* each counts one more */
        world_advance(w, SEC);
        snprintf(object, sizeof(object), "e%u", i);
        observe_failed_at(w, object, (int)i + 1, w->now.wall_us, w->now.wall_us);
    }
    /* Without the first two: 3 + 4 + ... + 66. */
    expect_attempts(w, 69 * 32, 69 * 32);
}

static void event_objects_without_a_time_are_different_objects(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_failed_at(w, "e1", 2, 0, 0);
    observe_failed_at(w, "e2", 3, 0, 0);
    expect_attempts(w, 5, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(older_event_object_counts_one_current_attempt),
        WORLD_TEST(event_that_begins_with_the_incident_counts_in_full),
        WORLD_TEST(event_that_ends_when_the_incident_begins_counts_once),
        WORLD_TEST(event_that_ends_before_the_incident_does_not_count),
        WORLD_TEST(counts_of_an_ended_incident_do_not_move_to_the_next_one),
        WORLD_TEST(late_event_about_an_ended_incident_counts_for_no_other_incident),
        WORLD_TEST(event_time_cut_to_the_second_belongs_to_this_incident),
        WORLD_TEST(attempts_before_and_after_the_start_are_shown_together),
        WORLD_TEST(attempt_just_before_the_start_is_in_the_events_and_in_the_status),
        WORLD_TEST(attempt_just_after_the_start_counts),
        WORLD_TEST(event_of_the_first_attempt_is_older_than_the_status),
        WORLD_TEST(first_event_after_a_gap_counts_no_attempt_again),
        WORLD_TEST(gap_between_two_events_counts_each_attempt_once),
        WORLD_TEST(gap_with_two_errors_counts_no_attempt_twice),
        WORLD_TEST(gap_over_a_recovery_counts_for_no_other_incident),
        WORLD_TEST(attempts_of_the_status_that_are_newer_than_all_events_are_added),
        WORLD_TEST(another_pull_error_is_another_attempt),
        WORLD_TEST(image_that_cannot_be_inspected_is_no_attempt),
        WORLD_TEST(container_whose_image_cannot_be_inspected_is_shown),
        WORLD_TEST(second_container_of_a_volume_takes_no_counts_when_it_begins),
        WORLD_TEST(second_container_of_a_volume_takes_no_counts_when_it_ends),
        WORLD_TEST(each_report_adds_a_believable_count),
        WORLD_TEST(event_in_our_first_second_counts_in_full),
        WORLD_TEST(event_a_second_before_our_start_counts_once),
        WORLD_TEST(event_of_a_fresh_pod_counts_in_full),
        WORLD_TEST(event_object_that_was_seen_longest_ago_makes_room),
        WORLD_TEST(event_objects_without_a_time_are_different_objects),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
