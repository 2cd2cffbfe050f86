/* SPDX-License-Identifier: Apache-2.0 */

/* The exact limits of the table's rules: the last moment that counts, and the first that does not.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

#define PULL_FAILED(text) "Failed to pull image \"" IMAGE "\": " text
#define PAUSE "registry.k8s.io/pause:3.9"
#define NO_PAUSE                                                                                   \
    "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox image "  \
    "\"" PAUSE "\": failed to pull image \"" PAUSE "\": failed to resolve reference \"" PAUSE      \
    "\": dial tcp: lookup registry.k8s.io: no such host"
#define NO_NETWORK "Failed to create pod sandbox: plugin type=\"calico\" failed (add): timeout"

static void event_at(struct world *w, const char *path, const char *object, const char *reason,
                     const char *message, int count, int64_t first_us, int64_t last_us)
{
    const struct observation observation = {
        .kind = OBSERVE_EVENT,
        .event = { .event_uid = str_from(object),
                   .namespace = STR("default"),
                   .pod_name = STR("web-0"),
                   .pod_uid = STR("web-0"),
                   .field_path = str_from(path),
                   .reason = str_from(reason),
                   .message = str_from(message),
                   .count = count,
                   .first_us = first_us,
                   .last_us = last_us },
    };

    assert_int_equal(correlate_observe(w->correlate, &observation, w->now), 0);
}

static void failed_at(struct world *w, const char *object, int count, int64_t first_us,
                      int64_t last_us)
{
    event_at(w, APP_PATH, object, "Failed", PULL_FAILED(NOT_FOUND_TEXT), count, first_us, last_us);
}

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

/* web-0 already fails when this process starts. */
static void fails_at_the_start(struct world *w, const char *reason, const char *message)
{
    struct pod_facts facts;

    observe_list_begin(w);
    pod_of(w, &facts, "web-0");
    facts.fact.created_us = w->now.wall_us - HOUR;
    facts.containers[0].waiting_reason = str_from(reason);
    facts.containers[0].waiting_message = str_from(message);
    observe_pod(w, &facts);
    observe_list_end(w);
}

/* --- which attempts an Event object counts --------------------------------- */

static void older_event_object_counts_one_current_attempt(void **state)
{
    struct world *w = *state;

    fails_at_the_start(w, "ErrImagePull", NOT_FOUND_TEXT);
    world_advance(w, 10 * SEC);
    failed_at(w, "e1", 7, w->now.wall_us - HOUR, w->now.wall_us);
    expect_attempts(w, 7, 1);
}

static void event_that_begins_with_the_incident_counts_in_full(void **state)
{
    struct world *w = *state;
    int64_t began_us = w->now.wall_us;

    fails_at_the_start(w, "ErrImagePull", NOT_FOUND_TEXT);
    world_advance(w, 10 * SEC);
    failed_at(w, "e1", 2, began_us, w->now.wall_us);
    expect_attempts(w, 3, 2); /* and one attempt before this process started */
}

static void event_that_ends_when_the_incident_begins_counts_once(void **state)
{
    struct world *w = *state;
    int64_t began_us = w->now.wall_us;

    fails_at_the_start(w, "ErrImagePull", NOT_FOUND_TEXT);
    world_advance(w, 10 * SEC);
    failed_at(w, "e1", 3, began_us - MINUTE, began_us);
    expect_attempts(w, 3, 1);
}

static void event_that_ends_before_the_incident_does_not_count(void **state)
{
    struct world *w = *state;
    int64_t began_us = w->now.wall_us;

    fails_at_the_start(w, "ErrImagePull", NOT_FOUND_TEXT);
    world_advance(w, 10 * SEC);
    failed_at(w, "e1", 3, began_us - MINUTE, began_us - 1);
    expect_attempts(w, 3, 0);
}

static void counts_of_an_ended_incident_do_not_move_to_the_next_one(void **state)
{
    struct world *w = *state;
    int64_t began_us = w->now.wall_us;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    failed_at(w, "e1", 2, began_us, began_us);
    observe_running(w, "web-0");
    world_advance(w, SEC);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    failed_at(w, "e1", 3, began_us, w->now.wall_us);
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
    failed_at(w, "e1", 3, began_us, began_us);
    expect_attempts(w, 1, 2);
}

