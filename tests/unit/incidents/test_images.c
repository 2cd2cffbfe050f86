/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

static const struct snapshot_registry *registry(const struct snapshot *snapshot, const char *name)
{
    for (size_t i = 0; i < snapshot->n_registries; i++)
        if (strcmp(snapshot->registries[i].registry, name) == 0)
            return &snapshot->registries[i];
    fail_msg("no registry %s", name);
    return NULL;
}

static void observe_size(struct world *w, const char *image, uint64_t size)
{
    correlate_observe(w->correlate,
                      &(struct observation){ .kind = OBSERVE_IMAGE,
                                             .image = { .image = str_from(image),
                                                        .present = true,
                                                        .size = size,
                                                        .digest = STR("sha256:abcd") } },
                      w->now);
}

static void pull_lasts_from_the_wait_in_the_sandbox_until_the_image_is_present(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_image(w, IMAGE, false);
    world_advance(w, 30 * SEC); /* the sandbox is slow, nobody pulls */
    observe_polled(w, "web-0");
    world_advance(w, 4 * SEC);
    observe_size(w, IMAGE, 12345);

    world_snapshot(w, &snapshot);
    assert_int_equal(registry(&snapshot, REGISTRY)->pulls.count, 1);
    assert_int_equal(registry(&snapshot, REGISTRY)->pulls.sum_us, 4 * SEC);
    assert_int_equal(registry(&snapshot, REGISTRY)->bytes, 12345);
    assert_int_equal(registry(&snapshot, REGISTRY)->attempts, 1);
    snapshot_done(&snapshot);
}

static void duration_of_a_quick_pull_begins_when_the_image_was_found_absent(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_image(w, IMAGE, false);
    world_advance(w, SEC);
    observe_size(w, IMAGE, 1);

    world_snapshot(w, &snapshot);
    assert_int_equal(registry(&snapshot, REGISTRY)->pulls.sum_us, SEC);
    snapshot_done(&snapshot);
}

static bool wants_image(struct world *w)
{
    struct wanted wanted;
    bool any;

    correlate_wanted(w->correlate, w->now, &wanted);
    any = wanted.n_images > 0;
    wanted_done(&wanted);
    return any;
}

static void pod_that_runs_before_the_next_poll_had_a_successful_pull(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_image(w, IMAGE, false);
    observe_polled(w, "web-0");
    world_advance(w, 2 * SEC);
    observe_running(w, "web-0");
    world_advance(w, 3 * SEC);
    assert_true(wants_image(w)); /* nobody waits, but the size is still unknown */
    observe_size(w, IMAGE, 12345);

    world_snapshot(w, &snapshot);
    assert_int_equal(registry(&snapshot, REGISTRY)->pulls.sum_us, 2 * SEC);
    assert_int_equal(registry(&snapshot, REGISTRY)->bytes, 12345);
    snapshot_done(&snapshot);
    assert_false(wants_image(w));
}

static void use_of_an_earlier_pull_does_not_end_the_next_pull(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_image(w, IMAGE, false);
    observe_polled(w, "web-0");
    world_advance(w, 10 * SEC);
    observe_running(w, "web-0");
    observe_size(w, IMAGE, 1);
    observe_deleted(w, "web-0");

    world_advance(w, 20 * SEC); /* the kubelet removes the image, and another pod needs it */
    observe_waiting(w, "web-1", "ContainerCreating", "");
    observe_image(w, IMAGE, false);
    observe_polled(w, "web-1");
    world_advance(w, 30 * SEC);
    observe_size(w, IMAGE, 1);

    world_snapshot(w, &snapshot);
    assert_int_equal(registry(&snapshot, REGISTRY)->pulls.count, 2);
    assert_int_equal(registry(&snapshot, REGISTRY)->pulls.sum_us, (10 + 30) * SEC);
    snapshot_done(&snapshot);
}

static void image_of_an_abandoned_pull_is_asked_for_once_more(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_image(w, IMAGE, false);
    observe_polled(w, "web-0");
    observe_deleted(w, "web-0");
    assert_true(wants_image(w));
    observe_image(w, IMAGE, false);
    assert_false(wants_image(w));
}

