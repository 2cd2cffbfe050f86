/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

#define REPOSITORY REGISTRY "/team/app"
#define OTHER_IMAGE "other:2" /* docker.io/library/other */
#define LAYER "sha256:1111"
#define OTHER_LAYER "sha256:2222"
#define POLL (5 * SEC)

/* A pod that waits in its sandbox for an absent image. */
static void pulling(struct world *w, const char *name)
{
    observe_waiting(w, name, "ContainerCreating", "");
    observe_image(w, IMAGE, false);
    observe_polled(w, name);
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

static size_t incidents_of(struct world *w, const char *name)
{
    struct snapshot snapshot;
    size_t n;

    world_snapshot(w, &snapshot);
    n = incidents_of_pod(&snapshot, name);
    snapshot_done(&snapshot);
    return n;
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

/* Time passes, and the runtime is polled: the layer has `bytes`, and its last byte came
 * `idle_us` ago. */
static void stand_still(struct world *w, int64_t for_us, uint64_t bytes, int64_t idle_us)
{
    for (int64_t passed = 0; passed < for_us; passed += POLL) {
        world_advance(w, POLL);
        idle_us += POLL;
        observe_image(w, IMAGE, false);
        observe_image(w, OTHER_IMAGE, false);
        OBSERVE_BLOBS(w, { LAYER, bytes, idle_us });
    }
}

static void pull_without_new_bytes_is_a_stall(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *incident;
    struct snapshot snapshot;

    pulling(w, "web-0");
    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    stand_still(w, 115 * SEC, 400, 0);
    assert_false(wants_owner(w, LAYER));
    stand_still(w, 5 * SEC, 400, 115 * SEC);
    assert_true(wants_owner(w, LAYER));
    assert_int_equal(incidents_of(w, "web-0"), 0); /* its owner is unknown */
    observe_blob_owner(w, LAYER, REPOSITORY);

    world_snapshot(w, &snapshot);
    incident = incident_of(&snapshot, "web-0");
    assert_int_equal(incident->state, INCIDENT_STALLED);
    assert_int_equal(incident->verdict.cause, CAUSE_NETWORK);
    assert_int_equal(incident->verdict.reason, REASON_PULL_STALLED);
    assert_string_equal(incident->stall->layer, LAYER);
    assert_int_equal(incident->stall->bytes, 400);
    assert_int_equal(incident->stall->total, 1000);
    assert_int_equal(incident->stall->last_progress_us, w->now.wall_us - 120 * SEC);
    assert_int_equal(incident->first_failure_us, w->now.wall_us - 120 * SEC);
    assert_int_equal(incident->next_retry_us, 0);
    assert_int_equal(failures_of(&snapshot, CAUSE_NETWORK), 0); /* no attempt has failed */
    snapshot_done(&snapshot);
}

static void stall_ends_when_bytes_come_again(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    pulling(w, "web-0");
    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    stand_still(w, 2 * MINUTE, 400, 0);
    observe_blob_owner(w, LAYER, REPOSITORY);
    world_advance(w, POLL);
    OBSERVE_BLOBS(w, { LAYER, 401, 0 });

    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_RECOVERED);
    assert_int_equal(snapshot.recoveries[CAUSE_NETWORK].count, 1);
    snapshot_done(&snapshot);
}

static void complete_blob_ends_the_stall(void **state)
{
    struct world *w = *state;

    pulling(w, "web-0");
    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    stand_still(w, 2 * MINUTE, 400, 0);
    observe_blob_owner(w, LAYER, REPOSITORY);
    observe_ingests(w, NULL, 0);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_RECOVERED);
}

static void slow_pull_is_not_a_stall(void **state)
{
    struct world *w = *state;

    pulling(w, "web-0");
    for (uint64_t bytes = 0; bytes < 10; bytes++) {
        OBSERVE_BLOBS(w, { LAYER, bytes, 0 });
        observe_blob_owner(w, LAYER, REPOSITORY);
        stand_still(w, 100 * SEC, bytes, 0);
    }
    assert_int_equal(incidents_of(w, "web-0"), 0);
}

