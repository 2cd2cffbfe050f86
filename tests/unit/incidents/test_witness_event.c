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
#define SECRET_MISSING                                                                             \
    "Unable to retrieve some image pull secrets (regcred, other); attempting to pull the image "   \
    "may not succeed."

static void an_event_opens_an_incident_before_any_status_does(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 1);

    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->verdict.cause, CAUSE_NOT_FOUND);
    assert_int_equal(look_one(&look, "web-0")->evidence[0].witness, WITNESS_EVENT);
    world_look_done(&look);
}

static void an_old_event_of_a_running_container_opens_nothing(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_running(w, "web-0");
    tell_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 3);

    world_look(w, &look);
    assert_int_equal(look.snapshot.n_incidents, 0);
    assert_int_equal(look_failures(&look, CAUSE_NOT_FOUND), 0);
    world_look_done(&look);
}

static void events_of_other_nodes_pods_are_passed_over(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_event(w, "elsewhere-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 1);

    world_look(w, &look);
    assert_int_equal(look.snapshot.n_incidents, 0);
    world_look_done(&look);
}

static void failed_events_that_are_no_pull_are_passed_over(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_event(w, "web-0", APP_PATH, "e1", "Failed", "Error: ErrImagePull", 1);
    tell_event(w, "web-0", APP_PATH, "e2", "Failed", "Error: container create failed: exit 1", 1);
    tell_event(w, "web-0", APP_PATH, "e3", "BackOff", "Back-off restarting failed container", 1);
    tell_event(w, "web-0", APP_PATH, "e4", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 0);
    tell_event(w, "web-0", "spec.containers{gone}", "e5", "Failed", PULL_FAILED("x"), 1);
    tell_event(w, "web-0", "spec.containers{", "e6", "Failed", PULL_FAILED("x"), 1);

    world_look(w, &look);
    assert_int_equal(look.snapshot.n_incidents, 0);
    world_look_done(&look);
}

static void an_event_names_the_cause_that_an_old_kubelets_status_lacks(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    tell_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(UNAUTHORIZED_TEXT), 1);
    tell_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);

    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->verdict.cause, CAUSE_UNAUTHORIZED);
    assert_int_equal(look_one(&look, "web-0")->state, INCIDENT_BACKING_OFF);
    world_look_done(&look);
}

static void a_late_event_does_not_bring_back_an_older_cause(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ErrImagePull", UNAUTHORIZED_TEXT);
    world_advance(w, MINUTE);
    tell_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT ": ErrImagePull: " NOT_FOUND_TEXT);

    w->now.wall_us -= MINUTE; /* what it says of its own time */
    tell_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(UNAUTHORIZED_TEXT), 1);
    w->now.wall_us += MINUTE;

    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->verdict.cause, CAUSE_NOT_FOUND);
    world_look_done(&look);
}

static void a_missing_pull_secret_explains_unauthorized(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *incident;
    struct pod_told told;
    struct look look;

    pod_of(w, &told, "web-0");
    told.fact.n_pull_secrets = 1;
    told.secrets[0] = STR("regcred");
    told.containers[0].waiting_reason = STR("ErrImagePull");
    told.containers[0].waiting_message = STR(UNAUTHORIZED_TEXT);
    tell_pod(w, &told);
    tell_event(w, "web-0", "", "e1", "FailedToRetrieveImagePullSecret", SECRET_MISSING, 1);

    world_look(w, &look);
    incident = look_one(&look, "web-0");
    assert_int_equal(incident->verdict.cause, CAUSE_UNAUTHORIZED);
    assert_int_equal(incident->verdict.reason, REASON_PULL_SECRET_MISSING);
    assert_int_equal(incident->n_missing_pull_secrets, 2);
    assert_string_equal(incident->missing_pull_secrets[0], "regcred");
    assert_string_equal(incident->missing_pull_secrets[1], "other");
    assert_int_equal(incident->n_pull_secrets, 1);
    assert_non_null(strstr(incident->advice, "regcred"));
    world_look_done(&look);

    /* It still does when the pod is gone and people look back. */
    tell_deleted(w, "web-0");
    world_look(w, &look);
    incident = look_one(&look, "web-0");
    assert_int_equal(incident->verdict.reason, REASON_PULL_SECRET_MISSING);
    assert_string_equal(incident->missing_pull_secrets[0], "regcred");
    world_look_done(&look);
}

/* A list of events is in no order. */
static void an_older_event_does_not_bring_a_secret_back_that_is_there(void **state)
{
    static const char *const both =
        "Unable to retrieve some image pull secrets (a, b); attempting to pull the image may not";
    struct world *w = *state;
    struct observation old = { .kind = OBSERVE_EVENT };
    struct look look;

    tell_waiting(w, "web-0", "ErrImagePull", UNAUTHORIZED_TEXT);
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
    tell_event(
        w, "web-0", "", "s2", "FailedToRetrieveImagePullSecret",
        "Unable to retrieve some image pull secrets (b); attempting to pull the image may not", 1);
    assert_int_equal(correlate_observe(w->correlate, &old, w->now), 0);
    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->n_missing_pull_secrets, 1);
    assert_string_equal(look_one(&look, "web-0")->missing_pull_secrets[0], "b");
    world_look_done(&look);
}

