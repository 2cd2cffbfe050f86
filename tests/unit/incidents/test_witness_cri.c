/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

static void container_created_after_the_failure_has_recovered(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    world_advance(w, 10 * SEC);
    observe_created(w, "web-0", "app");

    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_RECOVERED);
    snapshot_done(&snapshot);
}

static void container_created_before_the_failure_proves_nothing(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_created(w, "web-0", "app"); /* the pod is unknown */
    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_created(w, "web-0", "app");
    world_advance(w, MINUTE);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    w->now.wall_us -= MINUTE;
    observe_created(w, "web-0", "app"); /* the runtime still lists the container that crashed */
    w->now.wall_us += MINUTE;
    observe_created(w, "web-0", "another");

    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_FAILING);
    snapshot_done(&snapshot);
}

static void image_that_appears_was_pulled_once(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_image(w, IMAGE, false);
    observe_image(w, IMAGE, false);
    observe_image(w, IMAGE, true);
    observe_image(w, IMAGE, true);

    world_snapshot(w, &snapshot);
    assert_int_equal(attempts_of(&snapshot, REGISTRY), 1);
    snapshot_done(&snapshot);
}

static void image_that_is_loaded_for_a_container_that_must_not_pull_was_not_pulled(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;
    uint64_t attempts;

    observe_waiting(w, "web-0", "ErrImageNeverPull", NEVER_PULL_TEXT);
    observe_image(w, IMAGE, false);
    observe_sandboxes_end(w);
    world_snapshot(w, &snapshot);
    attempts = attempts_of(&snapshot, REGISTRY);
    snapshot_done(&snapshot);

    observe_image(w, IMAGE, true);
    world_snapshot(w, &snapshot);
    assert_int_equal(attempts_of(&snapshot, REGISTRY), attempts);
    snapshot_done(&snapshot);
}

static void image_that_was_always_present_was_not_pulled(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_image(w, IMAGE, true);

    world_snapshot(w, &snapshot);
    assert_int_equal(attempts_of(&snapshot, REGISTRY), 0);
    snapshot_done(&snapshot);
}

static void incident_shows_whether_its_image_is_present(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    world_snapshot(w, &snapshot);
    assert_false(incident_of(&snapshot, "web-0")->image_present_known);
    snapshot_done(&snapshot);

    observe_image(w, IMAGE, false);
    world_snapshot(w, &snapshot);
    assert_true(incident_of(&snapshot, "web-0")->image_present_known);
    assert_false(incident_of(&snapshot, "web-0")->image_present);
    snapshot_done(&snapshot);
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
    observe_failed_at(w, "e1", 2, failed_us, failed_us + 30 * SEC);
    created_at(w, failed_us + 20 * SEC);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_FAILING);
    created_at(w, failed_us + 30 * SEC + 1);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_RECOVERED);
}

static void container_made_in_the_future_proves_nothing(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    created_at(w, w->now.wall_us + SEC + 1);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_FAILING);
    created_at(w, w->now.wall_us + SEC);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_RECOVERED);
}

/* The watch was interrupted while the pull was repaired. Then it shows all that happened meanwhile.
 */
static void status_that_is_older_than_the_container_is_ignored(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    world_advance(w, 10 * SEC);
    observe_created(w, "web-0", "app");
    world_advance(w, MINUTE);
    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);

    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_RECOVERED);
    assert_int_equal(failures_of(&snapshot, CAUSE_NOT_FOUND), 1);
    snapshot_done(&snapshot);
}

static void container_that_is_pulled_for_again_can_fail(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    world_advance(w, 10 * SEC);
    observe_created(w, "web-0", "app");
    pod_of(w, &facts, "web-0");
    facts.containers[0].waiting_reason = STR("ImagePullBackOff");
    facts.containers[0].waiting_message = STR(BACK_OFF_TEXT);
    facts.containers[0].created = true; /* it ran, ended, and is started again */
    observe_pod(w, &facts);
    assert_int_equal(count_incidents(w, "web-0"), 2);
}

static void pod_that_has_run_can_fail(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    world_advance(w, 10 * SEC);
    observe_created(w, "web-0", "app");
    pod_of(w, &facts, "web-0");
    facts.containers[0].phase = PHASE_RUNNING;
    observe_pod(w, &facts);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    assert_int_equal(count_incidents(w, "web-0"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(container_created_after_the_failure_has_recovered),
        WORLD_TEST(container_created_before_the_failure_proves_nothing),
        WORLD_TEST(image_that_appears_was_pulled_once),
        WORLD_TEST(image_that_is_loaded_for_a_container_that_must_not_pull_was_not_pulled),
        WORLD_TEST(image_that_was_always_present_was_not_pulled),
        WORLD_TEST(incident_shows_whether_its_image_is_present),
        WORLD_TEST(container_made_before_the_newest_failure_proves_nothing),
        WORLD_TEST(container_made_in_the_future_proves_nothing),
        WORLD_TEST(status_that_is_older_than_the_container_is_ignored),
        WORLD_TEST(container_that_is_pulled_for_again_can_fail),
        WORLD_TEST(pod_that_has_run_can_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