static void queued_or_unpacking_pull_is_not_a_stall(void **state)
{
    struct world *w = *state;

    pulling(w, "web-0");
    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    stand_still(w, HOUR, 400, 0);
    observe_blob_owner(w, LAYER, REGISTRY "/team/another"); /* this layer moves */
    assert_int_equal(incidents_of(w, "web-0"), 0);
    observe_ingests(w, NULL, 0);
    world_advance(w, HOUR);
    assert_int_equal(incidents_of(w, "web-0"), 0);
}

static void containers_that_share_the_layer_wait_behind_the_stall(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *incident;
    struct pod_facts facts;
    struct snapshot snapshot;
    const struct str repositories[] = { STR(REPOSITORY), STR("docker.io/library/other") };

    pulling(w, "web-0");
    pod_of(w, &facts, "web-1");
    facts.containers[0].image = STR(OTHER_IMAGE);
    observe_pod(w, &facts);
    observe_image(w, OTHER_IMAGE, false);
    correlate_observe(
        w->correlate,
        &(struct observation){ .kind = OBSERVE_SANDBOX, .sandbox = { STR("web-0"), true } },
        w->now);
    observe_polled(w, "web-1");
    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    stand_still(w, 2 * MINUTE, 400, 0);
    assert_int_equal(
        correlate_observe(
            w->correlate,
            &(struct observation){
                .kind = OBSERVE_BLOB,
                .blob = { .digest = STR(LAYER), .repositories = repositories, .n = 2 } },
            w->now),
        0);

    world_snapshot(w, &snapshot);
    incident = incident_of(&snapshot, "web-0");
    assert_int_equal(incident->state, INCIDENT_STALLED);
    assert_int_equal(incident->stall->n_waiting_behind, 1);
    assert_string_equal(incident->stall->waiting_behind[0].pod, "web-1");
    assert_string_equal(incident_of(&snapshot, "web-1")->stall->waiting_behind[0].pod, "web-0");
    assert_string_equal(incident_of(&snapshot, "web-1")->stall->waiting_behind[0].container, "app");
    snapshot_done(&snapshot);
}

/* Whether a layer of `repository` stalls a container that waits for `image`. */
static bool is_held_up(const char *image, const char *repository)
{
    struct pod_facts facts;
    struct world w;
    size_t n;

    world_begin(&w);
    pod_of(&w, &facts, "web-0");
    facts.containers[0].image = str_from(image);
    observe_pod(&w, &facts);
    for (int64_t passed = 0; passed <= 2 * MINUTE; passed += POLL) {
        observe_image(&w, image, false);
        observe_polled(&w, "web-0");
        OBSERVE_BLOBS(&w, { LAYER, 400, passed });
        world_advance(&w, POLL);
    }
    OBSERVE_BLOBS(&w, { LAYER, 400, 2 * MINUTE });
    observe_blob_owner(&w, LAYER, repository);
    n = incidents_of(&w, "web-0");
    world_end(&w);
    return n > 0;
}

static void repository_of_the_runtime_has_no_port(void **state)
{
    (void)state;
    assert_true(is_held_up("127.0.0.1:5000/team/app:v1", "127.0.0.1/team/app"));
    assert_true(is_held_up("registry.example.com/team/app", "registry.example.com/team/app"));
    assert_true(is_held_up("[::1]:5000/x", "::1/x"));
    assert_true(is_held_up("busybox", "docker.io/library/busybox"));
    assert_true(is_held_up("r.io/a@sha256:"
                           "0000000000000000000000000000000000000000000000000000000000000000",
                           "r.io/a"));
    assert_false(is_held_up("127.0.0.1:5000/team/app:v1", "127.0.0.1/team/app2"));
    assert_false(is_held_up("127.0.0.1:5000/team/app:v1", "127.0.0.2/team/app"));
    assert_false(is_held_up("127.0.0.1:5000/team/app:v1", "app"));
}

static void blob_of_a_failed_try_is_not_a_stall(void **state)
{
    struct world *w = *state;

    pulling(w, "web-0");
    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    observe_blob_owner(w, LAYER, REPOSITORY);
    world_advance(w, 10 * SEC);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    stand_still(w, 4 * MINUTE, 400, 10 * SEC);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_BACKING_OFF);
}

