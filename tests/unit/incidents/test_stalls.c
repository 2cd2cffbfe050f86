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
#define LOOK (5 * SEC)

/* A pod that waits in its sandbox for an image that is not there. */
static void pulling(struct world *w, const char *name)
{
    tell_waiting(w, name, "ContainerCreating", "");
    tell_image(w, IMAGE, false);
    tell_looked(w, name);
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

static size_t incidents_of(struct world *w, const char *name)
{
    struct look look;
    size_t n;

    world_look(w, &look);
    n = look_count(&look, name);
    world_look_done(&look);
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

/* Time passes, and the runtime is looked at as it is: `bytes` of the layer, `moving` or not. */
static void stand_still(struct world *w, int64_t for_us, uint64_t bytes, int64_t idle_us)
{
    for (int64_t passed = 0; passed < for_us; passed += LOOK) {
        world_advance(w, LOOK);
        idle_us += LOOK;
        tell_image(w, IMAGE, false);
        tell_image(w, OTHER_IMAGE, false);
        TELL_INGESTS(w, { LAYER, bytes, idle_us });
    }
}

static void bytes_that_stay_away_are_a_stall(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *incident;
    struct look look;

    pulling(w, "web-0");
    TELL_INGESTS(w, { LAYER, 400, 0 });
    stand_still(w, 115 * SEC, 400, 0);
    assert_false(wants_owner(w, LAYER));
    stand_still(w, 5 * SEC, 400, 115 * SEC);
    assert_true(wants_owner(w, LAYER));
    assert_int_equal(incidents_of(w, "web-0"), 0); /* whose it is, nobody knows yet */
    tell_blob_owner(w, LAYER, REPOSITORY);

    world_look(w, &look);
    incident = look_one(&look, "web-0");
    assert_int_equal(incident->state, INCIDENT_STALLED);
    assert_int_equal(incident->verdict.cause, CAUSE_NETWORK);
    assert_int_equal(incident->verdict.reason, REASON_PULL_STALLED);
    assert_string_equal(incident->stall->layer, LAYER);
    assert_int_equal(incident->stall->bytes, 400);
    assert_int_equal(incident->stall->total, 1000);
    assert_int_equal(incident->stall->last_progress_us, w->now.wall_us - 120 * SEC);
    assert_int_equal(incident->first_failure_us, w->now.wall_us - 120 * SEC);
    assert_int_equal(incident->next_retry_us, 0);
    assert_int_equal(look_failures(&look, CAUSE_NETWORK), 0); /* no try has failed */
    world_look_done(&look);
}

static void it_recovers_when_bytes_come_again(void **state)
{
    struct world *w = *state;
    struct look look;

    pulling(w, "web-0");
    TELL_INGESTS(w, { LAYER, 400, 0 });
    stand_still(w, 2 * MINUTE, 400, 0);
    tell_blob_owner(w, LAYER, REPOSITORY);
    world_advance(w, LOOK);
    TELL_INGESTS(w, { LAYER, 401, 0 });

    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->state, INCIDENT_RECOVERED);
    assert_int_equal(look.snapshot.recoveries[CAUSE_NETWORK].count, 1);
    world_look_done(&look);
}

static void a_complete_blob_is_in_flight_no_more(void **state)
{
    struct world *w = *state;

    pulling(w, "web-0");
    TELL_INGESTS(w, { LAYER, 400, 0 });
    stand_still(w, 2 * MINUTE, 400, 0);
    tell_blob_owner(w, LAYER, REPOSITORY);
    tell_ingests(w, NULL, 0);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_RECOVERED);
}

static void a_slow_pull_whose_bytes_move_is_none(void **state)
{
    struct world *w = *state;

    pulling(w, "web-0");
    for (uint64_t bytes = 0; bytes < 10; bytes++) {
        TELL_INGESTS(w, { LAYER, bytes, 0 });
        tell_blob_owner(w, LAYER, REPOSITORY);
        stand_still(w, 100 * SEC, bytes, 0);
    }
    assert_int_equal(incidents_of(w, "web-0"), 0);
}

