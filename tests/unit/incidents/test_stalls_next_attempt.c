/* SPDX-License-Identifier: Apache-2.0 */

/* The exact times that decide whether the next attempt stalls. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/stall_story.h"
#include "tests/unit/incidents/world.h"

/* IMAGE fails now. Its layer began `begun_us` and moved `moved_us` after the failure. Returns
 * the state two minutes later. */
static enum incident_state state_after_failure(struct world *w, int64_t begun_us, int64_t moved_us)
{
    int64_t failed_us = w->now.wall_us;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_image(w, IMAGE, false);
    world_advance(w, STALL_AFTER + SEC);
    list_layer(w, 400, failed_us + begun_us, failed_us + moved_us);
    observe_blob_owner(w, LAYER, REPOSITORY);
    return state_of(w, "web-0");
}

static void blob_that_began_at_the_failure_belongs_to_the_next_try(void **state)
{
    assert_int_equal(state_after_failure(*state, 0, -SEC), INCIDENT_STALLED);
}

static void blob_that_moved_at_the_failure_belongs_to_the_next_try(void **state)
{
    assert_int_equal(state_after_failure(*state, -SEC, 0), INCIDENT_STALLED);
}

static void blob_that_began_after_the_failure_belongs_to_the_next_try(void **state)
{
    assert_int_equal(state_after_failure(*state, SEC, -SEC), INCIDENT_STALLED);
}

static void blob_that_stopped_right_before_the_failure_is_left_behind(void **state)
{
    assert_int_equal(state_after_failure(*state, -SEC, -1), INCIDENT_FAILING);
}

static void pulling_event(struct world *w, int64_t at_us)
{
    observe_event_at(w, APP_PATH, "p", "Pulling", "Pulling image", 1, at_us, at_us);
}

/* The next attempt begins `begins_us` after the failure, and continues with a blob that the last
 * attempt left behind. Returns the state `waits_us` after it began. */
static enum incident_state state_of_next_try(struct world *w, int64_t begins_us, int64_t waits_us)
{
    int64_t failed_us;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_image(w, IMAGE, false);
    failed_us = w->now.wall_us;
    world_advance(w, MINUTE);
    pulling_event(w, failed_us + begins_us);
    world_advance(w, begins_us + waits_us - MINUTE);
    list_layer(w, 400, failed_us - MINUTE, failed_us - SEC);
    observe_blob_owner(w, LAYER, REPOSITORY);
    return state_of(w, "web-0");
}

static void pulling_event_at_the_failure_does_not_begin_the_next_try(void **state)
{
    assert_int_equal(state_of_next_try(*state, 0, 2 * STALL_AFTER), INCIDENT_FAILING);
}

static void next_try_stalls_only_after_its_own_stall_after(void **state)
{
    assert_int_equal(state_of_next_try(*state, 1, STALL_AFTER - 1), INCIDENT_FAILING);
}

static void next_try_stalls_at_a_blob_that_was_left_behind(void **state)
{
    assert_int_equal(state_of_next_try(*state, 1, STALL_AFTER), INCIDENT_STALLED);
}

static void late_event_does_not_change_when_the_try_began(void **state)
{
    struct world *w = *state;
    int64_t failed_us = w->now.wall_us;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_image(w, IMAGE, false);
    world_advance(w, MINUTE);
    pulling_event(w, w->now.wall_us);
    pulling_event(w, failed_us - MINUTE);
    world_advance(w, STALL_AFTER);
    list_layer(w, 400, failed_us - MINUTE, failed_us - SEC);
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
}

static void next_try_waits_behind_a_blob_that_holds_up_another(void **state)
{
    struct world *w = *state;
    int64_t began_us = w->now.wall_us;
    struct blob blobs[] = { { LAYER, 400, began_us, began_us }, { OTHER_LAYER, 1, began_us, 0 } };

    observe_pulling(w, "web-1");
    world_advance(w, 10 * SEC);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    world_advance(w, STALL_AFTER);
    pulling_event(w, w->now.wall_us);
    for (int i = 0; i < 2; i++) { /* another blob moves all the time */
        blobs[1].bytes++;
        blobs[1].moved_us = w->now.wall_us;
        list_blobs(w, blobs, 2);
        observe_blob_owner(w, LAYER, REPOSITORY);
    }
    assert_int_equal(state_of(w, "web-1"), INCIDENT_STALLED);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
}