static void next_try_can_stall_and_continues_to_fail_when_bytes_come(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    pulling(w, "web-0");
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    world_advance(w, 20 * SEC);
    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    stand_still(w, 2 * MINUTE, 400, 0);
    observe_blob_owner(w, LAYER, REPOSITORY);

    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_STALLED);
    assert_int_equal(incident_of(&snapshot, "web-0")->verdict.reason, REASON_PULL_STALLED);
    snapshot_done(&snapshot);

    OBSERVE_BLOBS(w, { LAYER, 500, 0 });
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_BACKING_OFF);
    assert_int_equal(incident_of(&snapshot, "web-0")->verdict.cause, CAUSE_NOT_FOUND);
    assert_null(incident_of(&snapshot, "web-0")->stall);
    snapshot_done(&snapshot);
}

/* The runtime was restarted: the pull failed, half of its layer stays, and the next try continues
 * with it (cri/content.h), but the registry sends nothing. */
static void next_try_can_stall_at_the_same_layer(void **state)
{
    struct world *w = *state;

    pulling(w, "web-0");
    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    stand_still(w, 30 * SEC, 400, 0);
    observe_event(w, "web-0", APP_PATH, "p", "Pulling", "Pulling image \"" IMAGE "\"", 1);
    world_advance(w, 2 * SEC);
    observe_waiting(w, "web-0", "ErrImagePull", "rpc error: code = Unavailable desc = EOF");
    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    stand_still(w, 5 * MINUTE, 400, 30 * SEC);
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_BACKING_OFF); /* the kubelet waits */

    observe_event(w, "web-0", APP_PATH, "p", "Pulling", "Pulling image \"" IMAGE "\"", 2);
    stand_still(w, 115 * SEC, 400, 6 * MINUTE);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_BACKING_OFF);
    stand_still(w, 10 * SEC, 400, 8 * MINUTE);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    stand_still(w, 3 * MINUTE, 400, 9 * MINUTE); /* this try has failed, too */
    assert_int_equal(state_of(w, "web-0"), INCIDENT_FAILING);
}

static void next_try_with_another_layer_does_not_stall_at_the_old_one(void **state)
{
    struct world *w = *state;

    pulling(w, "web-0");
    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    world_advance(w, 2 * SEC);
    observe_waiting(w, "web-0", "ErrImagePull", "rpc error: code = Unavailable desc = EOF");
    world_advance(w, 10 * SEC);
    observe_event(w, "web-0", APP_PATH, "p", "Pulling", "Pulling image \"" IMAGE "\"", 1);
    for (uint64_t bytes = 0; bytes < 10; bytes++) {
        world_advance(w, 30 * SEC);
        OBSERVE_BLOBS(w, { LAYER, 400, (int64_t)bytes * 30 * SEC }, { OTHER_LAYER, bytes, 0 });
        observe_blob_owner(w, LAYER, REPOSITORY);
        assert_int_equal(state_of(w, "web-0"), INCIDENT_FAILING);
    }
}

static void incident_continues_when_the_runtime_gives_up(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    pulling(w, "web-0");
    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    stand_still(w, 2 * MINUTE, 400, 0);
    observe_blob_owner(w, LAYER, REPOSITORY);
    observe_waiting(w, "web-0", "ErrImagePull",
                    "failed to pull and unpack image \"" IMAGE "\": context canceled");
    stand_still(w, 30 * SEC, 400, 2 * MINUTE); /* half of the layer stays on the disk */

    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_FAILING);
    assert_int_equal(incident_of(&snapshot, "web-0")->verdict.reason, REASON_PULL_STALLED);
    assert_int_equal(incident_of(&snapshot, "web-0")->attempts, 1);
    assert_int_equal(failures_of(&snapshot, CAUSE_NETWORK), 1);
    snapshot_done(&snapshot);
}

static void blob_of_an_earlier_pull_waits_for_its_turn(void **state)
{
    struct world *w = *state;

    pulling(w, "web-0");
    for (uint64_t bytes = 0; bytes < 10; bytes++) {
        world_advance(w, 30 * SEC);
        observe_image(w, IMAGE, false);
        OBSERVE_BLOBS(w, { LAYER, 400, HOUR + (int64_t)bytes * 30 * SEC },
                      { OTHER_LAYER, bytes, 0 });
        observe_blob_owner(w, LAYER, REPOSITORY);
        assert_false(wants_owner(w, LAYER));
    }
    assert_int_equal(incidents_of(w, "web-0"), 0);
}

