/* SPDX-License-Identifier: Apache-2.0 */

/* A stall, the failure of its attempt, and the next attempt. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/stall_story.h"
#include "tests/unit/incidents/world.h"

static bool shows_stall(struct world *w, const char *pod)
{
    struct snapshot snapshot;
    bool shown;

    world_snapshot(w, &snapshot);
    shown = incident_of(&snapshot, pod)->stall != NULL;
    snapshot_done(&snapshot);
    return shown;
}

static void failed_status_ends_the_stall(void **state)
{
    struct world *w = *state;

    stalled(w, "web-0");
    assert_true(shows_stall(w, "web-0"));
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_FAILING);
    assert_false(shows_stall(w, "web-0"));
}

static void event_before_the_stall_does_not_end_the_stall(void **state)
{
    struct world *w = *state;
    int64_t before_us;

    stalled(w, "web-0");
    before_us = w->now.wall_us - SEC;
    observe_failed_at(w, "e1", 1, before_us, before_us);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    observe_failed_at(w, "e2", 1, before_us, before_us + 1); /* its time may be cut to the second */
    assert_int_equal(state_of(w, "web-0"), INCIDENT_FAILING);
}

/* An event reports the failure before the status does; the blob disappears. */
static void failure_that_an_event_reported_is_not_a_recovery(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_list_begin(w);
    observe_list_end(w);
    poll_a_stall(w, "web-0");
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    observe_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(RESET_TEXT), 1);
    observe_image(w, IMAGE, false);
    observe_polled(w, "web-0");
    observe_ingests(w, NULL, 0);
    world_advance(w, SEC);
    observe_waiting(w, "web-0", "ErrImagePull", RESET_TEXT);
    world_snapshot(w, &snapshot);
    assert_int_equal(failures_of(&snapshot, CAUSE_NETWORK), 1);
    assert_int_equal(snapshot.recoveries[CAUSE_NETWORK].count, 0);
    assert_int_equal(incidents_of_pod(&snapshot, "web-0"), 1);
    snapshot_done(&snapshot);
}

static void incident_continues_when_the_runtime_gives_up(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    stalled(w, "web-0");
    observe_waiting(w, "web-0", "ErrImagePull",
                    "failed to pull and unpack image \"" IMAGE "\": context canceled");
    stand_still(w, 30 * SEC, 400, 2 * MINUTE); /* half of the layer stays on the disk */

    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_FAILING);
    assert_int_equal(incident_of(&snapshot, "web-0")->verdict.reason, REASON_PULL_STALLED);
    assert_int_equal(incident_of(&snapshot, "web-0")->attempts, 1);
    assert_int_equal(failures_of(&snapshot, CAUSE_NETWORK), 1);
    snapshot_done(&snapshot);
}

static void blob_of_a_failed_try_is_not_a_stall(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    observe_blob_owner(w, LAYER, REPOSITORY);
    world_advance(w, 10 * SEC);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    stand_still(w, 4 * MINUTE, 400, 10 * SEC);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_BACKING_OFF);
}

/* The bytes came before the attempt failed, and the next poll saw them. */
static void bytes_before_the_failure_make_no_stall(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    observe_blob_owner(w, LAYER, REPOSITORY);
    world_advance(w, 2 * SEC);
    observe_waiting(w, "web-0", "ErrImagePull", "rpc error: code = Unavailable desc = EOF");
    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    world_advance(w, 3 * SEC);
    OBSERVE_BLOBS(w, { LAYER, 500, 4 * SEC }); /* a second before it failed */
    stand_still(w, 4 * MINUTE, 500, 4 * SEC);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_BACKING_OFF);
}

