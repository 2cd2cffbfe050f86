/* SPDX-License-Identifier: Apache-2.0 */

/* Pulls that wait inside the kubelet, because it pulls one image after the other. */

#include "agent/incidents/queues.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/stall_story.h"
#include "tests/unit/incidents/world.h"

#define OTHER_CANONICAL "docker.io/library/other:2"
#define OTHER_REPOSITORY "docker.io/library/other"

static const struct snapshot_image *shown_image(const struct snapshot *snapshot, const char *image)
{
    for (size_t i = 0; i < snapshot->n_images; i++)
        if (strcmp(snapshot->images[i].image, image) == 0)
            return &snapshot->images[i];
    fail_msg("nothing is known of %s", image);
    return NULL;
}

static enum pull_phase phase_of(struct world *w, const char *image)
{
    struct snapshot snapshot;
    enum pull_phase phase;

    world_snapshot(w, &snapshot);
    phase = shown_image(&snapshot, image)->phase;
    snapshot_done(&snapshot);
    return phase;
}

/* web-0 and then web-1 wait in their sandboxes. */
static void two_wait(struct world *w)
{
    observe_pulling(w, "web-0");
    world_advance(w, POLL);
    observe_waiting_for(w, "web-1", OTHER_IMAGE);
}

static void poll(struct world *w)
{
    world_advance(w, POLL);
    observe_image(w, IMAGE, false);
    observe_image(w, OTHER_IMAGE, false);
    observe_sandbox(w, "web-0", true);
    observe_polled(w, "web-1");
}

/* The layer of web-0 gets bytes all the time. */
static void poll_while_the_first_one_moves(struct world *w)
{
    static uint64_t bytes = 0;

    poll(w);
    OBSERVE_BLOBS(w, { LAYER, ++bytes, 0 });
    observe_blob_owner(w, LAYER, REPOSITORY);
}

static void image_behind_a_pull_waits_in_the_kubelet(void **state)
{
    struct world *w = *state;
    const struct snapshot_image *image;
    struct snapshot snapshot;

    two_wait(w);
    for (int64_t t = 0; t < 2 * STALL_AFTER; t += POLL)
        poll_while_the_first_one_moves(w);
    world_snapshot(w, &snapshot);
    image = shown_image(&snapshot, IMAGE);
    assert_int_equal(image->phase, PULL_PHASE_DOWNLOADING);
    assert_int_equal(image->pulling, 1);
    assert_int_equal(image->n_waiting_behind, 0);
    image = shown_image(&snapshot, OTHER_CANONICAL);
    assert_int_equal(image->phase, PULL_PHASE_KUBELET_QUEUE);
    assert_int_equal(image->waiting, 1);
    assert_int_equal(image->pulling, 0);
    assert_int_equal(image->n_waiting_behind, 1);
    assert_string_equal(image->waiting_behind[0], IMAGE);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->in_progress, 1);
    assert_int_equal(registry_row(&snapshot, "docker.io")->in_progress, 0);
    assert_int_equal(registry_row(&snapshot, "docker.io")->in_progress_since_us, 0);
    assert_int_equal(snapshot.n_incidents, 0);
    snapshot_done(&snapshot);
}

/* All layers have come, and the runtime unpacks them. */
static void image_behind_one_that_is_unpacked_waits_in_the_kubelet(void **state)
{
    struct world *w = *state;

    two_wait(w);
    poll_while_the_first_one_moves(w);
    for (int64_t t = 0; t < 2 * STALL_AFTER; t += POLL) {
        poll(w);
        observe_ingests(w, NULL, 0);
    }
    assert_int_equal(phase_of(w, OTHER_CANONICAL), PULL_PHASE_KUBELET_QUEUE);
    assert_int_equal(phase_of(w, IMAGE), PULL_PHASE_UNPACKING);
    assert_int_equal(count_incidents(w, "web-0"), 0);
    assert_int_equal(count_incidents(w, "web-1"), 0);
}

static void image_has_its_turn_when_the_first_one_has_ended(void **state)
{
    struct world *w = *state;

    two_wait(w);
    poll_while_the_first_one_moves(w);
    assert_int_equal(phase_of(w, OTHER_CANONICAL), PULL_PHASE_KUBELET_QUEUE);
    observe_running(w, "web-0");
    poll(w);
    OBSERVE_BLOBS(w, { OTHER_LAYER, 1, 0 });
    observe_blob_owner(w, OTHER_LAYER, OTHER_REPOSITORY);
    assert_int_equal(phase_of(w, OTHER_CANONICAL), PULL_PHASE_DOWNLOADING);
}

