/* SPDX-License-Identifier: Apache-2.0 */

/* A registry that accepts the connection and never answers: nothing of the image comes at all. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/stall_story.h"
#include "tests/unit/incidents/world.h"

#define OTHER_REPOSITORY "docker.io/library/other"

/* web-0 waits for `for_us`, and the runtime lists no blob. */
static void wait_for_nothing(struct world *w, int64_t for_us)
{
    for (int64_t t = 0; t < for_us; t += POLL) {
        world_advance(w, POLL);
        observe_image(w, IMAGE, false);
        observe_polled(w, "web-0");
        observe_ingests(w, NULL, 0);
        answer_nothing_came(w);
    }
}

static void pull_of_which_nothing_comes_is_a_stall_after_a_while(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *incident;
    struct snapshot snapshot;
    int64_t began_us = w->now.wall_us;

    observe_pulling(w, "web-0");
    wait_for_nothing(w, STALL_AFTER - POLL);
    assert_int_equal(count_incidents(w, "web-0"), 0);
    wait_for_nothing(w, POLL);

    world_snapshot(w, &snapshot);
    incident = incident_of(&snapshot, "web-0");
    assert_int_equal(incident->state, INCIDENT_STALLED);
    assert_int_equal(incident->verdict.cause, CAUSE_NETWORK);
    assert_int_equal(incident->verdict.reason, REASON_RESPONSE_TIMEOUT);
    assert_int_equal(incident->stall->waits_for, STALL_ANSWER);
    assert_null(incident->stall->layer);
    assert_int_equal(incident->stall->bytes, 0);
    assert_int_equal(incident->stall->last_progress_us, 0);
    assert_int_equal(incident->first_failure_us, began_us);
    /* An inference, with what else it can be. */
    assert_non_null(strstr(incident->advice, "Probably " REGISTRY " accepts connections"));
    assert_non_null(strstr(incident->advice, "the kubelet's queue"));
    assert_non_null(strstr(incident->advice, "download slot"));
    assert_non_null(strstr(incident->message, "no download of this image since "));
    snapshot_done(&snapshot);
}

/* Nobody knows whether the registry was silent, or whether something else was ahead. */
static void stall_that_was_only_inferred_is_not_counted_as_a_recovery(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_pulling(w, "web-0");
    wait_for_nothing(w, STALL_AFTER);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    OBSERVE_BLOBS(w, { LAYER, 1, 0 });
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_RECOVERED);
    assert_int_equal(snapshot.recoveries[CAUSE_NETWORK].count, 0);
    snapshot_done(&snapshot);
}

/* The runtime does not list blobs (CRI-O), or did not yet. */
static void runtime_that_lists_no_blobs_proves_nothing(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    for (int64_t t = 0; t < HOUR; t += POLL) {
        world_advance(w, POLL);
        observe_image(w, IMAGE, false);
        observe_polled(w, "web-0");
    }
    assert_int_equal(count_incidents(w, "web-0"), 0);
}

static void image_that_is_unpacked_for_long_is_not_a_stall(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    OBSERVE_BLOBS(w, { LAYER, 1, 0 });
    wait_for_nothing(w, HOUR);
    assert_int_equal(count_incidents(w, "web-0"), 0);
}

/* All bytes came between two polls. */
static void image_whose_blob_came_between_two_polls_is_not_a_stall(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    OBSERVE_BLOBS(w, { LAYER, 0, 0 });
    wait_for_nothing(w, HOUR);
    assert_int_equal(count_incidents(w, "web-0"), 0);
}

/* One of them was fetched between two polls. Both wait, one of them for the kubelet. */
static void blob_that_ended_may_be_of_several_images(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    observe_waiting_for(w, "web-1", OTHER_IMAGE);
    for (int64_t t = 0; t <= 2 * STALL_AFTER; t += POLL) {
        world_advance(w, POLL);
        observe_image(w, IMAGE, false);
        observe_image(w, OTHER_IMAGE, false);
        observe_sandbox(w, "web-0", true);
        observe_polled(w, "web-1");
        if (t == POLL)
            OBSERVE_BLOBS(w, { LAYER, 0, 0 });
        else
            observe_ingests(w, NULL, 0);
    }
    assert_int_equal(count_incidents(w, "web-0"), 0);
    assert_int_equal(count_incidents(w, "web-1"), 0);
}

static void container_without_a_sandbox_waits_for_no_answer(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    for (int64_t t = 0; t < HOUR; t += POLL) {
        world_advance(w, POLL);
        observe_image(w, IMAGE, false);
        observe_sandboxes_end(w);
        observe_ingests(w, NULL, 0);
        answer_nothing_came(w);
    }
    assert_int_equal(count_incidents(w, "web-0"), 0);
}

