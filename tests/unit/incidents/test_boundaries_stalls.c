/* SPDX-License-Identifier: Apache-2.0 */

/* The exact limits of the rules about pulls and stalls: the last moment that counts, and the first
 * that does not. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

#define LAYER "sha256:1111"
#define OTHER_LAYER "sha256:2222"
#define REPOSITORY "registry.example.com/team/app"
#define OTHER_TAG REPOSITORY ":v2"
#define STALL_AFTER (2 * MINUTE) /* as in world.c */

/* --- what the tests say ---------------------------------------------------- */

struct blob {
    const char *digest;
    uint64_t bytes;
    int64_t begun_us; /* wall */
    int64_t moved_us;
};

static void list_blobs(struct world *w, const struct blob *blobs, size_t n)
{
    struct ingest ingests[16];
    const struct observation observation = { .kind = OBSERVE_INGESTS,
                                             .ingests = { .ingests = ingests, .n = n } };

    assert_true(n <= ARRAY_SIZE(ingests));
    for (size_t i = 0; i < n; i++)
        ingests[i] = (struct ingest){ .digest = str_from(blobs[i].digest),
                                      .bytes = blobs[i].bytes,
                                      .total = 1000,
                                      .begun_us = blobs[i].begun_us,
                                      .moved_us = blobs[i].moved_us };
    assert_int_equal(correlate_observe(w->correlate, &observation, w->now), 0);
}

static void list_layer(struct world *w, uint64_t bytes, int64_t begun_us, int64_t moved_us)
{
    list_blobs(w, &(struct blob){ LAYER, bytes, begun_us, moved_us }, 1);
}

static void wait_for(struct world *w, const char *pod, const char *image, const char *policy)
{
    struct pod_facts facts;

    pod_of(w, &facts, pod);
    facts.containers[0].image = str_from(image);
    facts.containers[0].pull_policy = str_from(policy);
    observe_pod(w, &facts);
}

/* A pod that waits in its sandbox for IMAGE, which is absent. */
static void pulling(struct world *w, const char *pod)
{
    wait_for(w, pod, IMAGE, "IfNotPresent");
    observe_image(w, IMAGE, false);
    observe_polled(w, pod);
}

static void stalled(struct world *w)
{
    pulling(w, "web-0");
    list_layer(w, 400, w->now.wall_us, w->now.wall_us);
    world_advance(w, STALL_AFTER);
    list_layer(w, 400, w->now.wall_us - STALL_AFTER, w->now.wall_us - STALL_AFTER);
    observe_blob_owner(w, LAYER, REPOSITORY);
}

static enum incident_state state_of(struct world *w, const char *pod)
{
    enum incident_state state = INCIDENT_GONE;
    struct snapshot snapshot;

    world_snapshot(w, &snapshot);
    if (incidents_of_pod(&snapshot, pod))
        state = incident_of(&snapshot, pod)->state;
    snapshot_done(&snapshot);
    return state;
}

static bool shows_stall(struct world *w, const char *pod)
{
    struct snapshot snapshot;
    bool shown;

    world_snapshot(w, &snapshot);
    shown = incident_of(&snapshot, pod)->stall != NULL;
    snapshot_done(&snapshot);
    return shown;
}

static int64_t first_failure_of(struct world *w, const char *pod)
{
    struct snapshot snapshot;
    int64_t at_us;

    world_snapshot(w, &snapshot);
    at_us = incident_of(&snapshot, pod)->first_failure_us;
    snapshot_done(&snapshot);
    return at_us;
}

static uint64_t hits(struct world *w, enum limit limit)
{
    struct snapshot snapshot;
    uint64_t n;

    world_snapshot(w, &snapshot);
    n = snapshot.limit_hits[limit];
    snapshot_done(&snapshot);
    return n;
}

static void pulling_event(struct world *w, const char *pod, int64_t at_us)
{
    const struct observation observation = { .kind = OBSERVE_EVENT,
                                             .event = { .event_uid = str_from(pod),
                                                        .namespace = STR("default"),
                                                        .pod_name = str_from(pod),
                                                        .pod_uid = str_from(pod),
                                                        .field_path = STR(APP_PATH),
                                                        .reason = STR("Pulling"),
                                                        .message = STR("Pulling image"),
                                                        .count = 1,
                                                        .first_us = at_us,
                                                        .last_us = at_us } };

    assert_int_equal(correlate_observe(w->correlate, &observation, w->now), 0);
}