static void a_missing_pull_secret_explains_nothing_else(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    tell_event(w, "web-0", "", "e1", "FailedToRetrieveImagePullSecret", SECRET_MISSING, 1);
    tell_event(w, "web-0", "", "e2", "FailedToRetrieveImagePullSecret", "no list in here", 1);
    tell_event(w, "web-0", "", "e3", "FailedToRetrieveImagePullSecret", "upside ); down (", 1);

    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->verdict.cause, CAUSE_NOT_FOUND);
    world_look_done(&look);
}

#define PAUSE "registry.example.com/pause:3.9"
#define NO_PAUSE                                                                                   \
    "Failed to create pod sandbox: rpc error: code = NotFound desc = failed to start sandbox "     \
    "\"x\": failed to get sandbox image \"" PAUSE "\": failed to pull image \"" PAUSE              \
    "\": failed to pull and unpack image \"" PAUSE "\": failed to resolve image: " PAUSE           \
    ": not found"
#define NO_NETWORK                                                                                 \
    "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for "  \
    "sandbox \"abc\": plugin type=\"calico\" failed (add): error getting ClusterInformation: "     \
    "Get \"https://10.96.0.1:443/apis\": dial tcp 10.96.0.1:443: i/o timeout"

static void tell_sandbox(struct world *w, const char *name, bool ready)
{
    const struct observation observations[] = {
        { .kind = OBSERVE_SANDBOX, .sandbox = { .pod_uid = str_from(name), .ready = ready } },
        { .kind = OBSERVE_SANDBOXES_END },
    };

    for (size_t i = 0; i < ARRAY_SIZE(observations); i++)
        assert_int_equal(correlate_observe(w->correlate, &observations[i], w->now), 0);
}

static void a_sandbox_image_that_cannot_be_pulled_is_an_incident_of_the_pod(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *incident;
    struct look look;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_sandbox(w, "web-0", false);
    tell_event(w, "web-0", "", "e1", "FailedCreatePodSandBox", NO_PAUSE, 1);
    world_advance(w, 15 * SEC);
    tell_event(w, "web-0", "", "e1", "FailedCreatePodSandBox", NO_PAUSE, 2);

    world_look(w, &look);
    incident = look_one(&look, "web-0");
    assert_int_equal(incident->kind, CONTAINER_SANDBOX);
    assert_string_equal(incident->container, "");
    assert_string_equal(incident->image, PAUSE);
    assert_int_equal(incident->verdict.cause, CAUSE_NOT_FOUND);
    assert_int_equal(incident->attempts, 2);
    world_look_done(&look);

    tell_sandbox(w, "web-0", true);
    tell_event(w, "web-0", "", "e1", "FailedCreatePodSandBox", NO_PAUSE, 2); /* late */
    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->state, INCIDENT_RECOVERED);
    world_look_done(&look);
}

static void events_tell_what_happened_before_they_were_read(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *incident;
    struct look look;
    int64_t began_us;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_sandbox(w, "web-0", false);
    world_advance(w, 70 * SEC); /* only now somebody asks for events */
    w->now.wall_us -= MINUTE;
    began_us = w->now.wall_us / SEC * SEC;
    tell_event(w, "web-0", "", "e1", "FailedCreatePodSandBox", NO_PAUSE, 6);
    w->now.wall_us += MINUTE;

    world_look(w, &look);
    incident = look_one(&look, "web-0");
    assert_int_equal(incident->attempts, 6);
    assert_int_equal(incident->first_failure_us, began_us);
    assert_int_equal(look_failures(&look, CAUSE_NOT_FOUND), 6);
    world_look_done(&look);
}

static void a_container_that_fails_by_itself_has_its_sandbox(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_event(w, "web-0", "", "e1", "FailedCreatePodSandBox", NO_PAUSE, 1);
    tell_waiting(w, "web-0", "ErrImagePull", UNAUTHORIZED_TEXT);

    world_look(w, &look);
    assert_int_equal(look_count(&look, "web-0"), 2);
    assert_int_equal(look.snapshot.incidents[0].kind, CONTAINER_APP);
    assert_int_equal(look.snapshot.incidents[1].kind, CONTAINER_SANDBOX);
    assert_int_equal(look.snapshot.incidents[1].state, INCIDENT_RECOVERED);
    world_look_done(&look);
}

static void a_sandbox_that_fails_for_another_reason_is_no_pull_failure(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_event(w, "web-0", "", "e1", "FailedCreatePodSandBox", NO_NETWORK, 1);
    tell_running(w, "web-1");
    tell_event(w, "web-1", "", "e2", "FailedCreatePodSandBox", NO_PAUSE, 1); /* of its past */

    world_look(w, &look);
    assert_int_equal(look.snapshot.n_incidents, 0);
    world_look_done(&look);
}

/* A failed pull of web-0's "app", as an event dates it. */
static void tell_event_of(struct world *w, int64_t wall_us)
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