static void event_time_cut_to_the_second_belongs_to_this_incident(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_running(w, "web-0");
    world_advance(w, MINUTE + SEC / 2);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    failed_at(w, "e1", 2, w->now.wall_us / SEC * SEC, w->now.wall_us / SEC * SEC);
    expect_attempts(w, 2, 3);
}

static void attempts_before_and_after_the_start_are_shown_together(void **state)
{
    struct world *w = *state;

    fails_at_the_start(w, "ImagePullBackOff", BACK_OFF_TEXT);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    expect_attempts(w, 2, 1);
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
    event_at(w, "", "e1", "Failed", "Failed to pull image \"model:v3\": model:v3: not found", count,
             first_us, w->now.wall_us);
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
    failed_at(w, "e1", LIMIT_EVENT_COUNT_STEP, w->now.wall_us, w->now.wall_us);
    expect_attempts(w, LIMIT_EVENT_COUNT_STEP, LIMIT_EVENT_COUNT_STEP);
    failed_at(w, "e1", 2 * LIMIT_EVENT_COUNT_STEP + 1, w->now.wall_us, w->now.wall_us);
    expect_attempts(w, 2 * LIMIT_EVENT_COUNT_STEP, 2 * LIMIT_EVENT_COUNT_STEP);
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.limit_hits[LIMIT_HIT_EVENT_COUNT], 1);
    snapshot_done(&snapshot);
}

/* --- times of an incident -------------------------------------------------- */

static void recovery_time_includes_the_time_before_the_first_report(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    fails_at_the_start(w, "ErrImagePull", NOT_FOUND_TEXT);
    failed_at(w, "e1", 2, w->now.wall_us - 10 * MINUTE, w->now.wall_us);
    world_advance(w, MINUTE);
    observe_running(w, "web-0");
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.recoveries[CAUSE_NOT_FOUND].sum_us, 11 * MINUTE);
    snapshot_done(&snapshot);
}

static void first_failure_that_was_watched_stays_exact(void **state)
{
    struct world *w = *state;
    int64_t began_us;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_running(w, "web-0");
    world_advance(w, MINUTE);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    began_us = w->now.wall_us;
    failed_at(w, "e1", 2, began_us - 2 * SEC - 1, began_us); /* belongs to the earlier incident */
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.incidents[0].first_failure_us, began_us);
    snapshot_done(&snapshot);

    failed_at(w, "e2", 2, began_us - 2 * SEC, began_us); /* counts as the same moment */
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.incidents[0].first_failure_us, began_us - 2 * SEC);
    snapshot_done(&snapshot);
}

static enum cause cause_of(struct world *w)
{
    struct snapshot snapshot;
    enum cause cause;

    world_snapshot(w, &snapshot);
    cause = incident_of(&snapshot, "web-0")->verdict.cause;
    snapshot_done(&snapshot);
    return cause;
}

static void event_two_seconds_earlier_is_the_same_moment(void **state)
{
    struct world *w = *state;
    int64_t now_us = w->now.wall_us;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    event_at(w, APP_PATH, "e1", "Failed", PULL_FAILED(UNAUTHORIZED_TEXT), 1, now_us - 2 * SEC - 1,
             now_us - 2 * SEC - 1);
    assert_int_equal(cause_of(w), CAUSE_NOT_FOUND);
    event_at(w, APP_PATH, "e2", "Failed", PULL_FAILED(UNAUTHORIZED_TEXT), 1, now_us - 2 * SEC,
             now_us - 2 * SEC);
    assert_int_equal(cause_of(w), CAUSE_UNAUTHORIZED);
}

static void late_event_names_the_cause_of_the_newest_ended_incident(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    for (int i = 0; i < 2; i++) {
        observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
        world_advance(w, SEC);
        observe_running(w, "web-0");
    }
    failed_at(w, "e1", 1, w->now.wall_us, w->now.wall_us);
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.n_incidents, 2);
    assert_int_equal(snapshot.incidents[0].verdict.cause, CAUSE_UNKNOWN);
    assert_int_equal(snapshot.incidents[1].verdict.cause, CAUSE_NOT_FOUND);
    snapshot_done(&snapshot);
}

static void message_without_a_cause_is_kept_if_there_is_no_other(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    world_snapshot(w, &snapshot);
    assert_string_equal(incident_of(&snapshot, "web-0")->message, BACK_OFF_TEXT);
    snapshot_done(&snapshot);
}

