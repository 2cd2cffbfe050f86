/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A pull without a blob in flight: has nothing come, or all of it? A download can begin and end
 * between two polls, and the runtime then unpacks it for minutes. And whose turn is it?
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/incidents/stall_story.h"
#include "tests/unit/incidents/world.h"

/* web-0 pulls IMAGE, and no poll sees a blob. The runtime noted one of the repository at
 * `updated_us`; 0: none. */
static void poll_web_0(struct world *w, int64_t for_us, int64_t updated_us)
{
    for (int64_t t = 0; t < for_us; t += POLL) {
        world_advance(w, POLL);
        observe_image(w, IMAGE, false);
        observe_polled(w, "web-0");
        observe_ingests(w, NULL, 0);
        if (wants_repository(w, REPOSITORY))
            observe_repository(w, REPOSITORY, updated_us);
    }
}

static void image_that_came_between_two_polls_is_not_a_stall(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    poll_web_0(w, HOUR, w->now.wall_us + SEC);
    assert_int_equal(count_incidents(w, "web-0"), 0);
}

/* It began up to a poll before the agent saw it. */
static void image_that_came_before_the_first_poll_is_not_a_stall(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    poll_web_0(w, HOUR, w->now.wall_us - 4 * SEC);
    assert_int_equal(count_incidents(w, "web-0"), 0);
}

static void older_blobs_of_the_repository_prove_nothing(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    poll_web_0(w, STALL_AFTER + 2 * POLL, w->now.wall_us - MINUTE);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
}

static void runtime_that_does_not_tell_what_came_proves_nothing(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    for (int64_t t = 0; t < HOUR; t += POLL) {
        world_advance(w, POLL);
        observe_image(w, IMAGE, false);
        observe_polled(w, "web-0");
        observe_ingests(w, NULL, 0);
    }
    assert_true(wants_repository(w, REPOSITORY));
    assert_int_equal(count_incidents(w, "web-0"), 0);
}

static void runtime_is_asked_only_when_a_suspicion_arises(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    for (int64_t t = 0; t < STALL_AFTER; t += POLL) {
        assert_false(wants_repository(w, REPOSITORY));
        world_advance(w, POLL);
        observe_image(w, IMAGE, false);
        observe_polled(w, "web-0");
        observe_ingests(w, NULL, 0);
    }
    assert_true(wants_repository(w, REPOSITORY));
    observe_repository(w, REPOSITORY, 0);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    /* And not at each poll. */
    assert_false(wants_repository(w, REPOSITORY));
    world_advance(w, 30 * SEC);
    assert_true(wants_repository(w, REPOSITORY));
    observe_repository(w, REPOSITORY, w->now.wall_us - SEC);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_RECOVERED);
    world_advance(w, 30 * SEC);
    assert_false(wants_repository(w, REPOSITORY));
}

static void pull_that_moves_needs_no_proof(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    for (int64_t t = 0; t < HOUR; t += POLL) {
        assert_false(wants_repository(w, REPOSITORY));
        poll_pod(w, "web-0", (uint64_t)(t / SEC) % 900 + 1, 0);
        world_advance(w, POLL);
    }
}

static void pull_that_failed_needs_no_proof(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    poll_web_0(w, STALL_AFTER + POLL, 0);
    assert_false(wants_repository(w, REPOSITORY));
}

/* --- after a restart of the agent ------------------------------------------ */

static void poll_found_at_start(struct world *w, int64_t created_us, int64_t updated_us)
{
    struct pod_facts facts;

    observe_list_begin(w);
    pod_of(w, &facts, "web-0");
    facts.fact.created_us = created_us;
    facts.containers[0].phase = PHASE_WAITING;
    facts.containers[0].waiting_reason = STR("ContainerCreating");
    observe_pod(w, &facts);
    observe_list_end(w);
    poll_web_0(w, 2 * STALL_AFTER, updated_us);
}

static void image_that_came_before_the_agent_started_is_not_a_stall(void **state)
{
    struct world *w = *state;

    poll_found_at_start(w, w->now.wall_us - HOUR, w->now.wall_us - MINUTE);
    assert_int_equal(count_incidents(w, "web-0"), 0);
}

static void blob_that_is_older_than_the_pod_proves_nothing(void **state)
{
    struct world *w = *state;

    poll_found_at_start(w, w->now.wall_us - HOUR, w->now.wall_us - 2 * HOUR);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
}

