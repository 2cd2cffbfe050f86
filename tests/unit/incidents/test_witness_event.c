/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

#define SECRET_MISSING                                                                             \
    "Unable to retrieve some image pull secrets (regcred, other); attempting to pull the image "   \
    "may not succeed."

static void event_opens_an_incident_before_the_status_does(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 1);

    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->verdict.cause, CAUSE_NOT_FOUND);
    assert_int_equal(incident_of(&snapshot, "web-0")->evidence[0].witness, WITNESS_EVENT);
    snapshot_done(&snapshot);
}

static void old_event_about_a_running_container_opens_nothing(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_running(w, "web-0");
    observe_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 3);

    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.n_incidents, 0);
    assert_int_equal(failures_of(&snapshot, CAUSE_NOT_FOUND), 0);
    snapshot_done(&snapshot);
}

static void events_about_pods_of_other_nodes_are_ignored(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_event(w, "elsewhere-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 1);

    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.n_incidents, 0);
    snapshot_done(&snapshot);
}

static void failed_events_that_are_not_about_a_pull_are_ignored(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_event(w, "web-0", APP_PATH, "e1", "Failed", "Error: ErrImagePull", 1);
    observe_event(w, "web-0", APP_PATH, "e2", "Failed", "Error: container create failed: exit 1",
                  1);
    observe_event(w, "web-0", APP_PATH, "e3", "BackOff", "Back-off restarting failed container", 1);
    observe_event(w, "web-0", APP_PATH, "e4", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 0);
    observe_event(w, "web-0", "spec.containers{gone}", "e5", "Failed", PULL_FAILED("x"), 1);
    observe_event(w, "web-0", "spec.containers{", "e6", "Failed", PULL_FAILED("x"), 1);

    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.n_incidents, 0);
    snapshot_done(&snapshot);
}

static void event_names_the_cause_that_the_status_of_an_old_kubelet_lacks(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    observe_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(UNAUTHORIZED_TEXT), 1);
    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);

    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->verdict.cause, CAUSE_UNAUTHORIZED);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_BACKING_OFF);
    snapshot_done(&snapshot);
}

static void late_event_does_not_bring_back_an_older_cause(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", UNAUTHORIZED_TEXT);
    world_advance(w, MINUTE);
    observe_waiting(w, "web-0", "ImagePullBackOff",
                    BACK_OFF_TEXT ": ErrImagePull: " NOT_FOUND_TEXT);

    w->now.wall_us -= MINUTE; /* the event has this time */
    observe_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(UNAUTHORIZED_TEXT), 1);
    w->now.wall_us += MINUTE;

    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->verdict.cause, CAUSE_NOT_FOUND);
    snapshot_done(&snapshot);
}

static void missing_pull_secret_explains_unauthorized(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *incident;
    struct pod_facts facts;
    struct snapshot snapshot;

    pod_of(w, &facts, "web-0");
    facts.fact.n_pull_secrets = 1;
    facts.secrets[0] = STR("regcred");
    facts.containers[0].waiting_reason = STR("ErrImagePull");
    facts.containers[0].waiting_message = STR(UNAUTHORIZED_TEXT);
    observe_pod(w, &facts);
    observe_event(w, "web-0", "", "e1", "FailedToRetrieveImagePullSecret", SECRET_MISSING, 1);

    world_snapshot(w, &snapshot);
    incident = incident_of(&snapshot, "web-0");
    assert_int_equal(incident->verdict.cause, CAUSE_UNAUTHORIZED);
    assert_int_equal(incident->verdict.reason, REASON_PULL_SECRET_MISSING);
    assert_int_equal(incident->n_missing_pull_secrets, 2);
    assert_string_equal(incident->missing_pull_secrets[0], "regcred");
    assert_string_equal(incident->missing_pull_secrets[1], "other");
    assert_int_equal(incident->n_pull_secrets, 1);
    assert_non_null(strstr(incident->advice, "regcred"));
    snapshot_done(&snapshot);

    /* The ended incident keeps the verdict when the pod is gone. */
    observe_deleted(w, "web-0");
    world_snapshot(w, &snapshot);
    incident = incident_of(&snapshot, "web-0");
    assert_int_equal(incident->verdict.reason, REASON_PULL_SECRET_MISSING);
    assert_string_equal(incident->missing_pull_secrets[0], "regcred");
    snapshot_done(&snapshot);
}