/* The second image has the layer that the first one downloads: the runtime fetches it once. */
static void image_that_waits_for_a_shared_layer_is_in_the_runtime(void **state)
{
    struct world *w = *state;
    const struct str repositories[] = { STR(REPOSITORY), STR(OTHER_REPOSITORY) };
    int64_t began_us = w->now.wall_us;

    observe_pulling(w, "web-0");
    for (int64_t t = 0; t < MINUTE; t += POLL) {
        if (t == MINUTE / 2)
            observe_waiting_for(w, "web-1", OTHER_IMAGE);
        poll(w);
        list_layer(w, 100, began_us, began_us + POLL);
        observe_blob_owners(w, LAYER, repositories, 2);
    }
    assert_int_equal(phase_of(w, IMAGE), PULL_PHASE_DOWNLOADING);
    assert_int_equal(phase_of(w, OTHER_CANONICAL), PULL_PHASE_UNKNOWN);
}

/* A layer that may be of either tag does not show that the kubelet pulls both. */
static void two_tags_of_one_repository_are_not_two_pulls(void **state)
{
    struct world *w = *state;

    observe_waiting_for(w, "web-0", IMAGE);
    observe_waiting_for(w, "web-1", OTHER_TAG);
    for (int i = 0; i < 4; i++) {
        if (i == 2)
            observe_waiting_for(w, "web-2", OTHER_IMAGE);
        world_advance(w, POLL);
        observe_image(w, IMAGE, false);
        observe_image(w, OTHER_TAG, false);
        observe_image(w, OTHER_IMAGE, false);
        observe_sandbox(w, "web-1", true);
        observe_sandbox(w, "web-2", true);
        observe_polled(w, "web-0");
        OBSERVE_BLOBS(w, { LAYER, (uint64_t)i, 0 });
        observe_blob_owner(w, LAYER, REPOSITORY);
        if (i == 2)
            observe_running(w, "web-1");
    }
    assert_int_equal(phase_of(w, OTHER_CANONICAL), PULL_PHASE_KUBELET_QUEUE);
}

/* A blob without a known owner can be the manifest of the second image. */
static void image_is_not_in_the_queue_while_a_blob_may_be_its(void **state)
{
    struct world *w = *state;

    two_wait(w);
    poll_while_the_first_one_moves(w);
    poll(w);
    OBSERVE_BLOBS(w, { LAYER, 9000, 0 }, { OTHER_LAYER, 0, 0 });
    assert_int_equal(phase_of(w, OTHER_CANONICAL), PULL_PHASE_UNKNOWN);
}

static void owners_of_moving_blobs_are_wanted_while_several_images_are_pulled(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    OBSERVE_BLOBS(w, { LAYER, 1, 0 });
    assert_false(wants_owner(w, LAYER)); /* it can only be of web-0 */
    observe_waiting_for(w, "web-1", OTHER_IMAGE);
    poll(w);
    OBSERVE_BLOBS(w, { LAYER, 2, 0 });
    assert_true(wants_owner(w, LAYER));
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_false(wants_owner(w, LAYER));
}

/* A kubelet that pulls two images at the same time has room for the third one when one has ended.
 */
static void kubelet_that_pulls_in_parallel_holds_up_no_image_while_it_has_room(void **state)
{
    struct world *w = *state;

    two_wait(w);
    poll(w);
    OBSERVE_BLOBS(w, { LAYER, 1, 0 }, { OTHER_LAYER, 1, 0 });
    observe_blob_owner(w, LAYER, REPOSITORY);
    observe_blob_owner(w, OTHER_LAYER, OTHER_REPOSITORY);
    assert_int_equal(phase_of(w, OTHER_CANONICAL), PULL_PHASE_DOWNLOADING);

    observe_waiting_for(w, "web-2", "third:3");
    observe_image(w, "third:3", false);
    observe_sandbox(w, "web-2", true);
    poll(w);
    OBSERVE_BLOBS(w, { LAYER, 2, 0 }, { OTHER_LAYER, 2, 0 });
    assert_int_equal(phase_of(w, "docker.io/library/third:3"), PULL_PHASE_KUBELET_QUEUE);

    observe_running(w, "web-0");
    observe_sandbox(w, "web-2", true);
    poll(w);
    OBSERVE_BLOBS(w, { OTHER_LAYER, 3, 0 });
    assert_int_equal(phase_of(w, "docker.io/library/third:3"), PULL_PHASE_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(image_behind_a_pull_waits_in_the_kubelet),
        WORLD_TEST(image_behind_one_that_is_unpacked_waits_in_the_kubelet),
        WORLD_TEST(image_has_its_turn_when_the_first_one_has_ended),
        WORLD_TEST(image_that_waits_for_a_shared_layer_is_in_the_runtime),
        WORLD_TEST(two_tags_of_one_repository_are_not_two_pulls),
        WORLD_TEST(image_is_not_in_the_queue_while_a_blob_may_be_its),
        WORLD_TEST(owners_of_moving_blobs_are_wanted_while_several_images_are_pulled),
        WORLD_TEST(kubelet_that_pulls_in_parallel_holds_up_no_image_while_it_has_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