/* --- a stall and the try that fails ---------------------------------------- */

static void stall_is_one_attempt(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    stalled(w);
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_STALLED);
    assert_int_equal(incident_of(&snapshot, "web-0")->attempts, 1);
    assert_int_equal(incident_of(&snapshot, "web-0")->stall->last_progress_us,
                     w->now.wall_us - STALL_AFTER);
    snapshot_done(&snapshot);
}

static void failed_status_ends_the_stall(void **state)
{
    struct world *w = *state;

    stalled(w);
    assert_true(shows_stall(w, "web-0"));
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_FAILING);
    assert_false(shows_stall(w, "web-0"));
}

static void incident_is_failing_again_when_the_stall_of_the_next_try_ends(void **state)
{
    struct world *w = *state;
    int64_t failed_us;

    stalled(w);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    failed_us = w->now.wall_us;
    list_blobs(w, NULL, 0);
    world_advance(w, STALL_AFTER + SEC);
    list_layer(w, 100, failed_us + SEC, failed_us + SEC);
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    list_layer(w, 200, failed_us + SEC, w->now.wall_us);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_FAILING);
}

/* IMAGE fails now. Its layer began `begun_us` and moved `moved_us` after the failure. Returns
 * the state two minutes later. */
static enum incident_state state_after_failure(struct world *w, int64_t begun_us, int64_t moved_us)
{
    int64_t failed_us = w->now.wall_us;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_image(w, IMAGE, false);
    world_advance(w, STALL_AFTER + SEC);
    list_layer(w, 400, failed_us + begun_us, failed_us + moved_us);
    observe_blob_owner(w, LAYER, REPOSITORY);
    return state_of(w, "web-0");
}

static void blob_that_began_at_the_failure_belongs_to_the_next_try(void **state)
{
    assert_int_equal(state_after_failure(*state, 0, -SEC), INCIDENT_STALLED);
}

static void blob_that_moved_at_the_failure_belongs_to_the_next_try(void **state)
{
    assert_int_equal(state_after_failure(*state, -SEC, 0), INCIDENT_STALLED);
}

static void blob_that_began_after_the_failure_belongs_to_the_next_try(void **state)
{
    assert_int_equal(state_after_failure(*state, SEC, -SEC), INCIDENT_STALLED);
}

static void blob_that_stopped_right_before_the_failure_is_left_behind(void **state)
{
    assert_int_equal(state_after_failure(*state, -SEC, -1), INCIDENT_FAILING);
}

/* The next try begins `begins_us` after the failure, and continues with a blob that the last try
 * left behind. Returns the state `waits_us` after it began. */
static enum incident_state state_of_next_try(struct world *w, int64_t begins_us, int64_t waits_us)
{
    int64_t failed_us;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_image(w, IMAGE, false);
    failed_us = w->now.wall_us;
    world_advance(w, MINUTE);
    pulling_event(w, "web-0", failed_us + begins_us);
    world_advance(w, begins_us + waits_us - MINUTE);
    list_layer(w, 400, failed_us - MINUTE, failed_us - SEC);
    observe_blob_owner(w, LAYER, REPOSITORY);
    return state_of(w, "web-0");
}

static void pulling_event_at_the_failure_does_not_begin_the_next_try(void **state)
{
    assert_int_equal(state_of_next_try(*state, 0, 2 * STALL_AFTER), INCIDENT_FAILING);
}

static void next_try_stalls_only_after_its_own_stall_after(void **state)
{
    assert_int_equal(state_of_next_try(*state, 1, STALL_AFTER - 1), INCIDENT_FAILING);
}

static void next_try_stalls_at_a_blob_that_was_left_behind(void **state)
{
    assert_int_equal(state_of_next_try(*state, 1, STALL_AFTER), INCIDENT_STALLED);
}

