/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Long stories of pulls that stand still: what a hostile reading found wrong once.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"
#include "tests/unit/support/fault_heap.h"

#define REPOSITORY REGISTRY "/team/app"
#define OTHER_IMAGE "other:2" /* docker.io/library/other */
#define LAYER "sha256:1111"
#define OTHER_LAYER "sha256:2222"
#define LOOK (5 * SEC)
#define RESET_TEXT                                                                                 \
    "failed to pull and unpack image \"" IMAGE "\": failed to copy: read tcp 10.0.0.1:1->"         \
    "10.0.0.2:443: read: connection reset by peer"

static void waits(struct world *w, const char *name, const char *image)
{
    struct pod_told told;

    pod_of(w, &told, name);
    told.containers[0].image = str_from(image);
    tell_pod(w, &told);
}

static void pulling(struct world *w, const char *name)
{
    tell_waiting(w, name, "ContainerCreating", "");
    tell_image(w, IMAGE, false);
    tell_looked(w, name);
}

static size_t count(struct world *w, const char *name)
{
    struct look look;
    size_t n;

    world_look(w, &look);
    n = look_count(&look, name);
    world_look_done(&look);
    return n;
}

static enum incident_state state_of(struct world *w, const char *name)
{
    struct look look;
    enum incident_state is;

    world_look(w, &look);
    is = look_one(&look, name)->state;
    world_look_done(&look);
    return is;
}

/* One look of the source at one pod: images, sandboxes, ingests. */
static void one_look(struct world *w, const char *name, uint64_t bytes, int64_t idle_us)
{
    tell_image(w, IMAGE, false);
    tell_looked(w, name);
    TELL_INGESTS(w, { LAYER, bytes, idle_us });
}

/* Its try failed and left half a blob behind; almost four minutes later it still backs off. Returns
 * how long no byte has come. */
static int64_t backing_off(struct world *w, const char *name)
{
    int64_t idle;

    pulling(w, name);
    TELL_INGESTS(w, { LAYER, 400, 0 });
    tell_blob_owner(w, LAYER, REPOSITORY);
    world_advance(w, 10 * SEC);
    tell_waiting(w, name, "ErrImagePull", RESET_TEXT);
    tell_waiting(w, name, "ImagePullBackOff", BACK_OFF_TEXT);
    for (idle = 10 * SEC; idle < 4 * MINUTE; idle += LOOK) {
        world_advance(w, LOOK);
        one_look(w, name, 400, idle);
    }
    return idle;
}

/* A pod that backs off is replaced; the new one is called stalled at its first look. */
static void a_new_pod_does_not_inherit_the_wait_of_one_that_failed(void **state)
{
    struct world *w = *state;
    int64_t idle = backing_off(w, "old");

    assert_int_equal(state_of(w, "old"), INCIDENT_BACKING_OFF);
    tell_deleted(w, "old");
    tell_waiting(w, "new", "ContainerCreating", "");
    world_advance(w, SEC);
    one_look(w, "new", 400, idle);
    assert_int_equal(count(w, "new"), 0);
}

/* The runtime does not answer for 61 s: the stall is called recovered and forgotten. */
static void a_stall_outlives_a_runtime_that_hangs(void **state)
{
    struct world *w = *state;
    int64_t idle = 0;
    struct look look;

    pulling(w, "web-0");
    for (; idle <= 3 * MINUTE; idle += LOOK) {
        one_look(w, "web-0", 400, idle);
        tell_blob_owner(w, LAYER, REPOSITORY);
        world_advance(w, LOOK);
    }
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    for (int i = 0; i < 8; i++) { /* the source's tick goes on */
        world_advance(w, 10 * SEC);
        idle += 10 * SEC;
    }
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    one_look(w, "web-0", 400, idle);
    world_look(w, &look);
    assert_int_equal(look.snapshot.recoveries[CAUSE_NETWORK].count, 0);
    assert_int_equal(look_one(&look, "web-0")->state, INCIDENT_STALLED);
    world_look_done(&look);
}

/* The list of blobs in flight is not asked for while all is well, and is believed for ever. */
static void blobs_of_an_hour_ago_hold_up_nobody(void **state)
{
    struct world *w = *state;

    pulling(w, "web-0");
    TELL_INGESTS(w, { LAYER, 400, 0 });
    tell_blob_owner(w, LAYER, REPOSITORY);
    tell_image(w, IMAGE, true);
    tell_running(w, "web-0");
    tell_looked(w, "web-0");
    world_advance(w, HOUR);

    waits(w, "web-1", REPOSITORY ":v2"); /* and the content service does not answer */
    for (int i = 0; i < 30; i++) {
        tell_image(w, REPOSITORY ":v2", false);
        tell_looked(w, "web-1");
        world_advance(w, LOOK);
    }
    tell_looked(w, "web-1");
    assert_int_equal(count(w, "web-1"), 0);
}