static void pull_after_a_failed_try_has_no_duration(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_image(w, IMAGE, false);
    observe_polled(w, "web-0");
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    world_advance(w, 5 * MINUTE);
    observe_image(w, IMAGE, false);
    observe_size(w, IMAGE, 10);
    observe_running(w, "web-0");

    world_snapshot(w, &snapshot);
    assert_int_equal(registry(&snapshot, REGISTRY)->pulls.count, 0);
    assert_int_equal(registry(&snapshot, REGISTRY)->bytes, 10);
    assert_int_equal(registry(&snapshot, REGISTRY)->attempts, 2); /* one failed, one successful */
    assert_int_equal(snapshot.recoveries[CAUSE_NOT_FOUND].count, 1);
    assert_int_equal(snapshot.recoveries[CAUSE_NOT_FOUND].sum_us, 5 * MINUTE);
    snapshot_done(&snapshot);
}

static void pull_that_failed_before_the_start_has_no_duration(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    observe_image(w, IMAGE, false);
    observe_polled(w, "web-0");
    world_advance(w, MINUTE);
    observe_size(w, IMAGE, 10);

    world_snapshot(w, &snapshot);
    assert_int_equal(registry(&snapshot, REGISTRY)->pulls.count, 0);
    snapshot_done(&snapshot);
}

static void container_in_its_sandbox_without_an_error_is_in_progress(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;
    int64_t begun_us;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_image(w, IMAGE, false);
    observe_polled(w, "another");
    world_snapshot(w, &snapshot);
    assert_int_equal(registry(&snapshot, REGISTRY)->in_progress, 0); /* no sandbox yet */
    snapshot_done(&snapshot);

    observe_polled(w, "web-0");
    begun_us = w->now.wall_us;
    world_advance(w, 10 * SEC);
    world_snapshot(w, &snapshot);
    assert_int_equal(registry(&snapshot, REGISTRY)->in_progress, 1);
    assert_int_equal(registry(&snapshot, REGISTRY)->in_progress_since_us, begun_us);
    assert_int_equal(snapshot.n_incidents, 0); /* a pull without an error is not an incident */
    snapshot_done(&snapshot);

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    world_snapshot(w, &snapshot);
    assert_int_equal(registry(&snapshot, REGISTRY)->in_progress, 0);
    assert_int_equal(registry(&snapshot, REGISTRY)->in_progress_since_us, 0);
    snapshot_done(&snapshot);
}

/* The two clocks are read one after the other, so their distance changes by microseconds. */
static void start_of_a_pull_does_not_change(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;
    int64_t begun_us;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_image(w, IMAGE, false);
    observe_polled(w, "web-0");
    begun_us = w->now.wall_us;
    for (int i = 0; i < 3; i++) {
        world_advance(w, SEC);
        w->now.wall_us += i - 1;
        observe_polled(w, "web-0");
        world_snapshot(w, &snapshot);
        assert_int_equal(registry(&snapshot, REGISTRY)->in_progress_since_us, begun_us);
        snapshot_done(&snapshot);
    }
}

static void pull_begins_with_the_poll_that_finds_the_sandbox(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_image(w, IMAGE, false);
    for (unsigned looked = 0; looked < 2; looked++) {
        world_snapshot(w, &snapshot);
        assert_int_equal(registry(&snapshot, REGISTRY)->in_progress, looked);
        assert_int_equal(registry(&snapshot, REGISTRY)->in_progress_since_us != 0, looked);
        snapshot_done(&snapshot);
        observe_polled(w, "web-0");
    }
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
    assert_int_equal(registry(&snapshot, "quay.io")->in_progress, 1);
    assert_int_equal(registry(&snapshot, REGISTRY)->in_progress, 0);
    snapshot_done(&snapshot);
}