static void next_try_can_stall_and_continues_to_fail_when_bytes_come(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_pulling(w, "web-0");
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    world_advance(w, 20 * SEC);
    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    stand_still(w, 2 * MINUTE, 400, 0);
    observe_blob_owner(w, LAYER, REPOSITORY);

    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_STALLED);
    assert_int_equal(incident_of(&snapshot, "web-0")->verdict.reason, REASON_PULL_STALLED);
    snapshot_done(&snapshot);

    OBSERVE_BLOBS(w, { LAYER, 500, 0 });
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_BACKING_OFF);
    assert_int_equal(incident_of(&snapshot, "web-0")->verdict.cause, CAUSE_NOT_FOUND);
    assert_null(incident_of(&snapshot, "web-0")->stall);
    snapshot_done(&snapshot);
}

static void incident_is_failing_again_when_the_stall_of_the_next_try_ends(void **state)
{
    struct world *w = *state;
    int64_t failed_us;

    stalled(w, "web-0");
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    failed_us = w->now.wall_us;
    list_blobs(w, NULL, 0);
    world_advance(w, STALL_AFTER + SEC);
    list_layer(w, 100, failed_us + SEC, failed_us + SEC);
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    list_layer(w, 200, failed_us + SEC, w->now.wall_us);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_FAILING);
}

/* The runtime was restarted: the pull failed, half of its layer stays, and the next attempt
 * continues with it (cri/content.h), but the registry sends nothing. */
static void next_try_can_stall_at_the_same_layer(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    stand_still(w, 30 * SEC, 400, 0);
    observe_event(w, "web-0", APP_PATH, "p", "Pulling", "Pulling image \"" IMAGE "\"", 1);
    world_advance(w, 2 * SEC);
    observe_waiting(w, "web-0", "ErrImagePull", "rpc error: code = Unavailable desc = EOF");
    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    stand_still(w, 5 * MINUTE, 400, 30 * SEC);
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_BACKING_OFF); /* the kubelet waits */

    observe_event(w, "web-0", APP_PATH, "p", "Pulling", "Pulling image \"" IMAGE "\"", 2);
    stand_still(w, 115 * SEC, 400, 6 * MINUTE);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_BACKING_OFF);
    stand_still(w, 10 * SEC, 400, 8 * MINUTE);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    stand_still(w, 3 * MINUTE, 400, 9 * MINUTE); /* this attempt has failed, too */
    assert_int_equal(state_of(w, "web-0"), INCIDENT_FAILING);
}

static void next_try_with_another_layer_does_not_stall_at_the_old_one(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    world_advance(w, 2 * SEC);
    observe_waiting(w, "web-0", "ErrImagePull", "rpc error: code = Unavailable desc = EOF");
    world_advance(w, 10 * SEC);
    observe_event(w, "web-0", APP_PATH, "p", "Pulling", "Pulling image \"" IMAGE "\"", 1);
    for (uint64_t bytes = 0; bytes < 10; bytes++) {
        world_advance(w, 30 * SEC);
        OBSERVE_BLOBS(w, { LAYER, 400, (int64_t)bytes * 30 * SEC }, { OTHER_LAYER, bytes, 0 });
        observe_blob_owner(w, LAYER, REPOSITORY);
        assert_int_equal(state_of(w, "web-0"), INCIDENT_FAILING);
    }
}

/* The next attempt gets its own time at a layer where the last one stood still: the registry may
 * answer again. */
static void next_try_does_not_begin_as_a_stall(void **state)
{
    struct world *w = *state;

    stalled(w, "web-0");
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    observe_waiting(w, "web-0", "ErrImagePull", "context deadline exceeded");
    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    stand_still(w, 20 * SEC, 400, 2 * MINUTE);

    observe_event(w, "web-0", APP_PATH, "p", "Pulling", "Pulling image \"" IMAGE "\"", 2);
    stand_still(w, POLL, 400, 140 * SEC);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_BACKING_OFF);
    OBSERVE_BLOBS(w, { LAYER, 500, 0 });
    assert_int_equal(state_of(w, "web-0"), INCIDENT_BACKING_OFF);
}

/* --- a stall never overwrites an answer ------------------------------------ */

