/* SPDX-License-Identifier: Apache-2.0 */

/* Long stories about stalled pulls, and about defects that reviews found. */

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
#define POLL (5 * SEC)
#define RESET_TEXT                                                                                 \
    "failed to pull and unpack image \"" IMAGE "\": failed to copy: read tcp 10.0.0.1:1->"         \
    "10.0.0.2:443: read: connection reset by peer"

static void waits(struct world *w, const char *name, const char *image)
{
    struct pod_facts facts;

    pod_of(w, &facts, name);
    facts.containers[0].image = str_from(image);
    observe_pod(w, &facts);
}

static void pulling(struct world *w, const char *name)
{
    observe_waiting(w, name, "ContainerCreating", "");
    observe_image(w, IMAGE, false);
    observe_polled(w, name);
}

static size_t count(struct world *w, const char *name)
{
    struct snapshot snapshot;
    size_t n;

    world_snapshot(w, &snapshot);
    n = incidents_of_pod(&snapshot, name);
    snapshot_done(&snapshot);
    return n;
}

static enum incident_state state_of(struct world *w, const char *name)
{
    struct snapshot snapshot;
    enum incident_state is;

    world_snapshot(w, &snapshot);
    is = incident_of(&snapshot, name)->state;
    snapshot_done(&snapshot);
    return is;
}

/* One poll of the source for one pod: images, sandboxes, ingests. */
static void poll_pod(struct world *w, const char *name, uint64_t bytes, int64_t idle_us)
{
    observe_image(w, IMAGE, false);
    observe_polled(w, name);
    OBSERVE_BLOBS(w, { LAYER, bytes, idle_us });
}

/* A try of the pod failed and left half a blob behind. Almost four minutes later the pod is
 * still in its back-off. Returns how long no byte has come. */
static int64_t backing_off(struct world *w, const char *name)
{
    int64_t idle;

    pulling(w, name);
    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    observe_blob_owner(w, LAYER, REPOSITORY);
    world_advance(w, 10 * SEC);
    observe_waiting(w, name, "ErrImagePull", RESET_TEXT);
    observe_waiting(w, name, "ImagePullBackOff", BACK_OFF_TEXT);
    for (idle = 10 * SEC; idle < 4 * MINUTE; idle += POLL) {
        world_advance(w, POLL);
        poll_pod(w, name, 400, idle);
    }
    return idle;
}

/* A pod in its back-off is replaced; the first poll must not report the new pod as stalled. */
static void new_pod_does_not_inherit_the_wait_of_a_failed_one(void **state)
{
    struct world *w = *state;
    int64_t idle = backing_off(w, "old");

    assert_int_equal(state_of(w, "old"), INCIDENT_BACKING_OFF);
    observe_deleted(w, "old");
    observe_waiting(w, "new", "ContainerCreating", "");
    world_advance(w, SEC);
    poll_pod(w, "new", 400, idle);
    assert_int_equal(count(w, "new"), 0);
}

/* The runtime does not answer for 61 s: the stall must stay. */
static void stall_outlives_a_hanging_runtime(void **state)
{
    struct world *w = *state;
    int64_t idle = 0;
    struct snapshot snapshot;

    pulling(w, "web-0");
    for (; idle <= 3 * MINUTE; idle += POLL) {
        poll_pod(w, "web-0", 400, idle);
        observe_blob_owner(w, LAYER, REPOSITORY);
        world_advance(w, POLL);
    }
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    for (int i = 0; i < 8; i++) { /* the source continues to tick */
        world_advance(w, 10 * SEC);
        idle += 10 * SEC;
    }
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    poll_pod(w, "web-0", 400, idle);
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.recoveries[CAUSE_NETWORK].count, 0);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_STALLED);
    snapshot_done(&snapshot);
}

/* Nobody lists blobs while no container waits: an old list must not make a stall. */
static void blobs_of_an_old_list_make_no_stall(void **state)
{
    struct world *w = *state;

    pulling(w, "web-0");
    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    observe_blob_owner(w, LAYER, REPOSITORY);
    observe_image(w, IMAGE, true);
    observe_running(w, "web-0");
    observe_polled(w, "web-0");
    world_advance(w, HOUR);

    waits(w, "web-1", REPOSITORY ":v2"); /* the content service does not answer */
    for (int i = 0; i < 30; i++) {
        observe_image(w, REPOSITORY ":v2", false);
        observe_polled(w, "web-1");
        world_advance(w, POLL);
    }
    observe_polled(w, "web-1");
    assert_int_equal(count(w, "web-1"), 0);
}

