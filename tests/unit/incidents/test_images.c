/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

static void image_is_shown_as_the_runtime_reported_it(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_size(w, IMAGE, 77);
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.n_images, 1);
    assert_string_equal(snapshot.images[0].image, IMAGE);
    assert_string_equal(snapshot.images[0].digest, "sha256:abcd");
    assert_int_equal(snapshot.images[0].size, 77);
    assert_int_equal(snapshot.images[0].waiting, 1);
    assert_int_equal(snapshot.images[0].pulling, 0);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->attempts,
                     0); /* the image was present already */
    snapshot_done(&snapshot);

    world_advance(w, 2 * MINUTE); /* a runtime that hangs reports nothing */
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.n_images, 1);
    snapshot_done(&snapshot);

    observe_running(w, "web-0");
    world_advance(w, 2 * MINUTE);
    world_advance(w, 11 * SEC);
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.n_images, 0);
    snapshot_done(&snapshot);
}

static void image_file_system_is_shown_as_reported(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    world_snapshot(w, &snapshot);
    assert_null(snapshot.image_fs.mountpoint);
    snapshot_done(&snapshot);
    correlate_observe(w->correlate,
                      &(struct observation){ .kind = OBSERVE_IMAGE_FS,
                                             .image_fs = { STR("/var/lib/containerd"), 5, 6 } },
                      w->now);
    world_snapshot(w, &snapshot);
    assert_string_equal(snapshot.image_fs.mountpoint, "/var/lib/containerd");
    assert_int_equal(snapshot.image_fs.used_bytes, 5);
    assert_int_equal(snapshot.image_fs.used_inodes, 6);
    snapshot_done(&snapshot);
}

#define TOO_MANY (LIMIT_WANTED_IMAGES + 6)

/* One pod for each image; all wait. */
static void observe_too_many(struct world *w, char names[TOO_MANY][32])
{
    for (size_t i = 0; i < TOO_MANY; i++) {
        snprintf(names[i], sizeof(names[i]), "docker.io/library/n%zu:1", i);
        observe_waiting_for(w, names[i], names[i]);
    }
}

static void images_over_the_limit_are_asked_for_in_turn(void **state)
{
    static char names[TOO_MANY][32];
    static bool asked[TOO_MANY];
    struct world *w = *state;

    observe_too_many(w, names);
    for (int poll = 0; poll < 2; poll++) {
        struct wanted wanted;

        correlate_wanted(w->correlate, w->now, &wanted);
        for (size_t i = 0; i < wanted.n_images; i++)
            for (size_t j = 0; j < TOO_MANY; j++)
                if (str_eq(wanted.images[i], str_from(names[j]))) {
                    asked[j] = true;
                    observe_image(w, names[j], false);
                }
        wanted_done(&wanted);
        world_advance(w, 5 * SEC);
    }
    for (size_t j = 0; j < TOO_MANY; j++)
        assert_true(asked[j]);
}

static uint64_t images_left_out(struct world *w, int asked)
{
    struct wanted wanted;

    while (asked--) {
        correlate_wanted(w->correlate, w->now, &wanted);
        wanted_done(&wanted);
    }
    return hits_of(w, LIMIT_HIT_WANTED_IMAGES);
}

static void left_out_image_is_counted_once(void **state)
{
    static char names[TOO_MANY][32];
    struct world *w = *state;

    observe_too_many(w, names);
    assert_int_equal(images_left_out(w, 20), 6);
    observe_too_many(w, names); /* the same pods again count nothing */
    assert_int_equal(images_left_out(w, 20), 6);
    for (size_t i = 0; i < TOO_MANY; i++)
        observe_running(w, names[i]);
    assert_int_equal(images_left_out(w, 1), 6);
    observe_too_many(w, names);
    assert_int_equal(images_left_out(w, 20), 12);
}

static void left_out_image_is_counted_again_when_its_container_waits_again(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    char name[32];

    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i <= LIMIT_WANTED_IMAGES; i++) {
            snprintf(name, sizeof(name), "quay.io/team/n%u:1", i);
            observe_waiting_for(w, name, name);
        }
        assert_int_equal(hits_of(w, LIMIT_HIT_WANTED_IMAGES), round + 1);
        for (unsigned i = LIMIT_WANTED_IMAGES; i <= LIMIT_WANTED_IMAGES; i++) {
            pod_of(w, &facts, name);
            facts.containers[0].image = str_from(name);
            facts.containers[0].phase = PHASE_RUNNING;
            observe_pod(w, &facts);
        }
    }
}

static void image_volumes_do_not_displace_images_of_containers(void **state)
{
    static char names[LIMIT_WANTED_IMAGES][64];
    struct world *w = *state;
    struct wanted wanted;
    bool found = false;

    for (size_t i = 0; i < LIMIT_WANTED_IMAGES; i++) {
        struct pod_facts facts;
        char message[128];

        snprintf(names[i], sizeof(names[i]), "docker.io/library/v%zu:1", i);
        snprintf(message, sizeof(message), "Back-off pulling image \"%s\"", names[i]);
        pod_of(w, &facts, names[i]);
        facts.containers[0].waiting_reason = STR("ImagePullBackOff");
        facts.containers[0].waiting_message = str_from(message);
        facts.volumes[0] = (struct image_volume_fact){ str_from(names[i]) };
        facts.fact.n_image_volumes = 1;
        observe_pod(w, &facts);
    }
    observe_image(w, IMAGE, true);
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_int_equal(wanted.n_images, LIMIT_WANTED_IMAGES);
    wanted_done(&wanted);

    world_advance(w, MINUTE);
    correlate_wanted(w->correlate, w->now, &wanted);
    for (size_t i = 0; i < wanted.n_images; i++)
        found |= str_eq(wanted.images[i], STR(IMAGE));
    wanted_done(&wanted);
    assert_true(found);
}

static void runtime_is_asked_for_the_image_as_the_spec_names_it(void **state)
{
    struct world *w = *state;
    struct wanted wanted;
    observe_waiting_for(w, "web-0", "busybox");
    observe_image(w, "busybox", false);
    observe_polled(w, "web-0");
    observe_deleted(w, "web-0");
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_int_equal(wanted.n_images, 1);
    assert_true(str_eq(wanted.images[0], STR("busybox"))); /* and not docker.io/library/... */
    wanted_done(&wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(image_is_shown_as_the_runtime_reported_it),
        WORLD_TEST(image_file_system_is_shown_as_reported),
        WORLD_TEST(images_over_the_limit_are_asked_for_in_turn),
        WORLD_TEST(left_out_image_is_counted_once),
        WORLD_TEST(left_out_image_is_counted_again_when_its_container_waits_again),
        WORLD_TEST(image_volumes_do_not_displace_images_of_containers),
        WORLD_TEST(runtime_is_asked_for_the_image_as_the_spec_names_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