/* An event told the failure before the status did; the blob goes. */
static void a_failure_that_an_event_told_of_is_no_recovery_and_counts_once(void **state)
{
    struct world *w = *state;
    struct look look;
    int64_t idle = 0;

    tell_list_begin(w);
    tell_list_end(w);
    pulling(w, "web-0");
    for (; idle <= 3 * MINUTE; idle += LOOK) {
        one_look(w, "web-0", 400, idle);
        tell_blob_owner(w, LAYER, REPOSITORY);
        world_advance(w, LOOK);
    }
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    tell_event(w, "web-0", APP_PATH, "e1", "Failed",
               "Failed to pull image \"" IMAGE "\": " RESET_TEXT, 1);
    tell_image(w, IMAGE, false);
    tell_looked(w, "web-0");
    tell_ingests(w, NULL, 0);
    world_advance(w, SEC);
    tell_waiting(w, "web-0", "ErrImagePull", RESET_TEXT);
    world_look(w, &look);
    assert_int_equal(look_failures(&look, CAUSE_NETWORK), 1);
    assert_int_equal(look.snapshot.recoveries[CAUSE_NETWORK].count, 0);
    assert_int_equal(look_count(&look, "web-0"), 1);
    world_look_done(&look);
}

/* Another image that waits for the stalled layer, while a third pull moves. */
static void who_comes_later_waits_behind_the_stall_though_others_move(void **state)
{
    struct world *w = *state;
    const struct str repositories[] = { STR(REPOSITORY), STR("docker.io/library/other") };

    pulling(w, "web-0");
    for (int64_t idle = 0; idle <= 6 * MINUTE; idle += LOOK) {
        if (idle == 2 * MINUTE)
            waits(w, "web-1", OTHER_IMAGE);
        tell_image(w, IMAGE, false);
        if (idle >= 2 * MINUTE)
            tell_image(w, OTHER_IMAGE, false);
        for (int i = 0; i < 2; i++) {
            correlate_observe(
                w->correlate,
                &(struct observation){
                    .kind = OBSERVE_SANDBOX,
                    .sandbox = { .pod_uid = i ? STR("web-1") : STR("web-0"), .ready = true } },
                w->now);
        }
        correlate_observe(w->correlate, &(struct observation){ .kind = OBSERVE_SANDBOXES_END },
                          w->now);
        TELL_INGESTS(w, { LAYER, 400, idle }, { OTHER_LAYER, (uint64_t)(idle / SEC), 0 });
        correlate_observe(
            w->correlate,
            &(struct observation){
                .kind = OBSERVE_BLOB,
                .blob = { .digest = STR(LAYER), .repositories = repositories, .n = 2 } },
            w->now);
        world_advance(w, LOOK);
    }
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    assert_int_equal(count(w, "web-1"), 1); /* STALLED */
}

/* Eight blobs that are nobody's keep the ninth from ever being asked for. */
static void blobs_of_nobody_do_not_hide_the_next(void **state)
{
    struct world *w = *state;
    char digests[9][80];
    struct ingest ingests[9];
    bool asked = false;

    for (int i = 0; i < 9; i++)
        snprintf(digests[i], sizeof(digests[i]), "sha256:%064d", i);
    pulling(w, "web-0");
    for (int look = 0; look < 200; look++) {
        struct wanted wanted;

        world_advance(w, LOOK);
        tell_image(w, IMAGE, false);
        tell_looked(w, "web-0");
        for (int i = 0; i < 9; i++)
            ingests[i] = (struct ingest){ .digest = str_from(digests[i]),
                                          .bytes = 1,
                                          .begun_us = w->now.wall_us - HOUR,
                                          .moved_us = w->now.wall_us - HOUR };
        correlate_observe(
            w->correlate,
            &(struct observation){ .kind = OBSERVE_INGESTS, .ingests = { ingests, 9 } }, w->now);
        correlate_wanted(w->correlate, w->now, &wanted);
        for (size_t i = 0; i < wanted.n_blobs; i++) {
            if (str_eq(wanted.blobs[i], str_from(digests[8])))
                asked = true;
            correlate_observe(w->correlate,
                              &(struct observation){ .kind = OBSERVE_BLOB,
                                                     .blob = { .digest = wanted.blobs[i] } },
                              w->now);
        }
        wanted_done(&wanted);
    }
    assert_true(asked);
}