/* --- whose turn it is ------------------------------------------------------ */

/* web-0 pulls IMAGE and web-1 OTHER_IMAGE since the same poll. Nothing of OTHER_IMAGE has come. */
static void both_pull(struct world *w)
{
    observe_pulling(w, "web-0");
    observe_waiting_for(w, "web-1", OTHER_IMAGE);
}

static void poll_both(struct world *w, int64_t for_us, bool present, int64_t updated_us)
{
    for (int64_t t = 0; t < for_us; t += POLL) {
        world_advance(w, POLL);
        observe_image(w, IMAGE, present);
        observe_image(w, OTHER_IMAGE, false);
        observe_sandbox(w, "web-0", true);
        observe_polled(w, "web-1");
        observe_ingests(w, NULL, 0);
        if (wants_repository(w, REPOSITORY))
            observe_repository(w, REPOSITORY, updated_us);
        answer_nothing_came(w);
    }
}

static void image_behind_one_that_is_unpacked_unseen_waits_for_the_kubelet(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    both_pull(w);
    poll_both(w, HOUR, false, w->now.wall_us + SEC);
    assert_int_equal(count_incidents(w, "web-0"), 0);
    assert_int_equal(count_incidents(w, "web-1"), 0);
    world_snapshot(w, &snapshot);
    for (size_t i = 0; i < snapshot.n_images; i++)
        if (strcmp(snapshot.images[i].image, "docker.io/library/other:2") == 0)
            assert_int_equal(snapshot.images[i].phase, PULL_PHASE_KUBELET_QUEUE);
    snapshot_done(&snapshot);
}

/* The turn of the second image began when the first one was there. */
static void image_whose_turn_comes_late_has_the_whole_time_from_then(void **state)
{
    struct world *w = *state;

    both_pull(w);
    poll_both(w, STALL_AFTER - POLL, false, 0);
    poll_both(w, STALL_AFTER, true, 0);
    assert_int_equal(count_incidents(w, "web-1"), 0);
    poll_both(w, 2 * POLL, true, 0);
    assert_int_equal(state_of(w, "web-1"), INCIDENT_STALLED);
}

static void turn_begins_when_the_attempt_before_it_failed(void **state)
{
    struct world *w = *state;

    both_pull(w);
    poll_both(w, STALL_AFTER - POLL, false, 0);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    poll_both(w, STALL_AFTER - POLL, false, 0);
    assert_int_equal(count_incidents(w, "web-1"), 0);
    /* The next attempts are behind the other image. */
    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    poll_both(w, 2 * POLL, false, 0);
    assert_int_equal(state_of(w, "web-1"), INCIDENT_STALLED);
}

/* An attempt of an image that fails again and again was asked for before. */
static void turn_begins_when_the_next_attempt_of_another_image_failed(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    world_advance(w, 20 * SEC);
    observe_waiting_for(w, "web-1", OTHER_IMAGE);
    poll_both(w, STALL_AFTER - POLL, false, 0);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    poll_both(w, STALL_AFTER - POLL, false, 0);
    assert_int_equal(count_incidents(w, "web-1"), 0);
    poll_both(w, 2 * POLL, false, 0);
    assert_int_equal(state_of(w, "web-1"), INCIDENT_STALLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(image_that_came_between_two_polls_is_not_a_stall),
        WORLD_TEST(image_that_came_before_the_first_poll_is_not_a_stall),
        WORLD_TEST(older_blobs_of_the_repository_prove_nothing),
        WORLD_TEST(runtime_that_does_not_tell_what_came_proves_nothing),
        WORLD_TEST(runtime_is_asked_only_when_a_suspicion_arises),
        WORLD_TEST(pull_that_moves_needs_no_proof),
        WORLD_TEST(pull_that_failed_needs_no_proof),
        WORLD_TEST(image_that_came_before_the_agent_started_is_not_a_stall),
        WORLD_TEST(blob_that_is_older_than_the_pod_proves_nothing),
        WORLD_TEST(image_behind_one_that_is_unpacked_unseen_waits_for_the_kubelet),
        WORLD_TEST(image_whose_turn_comes_late_has_the_whole_time_from_then),
        WORLD_TEST(turn_begins_when_the_attempt_before_it_failed),
        WORLD_TEST(turn_begins_when_the_next_attempt_of_another_image_failed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