static void agent_that_starts_during_a_stall_finds_it(void **state)
{
    struct world *w = *state;

    pulling(w, "web-0");
    stand_still(w, 2 * MINUTE, 400, HOUR);
    assert_true(wants_owner(w, LAYER));
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
}

/* The runtime is polled every few seconds: the blob of a pull can be older than our first poll. */
static void blob_that_began_right_before_the_first_poll_belongs_to_the_pull(void **state)
{
    struct world *w = *state;

    pulling(w, "web-0");
    for (int64_t passed = 0; passed <= 2 * MINUTE; passed += POLL) {
        observe_image(w, IMAGE, false);
        OBSERVE_BLOBS(w, { LAYER, 400, 4 * SEC + passed },
                      { OTHER_LAYER, (uint64_t)(passed / SEC), 0 });
        world_advance(w, POLL);
    }
    OBSERVE_BLOBS(w, { LAYER, 400, 4 * SEC + 2 * MINUTE }, { OTHER_LAYER, 999, 0 });
    assert_true(wants_owner(w, LAYER));
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
}

static void stall_is_not_older_than_its_container_waits(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;
    int64_t began_us;

    pulling(w, "web-0"); /* and continues with a blob of the day before */
    began_us = w->now.wall_us;
    stand_still(w, 2 * MINUTE, 400, 24 * HOUR);
    observe_blob_owner(w, LAYER, REPOSITORY);
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_STALLED);
    assert_int_equal(incident_of(&snapshot, "web-0")->first_failure_us, began_us);
    assert_int_equal(incident_of(&snapshot, "web-0")->stall->last_progress_us,
                     began_us - 24 * HOUR);
    snapshot_done(&snapshot);
}

static void clock_that_jumps_makes_no_stall(void **state)
{
    struct world *w = *state;

    pulling(w, "web-0");
    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    observe_blob_owner(w, LAYER, REPOSITORY);
    w->now.wall_us += HOUR;
    OBSERVE_BLOBS(w, { LAYER, 400, HOUR });
    assert_int_equal(incidents_of(w, "web-0"), 0);
    w->now.wall_us -= 2 * HOUR;
    OBSERVE_BLOBS(w, { LAYER, 400, -HOUR });
    assert_int_equal(incidents_of(w, "web-0"), 0);
}

static void blobs_are_not_asked_for_without_stall_after(void **state)
{
    struct world *w = *state;
    struct wanted wanted;

    correlate_free(w->correlate);
    w->correlate = correlate_new(&(struct correlate_config){ .max_registries = 4 }, w->now);
    pulling(w, "web-0");
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_false(wanted.ingests);
    wanted_done(&wanted);
    stand_still(w, HOUR, 400, 0);
    assert_false(wants_owner(w, LAYER));
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(incidents_of(w, "web-0"), 0);
}

static void deleted_pod_ends_its_stall(void **state)
{
    struct world *w = *state;

    pulling(w, "web-0");
    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    stand_still(w, 2 * MINUTE, 400, 0);
    observe_blob_owner(w, LAYER, REPOSITORY);
    observe_deleted(w, "web-0");
    assert_int_equal(state_of(w, "web-0"), INCIDENT_GONE);
    OBSERVE_BLOBS(w, { LAYER, 400, 3 * MINUTE });
    assert_int_equal(state_of(w, "web-0"), INCIDENT_GONE);
}

/* The bytes came before the try failed, and the next poll saw them. */
static void bytes_before_the_failure_make_no_stall(void **state)
{
    struct world *w = *state;

    pulling(w, "web-0");
    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    observe_blob_owner(w, LAYER, REPOSITORY);
    world_advance(w, 2 * SEC);
    observe_waiting(w, "web-0", "ErrImagePull", "rpc error: code = Unavailable desc = EOF");
    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    world_advance(w, 3 * SEC);
    OBSERVE_BLOBS(w, { LAYER, 500, 4 * SEC }); /* a second before it failed */
    stand_still(w, 4 * MINUTE, 500, 4 * SEC);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_BACKING_OFF);
}

/* The next try gets its own time at a layer where the last one stood still: the registry may answer
 * again. */