/* A list of events is not sorted by time. */
static void older_event_does_not_make_an_existing_secret_missing(void **state)
{
    static const char *const both =
        "Unable to retrieve some image pull secrets (a, b); attempting to pull the image may not";
    struct world *w = *state;
    struct observation old = { .kind = OBSERVE_EVENT };
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", UNAUTHORIZED_TEXT);
    old.event = (struct event_fact){ .event_uid = STR("s1"),
                                     .namespace = STR("default"),
                                     .pod_name = STR("web-0"),
                                     .pod_uid = STR("web-0"),
                                     .reason = STR("FailedToRetrieveImagePullSecret"),
                                     .message = str_from(both),
                                     .count = 1,
                                     .first_us = w->now.wall_us,
                                     .last_us = w->now.wall_us };
    world_advance(w, MINUTE);
    observe_event(
        w, "web-0", "", "s2", "FailedToRetrieveImagePullSecret",
        "Unable to retrieve some image pull secrets (b); attempting to pull the image may not", 1);
    assert_int_equal(correlate_observe(w->correlate, &old, w->now), 0);
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->n_missing_pull_secrets, 1);
    assert_string_equal(incident_of(&snapshot, "web-0")->missing_pull_secrets[0], "b");
    snapshot_done(&snapshot);
}

static void missing_pull_secret_explains_nothing_else(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_event(w, "web-0", "", "e1", "FailedToRetrieveImagePullSecret", SECRET_MISSING, 1);
    observe_event(w, "web-0", "", "e2", "FailedToRetrieveImagePullSecret", "no list in here", 1);
    observe_event(w, "web-0", "", "e3", "FailedToRetrieveImagePullSecret", "upside ); down (", 1);

    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->verdict.cause, CAUSE_NOT_FOUND);
    snapshot_done(&snapshot);
}

/* An event reports a failed pull of web-0's "app" at `wall_us`. */
static void observe_event_of(struct world *w, int64_t wall_us)
{
    const struct observation event = {
        .kind = OBSERVE_EVENT,
        .event = { .event_uid = STR("e1"),
                   .namespace = STR("default"),
                   .pod_uid = STR("web-0"),
                   .field_path = STR(APP_PATH),
                   .reason = STR("Failed"),
                   .message = STR(PULL_FAILED(UNAUTHORIZED_TEXT)),
                   .count = 1,
                   .first_us = wall_us,
                   .last_us = wall_us },
    };

    assert_int_equal(correlate_observe(w->correlate, &event, w->now), 0);
}

static void old_event_opens_nothing_for_a_pod_that_waits_for_a_volume(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ContainerCreating", ""); /* for example for a volume */
    observe_event_of(w, w->now.wall_us - 55 * MINUTE);

    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.n_incidents, 0);
    snapshot_done(&snapshot);
}

static void event_opens_nothing_for_a_pod_that_has_ended(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;

    pod_of(w, &facts, "job-0");
    facts.fact.phase = STR("Failed");
    observe_pod(w, &facts);
    observe_event(w, "job-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 1);

    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.n_incidents, 0);
    snapshot_done(&snapshot);
}

/* Whoever may write events in one namespace can name the uid of any pod. */
static void event_of_another_namespace_is_ignored(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;

    pod_of(w, &facts, "web-0");
    facts.fact.namespace = STR("victim");
    observe_pod(w, &facts);
    observe_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 1);

    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.n_incidents, 0);
    snapshot_done(&snapshot);
}

static void unbelievable_count_is_limited(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), INT32_MAX);
    world_snapshot(w, &snapshot);
    assert_true(incident_of(&snapshot, "web-0")->attempts <= 1000);
    snapshot_done(&snapshot);
}

