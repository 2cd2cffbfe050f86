/* SPDX-License-Identifier: Apache-2.0 */

/* An image that is present, and is pulled again because its policy is Always. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/stall_story.h"
#include "tests/unit/incidents/world.h"

static void waits_always(struct world *w, const char *name, const char *image)
{
    struct pod_facts facts;

    pod_of(w, &facts, name);
    facts.containers[0].image = str_from(image);
    facts.containers[0].pull_policy = STR("Always");
    observe_pod(w, &facts);
}

/* A pod that always pulls its image; an older copy of the tag is present. */
static void repulling(struct world *w, const char *name)
{
    waits_always(w, name, IMAGE);
    observe_image(w, IMAGE, true);
    observe_polled(w, name);
}

static const struct snapshot_image *image_of(const struct snapshot *snapshot, const char *image)
{
    for (size_t i = 0; i < snapshot->n_images; i++)
        if (strcmp(snapshot->images[i].image, image) == 0)
            return &snapshot->images[i];
    fail_msg("nothing is known of %s", image);
    return NULL;
}

static size_t repulls(struct world *w)
{
    struct snapshot snapshot;
    size_t n;

    world_snapshot(w, &snapshot);
    n = image_of(&snapshot, IMAGE)->pulling;
    assert_int_equal(image_of(&snapshot, IMAGE)->since_us > 0, n > 0);
    snapshot_done(&snapshot);
    return n;
}

static void present_image_that_is_pulled_again_can_stall(void **state)
{
    struct world *w = *state;
    struct wanted wanted;
    struct snapshot snapshot;

    repulling(w, "web-0");
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_true(wanted.ingests);
    wanted_done(&wanted);
    observe_ingests(w, NULL, 0);
    assert_int_equal(repulls(w), 0); /* the pull may have just begun */
    world_advance(w, POLL);
    for (int64_t idle = 0; idle <= 2 * MINUTE; idle += POLL) {
        observe_image(w, IMAGE, true);
        observe_polled(w, "web-0");
        OBSERVE_BLOBS(w, { LAYER, 400, idle });
        assert_int_equal(repulls(w), 1);
        world_advance(w, POLL);
    }
    OBSERVE_BLOBS(w, { LAYER, 400, 2 * MINUTE + POLL });
    observe_blob_owner(w, LAYER, REPOSITORY);
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_STALLED);
    assert_true(incident_of(&snapshot, "web-0")->image_present);
    snapshot_done(&snapshot);

    observe_running(w, "web-0");
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_RECOVERED);
    assert_int_equal(attempts_of(&snapshot, REGISTRY), 0); /* a present image was not pulled */
    snapshot_done(&snapshot);
}

static void present_image_without_blobs_is_not_in_progress(void **state)
{
    struct world *w = *state;
    struct wanted wanted;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_image(w, IMAGE, true);
    observe_polled(w, "web-0");
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_false(wanted.ingests);
    wanted_done(&wanted);
    world_advance(w, POLL);
    for (int64_t idle = 0; idle <= 3 * MINUTE; idle += POLL) {
        OBSERVE_BLOBS(w, { LAYER, 400, idle });
        observe_blob_owner(w, LAYER, REPOSITORY);
        assert_int_equal(repulls(w), 0);
        world_advance(w, POLL);
    }
    assert_int_equal(count_incidents(w, "web-0"), 0);
}

static void blob_that_may_belong_to_another_image_shows_no_progress(void **state)
{
    struct world *w = *state;

    waits_always(w, "web-1", OTHER_IMAGE);
    observe_image(w, OTHER_IMAGE, true);
    repulling(w, "web-0");
    observe_sandbox(w, "web-1", true);
    observe_polled(w, "web-0");
    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    for (int i = 0; i < 2; i++) {
        struct snapshot snapshot;

        world_snapshot(w, &snapshot);
        assert_int_equal(image_of(&snapshot, IMAGE)->pulling, i);
        assert_int_equal(image_of(&snapshot, "docker.io/library/other:2")->pulling, 0);
        snapshot_done(&snapshot);
        observe_blob_owner(w, LAYER, REPOSITORY);
    }
}

/* A blob of another tag stands still; this container starts, a bit slower than others. */
static void container_with_its_image_does_not_wait_behind_another_tag(void **state)
{
    struct world *w = *state;

    observe_waiting_for(w, "web-1", OTHER_TAG);
    for (int64_t idle = 0; idle <= 3 * MINUTE; idle += POLL) {
        observe_image(w, OTHER_TAG, false);
        observe_polled(w, "web-1");
        OBSERVE_BLOBS(w, { LAYER, 400, idle });
        world_advance(w, POLL);
    }
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(count_incidents(w, "web-1"), 1);
    for (int64_t idle = 3 * MINUTE; idle <= 6 * MINUTE; idle += POLL) {
        observe_sandbox(w, "web-1", true);
        repulling(w, "web-0");
        OBSERVE_BLOBS(w, { LAYER, 400, idle });
        assert_int_equal(count_incidents(w, "web-0"), 0);
        world_advance(w, POLL);
    }
}

static void container_with_a_present_image_stalls_only_after_its_own_wait(void **state)
{
    struct world *w = *state;
    int64_t began_us = w->now.wall_us;

    waits_always(w, "web-1", IMAGE);
    observe_image(w, IMAGE, true);
    observe_polled(w, "web-1");
    list_layer(w, 400, began_us, began_us);
    world_advance(w, STALL_AFTER);
    list_layer(w, 400, began_us, began_us);
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(state_of(w, "web-1"), INCIDENT_STALLED);

    waits_always(w, "web-0", IMAGE);
    observe_sandbox(w, "web-1", true);
    observe_polled(w, "web-0");
    world_advance(w, STALL_AFTER - 1);
    list_layer(w, 400, began_us, began_us);
    assert_int_equal(count_incidents(w, "web-0"), 0);
    world_advance(w, 1);
    list_layer(w, 400, began_us, began_us);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(present_image_that_is_pulled_again_can_stall),
        WORLD_TEST(present_image_without_blobs_is_not_in_progress),
        WORLD_TEST(blob_that_may_belong_to_another_image_shows_no_progress),
        WORLD_TEST(container_with_its_image_does_not_wait_behind_another_tag),
        WORLD_TEST(container_with_a_present_image_stalls_only_after_its_own_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
