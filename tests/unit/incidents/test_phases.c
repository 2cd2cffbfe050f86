/* SPDX-License-Identifier: Apache-2.0 */

/* How long pulls were in each phase, and how long good pulls took by the size of their image. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/stall_story.h"
#include "tests/unit/incidents/world.h"

#define OTHER "docker.io/library/other:2"
#define OTHER_REPOSITORY "docker.io/library/other"

static void assert_phases(struct world *w, int64_t kubelet, int64_t slot, int64_t download,
                          int64_t unpack)
{
    struct snapshot snapshot;

    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.phases_us[PULL_PHASE_UNKNOWN], 0);
    assert_int_equal(snapshot.phases_us[PULL_PHASE_KUBELET_QUEUE], kubelet * SEC);
    assert_int_equal(snapshot.phases_us[PULL_PHASE_SLOT_QUEUE], slot * SEC);
    assert_int_equal(snapshot.phases_us[PULL_PHASE_DOWNLOADING], download * SEC);
    assert_int_equal(snapshot.phases_us[PULL_PHASE_UNPACKING], unpack * SEC);
    snapshot_done(&snapshot);
}

/* Five seconds later the layer of IMAGE has more bytes, or none is in flight. */
static void poll_layer(struct world *w, uint64_t bytes)
{
    world_advance(w, 5 * SEC);
    observe_image(w, IMAGE, false);
    observe_polled(w, "web-0");
    if (bytes)
        OBSERVE_BLOBS(w, { LAYER, bytes, 0 });
    else
        observe_ingests(w, NULL, 0);
}

static void pull_is_downloaded_then_unpacked(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    poll_layer(w, 1);
    poll_layer(w, 2);
    assert_phases(w, 0, 0, 10, 0);
    poll_layer(w, 0); /* until then it was downloaded, as far as known */
    assert_phases(w, 0, 0, 15, 0);
    poll_layer(w, 0);
    assert_phases(w, 0, 0, 15, 5);
    world_advance(w, 3 * SEC);
    observe_size(w, IMAGE, 1000);
    assert_phases(w, 0, 0, 15, 8);
    world_advance(w, 10 * SEC);
    observe_ingests(w, NULL, 0);
    observe_running(w, "web-0");
    assert_phases(w, 0, 0, 15, 8);
}

/* The pod runs before the next poll finds the image. */
static void phase_ends_when_the_container_runs(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    poll_layer(w, 1);
    world_advance(w, 2 * SEC);
    observe_running(w, "web-0");
    world_advance(w, 3 * SEC);
    observe_size(w, IMAGE, 1000);
    assert_phases(w, 0, 0, 7, 0);
}

/* Between two attempts nothing is pulled. */
static void time_of_a_pull_that_fails_counts_and_its_back_off_does_not(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    poll_layer(w, 1);
    world_advance(w, SEC);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_ingests(w, NULL, 0);
    assert_phases(w, 0, 0, 6, 0);
    world_advance(w, 5 * MINUTE);
    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    observe_ingests(w, NULL, 0);
    assert_phases(w, 0, 0, 6, 0);
}

static void both_images_count_while_one_waits_for_the_kubelet(void **state)
{
    struct world *w = *state;

    observe_waiting_for(w, "web-1", OTHER);
    observe_image(w, OTHER, false);
    observe_pulling(w, "web-0");
    for (uint64_t i = 1; i <= 4; i++) {
        world_advance(w, 5 * SEC);
        observe_image(w, OTHER, false);
        observe_image(w, IMAGE, false);
        observe_sandbox(w, "web-1", true);
        observe_polled(w, "web-0");
        OBSERVE_BLOBS(w, { LAYER, i, 0 });
        observe_blob_owner(w, LAYER, REPOSITORY);
    }
    /* The sandbox of web-1 was seen 5 s later. */
    assert_phases(w, 15, 0, 20, 0);
}