/* An event reports the failure before the status does; the blob disappears. */
static void failure_that_an_event_reported_is_not_a_recovery(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;
    int64_t idle = 0;

    observe_list_begin(w);
    observe_list_end(w);
    pulling(w, "web-0");
    for (; idle <= 3 * MINUTE; idle += POLL) {
        poll_pod(w, "web-0", 400, idle);
        observe_blob_owner(w, LAYER, REPOSITORY);
        world_advance(w, POLL);
    }
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    observe_event(w, "web-0", APP_PATH, "e1", "Failed",
                  "Failed to pull image \"" IMAGE "\": " RESET_TEXT, 1);
    observe_image(w, IMAGE, false);
    observe_polled(w, "web-0");
    observe_ingests(w, NULL, 0);
    world_advance(w, SEC);
    observe_waiting(w, "web-0", "ErrImagePull", RESET_TEXT);
    world_snapshot(w, &snapshot);
    assert_int_equal(failures_of(&snapshot, CAUSE_NETWORK), 1);
    assert_int_equal(snapshot.recoveries[CAUSE_NETWORK].count, 0);
    assert_int_equal(incidents_of_pod(&snapshot, "web-0"), 1);
    snapshot_done(&snapshot);
}

/* Another image waits for the stalled layer, while a third pull moves. */
static void later_container_waits_behind_the_stall_while_others_move(void **state)
{
    struct world *w = *state;
    const struct str repositories[] = { STR(REPOSITORY), STR("docker.io/library/other") };

    pulling(w, "web-0");
    for (int64_t idle = 0; idle <= 6 * MINUTE; idle += POLL) {
        if (idle == 2 * MINUTE)
            waits(w, "web-1", OTHER_IMAGE);
        observe_image(w, IMAGE, false);
        if (idle >= 2 * MINUTE)
            observe_image(w, OTHER_IMAGE, false);
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
        OBSERVE_BLOBS(w, { LAYER, 400, idle }, { OTHER_LAYER, (uint64_t)(idle / SEC), 0 });
        correlate_observe(
            w->correlate,
            &(struct observation){
                .kind = OBSERVE_BLOB,
                .blob = { .digest = STR(LAYER), .repositories = repositories, .n = 2 } },
            w->now);
        world_advance(w, POLL);
    }
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    assert_int_equal(count(w, "web-1"), 1); /* STALLED */
}

/* Eight blobs have no owner: the ninth must be asked for, too. */
static void blobs_without_an_owner_do_not_hide_the_next_one(void **state)
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

        world_advance(w, POLL);
        observe_image(w, IMAGE, false);
        observe_polled(w, "web-0");
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

/* A large pull of one tag moves, while a layer of another tag stands still. */
static void moving_pull_of_the_same_repository_is_not_a_stall(void **state)
{
    struct world *w = *state;

    waits(w, "big", REPOSITORY ":v2");
    for (int64_t t = 0; t <= 8 * MINUTE; t += POLL) {
        int64_t idle = t - 2 * MINUTE;

        if (t == MINUTE)
            observe_waiting(w, "web-0", "ContainerCreating", "");
        observe_image(w, REPOSITORY ":v2", false);
        if (t >= MINUTE) {
            observe_image(w, IMAGE, false);
            correlate_observe(
                w->correlate,
                &(struct observation){ .kind = OBSERVE_SANDBOX,
                                       .sandbox = { .pod_uid = STR("web-0"), .ready = true } },
                w->now);
        }
        observe_polled(w, "big");
        if (t < 2 * MINUTE)
            OBSERVE_BLOBS(w, { OTHER_LAYER, (uint64_t)(t / SEC), 0 });
        else
            OBSERVE_BLOBS(w, { OTHER_LAYER, (uint64_t)(t / SEC), 0 }, { LAYER, 400, idle });
        observe_blob_owner(w, LAYER, REPOSITORY);
        observe_blob_owner(w, OTHER_LAYER, REPOSITORY);
        world_advance(w, POLL);
    }
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    assert_int_equal(count(w, "big"), 0);
}