static void bytes_belong_to_the_only_pull_or_to_the_known_owner(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_image(w, IMAGE, false);
    observe_polled(w, "web-0");
    OBSERVE_BLOBS(w, { "sha256:1", 400, 0 }, { "sha256:old", 999, HOUR });
    world_snapshot(w, &snapshot);
    assert_int_equal(registry(&snapshot, REGISTRY)->in_progress_bytes, 400);
    assert_true(snapshot.bytes_known);
    snapshot_done(&snapshot);

    pod_of(w, &facts, "web-1");
    facts.containers[0].image = STR("quay.io/other:1");
    observe_pod(w, &facts);
    observe_image(w, "quay.io/other:1", false);
    correlate_observe(
        w->correlate,
        &(struct observation){ .kind = OBSERVE_SANDBOX, .sandbox = { STR("web-0"), true } },
        w->now);
    observe_polled(w, "web-1");
    OBSERVE_BLOBS(w, { "sha256:1", 400, 0 }, { "sha256:2", 30, 0 });
    observe_blob_owner(w, "sha256:1", "quay.io/other");
    world_snapshot(w, &snapshot);
    assert_int_equal(registry(&snapshot, "quay.io")->in_progress_bytes, 400);
    assert_int_equal(registry(&snapshot, REGISTRY)->in_progress_bytes, 0);
    assert_int_equal(snapshot.unowned_bytes, 30);
    snapshot_done(&snapshot);
}

static void blob_of_two_images_is_counted_once(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;
    const struct str owners[] = { STR(REGISTRY "/team/app"), STR(REGISTRY "/team/other") };

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_image(w, IMAGE, false);
    observe_polled(w, "web-0");
    pod_of(w, &facts, "web-1");
    facts.containers[0].image = STR(REGISTRY "/team/other:1");
    observe_pod(w, &facts);
    observe_image(w, REGISTRY "/team/other:1", false);
    correlate_observe(
        w->correlate,
        &(struct observation){ .kind = OBSERVE_SANDBOX, .sandbox = { STR("web-0"), true } },
        w->now);
    observe_polled(w, "web-1");
    OBSERVE_BLOBS(w, { "sha256:1", 400, 0 });
    correlate_observe(
        w->correlate,
        &(struct observation){ .kind = OBSERVE_BLOB, .blob = { STR("sha256:1"), owners, 2 } },
        w->now);
    world_snapshot(w, &snapshot);
    assert_int_equal(registry(&snapshot, REGISTRY)->in_progress_bytes, 400);
    assert_int_equal(snapshot.images[0].bytes, 400); /* both images wait for the blob */
    assert_int_equal(snapshot.images[1].bytes, 400);
    snapshot_done(&snapshot);
}

