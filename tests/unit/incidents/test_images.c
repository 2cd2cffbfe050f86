/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

static const struct snapshot_registry *registry(const struct look *look, const char *name)
{
    for (size_t i = 0; i < look->snapshot.n_registries; i++)
        if (strcmp(look->snapshot.registries[i].registry, name) == 0)
            return &look->snapshot.registries[i];
    fail_msg("no registry %s", name);
    return NULL;
}

static void tell_size(struct world *w, const char *image, uint64_t size)
{
    correlate_observe(w->correlate,
                      &(struct observation){ .kind = OBSERVE_IMAGE,
                                             .image = { .image = str_from(image),
                                                        .present = true,
                                                        .size = size,
                                                        .digest = STR("sha256:abcd") } },
                      w->now);
}

static void a_good_pull_lasts_from_the_wait_in_the_sandbox_until_the_image_is_there(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_image(w, IMAGE, false);
    world_advance(w, 30 * SEC); /* the sandbox takes its time, nobody pulls */
    tell_looked(w, "web-0");
    world_advance(w, 4 * SEC);
    tell_size(w, IMAGE, 12345);

    world_look(w, &look);
    assert_int_equal(registry(&look, REGISTRY)->pulls.count, 1);
    assert_int_equal(registry(&look, REGISTRY)->pulls.sum_us, 4 * SEC);
    assert_int_equal(registry(&look, REGISTRY)->bytes, 12345);
    assert_int_equal(registry(&look, REGISTRY)->attempts, 1);
    world_look_done(&look);
}