static void a_pull_that_waits_for_its_turn_or_is_unpacked_has_nothing_in_flight(void **state)
{
    struct world *w = *state;

    pulling(w, "web-0");
    TELL_INGESTS(w, { LAYER, 400, 0 });
    stand_still(w, HOUR, 400, 0);
    tell_blob_owner(w, LAYER, REGISTRY "/team/another"); /* the one whose turn it is */
    assert_int_equal(incidents_of(w, "web-0"), 0);
    tell_ingests(w, NULL, 0);
    world_advance(w, HOUR);
    assert_int_equal(incidents_of(w, "web-0"), 0);
}

static void everything_that_shares_the_layer_waits_behind_it(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *incident;
    struct pod_told told;
    struct look look;
    const struct str repositories[] = { STR(REPOSITORY), STR("docker.io/library/other") };

    pulling(w, "web-0");
    pod_of(w, &told, "web-1");
    told.containers[0].image = STR(OTHER_IMAGE);
    tell_pod(w, &told);
    tell_image(w, OTHER_IMAGE, false);
    correlate_observe(
        w->correlate,
        &(struct observation){ .kind = OBSERVE_SANDBOX, .sandbox = { STR("web-0"), true } },
        w->now);
    tell_looked(w, "web-1");
    TELL_INGESTS(w, { LAYER, 400, 0 });
    stand_still(w, 2 * MINUTE, 400, 0);
    assert_int_equal(
        correlate_observe(
            w->correlate,
            &(struct observation){
                .kind = OBSERVE_BLOB,
                .blob = { .digest = STR(LAYER), .repositories = repositories, .n = 2 } },
            w->now),
        0);

    world_look(w, &look);
    incident = look_one(&look, "web-0");
    assert_int_equal(incident->state, INCIDENT_STALLED);
    assert_int_equal(incident->stall->n_waiting_behind, 1);
    assert_string_equal(incident->stall->waiting_behind[0].pod, "web-1");
    assert_string_equal(look_one(&look, "web-1")->stall->waiting_behind[0].pod, "web-0");
    assert_string_equal(look_one(&look, "web-1")->stall->waiting_behind[0].container, "app");
    world_look_done(&look);
}

/* Whether a container that waits for `image` is stalled by a layer of `repository`. */
static bool is_held_up(const char *image, const char *repository)
{
    struct pod_told told;
    struct world w;
    size_t n;

    world_begin(&w);
    pod_of(&w, &told, "web-0");
    told.containers[0].image = str_from(image);
    tell_pod(&w, &told);
    for (int64_t passed = 0; passed <= 2 * MINUTE; passed += LOOK) {
        tell_image(&w, image, false);
        tell_looked(&w, "web-0");
        TELL_INGESTS(&w, { LAYER, 400, passed });
        world_advance(&w, LOOK);
    }
    TELL_INGESTS(&w, { LAYER, 400, 2 * MINUTE });
    tell_blob_owner(&w, LAYER, repository);
    n = incidents_of(&w, "web-0");
    world_end(&w);
    return n > 0;
}

static void the_runtime_names_hosts_without_their_port(void **state)
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

static void what_a_failed_try_left_behind_is_no_stall(void **state)
{
    struct world *w = *state;

    pulling(w, "web-0");
    TELL_INGESTS(w, { LAYER, 400, 0 });
    tell_blob_owner(w, LAYER, REPOSITORY);
    world_advance(w, 10 * SEC);
    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    tell_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    stand_still(w, 4 * MINUTE, 400, 10 * SEC);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_BACKING_OFF);
}

static void the_next_try_can_stall_too_and_fails_on_when_bytes_come(void **state)
{
    struct world *w = *state;
    struct look look;

    pulling(w, "web-0");
    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    tell_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    world_advance(w, 20 * SEC);
    TELL_INGESTS(w, { LAYER, 400, 0 });
    stand_still(w, 2 * MINUTE, 400, 0);
    tell_blob_owner(w, LAYER, REPOSITORY);

    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->state, INCIDENT_STALLED);
    assert_int_equal(look_one(&look, "web-0")->verdict.reason, REASON_PULL_STALLED);
    world_look_done(&look);

    TELL_INGESTS(w, { LAYER, 500, 0 });
    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->state, INCIDENT_BACKING_OFF);
    assert_int_equal(look_one(&look, "web-0")->verdict.cause, CAUSE_NOT_FOUND);
    assert_null(look_one(&look, "web-0")->stall);
    world_look_done(&look);
}

