/* SPDX-License-Identifier: Apache-2.0 */
/* `kubectl set image`: until the kubelet tries the new image, the status is about the old one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

/* The pod comes with its new spec and, for a moment, with its old status. */
static void status_of_the_replaced_image_is_ignored(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    pod_of(w, &facts, "web-0");
    facts.containers[0].image = STR("good.example.com/app:v2");
    facts.containers[0].waiting_reason = STR("ErrImagePull");
    facts.containers[0].waiting_message = STR(NOT_FOUND_TEXT);
    observe_pod(w, &facts);

    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_GONE);
    assert_int_equal(failures_of(&snapshot, CAUSE_NOT_FOUND), 1);
    snapshot_done(&snapshot);

    facts.containers[0].waiting_message =
        STR("failed to resolve image: good.example.com/app:v2: not found");
    observe_pod(w, &facts);
    world_snapshot(w, &snapshot);
    assert_int_equal(incidents_of_pod(&snapshot, "web-0"), 2);
    assert_string_equal(snapshot.incidents[0].registry, "good.example.com");
    snapshot_done(&snapshot);
}

/* The kubelet goes on to report the replaced image until it tries the new one, in other words. */
static void later_status_that_names_the_replaced_image_is_ignored(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    pod_of(w, &facts, "web-0");
    facts.containers[0].image = STR("good.example.com/app:v2");
    observe_pod(w, &facts);
    facts.containers[0].waiting_reason = STR("ImagePullBackOff");
    facts.containers[0].waiting_message = STR(BACK_OFF_TEXT ": ErrImagePull: " NOT_FOUND_TEXT);
    observe_pod(w, &facts);

    world_snapshot(w, &snapshot);
    assert_int_equal(incidents_of_pod(&snapshot, "web-0"), 1);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_GONE);
    assert_int_equal(failures_of(&snapshot, CAUSE_NOT_FOUND), 1);
    snapshot_done(&snapshot);

    facts.containers[0].waiting_reason = STR("ErrImagePull");
    facts.containers[0].waiting_message =
        STR("failed to resolve image: good.example.com/app:v2: not found");
    observe_pod(w, &facts);
    world_snapshot(w, &snapshot);
    assert_int_equal(incidents_of_pod(&snapshot, "web-0"), 2);
    assert_string_equal(snapshot.incidents[0].registry, "good.example.com");
    assert_int_equal(snapshot.incidents[0].attempts, 1);
    snapshot_done(&snapshot);
}

/* The image was replaced twice before the kubelet tried the first of the new ones. */
static void status_of_an_image_before_the_replaced_one_is_ignored(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    pod_of(w, &facts, "web-0");
    facts.containers[0].waiting_reason = STR("ErrImagePull");
    facts.containers[0].waiting_message = STR(NOT_FOUND_TEXT);
    facts.containers[0].image = STR("good.example.com/app:v2");
    observe_pod(w, &facts);
    facts.containers[0].image = STR("good.example.com/app:v3");
    observe_pod(w, &facts);
    facts.containers[0].waiting_reason = STR("ImagePullBackOff");
    facts.containers[0].waiting_message = STR(BACK_OFF_TEXT ": ErrImagePull: " NOT_FOUND_TEXT);
    observe_pod(w, &facts);

    world_snapshot(w, &snapshot);
    assert_int_equal(incidents_of_pod(&snapshot, "web-0"), 1);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_GONE);
    snapshot_done(&snapshot);
}

/* The kubelet was still pulling the old image when the new one came. */
static void failure_of_the_replaced_image_is_ignored(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    pod_of(w, &facts, "web-0");
    facts.containers[0].image = STR("good.example.com/app:v2");
    facts.containers[0].waiting_reason = STR("ContainerCreating");
    observe_pod(w, &facts);
    facts.containers[0].waiting_reason = STR("ErrImagePull");
    facts.containers[0].waiting_message = STR(NOT_FOUND_TEXT);
    observe_pod(w, &facts);

    world_snapshot(w, &snapshot);
    assert_int_equal(incidents_of_pod(&snapshot, "web-0"), 0);
    snapshot_done(&snapshot);
}

/*
 * No event of the runtime wakes the kubelet, so its status reports the first attempt when it makes
 * the second one.
 */
static void attempts_before_the_first_status_of_the_new_image_count(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;
    int64_t tried_us;

    observe_waiting(w, "web-0", "ErrImagePull", UNAUTHORIZED_TEXT);
    world_advance(w, MINUTE);
    pod_of(w, &facts, "web-0");
    facts.containers[0].image = STR("good.example.com/app:v2");
    facts.containers[0].waiting_reason = STR("ErrImagePull");
    facts.containers[0].waiting_message = STR(UNAUTHORIZED_TEXT);
    observe_pod(w, &facts);
    tried_us = w->now.wall_us;
    world_advance(w, 12 * SEC);
    facts.containers[0].waiting_message =
        STR("failed to resolve image: good.example.com/app:v2: not found");
    observe_pod(w, &facts);
    observe_event_at(w, APP_PATH, "e2", "Failed",
                     "Failed to pull image \"good.example.com/app:v2\": not found", 2, tried_us,
                     w->now.wall_us);

    world_snapshot(w, &snapshot);
    assert_string_equal(snapshot.incidents[0].registry, "good.example.com");
    assert_int_equal(snapshot.incidents[0].attempts, 2);
    assert_int_equal(snapshot.incidents[0].first_failure_us, tried_us);
    assert_int_equal(failures_of(&snapshot, CAUSE_NOT_FOUND), 2);
    snapshot_done(&snapshot);
}

/* `busybox` and `docker.io/library/busybox:latest` are one image. */
static void other_spelling_of_the_image_hides_nothing(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    pod_of(w, &facts, "web-0");
    facts.containers[0].image = STR("busybox");
    observe_pod(w, &facts);
    facts.containers[0].image = STR("docker.io/library/busybox:latest");
    facts.containers[0].waiting_reason = STR("ErrImagePull");
    facts.containers[0].waiting_message =
        STR("failed to resolve image: docker.io/library/busybox:latest: not found");
    observe_pod(w, &facts);

    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_FAILING);
    snapshot_done(&snapshot);
}

/* A running container has no waiting reason, but an API server could send one. */
static void status_of_a_replaced_image_that_ran_hides_nothing(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;

    pod_of(w, &facts, "web-0");
    facts.containers[0].phase = PHASE_RUNNING;
    facts.containers[0].waiting_reason = STR("ErrImagePull");
    facts.containers[0].waiting_message = STR("not found");
    observe_pod(w, &facts);
    facts.containers[0].image = STR(REGISTRY "/team/app:v2");
    facts.containers[0].phase = PHASE_WAITING;
    observe_pod(w, &facts);
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_FAILING);
    snapshot_done(&snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(status_of_the_replaced_image_is_ignored),
        WORLD_TEST(later_status_that_names_the_replaced_image_is_ignored),
        WORLD_TEST(status_of_an_image_before_the_replaced_one_is_ignored),
        WORLD_TEST(failure_of_the_replaced_image_is_ignored),
        WORLD_TEST(attempts_before_the_first_status_of_the_new_image_count),
        WORLD_TEST(other_spelling_of_the_image_hides_nothing),
        WORLD_TEST(status_of_a_replaced_image_that_ran_hides_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
