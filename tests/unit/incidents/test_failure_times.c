/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the last attempt failed. A kubelet writes its Event at once, and the status 10 to 15 s
 * later, with its next look at the pod.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

#define BACK_OFF_STATUS BACK_OFF_TEXT ": ErrImagePull: " NOT_FOUND_TEXT

static int64_t last_failure_of(struct world *w)
{
    struct snapshot snapshot;
    int64_t at_us;

    world_snapshot(w, &snapshot);
    at_us = incident_of(&snapshot, "web-0")->last_failure_us;
    snapshot_done(&snapshot);
    return at_us;
}

static int64_t next_retry_of(struct world *w)
{
    struct snapshot snapshot;
    int64_t at_us;

    world_snapshot(w, &snapshot);
    at_us = incident_of(&snapshot, "web-0")->next_retry_us;
    snapshot_done(&snapshot);
    return at_us;
}

static void status_is_later_than_the_event_of_the_same_attempt(void **state)
{
    struct world *w = *state;
    int64_t first_us = w->now.wall_us;

    observe_waiting_for(w, "web-0", IMAGE);
    observe_failed_at(w, "e1", 1, first_us, first_us);
    world_advance(w, SEC);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    assert_int_equal(last_failure_of(w), first_us);
    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_STATUS);

    world_advance(w, 15 * SEC);
    int64_t second_us = w->now.wall_us;
    observe_failed_at(w, "e1", 2, first_us, second_us);
    world_advance(w, 13 * SEC);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    assert_int_equal(last_failure_of(w), second_us);
}

static void event_that_comes_after_its_status_corrects_the_time(void **state)
{
    struct world *w = *state;
    int64_t failed_us = w->now.wall_us;

    world_advance(w, 12 * SEC);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    assert_int_equal(last_failure_of(w), w->now.wall_us);
    world_advance(w, 5 * SEC);
    observe_failed_at(w, "e1", 1, failed_us, failed_us);
    assert_int_equal(last_failure_of(w), failed_us);
}

static void status_tells_the_time_of_an_attempt_without_an_event(void **state)
{
    struct world *w = *state;
    int64_t first_us = w->now.wall_us;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_failed_at(w, "e1", 1, first_us, first_us);
    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_STATUS);
    world_advance(w, MINUTE);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    assert_int_equal(last_failure_of(w), w->now.wall_us);
    /* The Event of the first attempt is repeated: it says nothing about the second one. */
    observe_failed_at(w, "e1", 1, first_us, first_us);
    assert_int_equal(last_failure_of(w), w->now.wall_us);
}

static void back_off_is_not_a_failure(void **state)
{
    struct world *w = *state;
    int64_t failed_us = w->now.wall_us;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_failed_at(w, "e1", 1, failed_us, failed_us);
    world_advance(w, 30 * SEC);
    observe_event_at(w, APP_PATH, "e2", "Failed", "Error: ImagePullBackOff", 3, failed_us,
                     w->now.wall_us);
    assert_int_equal(last_failure_of(w), failed_us);
}

/* The kubelet could not ask the runtime for the image, so it did not try to pull it. */
static void image_that_cannot_be_inspected_is_not_a_failed_attempt(void **state)
{
    struct world *w = *state;
    int64_t failed_us = w->now.wall_us;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_failed_at(w, "e1", 1, failed_us, failed_us);
    world_advance(w, 30 * SEC);
    observe_event_at(w, APP_PATH, "e2", "InspectFailed",
                     "Failed to inspect image \"\": Unavailable", 1, w->now.wall_us,
                     w->now.wall_us);
    observe_waiting(w, "web-0", "ImageInspectError", "Failed to inspect image \"\": Unavailable");
    assert_int_equal(last_failure_of(w), failed_us);
}

static void start_takes_the_time_of_the_event(void **state)
{
    struct world *w = *state;
    int64_t failed_us = w->now.wall_us - 20 * SEC;

    observe_failing_at_start(w, "ImagePullBackOff", BACK_OFF_STATUS);
    assert_int_equal(last_failure_of(w), 0); /* not the agent's own start */
    assert_int_equal(next_retry_of(w), 0);
    world_advance(w, 3 * SEC);
    observe_failed_at(w, "e1", 4, failed_us - 5 * MINUTE, failed_us);
    assert_int_equal(last_failure_of(w), failed_us);
    assert_int_equal(next_retry_of(w), failed_us + 80 * SEC);
}

static void observe_found(struct world *w, const char *reason, int64_t status_us)
{
    struct pod_facts facts;

    pod_of(w, &facts, "web-0");
    facts.fact.created_us = w->now.wall_us - HOUR;
    facts.fact.status_us = status_us;
    facts.containers[0].waiting_reason = str_from(reason);
    facts.containers[0].waiting_message = STR(BACK_OFF_STATUS);
    observe_list_begin(w);
    observe_pod(w, &facts);
    observe_list_end(w);
}