static void an_old_event_opens_nothing_for_a_pod_that_waits_for_something_else(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ContainerCreating", ""); /* for a volume to be mounted, say */
    tell_event_of(w, w->now.wall_us - 55 * MINUTE);

    world_look(w, &look);
    assert_int_equal(look.snapshot.n_incidents, 0);
    world_look_done(&look);
}

static void an_event_opens_nothing_for_a_pod_that_has_ended(void **state)
{
    struct world *w = *state;
    struct pod_told told;
    struct look look;

    pod_of(w, &told, "job-0");
    told.fact.phase = STR("Failed");
    tell_pod(w, &told);
    tell_event(w, "job-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 1);

    world_look(w, &look);
    assert_int_equal(look.snapshot.n_incidents, 0);
    world_look_done(&look);
}

/* Whoever may write events in one namespace can name the uid of any pod. */
static void an_event_of_another_namespace_is_not_believed(void **state)
{
    struct world *w = *state;
    struct pod_told told;
    struct look look;

    pod_of(w, &told, "web-0");
    told.fact.namespace = STR("victim");
    tell_pod(w, &told);
    tell_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 1);

    world_look(w, &look);
    assert_int_equal(look.snapshot.n_incidents, 0);
    world_look_done(&look);
}

static void an_absurd_count_is_cut_to_what_can_be(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    tell_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(NOT_FOUND_TEXT), INT32_MAX);
    world_look(w, &look);
    assert_true(look_one(&look, "web-0")->attempts <= 1000);
    world_look_done(&look);
}

static void a_time_in_the_future_is_taken_for_now(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    tell_event_of(w, w->now.wall_us + HOUR);
    world_advance(w, MINUTE);
    tell_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT ": ErrImagePull: " NOT_FOUND_TEXT);

    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->verdict.cause, CAUSE_NOT_FOUND);
    assert_true(look_one(&look, "web-0")->last_failure_us <= w->now.wall_us);
    world_look_done(&look);
}

static void a_secret_that_was_made_is_not_called_missing_for_ever(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ErrImagePull", UNAUTHORIZED_TEXT);
    tell_event(w, "web-0", "", "e1", "FailedToRetrieveImagePullSecret", SECRET_MISSING, 1);
    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->verdict.reason, REASON_PULL_SECRET_MISSING);
    world_look_done(&look);

    for (size_t i = 0; i < 4; i++) { /* it exists now, with a wrong password */
        world_advance(w, 5 * MINUTE);
        tell_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
        tell_waiting(w, "web-0", "ErrImagePull", UNAUTHORIZED_TEXT);
    }
    world_look(w, &look);
    assert_int_not_equal(look_one(&look, "web-0")->verdict.reason, REASON_PULL_SECRET_MISSING);
    assert_int_equal(look_one(&look, "web-0")->n_missing_pull_secrets, 0);
    world_look_done(&look);
}

static void a_sandbox_that_now_fails_for_another_reason_has_its_image(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_event(w, "web-0", "", "e1", "FailedCreatePodSandBox", NO_PAUSE, 1);
    world_advance(w, MINUTE);
    tell_event(w, "web-0", "", "e2", "FailedCreatePodSandBox", NO_NETWORK, 1);

    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->state, INCIDENT_RECOVERED);
    world_look_done(&look);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(an_event_opens_an_incident_before_any_status_does),
        WORLD_TEST(an_old_event_of_a_running_container_opens_nothing),
        WORLD_TEST(events_of_other_nodes_pods_are_passed_over),
        WORLD_TEST(failed_events_that_are_no_pull_are_passed_over),
        WORLD_TEST(an_event_names_the_cause_that_an_old_kubelets_status_lacks),
        WORLD_TEST(a_late_event_does_not_bring_back_an_older_cause),
        WORLD_TEST(a_missing_pull_secret_explains_unauthorized),
        WORLD_TEST(an_older_event_does_not_bring_a_secret_back_that_is_there),
        WORLD_TEST(a_missing_pull_secret_explains_nothing_else),
        WORLD_TEST(a_sandbox_image_that_cannot_be_pulled_is_an_incident_of_the_pod),
        WORLD_TEST(events_tell_what_happened_before_they_were_read),
        WORLD_TEST(a_container_that_fails_by_itself_has_its_sandbox),
        WORLD_TEST(a_sandbox_that_fails_for_another_reason_is_no_pull_failure),
        WORLD_TEST(an_old_event_opens_nothing_for_a_pod_that_waits_for_something_else),
        WORLD_TEST(an_event_opens_nothing_for_a_pod_that_has_ended),
        WORLD_TEST(an_event_of_another_namespace_is_not_believed),
        WORLD_TEST(an_absurd_count_is_cut_to_what_can_be),
        WORLD_TEST(a_time_in_the_future_is_taken_for_now),
        WORLD_TEST(a_secret_that_was_made_is_not_called_missing_for_ever),
        WORLD_TEST(a_sandbox_that_now_fails_for_another_reason_has_its_image),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