static void late_event_does_not_change_when_the_try_began(void **state)
{
    struct world *w = *state;
    int64_t failed_us = w->now.wall_us;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_image(w, IMAGE, false);
    world_advance(w, MINUTE);
    pulling_event(w, "web-0", w->now.wall_us);
    pulling_event(w, "web-0", failed_us - MINUTE);
    world_advance(w, STALL_AFTER);
    list_layer(w, 400, failed_us - MINUTE, failed_us - SEC);
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
}

static void next_try_waits_behind_a_blob_that_holds_up_another(void **state)
{
    struct world *w = *state;
    int64_t began_us = w->now.wall_us;
    struct blob blobs[] = { { LAYER, 400, began_us, began_us }, { OTHER_LAYER, 1, began_us, 0 } };

    pulling(w, "web-1");
    world_advance(w, 10 * SEC);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    world_advance(w, STALL_AFTER);
    pulling_event(w, "web-0", w->now.wall_us);
    for (int i = 0; i < 2; i++) { /* another blob moves all the time */
        blobs[1].bytes++;
        blobs[1].moved_us = w->now.wall_us;
        list_blobs(w, blobs, 2);
        observe_blob_owner(w, LAYER, REPOSITORY);
    }
    assert_int_equal(state_of(w, "web-1"), INCIDENT_STALLED);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
}

static void silent_status_of_a_restarted_kubelet_is_not_a_stall(void **state)
{
    struct world *w = *state;
    int64_t moved_us = w->now.wall_us;

    pulling(w, "web-0");
    list_layer(w, 400, moved_us, moved_us);
    world_advance(w, 3 * SEC);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    wait_for(w, "web-0", IMAGE, "IfNotPresent");
    observe_polled(w, "web-0");
    world_advance(w, 2 * STALL_AFTER);
    list_layer(w, 400, moved_us, moved_us);
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_BACKING_OFF);
}

/* --- whose blob it is ------------------------------------------------------ */

/* A poll of the runtime: web-0 and web-1 have their sandboxes. */
static void poll_both(struct world *w)
{
    const struct observation ready = { .kind = OBSERVE_SANDBOX, .sandbox = { STR("web-1"), true } };

    correlate_observe(w->correlate, &ready, w->now);
    observe_polled(w, "web-0");
}

static void tags_that_began_together_can_both_stall(void **state)
{
    struct world *w = *state;
    int64_t began_us = w->now.wall_us;

    wait_for(w, "web-0", IMAGE, "IfNotPresent");
    wait_for(w, "web-1", OTHER_TAG, "IfNotPresent");
    observe_image(w, IMAGE, false);
    observe_image(w, OTHER_TAG, false);
    poll_both(w);
    world_advance(w, STALL_AFTER);
    list_blobs(w,
               (const struct blob[]){ { LAYER, 400, began_us, began_us },
                                      { OTHER_LAYER, 1, began_us, w->now.wall_us } },
               2);
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    assert_int_equal(state_of(w, "web-1"), INCIDENT_STALLED);
}

static void container_with_a_present_image_stalls_only_after_its_own_wait(void **state)
{
    struct world *w = *state;
    int64_t began_us = w->now.wall_us;

    wait_for(w, "web-1", IMAGE, "Always");
    observe_image(w, IMAGE, true);
    observe_polled(w, "web-1");
    list_layer(w, 400, began_us, began_us);
    world_advance(w, STALL_AFTER);
    list_layer(w, 400, began_us, began_us);
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(state_of(w, "web-1"), INCIDENT_STALLED);

    wait_for(w, "web-0", IMAGE, "Always");
    poll_both(w);
    world_advance(w, STALL_AFTER - 1);
    list_layer(w, 400, began_us, began_us);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_GONE);
    world_advance(w, 1);
    list_layer(w, 400, began_us, began_us);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
}

static void blob_of_a_failed_try_proves_nothing_to_a_new_pod(void **state)
{
    struct world *w = *state;

    stalled(w);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    pulling(w, "web-1");
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(state_of(w, "web-1"), INCIDENT_GONE);
}