static void time_in_the_future_counts_as_now(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_event_of(w, w->now.wall_us + HOUR);
    world_advance(w, MINUTE);
    observe_waiting(w, "web-0", "ImagePullBackOff",
                    BACK_OFF_TEXT ": ErrImagePull: " NOT_FOUND_TEXT);

    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->verdict.cause, CAUSE_NOT_FOUND);
    assert_true(incident_of(&snapshot, "web-0")->last_failure_us <= w->now.wall_us);
    snapshot_done(&snapshot);
}

static void secret_that_was_created_is_not_missing_any_more(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", UNAUTHORIZED_TEXT);
    observe_event(w, "web-0", "", "e1", "FailedToRetrieveImagePullSecret", SECRET_MISSING, 1);
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->verdict.reason, REASON_PULL_SECRET_MISSING);
    snapshot_done(&snapshot);

    for (size_t i = 0; i < 4; i++) { /* the Secret exists now, with a wrong password */
        world_advance(w, 5 * MINUTE);
        observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
        observe_waiting(w, "web-0", "ErrImagePull", UNAUTHORIZED_TEXT);
    }
    world_snapshot(w, &snapshot);
    assert_int_not_equal(incident_of(&snapshot, "web-0")->verdict.reason,
                         REASON_PULL_SECRET_MISSING);
    assert_int_equal(incident_of(&snapshot, "web-0")->n_missing_pull_secrets, 0);
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
    observe_event_at(w, APP_PATH, "e1", "Failed", PULL_FAILED(UNAUTHORIZED_TEXT), 1,
                     now_us - 2 * SEC - 1, now_us - 2 * SEC - 1);
    assert_int_equal(cause_of(w), CAUSE_NOT_FOUND);
    observe_event_at(w, APP_PATH, "e2", "Failed", PULL_FAILED(UNAUTHORIZED_TEXT), 1,
                     now_us - 2 * SEC, now_us - 2 * SEC);
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
    observe_failed_at(w, "e1", 1, w->now.wall_us, w->now.wall_us);
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.n_incidents, 2);
    assert_int_equal(snapshot.incidents[0].verdict.cause, CAUSE_UNKNOWN);
    assert_int_equal(snapshot.incidents[1].verdict.cause, CAUSE_NOT_FOUND);
    snapshot_done(&snapshot);
}

static void event_about_a_recovered_container_opens_nothing(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    for (int i = 0; i < 2; i++) {
        observe_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 1);
        world_advance(w, 5 * SEC);
        observe_created(w, "web-0", "app");
    }
    world_snapshot(w, &snapshot);
    assert_int_equal(incidents_of_pod(&snapshot, "web-0"), 1);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_RECOVERED);
    snapshot_done(&snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(event_opens_an_incident_before_the_status_does),
        WORLD_TEST(old_event_about_a_running_container_opens_nothing),
        WORLD_TEST(events_about_pods_of_other_nodes_are_ignored),
        WORLD_TEST(failed_events_that_are_not_about_a_pull_are_ignored),
        WORLD_TEST(event_names_the_cause_that_the_status_of_an_old_kubelet_lacks),
        WORLD_TEST(late_event_does_not_bring_back_an_older_cause),
        WORLD_TEST(missing_pull_secret_explains_unauthorized),
        WORLD_TEST(older_event_does_not_make_an_existing_secret_missing),
        WORLD_TEST(missing_pull_secret_explains_nothing_else),
        WORLD_TEST(old_event_opens_nothing_for_a_pod_that_waits_for_a_volume),
        WORLD_TEST(event_opens_nothing_for_a_pod_that_has_ended),
        WORLD_TEST(event_of_another_namespace_is_ignored),
        WORLD_TEST(unbelievable_count_is_limited),
        WORLD_TEST(time_in_the_future_counts_as_now),
        WORLD_TEST(secret_that_was_created_is_not_missing_any_more),
        WORLD_TEST(event_two_seconds_earlier_is_the_same_moment),
        WORLD_TEST(late_event_names_the_cause_of_the_newest_ended_incident),
        WORLD_TEST(event_about_a_recovered_container_opens_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