/* Without events, the time when the kubelet wrote the status is the best that is known. */
static void start_takes_the_time_when_the_status_was_written(void **state)
{
    struct world *w = *state;
    int64_t written_us = w->now.wall_us - MINUTE;

    observe_found(w, "ErrImagePull", written_us);
    assert_in_range(last_failure_of(w), written_us - 15 * SEC, written_us - 10 * SEC);
    assert_int_equal(next_retry_of(w), 0); /* how often it failed is not known */
}

static void event_is_better_than_the_time_when_the_status_was_written(void **state)
{
    struct world *w = *state;
    int64_t written_us = w->now.wall_us - MINUTE;
    int64_t failed_us = written_us - 22 * SEC;

    observe_found(w, "ImagePullBackOff", written_us);
    assert_in_range(last_failure_of(w), written_us - 30 * SEC, written_us - 20 * SEC);
    observe_failed_at(w, "e1", 6, failed_us - HOUR, failed_us);
    assert_int_equal(last_failure_of(w), failed_us);
    assert_int_equal(next_retry_of(w), failed_us + 300 * SEC);
}

/* The spam filter held back the Events of the last attempts. */
static void event_that_is_much_older_than_the_status_is_not_the_last_attempt(void **state)
{
    struct world *w = *state;
    int64_t written_us = w->now.wall_us - 20 * SEC;

    observe_found(w, "ErrImagePull", written_us);
    observe_failed_at(w, "e1", 6, written_us - HOUR, written_us - 5 * MINUTE);
    assert_in_range(last_failure_of(w), written_us - 15 * SEC, written_us - 10 * SEC);
}

static int64_t overdue_since(struct world *w)
{
    struct snapshot snapshot;
    int64_t at_us;
    bool advised;

    world_snapshot(w, &snapshot);
    at_us = incident_of(&snapshot, "web-0")->overdue_since_us;
    advised = strstr(incident_of(&snapshot, "web-0")->advice, "does not try again") != NULL;
    assert_int_equal(advised, at_us != 0);
    snapshot_done(&snapshot);
    return at_us;
}

static void back_off(struct world *w)
{
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_STATUS);
}

static void attempt_that_does_not_come_is_overdue(void **state)
{
    struct world *w = *state;
    int64_t failed_us = w->now.wall_us;

    back_off(w);
    world_advance(w, 10 * MINUTE - 1);
    assert_int_equal(overdue_since(w), 0);
    world_advance(w, 1);
    assert_int_equal(overdue_since(w), failed_us + 5 * MINUTE);
    back_off(w);
    assert_int_equal(overdue_since(w), 0);
}

static void attempt_that_takes_long_is_not_overdue(void **state)
{
    struct world *w = *state;

    back_off(w);
    world_advance(w, 5 * MINUTE);
    observe_event(w, "web-0", APP_PATH, "p1", "Pulling", "Pulling image \"" IMAGE "\"", 2);
    world_advance(w, 20 * MINUTE);
    assert_int_equal(overdue_since(w), 0);
}

static void attempt_that_receives_bytes_is_not_overdue(void **state)
{
    struct world *w = *state;

    back_off(w);
    observe_image(w, IMAGE, false);
    world_advance(w, 20 * MINUTE);
    assert_true(overdue_since(w));
    OBSERVE_BLOBS(w, { "sha256:aa", 100, 0 });
    observe_blob_owner(w, "sha256:aa", REGISTRY "/team/app");
    assert_int_equal(overdue_since(w), 0);
}

static void what_is_never_pulled_is_not_overdue(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "ErrImageNeverPull", NEVER_PULL_TEXT);
    world_advance(w, HOUR);
    assert_int_equal(overdue_since(w), 0);
}

/* A kubelet that has forgotten the container: the agent was restarted 22 h later. */
static void status_that_is_old_at_the_start_shows_that_the_next_attempt_is_overdue(void **state)
{
    struct world *w = *state;

    observe_found(w, "ImagePullBackOff", w->now.wall_us - 22 * HOUR);
    assert_true(overdue_since(w) < w->now.wall_us - 21 * HOUR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(status_is_later_than_the_event_of_the_same_attempt),
        WORLD_TEST(event_that_comes_after_its_status_corrects_the_time),
        WORLD_TEST(status_tells_the_time_of_an_attempt_without_an_event),
        WORLD_TEST(back_off_is_not_a_failure),
        WORLD_TEST(image_that_cannot_be_inspected_is_not_a_failed_attempt),
        WORLD_TEST(start_takes_the_time_of_the_event),
        WORLD_TEST(start_takes_the_time_when_the_status_was_written),
        WORLD_TEST(event_is_better_than_the_time_when_the_status_was_written),
        WORLD_TEST(attempt_that_does_not_come_is_overdue),
        WORLD_TEST(attempt_that_takes_long_is_not_overdue),
        WORLD_TEST(attempt_that_receives_bytes_is_not_overdue),
        WORLD_TEST(what_is_never_pulled_is_not_overdue),
        WORLD_TEST(status_that_is_old_at_the_start_shows_that_the_next_attempt_is_overdue),
        WORLD_TEST(event_that_is_much_older_than_the_status_is_not_the_last_attempt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