/* A large, moving pull of one tag is called stalled for another tag's layer. */
static void a_moving_pull_of_the_same_repository_is_not_stalled(void **state)
{
    struct world *w = *state;

    waits(w, "big", REPOSITORY ":v2");
    for (int64_t t = 0; t <= 8 * MINUTE; t += LOOK) {
        int64_t idle = t - 2 * MINUTE;

        if (t == MINUTE)
            tell_waiting(w, "web-0", "ContainerCreating", "");
        tell_image(w, REPOSITORY ":v2", false);
        if (t >= MINUTE) {
            tell_image(w, IMAGE, false);
            correlate_observe(
                w->correlate,
                &(struct observation){ .kind = OBSERVE_SANDBOX,
                                       .sandbox = { .pod_uid = STR("web-0"), .ready = true } },
                w->now);
        }
        tell_looked(w, "big");
        if (t < 2 * MINUTE)
            TELL_INGESTS(w, { OTHER_LAYER, (uint64_t)(t / SEC), 0 });
        else
            TELL_INGESTS(w, { OTHER_LAYER, (uint64_t)(t / SEC), 0 }, { LAYER, 400, idle });
        tell_blob_owner(w, LAYER, REPOSITORY);
        tell_blob_owner(w, OTHER_LAYER, REPOSITORY);
        world_advance(w, LOOK);
    }
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    assert_int_equal(count(w, "big"), 0);
}

/* No memory for the words of one stall, and a person looks at another: strcmp(NULL). */
static void a_stall_without_words_is_no_crash(void **state)
{
    struct world *w = *state;

    for (size_t n = 0; n < 60; n++) {
        struct look look;

        pulling(w, "web-0");
        tell_waiting(w, "web-1", "ContainerCreating", "");
        for (int64_t idle = 0; idle <= 3 * MINUTE; idle += LOOK) {
            tell_image(w, IMAGE, false);
            correlate_observe(
                w->correlate,
                &(struct observation){ .kind = OBSERVE_SANDBOX,
                                       .sandbox = { .pod_uid = STR("web-0"), .ready = true } },
                w->now);
            tell_looked(w, "web-1");
            TELL_INGESTS(w, { LAYER, 400, idle });
            world_advance(w, LOOK);
        }
        fault_heap_fail_at(n);
        correlate_observe(w->correlate,
                          &(struct observation){
                              .kind = OBSERVE_BLOB,
                              .blob = { .digest = STR(LAYER),
                                        .repositories = (const struct str[]){ STR(REPOSITORY) },
                                        .n = 1 } },
                          w->now);
        fault_heap_fired();
        world_look(w, &look);
        world_look_done(&look);
        world_end(w);
        world_begin(w);
    }
}

/* A thousand containers behind one layer: the picture still can be had. */
static void a_picture_of_many_that_are_stalled(void **state)
{
    struct world *w = *state;
    static char names[1000][16];
    struct snapshot snapshot = { .taken = w->now };

    for (int i = 0; i < 1000; i++) {
        snprintf(names[i], sizeof(names[i]), "p%d", i);
        tell_waiting(w, names[i], "ContainerCreating", "");
    }
    for (int64_t idle = 0; idle <= 3 * MINUTE; idle += 30 * SEC) {
        tell_image(w, IMAGE, false);
        for (int i = 0; i < 1000; i++)
            correlate_observe(w->correlate,
                              &(struct observation){
                                  .kind = OBSERVE_SANDBOX,
                                  .sandbox = { .pod_uid = str_from(names[i]), .ready = true } },
                              w->now);
        correlate_observe(w->correlate, &(struct observation){ .kind = OBSERVE_SANDBOXES_END },
                          w->now);
        TELL_INGESTS(w, { LAYER, 400, idle });
        world_advance(w, 30 * SEC);
    }
    TELL_INGESTS(w, { LAYER, 400, 3 * MINUTE });
    tell_blob_owner(w, LAYER, REPOSITORY);
    for (int i = 0; i < 3; i++) {
        arena_init(&snapshot.arena, LIMIT_SNAPSHOT);
        assert_int_equal(correlate_snapshot(w->correlate, SNAPSHOT_DETAIL, &snapshot), 0);
        assert_int_equal(snapshot.n_incidents, 1000);
        snapshot_done(&snapshot);
    }
    assert_in_range(snapshot.limit_hits[LIMIT_HIT_WAITING_BEHIND], 1, 1000); /* once for each */
}