/* There is no memory for the text of one stall, and a snapshot shows another one. */
static void stall_without_memory_for_its_text_does_not_crash(void **state)
{
    struct world *w = *state;

    for (size_t n = 0; n < 60; n++) {
        struct snapshot snapshot;

        pulling(w, "web-0");
        observe_waiting(w, "web-1", "ContainerCreating", "");
        for (int64_t idle = 0; idle <= 3 * MINUTE; idle += POLL) {
            observe_image(w, IMAGE, false);
            correlate_observe(
                w->correlate,
                &(struct observation){ .kind = OBSERVE_SANDBOX,
                                       .sandbox = { .pod_uid = STR("web-0"), .ready = true } },
                w->now);
            observe_polled(w, "web-1");
            OBSERVE_BLOBS(w, { LAYER, 400, idle });
            world_advance(w, POLL);
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
        world_snapshot(w, &snapshot);
        snapshot_done(&snapshot);
        world_end(w);
        world_begin(w);
    }
}

/* A thousand containers wait behind one layer. */
static void snapshot_of_a_thousand_stalls_fits(void **state)
{
    struct world *w = *state;
    static char names[1000][16];
    struct snapshot snapshot = { .taken = w->now };

    for (int i = 0; i < 1000; i++) {
        snprintf(names[i], sizeof(names[i]), "p%d", i);
        observe_waiting(w, names[i], "ContainerCreating", "");
    }
    for (int64_t idle = 0; idle <= 3 * MINUTE; idle += 30 * SEC) {
        observe_image(w, IMAGE, false);
        for (int i = 0; i < 1000; i++)
            correlate_observe(w->correlate,
                              &(struct observation){
                                  .kind = OBSERVE_SANDBOX,
                                  .sandbox = { .pod_uid = str_from(names[i]), .ready = true } },
                              w->now);
        correlate_observe(w->correlate, &(struct observation){ .kind = OBSERVE_SANDBOXES_END },
                          w->now);
        OBSERVE_BLOBS(w, { LAYER, 400, idle });
        world_advance(w, 30 * SEC);
    }
    OBSERVE_BLOBS(w, { LAYER, 400, 3 * MINUTE });
    observe_blob_owner(w, LAYER, REPOSITORY);
    for (int i = 0; i < 3; i++) {
        arena_init(&snapshot.arena, LIMIT_SNAPSHOT);
        assert_int_equal(correlate_snapshot(w->correlate, SNAPSHOT_DETAIL, &snapshot), 0);
        assert_int_equal(snapshot.n_incidents, 1000);
        snapshot_done(&snapshot);
    }
    assert_in_range(snapshot.limit_hits[LIMIT_HIT_WAITING_BEHIND], 1,
                    1000); /* once for each of them */
}

/* The kubelet restarts during a back-off: its status is ContainerCreating again. */
static void kubelet_that_restarts_in_a_back_off_makes_no_stall(void **state)
{
    struct world *w = *state;
    int64_t idle = backing_off(w, "web-0");

    observe_waiting(w, "web-0", "ContainerCreating", "");
    poll_pod(w, "web-0", 400, idle);
    assert_int_not_equal(state_of(w, "web-0"), INCIDENT_STALLED);
}

/* The content service stops answering while a blob stalls. */
static void stall_ends_when_the_runtime_lists_no_blobs(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    for (int64_t idle = 0; idle <= 3 * MINUTE; idle += POLL) {
        observe_image(w, IMAGE, false);
        observe_polled(w, "web-0");
        OBSERVE_BLOBS(w, { LAYER, 400, idle });
        observe_blob_owner(w, LAYER, REGISTRY "/team/app");
        world_advance(w, POLL);
    }
    for (int64_t t = 0; t <= 5 * MINUTE; t += POLL) {
        observe_image(w, IMAGE, false);
        observe_polled(w, "web-0");
        world_advance(w, POLL);
    }
    world_snapshot(w, &snapshot);
    assert_int_not_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_STALLED);
    snapshot_done(&snapshot);
}