static void silent_status_of_a_restarted_kubelet_is_not_a_stall(void **state)
{
    struct world *w = *state;
    int64_t moved_us = w->now.wall_us;

    observe_pulling(w, "web-0");
    list_layer(w, 400, moved_us, moved_us);
    world_advance(w, 3 * SEC);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    observe_waiting_for(w, "web-0", IMAGE);
    observe_polled(w, "web-0");
    world_advance(w, 2 * STALL_AFTER);
    list_layer(w, 400, moved_us, moved_us);
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_BACKING_OFF);
}

static void blob_of_a_failed_try_proves_nothing_to_a_new_pod(void **state)
{
    struct world *w = *state;

    stalled(w, "web-0");
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_pulling(w, "web-1");
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(count_incidents(w, "web-1"), 0);
}

/* An attempt of the pod failed and left half a blob behind. Almost four minutes later the pod is
 * still in its back-off. Returns how long no byte has come. */
static int64_t backing_off(struct world *w, const char *name)
{
    int64_t idle;

    observe_pulling(w, name);
    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    observe_blob_owner(w, LAYER, REPOSITORY);
    world_advance(w, 10 * SEC);
    observe_waiting(w, name, "ErrImagePull", RESET_TEXT);
    observe_waiting(w, name, "ImagePullBackOff", BACK_OFF_TEXT);
    for (idle = 10 * SEC; idle < 4 * MINUTE; idle += POLL) {
        world_advance(w, POLL);
        poll_pod(w, name, 400, idle);
    }
    return idle;
}

/* A pod in its back-off is replaced; the first poll must not report the new pod as stalled. */
static void new_pod_does_not_inherit_the_wait_of_a_failed_one(void **state)
{
    struct world *w = *state;
    int64_t idle = backing_off(w, "old");

    assert_int_equal(state_of(w, "old"), INCIDENT_BACKING_OFF);
    observe_deleted(w, "old");
    observe_waiting(w, "new", "ContainerCreating", "");
    world_advance(w, SEC);
    poll_pod(w, "new", 400, idle);
    assert_int_equal(count_incidents(w, "new"), 0);
}

/* The kubelet restarts during a back-off: its status is ContainerCreating again. */
static void kubelet_that_restarts_in_a_back_off_makes_no_stall(void **state)
{
    struct world *w = *state;
    int64_t idle = backing_off(w, "web-0");

    observe_waiting(w, "web-0", "ContainerCreating", "");
    poll_pod(w, "web-0", 400, idle);
    assert_int_not_equal(state_of(w, "web-0"), INCIDENT_STALLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(blob_that_began_at_the_failure_belongs_to_the_next_try),
        WORLD_TEST(blob_that_moved_at_the_failure_belongs_to_the_next_try),
        WORLD_TEST(blob_that_began_after_the_failure_belongs_to_the_next_try),
        WORLD_TEST(blob_that_stopped_right_before_the_failure_is_left_behind),
        WORLD_TEST(pulling_event_at_the_failure_does_not_begin_the_next_try),
        WORLD_TEST(next_try_stalls_only_after_its_own_stall_after),
        WORLD_TEST(next_try_stalls_at_a_blob_that_was_left_behind),
        WORLD_TEST(late_event_does_not_change_when_the_try_began),
        WORLD_TEST(next_try_waits_behind_a_blob_that_holds_up_another),
        WORLD_TEST(silent_status_of_a_restarted_kubelet_is_not_a_stall),
        WORLD_TEST(blob_of_a_failed_try_proves_nothing_to_a_new_pod),
        WORLD_TEST(new_pod_does_not_inherit_the_wait_of_a_failed_one),
        WORLD_TEST(kubelet_that_restarts_in_a_back_off_makes_no_stall),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