/* The runtime was restarted: the pull failed, its half layer stays, and the next try goes on with
 * it (cri/content.h), but the registry sends nothing. */
static void the_next_try_can_stall_on_the_same_layer_without_a_new_byte(void **state)
{
    struct world *w = *state;

    pulling(w, "web-0");
    TELL_INGESTS(w, { LAYER, 400, 0 });
    stand_still(w, 30 * SEC, 400, 0);
    tell_event(w, "web-0", APP_PATH, "p", "Pulling", "Pulling image \"" IMAGE "\"", 1);
    world_advance(w, 2 * SEC);
    tell_waiting(w, "web-0", "ErrImagePull", "rpc error: code = Unavailable desc = EOF");
    tell_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    stand_still(w, 5 * MINUTE, 400, 30 * SEC);
    tell_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_BACKING_OFF); /* nobody tries */

    tell_event(w, "web-0", APP_PATH, "p", "Pulling", "Pulling image \"" IMAGE "\"", 2);
    stand_still(w, 115 * SEC, 400, 6 * MINUTE);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_BACKING_OFF);
    stand_still(w, 10 * SEC, 400, 8 * MINUTE);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);

    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    stand_still(w, 3 * MINUTE, 400, 9 * MINUTE); /* that try is over, too */
    assert_int_equal(state_of(w, "web-0"), INCIDENT_FAILING);
}

static void
a_try_that_goes_on_with_another_layer_does_not_stall_on_the_one_left_behind(void **state)
{
    struct world *w = *state;

    pulling(w, "web-0");
    TELL_INGESTS(w, { LAYER, 400, 0 });
    world_advance(w, 2 * SEC);
    tell_waiting(w, "web-0", "ErrImagePull", "rpc error: code = Unavailable desc = EOF");
    world_advance(w, 10 * SEC);
    tell_event(w, "web-0", APP_PATH, "p", "Pulling", "Pulling image \"" IMAGE "\"", 1);
    for (uint64_t bytes = 0; bytes < 10; bytes++) {
        world_advance(w, 30 * SEC);
        TELL_INGESTS(w, { LAYER, 400, (int64_t)bytes * 30 * SEC }, { OTHER_LAYER, bytes, 0 });
        tell_blob_owner(w, LAYER, REPOSITORY);
        assert_int_equal(state_of(w, "web-0"), INCIDENT_FAILING);
    }
}

static void the_runtime_gives_up_and_the_incident_goes_on(void **state)
{
    struct world *w = *state;
    struct look look;

    pulling(w, "web-0");
    TELL_INGESTS(w, { LAYER, 400, 0 });
    stand_still(w, 2 * MINUTE, 400, 0);
    tell_blob_owner(w, LAYER, REPOSITORY);
    tell_waiting(w, "web-0", "ErrImagePull",
                 "failed to pull and unpack image \"" IMAGE "\": context canceled");
    stand_still(w, 30 * SEC, 400, 2 * MINUTE); /* half a layer stays on the disk */

    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->state, INCIDENT_FAILING);
    assert_int_equal(look_one(&look, "web-0")->verdict.reason, REASON_PULL_STALLED);
    assert_int_equal(look_one(&look, "web-0")->attempts, 1);
    assert_int_equal(look_failures(&look, CAUSE_NETWORK), 1);
    world_look_done(&look);
}

static void what_an_earlier_pull_left_behind_waits_for_its_turn(void **state)
{
    struct world *w = *state;

    pulling(w, "web-0");
    for (uint64_t bytes = 0; bytes < 10; bytes++) {
        world_advance(w, 30 * SEC);
        tell_image(w, IMAGE, false);
        TELL_INGESTS(w, { LAYER, 400, HOUR + (int64_t)bytes * 30 * SEC },
                     { OTHER_LAYER, bytes, 0 });
        tell_blob_owner(w, LAYER, REPOSITORY);
        assert_false(wants_owner(w, LAYER));
    }
    assert_int_equal(incidents_of(w, "web-0"), 0);
}