static void stall_found_at_our_start_began_with_its_last_byte(void **state)
{
    struct world *w = *state;
    int64_t moved_us = w->now.wall_us - HOUR;
    struct pod_facts facts;

    observe_list_begin(w);
    pod_of(w, &facts, "web-0");
    facts.fact.created_us = w->now.wall_us - 2 * HOUR;
    observe_pod(w, &facts);
    observe_list_end(w);
    observe_image(w, IMAGE, false);
    observe_polled(w, "web-0");
    world_advance(w, STALL_AFTER);
    list_layer(w, 400, moved_us, moved_us);
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    assert_int_equal(first_failure_of(w, "web-0"), moved_us);
}

static void byte_with_a_time_in_the_future_counts_as_now(void **state)
{
    struct world *w = *state;
    int64_t moved_us = w->now.wall_us + HOUR;

    pulling(w, "web-0");
    list_layer(w, 400, moved_us, moved_us);
    world_advance(w, STALL_AFTER);
    list_layer(w, 400, moved_us, moved_us);
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    assert_int_equal(first_failure_of(w, "web-0"), w->now.wall_us);
}

static void new_bytes_count_as_progress_even_if_the_clock_jumps(void **state)
{
    struct world *w = *state;
    int64_t began_us = w->now.wall_us;

    pulling(w, "web-0");
    world_advance(w, STALL_AFTER);
    list_layer(w, 400, began_us, w->now.wall_us);
    world_advance(w, 5 * SEC);
    list_layer(w, 500, began_us, w->now.wall_us - HOUR);
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_GONE);
}

static void event_before_the_stall_does_not_end_the_stall(void **state)
{
    struct world *w = *state;
    struct observation failed = { .kind = OBSERVE_EVENT,
                                  .event = { .event_uid = STR("e1"),
                                             .namespace = STR("default"),
                                             .pod_name = STR("web-0"),
                                             .pod_uid = STR("web-0"),
                                             .field_path = STR(APP_PATH),
                                             .reason = STR("Failed"),
                                             .message = STR("Failed to pull image \"" IMAGE
                                                            "\": " NOT_FOUND_TEXT),
                                             .count = 1 } };

    stalled(w);
    failed.event.first_us = failed.event.last_us = w->now.wall_us - SEC;
    correlate_observe(w->correlate, &failed, w->now);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    failed.event.event_uid = STR("e2");
    failed.event.last_us++; /* a witness may cut its time to the second */
    correlate_observe(w->correlate, &failed, w->now);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_FAILING);
}

static void list_is_used_for_24_silent_polls(void **state)
{
    struct world *w = *state;

    stalled(w);
    for (int i = 0; i < 24; i++)
        observe_polled(w, "web-0");
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    observe_polled(w, "web-0");
    assert_int_equal(state_of(w, "web-0"), INCIDENT_GONE);
}

/* --- limits and what is wanted --------------------------------------------- */

static void stall_many(struct world *w, int n)
{
    char name[16];

    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        wait_for(w, name, IMAGE, "IfNotPresent");
        correlate_observe(
            w->correlate,
            &(struct observation){ .kind = OBSERVE_SANDBOX, .sandbox = { str_from(name), true } },
            w->now);
    }
    stalled(w);
}

static void containers_behind_a_stall_are_shown_up_to_the_limit(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    stall_many(w, LIMIT_WAITING_BEHIND);
    assert_int_equal(hits(w, LIMIT_HIT_WAITING_BEHIND), 0);
    world_snapshot(w, &snapshot);
    for (size_t i = 0; i <= LIMIT_WAITING_BEHIND; i++) {
        const struct snapshot_stall *stall = snapshot.incidents[i].stall;

        assert_int_equal(stall->n_waiting_behind, LIMIT_WAITING_BEHIND);
        for (size_t k = 0; k < stall->n_waiting_behind; k++)
            assert_string_not_equal(stall->waiting_behind[k].pod, snapshot.incidents[i].pod);
    }
    snapshot_done(&snapshot);
}