/* The manifest was asked for, and never came: its blob has no owner. */
static void manifest_that_never_comes_is_a_stall_while_others_move(void **state)
{
    struct world *w = *state;
    uint64_t bytes = 0;
    int64_t idle = 0;

    observe_pulling(w, "web-1");
    for (int64_t t = 0; t <= STALL_AFTER + 2 * POLL; t += POLL) {
        world_advance(w, POLL);
        if (t == POLL)
            observe_waiting_for(w, "web-0", OTHER_IMAGE);
        observe_image(w, IMAGE, false);
        if (t >= POLL)
            observe_image(w, OTHER_IMAGE, false);
        observe_sandbox(w, "web-0", true);
        observe_polled(w, "web-1");
        OBSERVE_BLOBS(w, { LAYER, ++bytes, 0 }, { OTHER_LAYER, 0, idle });
        observe_blob_owner(w, LAYER, REPOSITORY);
        observe_blob_owners(w, OTHER_LAYER, NULL, 0);
        answer_nothing_came(w);
        idle += t >= POLL ? POLL : 0;
    }
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    assert_int_equal(count_incidents(w, "web-1"), 0);
}

static void manifest_of_the_only_pull_that_never_comes_is_a_stall(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    for (int64_t idle = 0; idle <= STALL_AFTER; idle += POLL) {
        observe_image(w, IMAGE, false);
        observe_polled(w, "web-0");
        OBSERVE_BLOBS(w, { OTHER_LAYER, 0, idle });
        if (wants_owner(w, OTHER_LAYER))
            observe_blob_owners(w, OTHER_LAYER, NULL, 0);
        answer_nothing_came(w);
        world_advance(w, POLL);
    }
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
}

/* The kubelet pulls one image after the other: only the first one has its turn. */
static void only_the_first_image_waits_for_an_answer(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_pulling(w, "web-0");
    world_advance(w, SEC);
    observe_waiting_for(w, "web-1", OTHER_IMAGE);
    observe_image(w, OTHER_IMAGE, false);
    observe_sandbox(w, "web-0", true);
    observe_polled(w, "web-1");
    for (int64_t t = 0; t <= 2 * STALL_AFTER; t += POLL) {
        world_advance(w, POLL);
        observe_image(w, IMAGE, false);
        observe_image(w, OTHER_IMAGE, false);
        observe_sandbox(w, "web-1", true);
        observe_polled(w, "web-0");
        observe_ingests(w, NULL, 0);
        answer_nothing_came(w);
    }
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    assert_int_equal(count_incidents(w, "web-1"), 0);
    world_snapshot(w, &snapshot);
    for (size_t i = 0; i < snapshot.n_images; i++)
        if (strcmp(snapshot.images[i].image, "docker.io/library/other:2") == 0) {
            assert_int_equal(snapshot.images[i].phase, PULL_PHASE_KUBELET_QUEUE);
            assert_string_equal(snapshot.images[i].waiting_behind[0], IMAGE);
        }
    snapshot_done(&snapshot);
}

/* They began in one poll: nobody knows which of them is first in the kubelet's queue. */
static void one_of_two_images_that_began_together_may_only_wait(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *incident;
    struct snapshot snapshot;

    observe_pulling(w, "web-0");
    observe_waiting_for(w, "web-1", OTHER_IMAGE);
    observe_waiting_for(w, "web-2", OTHER_TAG);
    for (int64_t t = 0; t <= STALL_AFTER; t += POLL) {
        observe_image(w, IMAGE, false);
        observe_image(w, OTHER_TAG, false);
        observe_image(w, OTHER_IMAGE, false);
        observe_sandbox(w, "web-0", true);
        observe_sandbox(w, "web-2", true);
        observe_polled(w, "web-1");
        observe_ingests(w, NULL, 0);
        answer_nothing_came(w);
        world_advance(w, POLL);
    }
    world_snapshot(w, &snapshot);
    incident = incident_of(&snapshot, "web-1");
    assert_int_equal(incident->state, INCIDENT_STALLED);
    assert_int_equal(incident->stall->n_ambiguous_with, 1); /* one for each registry */
    assert_string_equal(incident->stall->ambiguous_with[0], IMAGE);
    assert_non_null(strstr(incident->advice, ", nor of " IMAGE ": "));
    assert_non_null(strstr(incident->advice, "one of them may only wait for the other"));
    incident = incident_of(&snapshot, "web-2");
    assert_int_equal(incident->stall->n_ambiguous_with, 1);
    assert_string_equal(incident->stall->ambiguous_with[0], OTHER_IMAGE);
    assert_null(strstr(incident->advice, OTHER_TAG));
    snapshot_done(&snapshot);
}