/* A stall begins, and the clock is set back by an hour (NTP after boot) in the middle. */
static void clock_set_back_hides_no_stall(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;
    int64_t idle;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_image(w, IMAGE, false);
    observe_polled(w, "web-0");
    w->now.wall_us -= HOUR;
    for (idle = 0; idle <= 5 * MINUTE; idle += POLL) {
        observe_image(w, IMAGE, false);
        observe_polled(w, "web-0");
        OBSERVE_BLOBS(w, { LAYER, 400, idle }, { "sha256:2222", (uint64_t)idle, 0 });
        observe_blob_owner(w, LAYER, REGISTRY "/team/app");
        world_advance(w, POLL);
    }
    world_snapshot(w, &snapshot);
    assert_int_equal(incidents_of_pod(&snapshot, "web-0"), 1);
    snapshot_done(&snapshot);
}

/* Another runtime answers, which lists no blobs. */
static void blobs_of_the_last_runtime_are_forgotten(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    OBSERVE_BLOBS(w, { "sha256:1111", 400, 0 });
    correlate_observe(
        w->correlate,
        &(struct observation){ .kind = OBSERVE_RUNTIME,
                               .runtime = { .name = STR("cri-o"), .version = STR("1.33") } },
        w->now);
    world_snapshot(w, &snapshot);
    assert_false(snapshot.bytes_known);
    snapshot_done(&snapshot);
}

/* A pod that always pulls its image; an older copy of the tag is present. */
static void repulling(struct world *w, const char *name)
{
    struct pod_facts facts;

    pod_of(w, &facts, name);
    facts.containers[0].pull_policy = STR("Always");
    observe_pod(w, &facts);
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
    assert_int_equal(count(w, "web-0"), 0);
}

static void blob_that_may_belong_to_another_image_shows_no_progress(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;

    pod_of(w, &facts, "web-1");
    facts.containers[0].image = STR(OTHER_IMAGE);
    facts.containers[0].pull_policy = STR("Always");
    observe_pod(w, &facts);
    observe_image(w, OTHER_IMAGE, true);
    repulling(w, "web-0");
    correlate_observe(
        w->correlate,
        &(struct observation){ .kind = OBSERVE_SANDBOX, .sandbox = { STR("web-1"), true } },
        w->now);
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

    waits(w, "web-1", REGISTRY "/team/app:v2");
    for (int64_t idle = 0; idle <= 3 * MINUTE; idle += POLL) {
        observe_image(w, REGISTRY "/team/app:v2", false);
        observe_polled(w, "web-1");
        OBSERVE_BLOBS(w, { LAYER, 400, idle });
        world_advance(w, POLL);
    }
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(count(w, "web-1"), 1);
    for (int64_t idle = 3 * MINUTE; idle <= 6 * MINUTE; idle += POLL) {
        correlate_observe(
            w->correlate,
            &(struct observation){ .kind = OBSERVE_SANDBOX, .sandbox = { STR("web-1"), true } },
            w->now);
        repulling(w, "web-0");
        OBSERVE_BLOBS(w, { LAYER, 400, idle });
        assert_int_equal(count(w, "web-0"), 0);
        world_advance(w, POLL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(new_pod_does_not_inherit_the_wait_of_a_failed_one),
        WORLD_TEST(stall_outlives_a_hanging_runtime),
        WORLD_TEST(blobs_of_an_old_list_make_no_stall),
        WORLD_TEST(failure_that_an_event_reported_is_not_a_recovery),
        WORLD_TEST(later_container_waits_behind_the_stall_while_others_move),
        WORLD_TEST(blobs_without_an_owner_do_not_hide_the_next_one),
        WORLD_TEST(moving_pull_of_the_same_repository_is_not_a_stall),
        WORLD_TEST(stall_without_memory_for_its_text_does_not_crash),
        WORLD_TEST(snapshot_of_a_thousand_stalls_fits),
        WORLD_TEST(kubelet_that_restarts_in_a_back_off_makes_no_stall),
        WORLD_TEST(stall_ends_when_the_runtime_lists_no_blobs),
        WORLD_TEST(clock_set_back_hides_no_stall),
        WORLD_TEST(blobs_of_the_last_runtime_are_forgotten),
        WORLD_TEST(present_image_that_is_pulled_again_can_stall),
        WORLD_TEST(present_image_without_blobs_is_not_in_progress),
        WORLD_TEST(blob_that_may_belong_to_another_image_shows_no_progress),
        WORLD_TEST(container_with_its_image_does_not_wait_behind_another_tag),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