static void each_container_behind_a_stall_over_the_limit_counts_once(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    stall_many(w, LIMIT_WAITING_BEHIND + 1);
    observe_blob_owner(w, LAYER, REPOSITORY); /* all stalls are judged again */
    assert_int_equal(hits(w, LIMIT_HIT_WAITING_BEHIND), LIMIT_WAITING_BEHIND + 2);
    world_snapshot(w, &snapshot);
    for (size_t i = 0; i < LIMIT_WAITING_BEHIND + 2; i++)
        assert_int_equal(snapshot.incidents[i].stall->n_waiting_behind, LIMIT_WAITING_BEHIND);
    snapshot_done(&snapshot);
}

static bool wants_owner(struct world *w, const char *digest)
{
    struct wanted wanted;
    bool found = false;

    correlate_wanted(w->correlate, w->now, &wanted);
    for (size_t i = 0; i < wanted.n_blobs; i++)
        found |= str_eq(wanted.blobs[i], str_from(digest));
    wanted_done(&wanted);
    return found;
}

static void owner_of_a_stalled_blob_is_asked_again_while_others_move(void **state)
{
    struct world *w = *state;
    int64_t old_us = w->now.wall_us - HOUR;

    pulling(w, "web-0");
    world_advance(w, STALL_AFTER);
    list_layer(w, 400, old_us, old_us);
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    list_blobs(w,
               (const struct blob[]){ { LAYER, 400, old_us, old_us },
                                      { OTHER_LAYER, 1, w->now.wall_us, w->now.wall_us } },
               2);
    assert_true(wants_owner(w, LAYER));
}

static void blobs_asked_longest_ago_are_asked_first(void **state)
{
    static const char *const digests[LIMIT_WANTED_BLOBS + 1] = { "b0", "b1", "b2", "b3", "b4",
                                                                 "b5", "b6", "b7", "b8" };
    struct world *w = *state;
    struct blob blobs[ARRAY_SIZE(digests)];
    int64_t old_us = w->now.wall_us - HOUR;

    pulling(w, "web-0");
    for (size_t i = 0; i < ARRAY_SIZE(digests); i++)
        blobs[i] = (struct blob){ digests[i], 1, old_us, old_us };
    for (size_t round = 0; round < 2; round++) {
        list_blobs(w, blobs, ARRAY_SIZE(blobs));
        for (size_t i = 0; i < ARRAY_SIZE(digests); i++) {
            if (i == 4)
                continue;
            world_advance(w, SEC);
            observe_blob_owner(w, digests[i], "quay.io/nobody");
        }
    }
    list_blobs(w, blobs, ARRAY_SIZE(blobs));
    assert_true(wants_owner(w, digests[4]));  /* never asked */
    assert_false(wants_owner(w, digests[8])); /* asked last */
}

static void left_out_image_is_counted_again_when_its_container_waits_again(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    char name[32];

    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i <= LIMIT_WANTED_IMAGES; i++) {
            snprintf(name, sizeof(name), "quay.io/team/n%u:1", i);
            wait_for(w, name, name, "IfNotPresent");
        }
        assert_int_equal(hits(w, LIMIT_HIT_WANTED_IMAGES), round + 1);
        for (unsigned i = LIMIT_WANTED_IMAGES; i <= LIMIT_WANTED_IMAGES; i++) {
            pod_of(w, &facts, name);
            facts.containers[0].image = str_from(name);
            facts.containers[0].phase = PHASE_RUNNING;
            observe_pod(w, &facts);
        }
    }
}

static void running_pod_without_a_sandbox_wants_no_events(void **state)
{
    struct world *w = *state;
    struct wanted wanted;

    observe_running(w, "web-0");
    correlate_observe(
        w->correlate,
        &(struct observation){ .kind = OBSERVE_SANDBOX, .sandbox = { STR("web-0"), false } },
        w->now);
    world_advance(w, 2 * MINUTE);
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_int_equal(wanted.n_namespaces, 0);
    wanted_done(&wanted);
}

/* --- pulls
 * ---------------------------------------------------------------------------------------- */

static const struct snapshot_registry *registry(const struct snapshot *snapshot)
{
    assert_int_equal(snapshot->n_registries, 1);
    return &snapshot->registries[0];
}