static void repeated_evidence_has_its_newest_time(void **state)
{
    struct world *w = *state;
    int64_t later_us;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    world_advance(w, 20 * SEC);
    later_us = w->now.wall_us;
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->n_evidence, 2);
    assert_int_equal(incident_of(&snapshot, "web-0")->evidence[1].at_us, later_us);
    snapshot_done(&snapshot);
}

static void ended_incident_is_kept_for_exactly_ten_minutes(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_running(w, "web-0");
    world_advance(w, 10 * MINUTE - 1);
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.n_incidents, 1);
    snapshot_done(&snapshot);
    world_advance(w, 1);
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.n_incidents, 0);
    snapshot_done(&snapshot);
}

static void failure_in_a_later_list_of_a_watched_pod_is_not_exact(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_list_begin(w);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_list_end(w);
    world_snapshot(w, &snapshot);
    assert_false(incident_of(&snapshot, "web-0")->first_failure_exact);
    snapshot_done(&snapshot);
}

/* --- the sandbox's image
 * -------------------------------------------------------------------------- */

static enum incident_state state_of(struct world *w)
{
    struct snapshot snapshot;
    enum incident_state state = INCIDENT_GONE;

    world_snapshot(w, &snapshot);
    if (incidents_of_pod(&snapshot, "web-0"))
        state = incident_of(&snapshot, "web-0")->state;
    snapshot_done(&snapshot);
    return state;
}

static void sandbox_event_opens_an_incident_for_ten_minutes(void **state)
{
    struct world *w = *state;
    int64_t failed_us = w->now.wall_us;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    world_advance(w, 10 * MINUTE + 1);
    event_at(w, "", "e1", "FailedCreatePodSandBox", NO_PAUSE, 1, failed_us, failed_us);
    assert_int_equal(state_of(w), INCIDENT_GONE);
    event_at(w, "", "e2", "FailedCreatePodSandBox", NO_PAUSE, 1, failed_us, failed_us + 1);
    assert_int_equal(state_of(w), INCIDENT_FAILING);
}

static void older_sandbox_event_of_another_reason_ends_nothing(void **state)
{
    struct world *w = *state;
    int64_t failed_us;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    world_advance(w, MINUTE);
    failed_us = w->now.wall_us;
    event_at(w, "", "e1", "FailedCreatePodSandBox", NO_PAUSE, 1, failed_us, failed_us);
    event_at(w, "", "e2", "FailedCreatePodSandBox", NO_NETWORK, 1, failed_us - SEC,
             failed_us - SEC);
    assert_int_equal(state_of(w), INCIDENT_FAILING);
    event_at(w, "", "e3", "FailedCreatePodSandBox", NO_NETWORK, 1, failed_us, failed_us);
    assert_int_equal(state_of(w), INCIDENT_FAILING); /* the order of the two is unknown */
    world_advance(w, SEC);
    event_at(w, "", "e4", "FailedCreatePodSandBox", NO_NETWORK, 1, failed_us + 1, failed_us + 1);
    assert_int_equal(state_of(w), INCIDENT_RECOVERED);
}

/* --- events and containers of the past ------------------------------------------------------ */

/* An old pod waits without an error. Returns how many attempts are booked for an event that
 * counts 3 and first happened at `first_us`. */
static uint64_t booked_of_event(struct world *w, int64_t first_us)
{
    struct snapshot snapshot;
    uint64_t booked;

    fails_at_the_start(w, "ContainerCreating", "");
    failed_at(w, "e1", 3, first_us, w->now.wall_us);
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
    failed_at(w, "e1", 3, w->now.wall_us - HOUR, w->now.wall_us);
    expect_attempts(w, 3, 3);
}

static void created_at(struct world *w, int64_t at_us)
{
    const struct observation observation = {
        .kind = OBSERVE_CREATED,
        .created = { .pod_uid = STR("web-0"), .container = STR("app"), .created_us = at_us }
    };

    correlate_observe(w->correlate, &observation, w->now);
}

static void container_made_before_the_newest_failure_proves_nothing(void **state)
{
    struct world *w = *state;
    int64_t failed_us = w->now.wall_us;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    world_advance(w, 40 * SEC);
    failed_at(w, "e1", 2, failed_us, failed_us + 30 * SEC);
    created_at(w, failed_us + 20 * SEC);
    assert_int_equal(state_of(w), INCIDENT_FAILING);
    created_at(w, failed_us + 30 * SEC + 1);
    assert_int_equal(state_of(w), INCIDENT_RECOVERED);
}