static void an_agent_that_comes_after_the_stall_began_finds_it(void **state)
{
    struct world *w = *state;

    pulling(w, "web-0");
    stand_still(w, 2 * MINUTE, 400, HOUR);
    assert_true(wants_owner(w, LAYER));
    tell_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
}

/* The runtime is asked now and then: a pull's blob is some seconds older than our first look. */
static void a_blob_that_began_just_before_the_first_look_is_of_this_pull(void **state)
{
    struct world *w = *state;

    pulling(w, "web-0");
    for (int64_t passed = 0; passed <= 2 * MINUTE; passed += LOOK) {
        tell_image(w, IMAGE, false);
        TELL_INGESTS(w, { LAYER, 400, 4 * SEC + passed },
                     { OTHER_LAYER, (uint64_t)(passed / SEC), 0 });
        world_advance(w, LOOK);
    }
    TELL_INGESTS(w, { LAYER, 400, 4 * SEC + 2 * MINUTE }, { OTHER_LAYER, 999, 0 });
    assert_true(wants_owner(w, LAYER));
    tell_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
}

static void a_stall_is_not_older_than_the_wait_for_it(void **state)
{
    struct world *w = *state;
    struct look look;
    int64_t began_us;

    pulling(w, "web-0"); /* and goes on with what somebody left behind the day before */
    began_us = w->now.wall_us;
    stand_still(w, 2 * MINUTE, 400, 24 * HOUR);
    tell_blob_owner(w, LAYER, REPOSITORY);
    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->state, INCIDENT_STALLED);
    assert_int_equal(look_one(&look, "web-0")->first_failure_us, began_us);
    assert_int_equal(look_one(&look, "web-0")->stall->last_progress_us, began_us - 24 * HOUR);
    world_look_done(&look);
}

static void a_clock_that_jumps_makes_no_stall(void **state)
{
    struct world *w = *state;

    pulling(w, "web-0");
    TELL_INGESTS(w, { LAYER, 400, 0 });
    tell_blob_owner(w, LAYER, REPOSITORY);
    w->now.wall_us += HOUR;
    TELL_INGESTS(w, { LAYER, 400, HOUR });
    assert_int_equal(incidents_of(w, "web-0"), 0);
    w->now.wall_us -= 2 * HOUR;
    TELL_INGESTS(w, { LAYER, 400, -HOUR });
    assert_int_equal(incidents_of(w, "web-0"), 0);
}

static void where_stalls_are_not_looked_for_bytes_are_not_asked_for(void **state)
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
    tell_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(incidents_of(w, "web-0"), 0);
}

static void a_pod_that_goes_takes_its_stall_along(void **state)
{
    struct world *w = *state;

    pulling(w, "web-0");
    TELL_INGESTS(w, { LAYER, 400, 0 });
    stand_still(w, 2 * MINUTE, 400, 0);
    tell_blob_owner(w, LAYER, REPOSITORY);
    tell_deleted(w, "web-0");
    assert_int_equal(state_of(w, "web-0"), INCIDENT_GONE);
    TELL_INGESTS(w, { LAYER, 400, 3 * MINUTE });
    assert_int_equal(state_of(w, "web-0"), INCIDENT_GONE);
}

/* The bytes came before the try failed, and were seen at the look after. */
static void bytes_seen_after_the_failure_came_before_it(void **state)
{
    struct world *w = *state;

    pulling(w, "web-0");
    TELL_INGESTS(w, { LAYER, 400, 0 });
    tell_blob_owner(w, LAYER, REPOSITORY);
    world_advance(w, 2 * SEC);
    tell_waiting(w, "web-0", "ErrImagePull", "rpc error: code = Unavailable desc = EOF");
    tell_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    world_advance(w, 3 * SEC);
    TELL_INGESTS(w, { LAYER, 500, 4 * SEC }); /* a second before it failed */
    stand_still(w, 4 * MINUTE, 500, 4 * SEC);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_BACKING_OFF);
}