static void pull_ends_when_its_first_container_runs(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    pulling(w, "web-0");
    observe_waiting(w, "web-1", "ContainerCreating", "");
    world_advance(w, 10 * SEC);
    observe_running(w, "web-0");
    world_advance(w, 10 * SEC);
    observe_running(w, "web-1");
    world_advance(w, 10 * SEC);
    observe_image(w, IMAGE, true);
    world_snapshot(w, &snapshot);
    assert_int_equal(registry(&snapshot)->pulls.sum_us, 10 * SEC);
    snapshot_done(&snapshot);
}

static size_t images_of(struct world *w)
{
    struct snapshot snapshot;
    size_t n;

    world_snapshot(w, &snapshot);
    n = snapshot.n_images;
    snapshot_done(&snapshot);
    return n;
}

static void pull_without_a_waiting_container_is_remembered_for_ten_minutes(void **state)
{
    struct world *w = *state;

    pulling(w, "web-0");
    observe_deleted(w, "web-0");
    world_advance(w, 10 * MINUTE);
    assert_int_equal(images_of(w), 1);
    world_advance(w, 11 * SEC);
    assert_int_equal(images_of(w), 0);
}

/* web-0 was there before this process, and "debug-1" and "debug-2" were added later. */
static void two_ephemeral_containers(struct world *w)
{
    struct pod_facts facts;

    observe_list_begin(w);
    pod_of(w, &facts, "web-0");
    facts.fact.created_us = w->now.wall_us - HOUR;
    facts.containers[0].phase = PHASE_RUNNING;
    observe_pod(w, &facts);
    observe_list_end(w);

    facts.fact.n_containers = 3;
    for (size_t i = 1; i < 3; i++) {
        facts.containers[i] = facts.containers[0];
        facts.containers[i].kind = CONTAINER_EPHEMERAL;
        facts.containers[i].name = i == 1 ? STR("debug-1") : STR("debug-2");
        facts.containers[i].image = i == 1 ? STR(OTHER_TAG) : STR(REPOSITORY ":v3");
        facts.containers[i].phase = PHASE_WAITING;
    }
    observe_pod(w, &facts);
    observe_image(w, OTHER_TAG, false);
    observe_image(w, REPOSITORY ":v3", false);
    observe_polled(w, "web-0");
}

static void ephemeral_containers_pull_at_the_same_time(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    two_ephemeral_containers(w);
    world_snapshot(w, &snapshot);
    assert_int_equal(registry(&snapshot)->in_progress, 2);
    snapshot_done(&snapshot);
}

static void container_added_to_an_old_pod_has_an_exact_pull(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    two_ephemeral_containers(w);
    world_advance(w, 7 * SEC);
    observe_image(w, OTHER_TAG, true);
    world_snapshot(w, &snapshot);
    assert_int_equal(registry(&snapshot)->pulls.sum_us, 7 * SEC);
    snapshot_done(&snapshot);
}

static void container_that_ran_since_our_start_has_an_exact_pull(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;

    observe_list_begin(w);
    pod_of(w, &facts, "web-0");
    facts.fact.created_us = w->now.wall_us - HOUR;
    observe_pod(w, &facts);
    observe_list_end(w);
    observe_running(w, "web-0");
    pulling(w, "web-0");
    world_advance(w, 7 * SEC);
    observe_image(w, IMAGE, true);
    world_snapshot(w, &snapshot);
    assert_int_equal(registry(&snapshot)->pulls.sum_us, 7 * SEC);
    snapshot_done(&snapshot);
}

static void stall_does_not_count_as_a_failed_try_of_its_image(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    stalled(w);
    observe_image(w, IMAGE, true);
    observe_image(w, IMAGE, false);
    world_advance(w, 5 * SEC);
    observe_image(w, IMAGE, true);
    world_snapshot(w, &snapshot);
    assert_int_equal(registry(&snapshot)->pulls.sum_us, STALL_AFTER + 5 * SEC);
    snapshot_done(&snapshot);
}

static void wait_begins_again_with_another_image(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    pulling(w, "web-0");
    world_advance(w, MINUTE);
    observe_image(w, OTHER_TAG, false);
    wait_for(w, "web-0", OTHER_TAG, "IfNotPresent");
    observe_polled(w, "web-0");
    world_snapshot(w, &snapshot);
    assert_int_equal(registry(&snapshot)->in_progress_since_us, w->now.wall_us);
    snapshot_done(&snapshot);
}