#define TOO_MANY_TEXT                                                                              \
    "failed to pull and unpack image \"" IMAGE "\": unexpected status from HEAD request to "       \
    "https://" REGISTRY "/v2/team/app/manifests/v1: 429 Too Many Requests"

/* web-0 fails with `text`. Then a pull of `other` by web-1 stalls at a layer of the same
 * repository. Checks that web-0 keeps its state and its cause, and that only web-1 stalls. */
static void check_answer_is_kept(struct world *w, const char *text, enum cause cause,
                                 const char *other)
{
    struct snapshot snapshot;

    observe_pulling(w, "web-0");
    observe_waiting(w, "web-0", "ErrImagePull", text);
    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    world_advance(w, 10 * SEC);
    observe_waiting_for(w, "web-1", other);
    for (int64_t idle = 0; idle <= 2 * STALL_AFTER; idle += POLL) {
        observe_image(w, IMAGE, false);
        observe_image(w, other, false);
        observe_sandbox(w, "web-0", true);
        observe_polled(w, "web-1");
        OBSERVE_BLOBS(w, { LAYER, 400, idle });
        observe_blob_owner(w, LAYER, REPOSITORY);
        assert_int_equal(state_of(w, "web-0"), INCIDENT_BACKING_OFF);
        world_advance(w, POLL);
    }
    assert_int_equal(state_of(w, "web-1"), INCIDENT_STALLED);
    observe_ingests(w, NULL, 0);
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_BACKING_OFF);
    assert_int_equal(incident_of(&snapshot, "web-0")->verdict.cause, cause);
    assert_int_equal(incident_of(&snapshot, "web-1")->state, INCIDENT_RECOVERED);
    assert_int_equal(snapshot.recoveries[CAUSE_NETWORK].count, 1);
    assert_int_equal(snapshot.recoveries[cause].count, 0);
    snapshot_done(&snapshot);
}

static void stall_of_another_tag_does_not_overwrite_a_404(void **state)
{
    check_answer_is_kept(*state, NOT_FOUND_TEXT, CAUSE_NOT_FOUND, OTHER_TAG);
}

static void stall_of_another_tag_does_not_overwrite_a_429(void **state)
{
    check_answer_is_kept(*state, TOO_MANY_TEXT, CAUSE_RATE_LIMITED, OTHER_TAG);
}

static void stall_of_another_port_does_not_overwrite_a_404(void **state)
{
    check_answer_is_kept(*state, NOT_FOUND_TEXT, CAUSE_NOT_FOUND, REGISTRY ":5000/team/app:v1");
}

static void stall_of_another_container_does_not_overwrite_a_404(void **state)
{
    check_answer_is_kept(*state, NOT_FOUND_TEXT, CAUSE_NOT_FOUND, IMAGE);
}

/* An event reported that the next attempt of the container has begun. */
static void next_try_of_another_tag_stalls_with_it(void **state)
{
    struct world *w = *state;

    observe_waiting_for(w, "web-1", OTHER_TAG);
    observe_pulling(w, "web-0");
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    world_advance(w, 10 * SEC);
    observe_event(w, "web-0", APP_PATH, "p", "Pulling", "Pulling image \"" IMAGE "\"", 2);
    for (int64_t idle = 0; idle <= STALL_AFTER + POLL; idle += POLL) {
        observe_image(w, IMAGE, false);
        observe_image(w, OTHER_TAG, false);
        observe_sandbox(w, "web-0", true);
        observe_polled(w, "web-1");
        OBSERVE_BLOBS(w, { LAYER, 400, idle });
        observe_blob_owner(w, LAYER, REPOSITORY);
        world_advance(w, POLL);
    }
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    assert_int_equal(state_of(w, "web-1"), INCIDENT_STALLED);
}

static enum reason reason_after(struct world *w, const char *message)
{
    struct snapshot snapshot;
    enum reason reason;