static void container_made_in_the_future_proves_nothing(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    created_at(w, w->now.wall_us + SEC + 1);
    assert_int_equal(state_of(w), INCIDENT_FAILING);
    created_at(w, w->now.wall_us + SEC);
    assert_int_equal(state_of(w), INCIDENT_RECOVERED);
}

static void another_pull_error_is_another_attempt(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_waiting(w, "web-0", "ImageInspectError", NOT_FOUND_TEXT);
    expect_attempts(w, 2, 2);
}

static void event_object_that_was_seen_longest_ago_makes_room(void **state)
{
    struct world *w = *state;
    char object[16];

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    for (unsigned i = 0; i < LIMIT_EVENT_OBJECTS_PER_POD + 2; i++) { /* each counts one more */
        world_advance(w, SEC);
        snprintf(object, sizeof(object), "e%u", i);
        failed_at(w, object, (int)i + 1, w->now.wall_us, w->now.wall_us);
    }
    /* Without the first two: 3 + 4 + ... + 66. */
    expect_attempts(w, 69 * 32, 69 * 32);
}

static void event_objects_without_a_time_are_different_objects(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    failed_at(w, "e1", 2, 0, 0);
    failed_at(w, "e2", 3, 0, 0);
    expect_attempts(w, 5, 5);
}

static void back_off_of_a_sandbox_image_opens_nothing(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    event_at(w, "", "e1", "FailedCreatePodSandBox", "Back-off pulling image \"" PAUSE "\"", 1,
             w->now.wall_us, w->now.wall_us);
    assert_int_equal(state_of(w), INCIDENT_GONE);
}

/* --- fresh pods
 * --------------------------------------------------------------------------------------- */

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
        WORLD_TEST(older_event_object_counts_one_current_attempt),
        WORLD_TEST(event_that_begins_with_the_incident_counts_in_full),
        WORLD_TEST(event_that_ends_when_the_incident_begins_counts_once),
        WORLD_TEST(event_that_ends_before_the_incident_does_not_count),
        WORLD_TEST(counts_of_an_ended_incident_do_not_move_to_the_next_one),
        WORLD_TEST(late_event_about_an_ended_incident_counts_for_no_other_incident),
        WORLD_TEST(event_time_cut_to_the_second_belongs_to_this_incident),
        WORLD_TEST(attempts_before_and_after_the_start_are_shown_together),
        WORLD_TEST(second_container_of_a_volume_takes_no_counts_when_it_begins),
        WORLD_TEST(second_container_of_a_volume_takes_no_counts_when_it_ends),
        WORLD_TEST(each_report_adds_a_believable_count),
        WORLD_TEST(recovery_time_includes_the_time_before_the_first_report),
        WORLD_TEST(first_failure_that_was_watched_stays_exact),
        WORLD_TEST(event_two_seconds_earlier_is_the_same_moment),
        WORLD_TEST(late_event_names_the_cause_of_the_newest_ended_incident),
        WORLD_TEST(message_without_a_cause_is_kept_if_there_is_no_other),
        WORLD_TEST(repeated_evidence_has_its_newest_time),
        WORLD_TEST(ended_incident_is_kept_for_exactly_ten_minutes),
        WORLD_TEST(failure_in_a_later_list_of_a_watched_pod_is_not_exact),
        WORLD_TEST(sandbox_event_opens_an_incident_for_ten_minutes),
        WORLD_TEST(older_sandbox_event_of_another_reason_ends_nothing),
        WORLD_TEST(event_in_our_first_second_counts_in_full),
        WORLD_TEST(event_a_second_before_our_start_counts_once),
        WORLD_TEST(event_of_a_fresh_pod_counts_in_full),
        WORLD_TEST(container_made_before_the_newest_failure_proves_nothing),
        WORLD_TEST(container_made_in_the_future_proves_nothing),
        WORLD_TEST(another_pull_error_is_another_attempt),
        WORLD_TEST(event_object_that_was_seen_longest_ago_makes_room),
        WORLD_TEST(event_objects_without_a_time_are_different_objects),
        WORLD_TEST(back_off_of_a_sandbox_image_opens_nothing),
        WORLD_TEST(pod_created_in_our_first_second_is_fresh),
        WORLD_TEST(pod_created_a_second_before_our_start_is_not_fresh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
