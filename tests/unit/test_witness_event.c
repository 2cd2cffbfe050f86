/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/world.h"

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
    const struct incident_view *incident;
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
        WORLD_TEST(a_missing_pull_secret_explains_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