static void blob_of_two_pulls_of_one_poll_belongs_to_the_image_known_longest(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;
    const struct str owners[] = { STR(REGISTRY "/team/app"), STR("docker.io/library/other") };

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_image(w, IMAGE, false);
    pod_of(w, &facts, "web-1");
    facts.containers[0].image = STR("other");
    observe_pod(w, &facts);
    observe_image(w, "other", false);
    correlate_observe(
        w->correlate,
        &(struct observation){ .kind = OBSERVE_SANDBOX, .sandbox = { STR("web-0"), true } },
        w->now);
    observe_polled(w, "web-1");
    OBSERVE_BLOBS(w, { "sha256:1", 400, 0 });
    correlate_observe(
        w->correlate,
        &(struct observation){ .kind = OBSERVE_BLOB, .blob = { STR("sha256:1"), owners, 2 } },
        w->now);
    world_snapshot(w, &snapshot);
    assert_int_equal(registry(&snapshot, REGISTRY)->in_progress_bytes, 400);
    assert_int_equal(registry(&snapshot, "docker.io")->in_progress_bytes, 0);
    snapshot_done(&snapshot);
}

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
    assert_int_equal(registry(&snapshot, REGISTRY)->attempts,
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

#define TOO_MANY (LIMIT_WANTED_IMAGES + 6)

/* One pod for each image; all wait. */
static void observe_too_many(struct world *w, char names[TOO_MANY][32])
{
    for (size_t i = 0; i < TOO_MANY; i++) {
        struct pod_facts facts;

        snprintf(names[i], sizeof(names[i]), "docker.io/library/n%zu:1", i);
        pod_of(w, &facts, names[i]);
        facts.containers[0].image = str_from(names[i]);
        observe_pod(w, &facts);
    }
}

static void images_over_the_limit_are_asked_for_in_turn(void **state)
{
    static char names[TOO_MANY][32];
    static bool asked[TOO_MANY];
    struct world *w = *state;

    observe_too_many(w, names);
    for (int look = 0; look < 2; look++) {
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
    struct snapshot snapshot;
    uint64_t hits;

    while (asked--) {
        correlate_wanted(w->correlate, w->now, &wanted);
        wanted_done(&wanted);
    }
    world_snapshot(w, &snapshot);
    hits = snapshot.limit_hits[LIMIT_HIT_WANTED_IMAGES];
    snapshot_done(&snapshot);
    return hits;
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
    struct pod_facts facts;

    pod_of(w, &facts, "web-0");
    facts.containers[0].image = STR("busybox");
    observe_pod(w, &facts);
    observe_image(w, "busybox", false);
    observe_polled(w, "web-0");
    observe_deleted(w, "web-0");
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_int_equal(wanted.n_images, 1);
    assert_true(str_eq(wanted.images[0], STR("busybox"))); /* and not docker.io/library/... */
    wanted_done(&wanted);
}

/* Polls every 5 s, as the source does, while a pod waits for an absent image. */
static void poll_for(struct world *w, const char *sandbox, const char *image, int64_t for_us)
{
    for (int64_t passed = 0; passed < for_us; passed += 5 * SEC) {
        observe_image(w, image, false);
        observe_polled(w, sandbox);
        world_advance(w, 5 * SEC);
    }
}

static void quick_pull_after_a_long_wait_for_the_sandbox_is_quick(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    poll_for(w, "another", IMAGE, 10 * MINUTE); /* the volume of this pod is not attached yet */
    observe_size(w, IMAGE, 1);

    world_snapshot(w, &snapshot);
    assert_int_equal(registry(&snapshot, REGISTRY)->pulls.count, 1);
    assert_int_equal(registry(&snapshot, REGISTRY)->pulls.sum_us, 5 * SEC);
    snapshot_done(&snapshot);
}

static void quick_pull_after_a_long_one_of_the_same_pod_is_quick(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;

    pod_of(w, &facts, "web-0");
    facts.fact.n_containers = 2;
    facts.containers[1] = facts.containers[0];
    facts.containers[1].name = STR("second");
    facts.containers[1].image = STR("quay.io/second:1");
    observe_pod(w, &facts);
    observe_image(w, IMAGE, false);
    poll_for(w, "web-0", "quay.io/second:1", 10 * MINUTE);
    observe_size(w, IMAGE, 1);
    observe_size(w, "quay.io/second:1", 1);

    world_snapshot(w, &snapshot);
    assert_int_equal(registry(&snapshot, REGISTRY)->pulls.sum_us, 10 * MINUTE);
    assert_int_equal(registry(&snapshot, "quay.io")->pulls.sum_us, 5 * SEC);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(pull_lasts_from_the_wait_in_the_sandbox_until_the_image_is_present),
        WORLD_TEST(duration_of_a_quick_pull_begins_when_the_image_was_found_absent),
        WORLD_TEST(pod_that_runs_before_the_next_poll_had_a_successful_pull),
        WORLD_TEST(use_of_an_earlier_pull_does_not_end_the_next_pull),
        WORLD_TEST(image_of_an_abandoned_pull_is_asked_for_once_more),
        WORLD_TEST(pull_after_a_failed_try_has_no_duration),
        WORLD_TEST(pull_that_failed_before_the_start_has_no_duration),
        WORLD_TEST(container_in_its_sandbox_without_an_error_is_in_progress),
        WORLD_TEST(start_of_a_pull_does_not_change),
        WORLD_TEST(pull_begins_with_the_poll_that_finds_the_sandbox),
        WORLD_TEST(only_the_current_init_container_is_in_progress),
        WORLD_TEST(bytes_belong_to_the_only_pull_or_to_the_known_owner),
        WORLD_TEST(blob_of_two_images_is_counted_once),
        WORLD_TEST(blob_of_two_pulls_of_one_poll_belongs_to_the_image_known_longest),
        WORLD_TEST(image_is_shown_as_the_runtime_reported_it),
        WORLD_TEST(images_over_the_limit_are_asked_for_in_turn),
        WORLD_TEST(left_out_image_is_counted_once),
        WORLD_TEST(image_volumes_do_not_displace_images_of_containers),
        WORLD_TEST(runtime_is_asked_for_the_image_as_the_spec_names_it),
        WORLD_TEST(quick_pull_after_a_long_wait_for_the_sandbox_is_quick),
        WORLD_TEST(quick_pull_after_a_long_one_of_the_same_pod_is_quick),
        WORLD_TEST(image_file_system_is_shown_as_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