/* --- events
 * ---------------------------------------------------------------------------------------- */

static void event_about_a_recovered_container_opens_nothing(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    for (int i = 0; i < 2; i++) {
        observe_event(w, "web-0", APP_PATH, "e1", "Failed",
                      "Failed to pull image \"" IMAGE "\": " NOT_FOUND_TEXT, 1);
        world_advance(w, 5 * SEC);
        observe_created(w, "web-0", "app");
    }
    world_snapshot(w, &snapshot);
    assert_int_equal(incidents_of_pod(&snapshot, "web-0"), 1);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_RECOVERED);
    snapshot_done(&snapshot);
}

static void sandbox_event_of_a_pod_that_ended_opens_nothing(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;

    pod_of(w, &facts, "web-0");
    facts.fact.phase = STR("Failed");
    observe_pod(w, &facts);
    observe_event(
        w, "web-0", "", "e1", "FailedCreatePodSandBox",
        "Failed to create pod sandbox: failed to get sandbox image \"pause:3\": failed to "
        "pull image \"pause:3\": EOF",
        1);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_GONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(stall_is_one_attempt),
        WORLD_TEST(failed_status_ends_the_stall),
        WORLD_TEST(incident_is_failing_again_when_the_stall_of_the_next_try_ends),
        WORLD_TEST(blob_that_began_at_the_failure_belongs_to_the_next_try),
        WORLD_TEST(blob_that_moved_at_the_failure_belongs_to_the_next_try),
        WORLD_TEST(blob_that_began_after_the_failure_belongs_to_the_next_try),
        WORLD_TEST(blob_that_stopped_right_before_the_failure_is_left_behind),
        WORLD_TEST(pulling_event_at_the_failure_does_not_begin_the_next_try),
        WORLD_TEST(next_try_stalls_only_after_its_own_stall_after),
        WORLD_TEST(next_try_stalls_at_a_blob_that_was_left_behind),
        WORLD_TEST(late_event_does_not_change_when_the_try_began),
        WORLD_TEST(next_try_waits_behind_a_blob_that_holds_up_another),
        WORLD_TEST(silent_status_of_a_restarted_kubelet_is_not_a_stall),
        WORLD_TEST(tags_that_began_together_can_both_stall),
        WORLD_TEST(container_with_a_present_image_stalls_only_after_its_own_wait),
        WORLD_TEST(blob_of_a_failed_try_proves_nothing_to_a_new_pod),
        WORLD_TEST(stall_found_at_our_start_began_with_its_last_byte),
        WORLD_TEST(byte_with_a_time_in_the_future_counts_as_now),
        WORLD_TEST(new_bytes_count_as_progress_even_if_the_clock_jumps),
        WORLD_TEST(event_before_the_stall_does_not_end_the_stall),
        WORLD_TEST(list_is_used_for_24_silent_polls),
        WORLD_TEST(containers_behind_a_stall_are_shown_up_to_the_limit),
        WORLD_TEST(each_container_behind_a_stall_over_the_limit_counts_once),
        WORLD_TEST(owner_of_a_stalled_blob_is_asked_again_while_others_move),
        WORLD_TEST(blobs_asked_longest_ago_are_asked_first),
        WORLD_TEST(left_out_image_is_counted_again_when_its_container_waits_again),
        WORLD_TEST(running_pod_without_a_sandbox_wants_no_events),
        WORLD_TEST(pull_ends_when_its_first_container_runs),
        WORLD_TEST(pull_without_a_waiting_container_is_remembered_for_ten_minutes),
        WORLD_TEST(ephemeral_containers_pull_at_the_same_time),
        WORLD_TEST(container_added_to_an_old_pod_has_an_exact_pull),
        WORLD_TEST(container_that_ran_since_our_start_has_an_exact_pull),
        WORLD_TEST(stall_does_not_count_as_a_failed_try_of_its_image),
        WORLD_TEST(wait_begins_again_with_another_image),
        WORLD_TEST(event_about_a_recovered_container_opens_nothing),
        WORLD_TEST(sandbox_event_of_a_pod_that_ended_opens_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
