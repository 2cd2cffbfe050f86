/* SPDX-License-Identifier: Apache-2.0 */

/* Which pull a blob belongs to, and which owners are asked for. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/stall_story.h"
#include "tests/unit/incidents/world.h"

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
    n = count_incidents(&w, "web-0");
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

static void blob_of_an_earlier_pull_waits_for_its_turn(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    for (uint64_t bytes = 0; bytes < 10; bytes++) {
        world_advance(w, 30 * SEC);
        observe_image(w, IMAGE, false);
        OBSERVE_BLOBS(w, { LAYER, 400, HOUR + (int64_t)bytes * 30 * SEC },
                      { OTHER_LAYER, bytes, 0 });
        observe_blob_owner(w, LAYER, REPOSITORY);
        assert_false(wants_owner(w, LAYER));
    }
    assert_int_equal(count_incidents(w, "web-0"), 0);
}

/* The runtime is polled every few seconds: the blob of a pull can be older than our first poll. */
static void blob_that_began_right_before_the_first_poll_belongs_to_the_pull(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
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

/* Eight blobs have no owner: the ninth must be asked for, too. */
static void blobs_without_an_owner_do_not_hide_the_next_one(void **state)
{
    struct world *w = *state;
    char digests[9][80];
    struct ingest ingests[9];
    bool asked = false;

    for (int i = 0; i < 9; i++)
        snprintf(digests[i], sizeof(digests[i]), "sha256:%064d", i);
    observe_pulling(w, "web-0");
    for (int poll = 0; poll < 200; poll++) {
        struct wanted wanted;

        world_advance(w, POLL);
        observe_image(w, IMAGE, false);
        observe_polled(w, "web-0");
        for (int i = 0; i < 9; i++)
            ingests[i] = (struct ingest){ .digest = str_from(digests[i]),
                                          .bytes = 1,
                                          .begun_us = w->now.wall_us - HOUR,
                                          .moved_us = w->now.wall_us - HOUR };
        correlate_observe(w->correlate,
                          &(struct observation){ .kind = OBSERVE_INGESTS,
                                                 .ingests = { .ingests = ingests, .n = 9 } },
                          w->now);
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

static void owner_of_a_stalled_blob_is_asked_again_while_others_move(void **state)
{
    struct world *w = *state;
    int64_t old_us = w->now.wall_us - HOUR;

    observe_pulling(w, "web-0");
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

    observe_pulling(w, "web-0");
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
    correlate_observe(
        w->correlate,
        &(struct observation){ .kind = OBSERVE_INGESTS,
                               .ingests = { .ingests = ingests, .n = ARRAY_SIZE(ingests) } },
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
        cmocka_unit_test(repository_of_the_runtime_has_no_port),
        WORLD_TEST(blob_of_an_earlier_pull_waits_for_its_turn),
        WORLD_TEST(blob_that_began_right_before_the_first_poll_belongs_to_the_pull),
        WORLD_TEST(blobs_without_an_owner_do_not_hide_the_next_one),
        WORLD_TEST(owner_of_a_stalled_blob_is_asked_again_while_others_move),
        WORLD_TEST(blobs_asked_longest_ago_are_asked_first),
        WORLD_TEST(blobs_and_owners_over_the_limit_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