/* The kubelet restarts during a back-off: its status begins anew at ContainerCreating. */
static void a_kubelet_that_restarts_in_a_back_off_makes_no_stall(void **state)
{
    struct world *w = *state;
    int64_t idle = backing_off(w, "web-0");

    tell_waiting(w, "web-0", "ContainerCreating", "");
    one_look(w, "web-0", 400, idle);
    assert_int_not_equal(state_of(w, "web-0"), INCIDENT_STALLED);
}

/* The content service falls silent while a blob stalls; the bytes move on, unseen. */
static void a_stall_that_nobody_can_see_any_more_is_not_held_up(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    for (int64_t idle = 0; idle <= 3 * MINUTE; idle += LOOK) {
        tell_image(w, IMAGE, false);
        tell_looked(w, "web-0");
        TELL_INGESTS(w, { LAYER, 400, idle });
        tell_blob_owner(w, LAYER, REGISTRY "/team/app");
        world_advance(w, LOOK);
    }
    for (int64_t t = 0; t <= 5 * MINUTE; t += LOOK) {
        tell_image(w, IMAGE, false);
        tell_looked(w, "web-0");
        world_advance(w, LOOK);
    }
    world_look(w, &look);
    assert_int_not_equal(look_one(&look, "web-0")->state, INCIDENT_STALLED);
    world_look_done(&look);
}

/* A stall begins, and the clock is set back by an hour (NTP after boot) in the middle. */
static void a_clock_set_back_hides_no_stall(void **state)
{
    struct world *w = *state;
    struct look look;
    int64_t idle;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_image(w, IMAGE, false);
    tell_looked(w, "web-0");
    w->now.wall_us -= HOUR;
    for (idle = 0; idle <= 5 * MINUTE; idle += LOOK) {
        tell_image(w, IMAGE, false);
        tell_looked(w, "web-0");
        TELL_INGESTS(w, { LAYER, 400, idle }, { "sha256:2222", (uint64_t)idle, 0 });
        tell_blob_owner(w, LAYER, REGISTRY "/team/app");
        world_advance(w, LOOK);
    }
    world_look(w, &look);
    assert_int_equal(look_count(&look, "web-0"), 1);
    world_look_done(&look);
}

/* The runtime is replaced by one that tells no bytes. */
static void what_the_runtime_before_had_in_flight_is_forgotten(void **state)
{
    struct world *w = *state;
    struct look look;

    TELL_INGESTS(w, { "sha256:1111", 400, 0 });
    correlate_observe(
        w->correlate,
        &(struct observation){ .kind = OBSERVE_RUNTIME,
                               .runtime = { .name = STR("cri-o"), .version = STR("1.33") } },
        w->now);
    world_look(w, &look);
    assert_false(look.snapshot.tells_bytes);
    world_look_done(&look);
}

/* A pod whose image is always pulled, though an older copy of the tag is there. */
static void repulling(struct world *w, const char *name)
{
    struct pod_told told;

    pod_of(w, &told, name);
    told.containers[0].pull_policy = STR("Always");
    tell_pod(w, &told);
    tell_image(w, IMAGE, true);
    tell_looked(w, name);
}

static const struct snapshot_image *image_of(const struct look *look, const char *image)
{
    for (size_t i = 0; i < look->snapshot.n_images; i++)
        if (strcmp(look->snapshot.images[i].image, image) == 0)
            return &look->snapshot.images[i];
    fail_msg("nothing is known of %s", image);
    return NULL;
}

static size_t repulls(struct world *w)
{
    struct look look;
    size_t n;

    world_look(w, &look);
    n = image_of(&look, IMAGE)->pulling;
    assert_int_equal(image_of(&look, IMAGE)->since_us > 0, n > 0);
    world_look_done(&look);
    return n;
}

static void an_image_that_is_there_and_pulled_again_is_in_progress_and_can_stall(void **state)
{
    struct world *w = *state;
    struct wanted wanted;
    struct look look;

    repulling(w, "web-0");
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_true(wanted.ingests);
    wanted_done(&wanted);
    tell_ingests(w, NULL, 0);
    assert_int_equal(repulls(w), 0); /* it merely starts, as far as anybody knows */
    world_advance(w, LOOK);
    for (int64_t idle = 0; idle <= 2 * MINUTE; idle += LOOK) {
        tell_image(w, IMAGE, true);
        tell_looked(w, "web-0");
        TELL_INGESTS(w, { LAYER, 400, idle });
        assert_int_equal(repulls(w), 1);
        world_advance(w, LOOK);
    }
    TELL_INGESTS(w, { LAYER, 400, 2 * MINUTE + LOOK });
    tell_blob_owner(w, LAYER, REPOSITORY);
    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->state, INCIDENT_STALLED);
    assert_true(look_one(&look, "web-0")->image_present);
    world_look_done(&look);

    tell_running(w, "web-0");
    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->state, INCIDENT_RECOVERED);
    assert_int_equal(look_attempts(&look, REGISTRY), 0); /* an image that was there did not come */
    world_look_done(&look);
}