    observe_waiting(w, "web-0", "ErrImagePull", message);
    world_snapshot(w, &snapshot);
    reason = incident_of(&snapshot, "web-0")->verdict.reason;
    snapshot_done(&snapshot);
    return reason;
}

#define CANCELLED_TEXT                                                                             \
    "failed to pull and unpack image \"" IMAGE "\": failed to copy: context canceled"

/* Whoever cancelled the pull gave up because no bytes came: the agent saw them stop. */
static void pull_that_is_cancelled_after_a_stall_has_stalled(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    stalled(w, "web-0");
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    assert_int_equal(reason_after(w, CANCELLED_TEXT), REASON_PULL_STALLED);
    world_advance(w, 15 * SEC);
    observe_waiting(w, "web-0", "ImagePullBackOff",
                    BACK_OFF_TEXT ": ErrImagePull: " CANCELLED_TEXT); /* kubelet >= 1.32 */
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->verdict.reason, REASON_PULL_STALLED);
    snapshot_done(&snapshot);
    world_advance(w, 5 * MINUTE);
    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    assert_int_equal(reason_after(w, CANCELLED_TEXT), REASON_PULL_CANCELLED);
}

static void pull_that_is_cancelled_without_a_stall_was_cancelled(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(reason_after(w, CANCELLED_TEXT), REASON_PULL_CANCELLED);
}

/* The event about the failure comes before the status, and half of the layer stays on the disk. */
static void blob_of_an_attempt_that_an_event_reported_as_failed_is_not_a_stall(void **state)
{
    struct world *w = *state;
    int64_t idle;

    observe_list_begin(w);
    observe_list_end(w);
    idle = poll_a_stall(w, "web-0");
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    observe_event(w, "web-0", APP_PATH, "e1", "Failed", PULL_FAILED(RESET_TEXT), 1);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_FAILING);
    poll_pod(w, "web-0", 400, idle);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_FAILING);
}

/* The blob goes on standing still, but it is known now to belong to another repository. */
static void stall_that_was_none_is_not_counted_as_a_recovery(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    stalled(w, "web-0");
    world_advance(w, POLL);
    observe_blob_owner(w, LAYER, REGISTRY "/team/another");
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_GONE);
    assert_int_equal(snapshot.recoveries[CAUSE_NETWORK].count, 0);
    snapshot_done(&snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(failed_status_ends_the_stall),
        WORLD_TEST(event_before_the_stall_does_not_end_the_stall),
        WORLD_TEST(failure_that_an_event_reported_is_not_a_recovery),
        WORLD_TEST(incident_continues_when_the_runtime_gives_up),
        WORLD_TEST(blob_of_a_failed_try_is_not_a_stall),
        WORLD_TEST(bytes_before_the_failure_make_no_stall),
        WORLD_TEST(next_try_can_stall_and_continues_to_fail_when_bytes_come),
        WORLD_TEST(incident_is_failing_again_when_the_stall_of_the_next_try_ends),
        WORLD_TEST(next_try_can_stall_at_the_same_layer),
        WORLD_TEST(next_try_with_another_layer_does_not_stall_at_the_old_one),
        WORLD_TEST(next_try_does_not_begin_as_a_stall),
        WORLD_TEST(stall_of_another_tag_does_not_overwrite_a_404),
        WORLD_TEST(stall_of_another_tag_does_not_overwrite_a_429),
        WORLD_TEST(stall_of_another_port_does_not_overwrite_a_404),
        WORLD_TEST(stall_of_another_container_does_not_overwrite_a_404),
        WORLD_TEST(next_try_of_another_tag_stalls_with_it),
        WORLD_TEST(pull_that_is_cancelled_after_a_stall_has_stalled),
        WORLD_TEST(pull_that_is_cancelled_without_a_stall_was_cancelled),
        WORLD_TEST(blob_of_an_attempt_that_an_event_reported_as_failed_is_not_a_stall),
        WORLD_TEST(stall_that_was_none_is_not_counted_as_a_recovery),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