static void pull_waits_for_a_download_slot(void **state)
{
    static const char *const layers[] = { "sha256:1", "sha256:2", "sha256:3" };
    struct world *w = *state;
    int64_t began_us = w->now.wall_us;

    w->before_slot = true;
    observe_waiting_for(w, "web-1", OTHER);
    observe_image(w, OTHER, false);
    observe_sandbox(w, "web-1", true);
    observe_pulling(w, "web-0");
    for (int i = 0; i < 2; i++) {
        world_advance(w, 5 * SEC);
        observe_image(w, OTHER, false);
        observe_image(w, IMAGE, false);
        observe_sandbox(w, "web-1", true);
        observe_polled(w, "web-0");
        list_blobs(w,
                   (const struct blob[]){ { LAYER, 0, began_us + SEC, began_us + SEC },
                                          { layers[0], 500, began_us + SEC, w->now.wall_us },
                                          { layers[1], 500, began_us + SEC, w->now.wall_us },
                                          { layers[2], 500, began_us + SEC, w->now.wall_us } },
                   4);
        for (size_t k = 0; k < ARRAY_SIZE(layers); k++)
            observe_blob_owner(w, layers[k], OTHER_REPOSITORY);
        observe_blob_owner(w, LAYER, REPOSITORY);
    }
    world_advance(w, 5 * SEC);
    observe_ingests(w, NULL, 0);
    assert_phases(w, 0, 15, 15, 0);
}

/* The registry takes its time before it answers. */
static void wait_for_the_registry_counts_as_download(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    poll_layer(w, 0);
    poll_layer(w, 0);
    assert_phases(w, 0, 0, 0, 0);
    poll_layer(w, 1);
    poll_layer(w, 2);
    assert_phases(w, 0, 0, 20, 0);
}

static void runtime_without_lists_shows_no_phase(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_pulling(w, "web-0");
    world_advance(w, 30 * SEC);
    observe_size(w, IMAGE, 1000);
    assert_phases(w, 0, 0, 0, 0);
    world_snapshot(w, &snapshot);
    assert_false(snapshot.phases_known);
    snapshot_done(&snapshot);
}

static void good_pulls_are_counted_by_the_size_of_the_image(void **state)
{
    static const struct {
        uint64_t size;
        enum size_class class;
    } rows[] = {
        { 1, SIZE_CLASS_SMALL },          { 100000000, SIZE_CLASS_SMALL },
        { 100000001, SIZE_CLASS_MEDIUM }, { 1000000000, SIZE_CLASS_MEDIUM },
        { 1000000001, SIZE_CLASS_LARGE }, { UINT64_MAX, SIZE_CLASS_LARGE },
    };
    struct world *w = *state;
    struct snapshot snapshot;
    char name[32], image[64];

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        snprintf(name, sizeof(name), "web-%zu", i);
        snprintf(image, sizeof(image), "quay.io/a/b:%zu", i);
        observe_waiting_for(w, name, image);
        observe_image(w, image, false);
        observe_polled(w, name);
        world_advance(w, 7 * SEC);
        observe_size(w, image, rows[i].size);
        observe_running(w, name);
        world_snapshot(w, &snapshot);
        assert_int_equal(snapshot.pulls_of_size[rows[i].class].count, 1 + i % 2);
        assert_int_equal(snapshot.pulls_of_size[rows[i].class].sum_us, (1 + i % 2) * 7 * SEC);
        assert_true(snapshot.pulls_of_size[rows[i].class].since_us > 0);
        snapshot_done(&snapshot);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(pull_is_downloaded_then_unpacked),
        WORLD_TEST(phase_ends_when_the_container_runs),
        WORLD_TEST(time_of_a_pull_that_fails_counts_and_its_back_off_does_not),
        WORLD_TEST(both_images_count_while_one_waits_for_the_kubelet),
        WORLD_TEST(pull_waits_for_a_download_slot),
        WORLD_TEST(wait_for_the_registry_counts_as_download),
        WORLD_TEST(runtime_without_lists_shows_no_phase),
        WORLD_TEST(good_pulls_are_counted_by_the_size_of_the_image),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