static void an_image_that_is_there_and_not_pulled_again_is_not_in_progress(void **state)
{
    struct world *w = *state;
    struct wanted wanted;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_image(w, IMAGE, true);
    tell_looked(w, "web-0");
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_false(wanted.ingests);
    wanted_done(&wanted);
    world_advance(w, LOOK);
    for (int64_t idle = 0; idle <= 3 * MINUTE; idle += LOOK) {
        TELL_INGESTS(w, { LAYER, 400, idle });
        tell_blob_owner(w, LAYER, REPOSITORY);
        assert_int_equal(repulls(w), 0);
        world_advance(w, LOOK);
    }
    assert_int_equal(count(w, "web-0"), 0);
}

static void what_may_be_anothers_shows_nobody_in_progress(void **state)
{
    struct world *w = *state;
    struct pod_told told;

    pod_of(w, &told, "web-1");
    told.containers[0].image = STR(OTHER_IMAGE);
    told.containers[0].pull_policy = STR("Always");
    tell_pod(w, &told);
    tell_image(w, OTHER_IMAGE, true);
    repulling(w, "web-0");
    correlate_observe(
        w->correlate,
        &(struct observation){ .kind = OBSERVE_SANDBOX, .sandbox = { STR("web-1"), true } },
        w->now);
    tell_looked(w, "web-0");
    TELL_INGESTS(w, { LAYER, 400, 0 });
    for (int i = 0; i < 2; i++) {
        struct look look;

        world_look(w, &look);
        assert_int_equal(image_of(&look, IMAGE)->pulling, i);
        assert_int_equal(image_of(&look, "docker.io/library/other:2")->pulling, 0);
        world_look_done(&look);
        tell_blob_owner(w, LAYER, REPOSITORY);
    }
}

/* Another tag of its repository stands still; this one only starts, a moment longer than others. */
static void who_has_its_image_does_not_wait_behind_another_tag(void **state)
{
    struct world *w = *state;

    waits(w, "web-1", REGISTRY "/team/app:v2");
    for (int64_t idle = 0; idle <= 3 * MINUTE; idle += LOOK) {
        tell_image(w, REGISTRY "/team/app:v2", false);
        tell_looked(w, "web-1");
        TELL_INGESTS(w, { LAYER, 400, idle });
        world_advance(w, LOOK);
    }
    tell_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(count(w, "web-1"), 1);
    for (int64_t idle = 3 * MINUTE; idle <= 6 * MINUTE; idle += LOOK) {
        correlate_observe(
            w->correlate,
            &(struct observation){ .kind = OBSERVE_SANDBOX, .sandbox = { STR("web-1"), true } },
            w->now);
        repulling(w, "web-0");
        TELL_INGESTS(w, { LAYER, 400, idle });
        assert_int_equal(count(w, "web-0"), 0);
        world_advance(w, LOOK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_new_pod_does_not_inherit_the_wait_of_one_that_failed),
        WORLD_TEST(a_stall_outlives_a_runtime_that_hangs),
        WORLD_TEST(blobs_of_an_hour_ago_hold_up_nobody),
        WORLD_TEST(a_failure_that_an_event_told_of_is_no_recovery_and_counts_once),
        WORLD_TEST(who_comes_later_waits_behind_the_stall_though_others_move),
        WORLD_TEST(blobs_of_nobody_do_not_hide_the_next),
        WORLD_TEST(a_moving_pull_of_the_same_repository_is_not_stalled),
        WORLD_TEST(a_stall_without_words_is_no_crash),
        WORLD_TEST(a_picture_of_many_that_are_stalled),
        WORLD_TEST(a_kubelet_that_restarts_in_a_back_off_makes_no_stall),
        WORLD_TEST(a_stall_that_nobody_can_see_any_more_is_not_held_up),
        WORLD_TEST(a_clock_set_back_hides_no_stall),
        WORLD_TEST(what_the_runtime_before_had_in_flight_is_forgotten),
        WORLD_TEST(an_image_that_is_there_and_pulled_again_is_in_progress_and_can_stall),
        WORLD_TEST(an_image_that_is_there_and_not_pulled_again_is_not_in_progress),
        WORLD_TEST(what_may_be_anothers_shows_nobody_in_progress),
        WORLD_TEST(who_has_its_image_does_not_wait_behind_another_tag),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