static void images_of_one_silent_registry_are_certain(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_pulling(w, "web-0");
    observe_waiting_for(w, "web-1", OTHER_TAG);
    for (int64_t t = 0; t <= STALL_AFTER; t += POLL) {
        observe_image(w, IMAGE, false);
        observe_image(w, OTHER_TAG, false);
        observe_sandbox(w, "web-0", true);
        observe_polled(w, "web-1");
        observe_ingests(w, NULL, 0);
        answer_nothing_came(w);
        world_advance(w, POLL);
    }
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->stall->n_ambiguous_with, 0);
    assert_int_equal(incident_of(&snapshot, "web-1")->stall->n_ambiguous_with, 0);
    snapshot_done(&snapshot);
}

/* The kubelet asks in the order of the containers, so it has asked for the older image. */
static void image_that_later_ones_overtake_waits_for_an_answer(void **state)
{
    struct world *w = *state;
    uint64_t bytes = 0;

    observe_pulling(w, "web-0");
    for (int64_t t = 0; t <= STALL_AFTER; t += POLL) {
        world_advance(w, POLL);
        if (t == 4 * POLL)
            observe_waiting_for(w, "web-1", OTHER_IMAGE);
        observe_image(w, IMAGE, false);
        observe_image(w, OTHER_IMAGE, false);
        observe_sandbox(w, "web-0", true);
        observe_polled(w, "web-1");
        if (t > 4 * POLL) {
            OBSERVE_BLOBS(w, { LAYER, ++bytes, 0 });
            observe_blob_owner(w, LAYER, OTHER_REPOSITORY);
        } else {
            observe_ingests(w, NULL, 0);
        }
        answer_nothing_came(w);
    }
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    assert_int_equal(count_incidents(w, "web-1"), 0);
}

/* The kubelet pulls two images at a time: the turn of the other one proves nothing. */
static void image_that_is_unpacked_beside_others_is_not_a_stall(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    observe_waiting_for(w, "web-1", OTHER_IMAGE);
    for (int64_t t = 0; t <= 2 * STALL_AFTER; t += POLL) {
        world_advance(w, POLL);
        observe_image(w, IMAGE, false);
        observe_image(w, OTHER_IMAGE, t > POLL);
        observe_sandbox(w, "web-0", true);
        observe_polled(w, "web-1");
        if (t == POLL) {
            OBSERVE_BLOBS(w, { LAYER, 1, 0 }, { OTHER_LAYER, 1, 0 });
            observe_blob_owner(w, LAYER, REPOSITORY);
            observe_blob_owner(w, OTHER_LAYER, OTHER_REPOSITORY);
        } else {
            observe_ingests(w, NULL, 0);
        }
    }
    assert_int_equal(count_incidents(w, "web-0"), 0);
}

static void other_images_of_the_silent_registry_wait_for_it_too(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    world_advance(w, POLL);
    observe_waiting_for(w, "web-1", OTHER_TAG);
    for (int64_t t = 0; t <= 2 * STALL_AFTER; t += POLL) {
        world_advance(w, POLL);
        observe_image(w, IMAGE, false);
        observe_image(w, OTHER_TAG, false);
        observe_sandbox(w, "web-1", true);
        observe_polled(w, "web-0");
        observe_ingests(w, NULL, 0);
        answer_nothing_came(w);
    }
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    assert_int_equal(state_of(w, "web-1"), INCIDENT_STALLED);
}

static void failed_attempt_ends_the_wait_for_an_answer(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_pulling(w, "web-0");
    wait_for_nothing(w, STALL_AFTER);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    wait_for_nothing(w, 2 * STALL_AFTER);
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_FAILING);
    assert_int_equal(incident_of(&snapshot, "web-0")->verdict.cause, CAUSE_NOT_FOUND);
    snapshot_done(&snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(pull_of_which_nothing_comes_is_a_stall_after_a_while),
        WORLD_TEST(stall_that_was_only_inferred_is_not_counted_as_a_recovery),
        WORLD_TEST(runtime_that_lists_no_blobs_proves_nothing),
        WORLD_TEST(image_that_is_unpacked_for_long_is_not_a_stall),
        WORLD_TEST(image_whose_blob_came_between_two_polls_is_not_a_stall),
        WORLD_TEST(blob_that_ended_may_be_of_several_images),
        WORLD_TEST(container_without_a_sandbox_waits_for_no_answer),
        WORLD_TEST(manifest_that_never_comes_is_a_stall_while_others_move),
        WORLD_TEST(manifest_of_the_only_pull_that_never_comes_is_a_stall),
        WORLD_TEST(only_the_first_image_waits_for_an_answer),
        WORLD_TEST(one_of_two_images_that_began_together_may_only_wait),
        WORLD_TEST(images_of_one_silent_registry_are_certain),
        WORLD_TEST(image_that_later_ones_overtake_waits_for_an_answer),
        WORLD_TEST(image_that_is_unpacked_beside_others_is_not_a_stall),
        WORLD_TEST(other_images_of_the_silent_registry_wait_for_it_too),
        WORLD_TEST(failed_attempt_ends_the_wait_for_an_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