static void a_pull_faster_than_the_next_look_counts_from_when_the_image_was_missed(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_image(w, IMAGE, false);
    world_advance(w, SEC);
    tell_size(w, IMAGE, 1);

    world_look(w, &look);
    assert_int_equal(registry(&look, REGISTRY)->pulls.sum_us, SEC);
    world_look_done(&look);
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

static void a_pod_that_runs_before_the_next_look_had_a_good_pull(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_image(w, IMAGE, false);
    tell_looked(w, "web-0");
    world_advance(w, 2 * SEC);
    tell_running(w, "web-0");
    world_advance(w, 3 * SEC);
    assert_true(wants_image(w)); /* nobody waits, but how big it is was not told yet */
    tell_size(w, IMAGE, 12345);

    world_look(w, &look);
    assert_int_equal(registry(&look, REGISTRY)->pulls.sum_us, 2 * SEC);
    assert_int_equal(registry(&look, REGISTRY)->bytes, 12345);
    world_look_done(&look);
    assert_false(wants_image(w));
}

static void the_next_pull_does_not_end_when_the_one_before_was_used(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_image(w, IMAGE, false);
    tell_looked(w, "web-0");
    world_advance(w, 10 * SEC);
    tell_running(w, "web-0");
    tell_size(w, IMAGE, 1);
    tell_deleted(w, "web-0");

    world_advance(w, 20 * SEC); /* the kubelet removes it, and another pod needs it */
    tell_waiting(w, "web-1", "ContainerCreating", "");
    tell_image(w, IMAGE, false);
    tell_looked(w, "web-1");
    world_advance(w, 30 * SEC);
    tell_size(w, IMAGE, 1);

    world_look(w, &look);
    assert_int_equal(registry(&look, REGISTRY)->pulls.count, 2);
    assert_int_equal(registry(&look, REGISTRY)->pulls.sum_us, (10 + 30) * SEC);
    world_look_done(&look);
}

static void a_pull_that_nobody_waits_for_any_more_is_asked_after_once(void **state)
{
    struct world *w = *state;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_image(w, IMAGE, false);
    tell_looked(w, "web-0");
    tell_deleted(w, "web-0");
    assert_true(wants_image(w));
    tell_image(w, IMAGE, false);
    assert_false(wants_image(w));
}

static void a_pull_that_failed_on_the_way_has_no_duration(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_image(w, IMAGE, false);
    tell_looked(w, "web-0");
    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    world_advance(w, 5 * MINUTE);
    tell_image(w, IMAGE, false);
    tell_size(w, IMAGE, 10);
    tell_running(w, "web-0");

    world_look(w, &look);
    assert_int_equal(registry(&look, REGISTRY)->pulls.count, 0);
    assert_int_equal(registry(&look, REGISTRY)->bytes, 10);
    assert_int_equal(registry(&look, REGISTRY)->attempts, 2); /* one bad, one good */
    assert_int_equal(look.snapshot.recoveries[CAUSE_NOT_FOUND].count, 1);
    assert_int_equal(look.snapshot.recoveries[CAUSE_NOT_FOUND].sum_us, 5 * MINUTE);
    world_look_done(&look);
}

static void found_failing_has_no_duration_either(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    tell_image(w, IMAGE, false);
    tell_looked(w, "web-0");
    world_advance(w, MINUTE);
    tell_size(w, IMAGE, 10);

    world_look(w, &look);
    assert_int_equal(registry(&look, REGISTRY)->pulls.count, 0);
    world_look_done(&look);
}

static void in_progress_is_who_waits_in_its_sandbox_without_an_error(void **state)
{
    struct world *w = *state;
    struct look look;
    int64_t begun_us;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_image(w, IMAGE, false);
    tell_looked(w, "another");
    world_look(w, &look);
    assert_int_equal(registry(&look, REGISTRY)->in_progress, 0); /* no sandbox yet */
    world_look_done(&look);

    tell_looked(w, "web-0");
    begun_us = w->now.wall_us;
    world_advance(w, 10 * SEC);
    world_look(w, &look);
    assert_int_equal(registry(&look, REGISTRY)->in_progress, 1);
    assert_int_equal(registry(&look, REGISTRY)->in_progress_since_us, begun_us);
    assert_int_equal(look.snapshot.n_incidents, 0); /* a pull that goes well is none */
    world_look_done(&look);

    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    world_look(w, &look);
    assert_int_equal(registry(&look, REGISTRY)->in_progress, 0);
    assert_int_equal(registry(&look, REGISTRY)->in_progress_since_us, 0);
    world_look_done(&look);
}

/* The two clocks are read one after the other, so their distance changes by microseconds. */
static void the_begin_of_a_pull_does_not_move(void **state)
{
    struct world *w = *state;
    struct look look;
    int64_t begun_us;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_image(w, IMAGE, false);
    tell_looked(w, "web-0");
    begun_us = w->now.wall_us;
    for (int i = 0; i < 3; i++) {
        world_advance(w, SEC);
        w->now.wall_us += i - 1;
        tell_looked(w, "web-0");
        world_look(w, &look);
        assert_int_equal(registry(&look, REGISTRY)->in_progress_since_us, begun_us);
        world_look_done(&look);
    }
}

static void in_progress_begins_when_its_sandbox_was_looked_for(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_image(w, IMAGE, false);
    for (unsigned looked = 0; looked < 2; looked++) {
        world_look(w, &look);
        assert_int_equal(registry(&look, REGISTRY)->in_progress, looked);
        assert_int_equal(registry(&look, REGISTRY)->in_progress_since_us != 0, looked);
        world_look_done(&look);
        tell_looked(w, "web-0");
    }
}

static void only_the_init_container_whose_turn_it_is_is_in_progress(void **state)
{
    struct world *w = *state;
    struct pod_told told;
    struct look look;

    pod_of(w, &told, "web-0");
    told.fact.n_containers = 2;
    told.containers[1] = told.containers[0];
    told.containers[0].name = STR("init");
    told.containers[0].kind = CONTAINER_INIT;
    told.containers[0].image = STR("quay.io/init/image:1");
    tell_pod(w, &told);
    tell_image(w, "quay.io/init/image:1", false);
    tell_image(w, IMAGE, false);
    tell_looked(w, "web-0");

    world_look(w, &look);
    assert_int_equal(registry(&look, "quay.io")->in_progress, 1);
    assert_int_equal(registry(&look, REGISTRY)->in_progress, 0);
    world_look_done(&look);
}

static void bytes_belong_to_the_only_pull_or_to_whom_its_blob_is_known_to_be(void **state)
{
    struct world *w = *state;
    struct pod_told told;
    struct look look;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_image(w, IMAGE, false);
    tell_looked(w, "web-0");
    TELL_INGESTS(w, { "sha256:1", 400, 0 }, { "sha256:old", 999, HOUR });
    world_look(w, &look);
    assert_int_equal(registry(&look, REGISTRY)->in_progress_bytes, 400);
    assert_true(look.snapshot.tells_bytes);
    world_look_done(&look);

    pod_of(w, &told, "web-1");
    told.containers[0].image = STR("quay.io/other:1");
    tell_pod(w, &told);
    tell_image(w, "quay.io/other:1", false);
    correlate_observe(
        w->correlate,
        &(struct observation){ .kind = OBSERVE_SANDBOX, .sandbox = { STR("web-0"), true } },
        w->now);
    tell_looked(w, "web-1");
    TELL_INGESTS(w, { "sha256:1", 400, 0 }, { "sha256:2", 30, 0 });
    tell_blob_owner(w, "sha256:1", "quay.io/other");
    world_look(w, &look);
    assert_int_equal(registry(&look, "quay.io")->in_progress_bytes, 400);
    assert_int_equal(registry(&look, REGISTRY)->in_progress_bytes, 0);
    assert_int_equal(look.snapshot.unowned_bytes, 30);
    world_look_done(&look);
}

static void a_blob_that_two_images_share_is_counted_once(void **state)
{
    struct world *w = *state;
    struct pod_told told;
    struct look look;
    const struct str owners[] = { STR(REGISTRY "/team/app"), STR(REGISTRY "/team/other") };

    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_image(w, IMAGE, false);
    tell_looked(w, "web-0");
    pod_of(w, &told, "web-1");
    told.containers[0].image = STR(REGISTRY "/team/other:1");
    tell_pod(w, &told);
    tell_image(w, REGISTRY "/team/other:1", false);
    correlate_observe(
        w->correlate,
        &(struct observation){ .kind = OBSERVE_SANDBOX, .sandbox = { STR("web-0"), true } },
        w->now);
    tell_looked(w, "web-1");
    TELL_INGESTS(w, { "sha256:1", 400, 0 });
    correlate_observe(
        w->correlate,
        &(struct observation){ .kind = OBSERVE_BLOB, .blob = { STR("sha256:1"), owners, 2 } },
        w->now);
    world_look(w, &look);
    assert_int_equal(registry(&look, REGISTRY)->in_progress_bytes, 400);
    assert_int_equal(look.snapshot.images[0].bytes, 400); /* each waits for it */
    assert_int_equal(look.snapshot.images[1].bytes, 400);
    world_look_done(&look);
}

static void a_blob_of_two_that_began_in_one_look_is_of_who_was_missed_first(void **state)
{
    struct world *w = *state;
    struct pod_told told;
    struct look look;
    const struct str owners[] = { STR(REGISTRY "/team/app"), STR("docker.io/library/other") };

    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_image(w, IMAGE, false);
    pod_of(w, &told, "web-1");
    told.containers[0].image = STR("other");
    tell_pod(w, &told);
    tell_image(w, "other", false);
    correlate_observe(
        w->correlate,
        &(struct observation){ .kind = OBSERVE_SANDBOX, .sandbox = { STR("web-0"), true } },
        w->now);
    tell_looked(w, "web-1");
    TELL_INGESTS(w, { "sha256:1", 400, 0 });
    correlate_observe(
        w->correlate,
        &(struct observation){ .kind = OBSERVE_BLOB, .blob = { STR("sha256:1"), owners, 2 } },
        w->now);
    world_look(w, &look);
    assert_int_equal(registry(&look, REGISTRY)->in_progress_bytes, 400);
    assert_int_equal(registry(&look, "docker.io")->in_progress_bytes, 0);
    world_look_done(&look);
}

static void an_image_is_shown_with_what_the_runtime_told(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_size(w, IMAGE, 77);
    world_look(w, &look);
    assert_int_equal(look.snapshot.n_images, 1);
    assert_string_equal(look.snapshot.images[0].image, IMAGE);
    assert_string_equal(look.snapshot.images[0].digest, "sha256:abcd");
    assert_int_equal(look.snapshot.images[0].size, 77);
    assert_int_equal(look.snapshot.images[0].waiting, 1);
    assert_int_equal(look.snapshot.images[0].pulling, 0);
    assert_int_equal(registry(&look, REGISTRY)->attempts, 0); /* it was there */
    world_look_done(&look);

    world_advance(w, 2 * MINUTE); /* a runtime that hangs speaks of none */
    world_look(w, &look);
    assert_int_equal(look.snapshot.n_images, 1);
    world_look_done(&look);

    tell_running(w, "web-0");
    world_advance(w, 2 * MINUTE);
    world_advance(w, 11 * SEC);
    world_look(w, &look);
    assert_int_equal(look.snapshot.n_images, 0);
    world_look_done(&look);
}

#define TOO_MANY (LIMIT_WANTED_IMAGES + 6)

/* So many pods, each waiting for an image of its own. */
static void tell_too_many(struct world *w, char names[TOO_MANY][32])
{
    for (size_t i = 0; i < TOO_MANY; i++) {
        struct pod_told told;

        snprintf(names[i], sizeof(names[i]), "docker.io/library/n%zu:1", i);
        pod_of(w, &told, names[i]);
        told.containers[0].image = str_from(names[i]);
        tell_pod(w, &told);
    }
}

static void more_images_than_can_be_asked_for_take_turns(void **state)
{
    static char names[TOO_MANY][32];
    static bool asked[TOO_MANY];
    struct world *w = *state;

    tell_too_many(w, names);
    for (int look = 0; look < 2; look++) {
        struct wanted wanted;

        correlate_wanted(w->correlate, w->now, &wanted);
        for (size_t i = 0; i < wanted.n_images; i++)
            for (size_t j = 0; j < TOO_MANY; j++)
                if (str_eq(wanted.images[i], str_from(names[j]))) {
                    asked[j] = true;
                    tell_image(w, names[j], false);
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
    struct look look;
    uint64_t hits;

    while (asked--) {
        correlate_wanted(w->correlate, w->now, &wanted);
        wanted_done(&wanted);
    }
    world_look(w, &look);
    hits = look.snapshot.limit_hits[LIMIT_HIT_WANTED_IMAGES];
    world_look_done(&look);
    return hits;
}

static void an_image_that_is_left_out_counts_once_however_often_somebody_asks(void **state)
{
    static char names[TOO_MANY][32];
    struct world *w = *state;

    tell_too_many(w, names);
    assert_int_equal(images_left_out(w, 20), 6);
    tell_too_many(w, names); /* the same again is no news */
    assert_int_equal(images_left_out(w, 20), 6);
    for (size_t i = 0; i < TOO_MANY; i++)
        tell_running(w, names[i]);
    assert_int_equal(images_left_out(w, 1), 6);
    tell_too_many(w, names);
    assert_int_equal(images_left_out(w, 20), 12);
}

static void image_volumes_do_not_keep_containers_from_being_looked_after(void **state)
{
    static char names[LIMIT_WANTED_IMAGES][64];
    struct world *w = *state;
    struct wanted wanted;
    bool found = false;

    for (size_t i = 0; i < LIMIT_WANTED_IMAGES; i++) {
        struct pod_told told;
        char message[128];

        snprintf(names[i], sizeof(names[i]), "docker.io/library/v%zu:1", i);
        snprintf(message, sizeof(message), "Back-off pulling image \"%s\"", names[i]);
        pod_of(w, &told, names[i]);
        told.containers[0].waiting_reason = STR("ImagePullBackOff");
        told.containers[0].waiting_message = str_from(message);
        told.volumes[0] = (struct image_volume_fact){ str_from(names[i]) };
        told.fact.n_image_volumes = 1;
        tell_pod(w, &told);
    }
    tell_image(w, IMAGE, true);
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

static void a_runtime_with_short_names_of_its_own_is_asked_in_the_specs_words(void **state)
{
    struct world *w = *state;
    struct wanted wanted;
    struct pod_told told;

    pod_of(w, &told, "web-0");
    told.containers[0].image = STR("busybox");
    tell_pod(w, &told);
    tell_image(w, "busybox", false);
    tell_looked(w, "web-0");
    tell_deleted(w, "web-0");
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_int_equal(wanted.n_images, 1);
    assert_true(str_eq(wanted.images[0], STR("busybox"))); /* and not docker.io/library/... */
    wanted_done(&wanted);
}

/* Looked at every 5 s, as the source does, while something waits that is not there. */
static void look_on(struct world *w, const char *sandbox, const char *image, int64_t for_us)
{
    for (int64_t passed = 0; passed < for_us; passed += 5 * SEC) {
        tell_image(w, image, false);
        tell_looked(w, sandbox);
        world_advance(w, 5 * SEC);
    }
}

static void a_quick_pull_after_a_long_wait_for_the_sandbox_is_quick(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    look_on(w, "another", IMAGE, 10 * MINUTE); /* its volume is not attached */
    tell_size(w, IMAGE, 1);

    world_look(w, &look);
    assert_int_equal(registry(&look, REGISTRY)->pulls.count, 1);
    assert_int_equal(registry(&look, REGISTRY)->pulls.sum_us, 5 * SEC);
    world_look_done(&look);
}

static void a_quick_pull_after_a_long_one_of_the_same_pod_is_quick(void **state)
{
    struct world *w = *state;
    struct pod_told told;
    struct look look;

    pod_of(w, &told, "web-0");
    told.fact.n_containers = 2;
    told.containers[1] = told.containers[0];
    told.containers[1].name = STR("second");
    told.containers[1].image = STR("quay.io/second:1");
    tell_pod(w, &told);
    tell_image(w, IMAGE, false);
    look_on(w, "web-0", "quay.io/second:1", 10 * MINUTE);
    tell_size(w, IMAGE, 1);
    tell_size(w, "quay.io/second:1", 1);

    world_look(w, &look);
    assert_int_equal(registry(&look, REGISTRY)->pulls.sum_us, 10 * MINUTE);
    assert_int_equal(registry(&look, "quay.io")->pulls.sum_us, 5 * SEC);
    world_look_done(&look);
}

static void the_image_file_system_is_shown_as_told(void **state)
{
    struct world *w = *state;
    struct look look;

    world_look(w, &look);
    assert_null(look.snapshot.image_fs.mountpoint);
    world_look_done(&look);
    correlate_observe(w->correlate,
                      &(struct observation){ .kind = OBSERVE_IMAGE_FS,
                                             .image_fs = { STR("/var/lib/containerd"), 5, 6 } },
                      w->now);
    world_look(w, &look);
    assert_string_equal(look.snapshot.image_fs.mountpoint, "/var/lib/containerd");
    assert_int_equal(look.snapshot.image_fs.used_bytes, 5);
    assert_int_equal(look.snapshot.image_fs.used_inodes, 6);
    world_look_done(&look);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_good_pull_lasts_from_the_wait_in_the_sandbox_until_the_image_is_there),
        WORLD_TEST(a_pull_faster_than_the_next_look_counts_from_when_the_image_was_missed),
        WORLD_TEST(a_pod_that_runs_before_the_next_look_had_a_good_pull),
        WORLD_TEST(the_next_pull_does_not_end_when_the_one_before_was_used),
        WORLD_TEST(a_pull_that_nobody_waits_for_any_more_is_asked_after_once),
        WORLD_TEST(a_pull_that_failed_on_the_way_has_no_duration),
        WORLD_TEST(found_failing_has_no_duration_either),
        WORLD_TEST(in_progress_is_who_waits_in_its_sandbox_without_an_error),
        WORLD_TEST(the_begin_of_a_pull_does_not_move),
        WORLD_TEST(in_progress_begins_when_its_sandbox_was_looked_for),
        WORLD_TEST(only_the_init_container_whose_turn_it_is_is_in_progress),
        WORLD_TEST(bytes_belong_to_the_only_pull_or_to_whom_its_blob_is_known_to_be),
        WORLD_TEST(a_blob_that_two_images_share_is_counted_once),
        WORLD_TEST(a_blob_of_two_that_began_in_one_look_is_of_who_was_missed_first),
        WORLD_TEST(an_image_is_shown_with_what_the_runtime_told),
        WORLD_TEST(more_images_than_can_be_asked_for_take_turns),
        WORLD_TEST(an_image_that_is_left_out_counts_once_however_often_somebody_asks),
        WORLD_TEST(image_volumes_do_not_keep_containers_from_being_looked_after),
        WORLD_TEST(a_runtime_with_short_names_of_its_own_is_asked_in_the_specs_words),
        WORLD_TEST(a_quick_pull_after_a_long_wait_for_the_sandbox_is_quick),
        WORLD_TEST(a_quick_pull_after_a_long_one_of_the_same_pod_is_quick),
        WORLD_TEST(the_image_file_system_is_shown_as_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