static void next_try_does_not_begin_as_a_stall(void **state)
{
    struct world *w = *state;

    pulling(w, "web-0");
    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    stand_still(w, 2 * MINUTE, 400, 0);
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    observe_waiting(w, "web-0", "ErrImagePull", "context deadline exceeded");
    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    stand_still(w, 20 * SEC, 400, 2 * MINUTE);

    observe_event(w, "web-0", APP_PATH, "p", "Pulling", "Pulling image \"" IMAGE "\"", 2);
    stand_still(w, POLL, 400, 140 * SEC);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_BACKING_OFF);
    OBSERVE_BLOBS(w, { LAYER, 500, 0 });
    assert_int_equal(state_of(w, "web-0"), INCIDENT_BACKING_OFF);
}

/* The same for a pod that replaces a stalled pod. */
static void new_pod_does_not_begin_as_a_stall(void **state)
{
    struct world *w = *state;

    pulling(w, "old");
    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    stand_still(w, 2 * MINUTE, 400, 0);
    observe_blob_owner(w, LAYER, REPOSITORY);
    observe_deleted(w, "old");
    stand_still(w, 20 * SEC, 400, 2 * MINUTE);
    pulling(w, "new");
    stand_still(w, POLL, 400, 140 * SEC);
    assert_int_equal(incidents_of(w, "new"), 0);
}

static void blobs_and_owners_over_the_limit_are_counted(void **state)
{
    static char digests[LIMIT_INGESTS + 1][32];
    static struct ingest ingests[LIMIT_INGESTS + 1];
    static struct str repositories[LIMIT_BLOB_REPOSITORIES + 1];
    struct world *w = *state;
    struct snapshot snapshot;

    for (size_t i = 0; i < ARRAY_SIZE(ingests); i++) {
        snprintf(digests[i], sizeof(digests[i]), "sha256:%zu", i);
        ingests[i].digest = str_from(digests[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(repositories); i++)
        repositories[i] = STR("docker.io/library/x");
    correlate_observe(w->correlate,
                      &(struct observation){ .kind = OBSERVE_INGESTS,
                                             .ingests = { ingests, ARRAY_SIZE(ingests) } },
                      w->now);
    correlate_observe(w->correlate,
                      &(struct observation){
                          .kind = OBSERVE_BLOB,
                          .blob = { STR("sha256:0"), repositories, ARRAY_SIZE(repositories) } },
                      w->now);
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.limit_hits[LIMIT_HIT_INGESTS], 1);
    assert_int_equal(snapshot.limit_hits[LIMIT_HIT_BLOB_REPOSITORIES], 1);
    snapshot_done(&snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(pull_without_new_bytes_is_a_stall),
        WORLD_TEST(stall_ends_when_bytes_come_again),
        WORLD_TEST(complete_blob_ends_the_stall),
        WORLD_TEST(slow_pull_is_not_a_stall),
        WORLD_TEST(queued_or_unpacking_pull_is_not_a_stall),
        WORLD_TEST(containers_that_share_the_layer_wait_behind_the_stall),
        cmocka_unit_test(repository_of_the_runtime_has_no_port),
        WORLD_TEST(blob_of_a_failed_try_is_not_a_stall),
        WORLD_TEST(next_try_can_stall_and_continues_to_fail_when_bytes_come),
        WORLD_TEST(next_try_can_stall_at_the_same_layer),
        WORLD_TEST(next_try_with_another_layer_does_not_stall_at_the_old_one),
        WORLD_TEST(incident_continues_when_the_runtime_gives_up),
        WORLD_TEST(blob_of_an_earlier_pull_waits_for_its_turn),
        WORLD_TEST(agent_that_starts_during_a_stall_finds_it),
        WORLD_TEST(blob_that_began_right_before_the_first_poll_belongs_to_the_pull),
        WORLD_TEST(stall_is_not_older_than_its_container_waits),
        WORLD_TEST(clock_that_jumps_makes_no_stall),
        WORLD_TEST(blobs_are_not_asked_for_without_stall_after),
        WORLD_TEST(deleted_pod_ends_its_stall),
        WORLD_TEST(bytes_before_the_failure_make_no_stall),
        WORLD_TEST(next_try_does_not_begin_as_a_stall),
        WORLD_TEST(new_pod_does_not_begin_as_a_stall),
        WORLD_TEST(blobs_and_owners_over_the_limit_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
