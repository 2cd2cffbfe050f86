/* SPDX-License-Identifier: Apache-2.0 */

/* Pulls in progress, and their bytes. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/stall_story.h"
#include "tests/unit/incidents/world.h"

static void container_in_its_sandbox_without_an_error_is_in_progress(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;
    int64_t begun_us;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_image(w, IMAGE, false);
    observe_polled(w, "another");
    world_snapshot(w, &snapshot);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->in_progress, 0); /* no sandbox yet */
    snapshot_done(&snapshot);

    observe_polled(w, "web-0");
    begun_us = w->now.wall_us;
    world_advance(w, 10 * SEC);
    world_snapshot(w, &snapshot);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->in_progress, 1);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->in_progress_since_us, begun_us);
    assert_int_equal(snapshot.n_incidents, 0); /* a pull without an error is not an incident */
    snapshot_done(&snapshot);

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    world_snapshot(w, &snapshot);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->in_progress, 0);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->in_progress_since_us, 0);
    snapshot_done(&snapshot);
}

/* The two clocks are read one after the other, so their distance changes by microseconds. */
static void start_of_a_pull_does_not_change(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;
    int64_t begun_us;

    observe_pulling(w, "web-0");
    begun_us = w->now.wall_us;
    for (int i = 0; i < 3; i++) {
        world_advance(w, SEC);
        w->now.wall_us += i - 1;
        observe_polled(w, "web-0");
        world_snapshot(w, &snapshot);
        assert_int_equal(registry_row(&snapshot, REGISTRY)->in_progress_since_us, begun_us);
        snapshot_done(&snapshot);
    }
}

static void pull_begins_with_the_poll_that_finds_the_sandbox(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_image(w, IMAGE, false);
    for (unsigned polls = 0; polls < 2; polls++) {
        world_snapshot(w, &snapshot);
        assert_int_equal(registry_row(&snapshot, REGISTRY)->in_progress, polls);
        assert_int_equal(registry_row(&snapshot, REGISTRY)->in_progress_since_us != 0, polls);
        snapshot_done(&snapshot);
        observe_polled(w, "web-0");
    }
}

static void wait_begins_again_with_another_image(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_pulling(w, "web-0");
    world_advance(w, MINUTE);
    observe_image(w, OTHER_TAG, false);
    observe_waiting_for(w, "web-0", OTHER_TAG);
    observe_polled(w, "web-0");
    world_snapshot(w, &snapshot);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->in_progress_since_us, w->now.wall_us);
    snapshot_done(&snapshot);
}

static void only_the_current_init_container_is_in_progress(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;

    pod_of(w, &facts, "web-0");
    facts.fact.n_containers = 2;
    facts.containers[1] = facts.containers[0];
    facts.containers[0].name = STR("init");
    facts.containers[0].kind = CONTAINER_INIT;
    facts.containers[0].image = STR("quay.io/init/image:1");
    observe_pod(w, &facts);
    observe_image(w, "quay.io/init/image:1", false);
    observe_image(w, IMAGE, false);
    observe_polled(w, "web-0");

    world_snapshot(w, &snapshot);
    assert_int_equal(registry_row(&snapshot, "quay.io")->in_progress, 1);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->in_progress, 0);
    snapshot_done(&snapshot);
}

/* web-1 pulls `image`, too: one poll finds the sandboxes of web-0 and web-1. */
static void second_pull(struct world *w, const char *image)
{
    observe_waiting_for(w, "web-1", image);
    observe_image(w, image, false);
    observe_sandbox(w, "web-0", true);
    observe_polled(w, "web-1");
}

static void bytes_belong_to_the_only_pull_or_to_the_known_owner(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_pulling(w, "web-0");
    OBSERVE_BLOBS(w, { "sha256:1", 400, 0 }, { "sha256:old", 999, HOUR });
    world_snapshot(w, &snapshot);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->in_progress_bytes, 400);
    assert_true(snapshot.bytes_known);
    snapshot_done(&snapshot);

    second_pull(w, "quay.io/other:1");
    OBSERVE_BLOBS(w, { "sha256:1", 400, 0 }, { "sha256:2", 30, 0 });
    observe_blob_owner(w, "sha256:1", "quay.io/other");
    world_snapshot(w, &snapshot);
    assert_int_equal(registry_row(&snapshot, "quay.io")->in_progress_bytes, 400);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->in_progress_bytes, 0);
    assert_int_equal(snapshot.unowned_bytes, 30);
    snapshot_done(&snapshot);
}

static void blob_of_two_images_is_counted_once(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;
    const struct str owners[] = { STR(REGISTRY "/team/app"), STR(REGISTRY "/team/other") };

    observe_pulling(w, "web-0");
    second_pull(w, REGISTRY "/team/other:1");
    OBSERVE_BLOBS(w, { "sha256:1", 400, 0 });
    observe_blob_owners(w, "sha256:1", owners, 2);
    world_snapshot(w, &snapshot);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->in_progress_bytes, 400);
    assert_int_equal(snapshot.images[0].bytes, 400); /* both images wait for the blob */
    assert_int_equal(snapshot.images[1].bytes, 400);
    snapshot_done(&snapshot);
}

static void blob_of_two_pulls_of_one_poll_belongs_to_the_image_known_longest(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;
    const struct str owners[] = { STR(REGISTRY "/team/app"), STR("docker.io/library/other") };

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_image(w, IMAGE, false);
    second_pull(w, "other");
    OBSERVE_BLOBS(w, { "sha256:1", 400, 0 });
    observe_blob_owners(w, "sha256:1", owners, 2);
    world_snapshot(w, &snapshot);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->in_progress_bytes, 400);
    assert_int_equal(registry_row(&snapshot, "docker.io")->in_progress_bytes, 0);
    snapshot_done(&snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(container_in_its_sandbox_without_an_error_is_in_progress),
        WORLD_TEST(start_of_a_pull_does_not_change),
        WORLD_TEST(pull_begins_with_the_poll_that_finds_the_sandbox),
        WORLD_TEST(wait_begins_again_with_another_image),
        WORLD_TEST(only_the_current_init_container_is_in_progress),
        WORLD_TEST(bytes_belong_to_the_only_pull_or_to_the_known_owner),
        WORLD_TEST(blob_of_two_images_is_counted_once),
        WORLD_TEST(blob_of_two_pulls_of_one_poll_belongs_to_the_image_known_longest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