/* What stood still for the try before is given its time by the next one: the registry may answer
 * again. */
static void the_next_try_does_not_begin_as_a_stall(void **state)
{
    struct world *w = *state;

    pulling(w, "web-0");
    TELL_INGESTS(w, { LAYER, 400, 0 });
    stand_still(w, 2 * MINUTE, 400, 0);
    tell_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    tell_waiting(w, "web-0", "ErrImagePull", "context deadline exceeded");
    tell_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    stand_still(w, 20 * SEC, 400, 2 * MINUTE);

    tell_event(w, "web-0", APP_PATH, "p", "Pulling", "Pulling image \"" IMAGE "\"", 2);
    stand_still(w, LOOK, 400, 140 * SEC);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_BACKING_OFF);
    TELL_INGESTS(w, { LAYER, 500, 0 });
    assert_int_equal(state_of(w, "web-0"), INCIDENT_BACKING_OFF);
}

/* Nor does the pod that takes the place of one that stalled. */
static void a_new_pod_does_not_begin_as_a_stall(void **state)
{
    struct world *w = *state;

    pulling(w, "old");
    TELL_INGESTS(w, { LAYER, 400, 0 });
    stand_still(w, 2 * MINUTE, 400, 0);
    tell_blob_owner(w, LAYER, REPOSITORY);
    tell_deleted(w, "old");
    stand_still(w, 20 * SEC, 400, 2 * MINUTE);
    pulling(w, "new");
    stand_still(w, LOOK, 400, 140 * SEC);
    assert_int_equal(incidents_of(w, "new"), 0);
}

static void too_many_blobs_and_owners_are_cut_and_counted(void **state)
{
    static char digests[LIMIT_INGESTS + 1][32];
    static struct ingest ingests[LIMIT_INGESTS + 1];
    static struct str repositories[LIMIT_BLOB_REPOSITORIES + 1];
    struct world *w = *state;
    struct look look;

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
    world_look(w, &look);
    assert_int_equal(look.snapshot.limit_hits[LIMIT_HIT_INGESTS], 1);
    assert_int_equal(look.snapshot.limit_hits[LIMIT_HIT_BLOB_REPOSITORIES], 1);
    world_look_done(&look);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(bytes_that_stay_away_are_a_stall),
        WORLD_TEST(it_recovers_when_bytes_come_again),
        WORLD_TEST(a_complete_blob_is_in_flight_no_more),
        WORLD_TEST(a_slow_pull_whose_bytes_move_is_none),
        WORLD_TEST(a_pull_that_waits_for_its_turn_or_is_unpacked_has_nothing_in_flight),
        WORLD_TEST(everything_that_shares_the_layer_waits_behind_it),
        cmocka_unit_test(the_runtime_names_hosts_without_their_port),
        WORLD_TEST(what_a_failed_try_left_behind_is_no_stall),
        WORLD_TEST(the_next_try_can_stall_too_and_fails_on_when_bytes_come),
        WORLD_TEST(the_next_try_can_stall_on_the_same_layer_without_a_new_byte),
        WORLD_TEST(a_try_that_goes_on_with_another_layer_does_not_stall_on_the_one_left_behind),
        WORLD_TEST(the_runtime_gives_up_and_the_incident_goes_on),
        WORLD_TEST(what_an_earlier_pull_left_behind_waits_for_its_turn),
        WORLD_TEST(an_agent_that_comes_after_the_stall_began_finds_it),
        WORLD_TEST(a_blob_that_began_just_before_the_first_look_is_of_this_pull),
        WORLD_TEST(a_stall_is_not_older_than_the_wait_for_it),
        WORLD_TEST(a_clock_that_jumps_makes_no_stall),
        WORLD_TEST(where_stalls_are_not_looked_for_bytes_are_not_asked_for),
        WORLD_TEST(a_pod_that_goes_takes_its_stall_along),
        WORLD_TEST(bytes_seen_after_the_failure_came_before_it),
        WORLD_TEST(the_next_try_does_not_begin_as_a_stall),
        WORLD_TEST(a_new_pod_does_not_begin_as_a_stall),
        WORLD_TEST(too_many_blobs_and_owners_are_cut_and_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
