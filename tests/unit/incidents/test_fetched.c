/* SPDX-License-Identifier: Apache-2.0 */

/* The bytes that pulls have fetched, from the blobs that the runtime has. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

#define REPOSITORY REGISTRY "/team/app"
#define ELSEWHERE "quay.io/team/app"

static void observe_runtime(struct world *w, bool lists_blobs)
{
    const struct observation observation = {
        .kind = OBSERVE_RUNTIME,
        .runtime = { .name = STR("containerd"), .version = STR("2"), .lists_blobs = lists_blobs },
    };

    assert_int_equal(correlate_observe(w->correlate, &observation, w->now), 0);
}

static void answer(struct world *w, const char *repository, const struct stored_blob *blobs,
                   size_t n)
{
    const struct observation observation = {
        .kind = OBSERVE_REPOSITORY,
        .repository = { .repository = str_from(repository), .blobs = blobs, .n_blobs = n },
    };

    assert_int_equal(correlate_observe(w->correlate, &observation, w->now), 0);
}

#define ANSWER(w, repository, ...)                                                                 \
    answer(w, repository, (const struct stored_blob[]){ __VA_ARGS__ },                             \
           sizeof((const struct stored_blob[]){ __VA_ARGS__ }) / sizeof(struct stored_blob))

static bool is_asked_for(struct world *w, const char *repository)
{
    struct wanted wanted;
    bool found = false;

    correlate_wanted(w->correlate, w->now, &wanted);
    for (size_t i = 0; i < wanted.n_fetched; i++)
        found |= str_eq(wanted.fetched[i], str_from(repository));
    wanted_done(&wanted);
    return found;
}

static uint64_t fetched_from(struct world *w, const char *registry)
{
    struct snapshot snapshot;
    uint64_t bytes;

    world_snapshot(w, &snapshot);
    assert_true(snapshot.fetched_known);
    bytes = registry_row(&snapshot, registry)->bytes;
    snapshot_done(&snapshot);
    return bytes;
}

static int64_t ago(const struct world *w, int64_t us)
{
    return w->now.wall_us - us;
}

/* web-0 pulls IMAGE since now; the runtime is an old one of this node. */
static void begin_pull(struct world *w)
{
    observe_runtime(w, true);
    world_advance(w, HOUR);
    observe_pulling(w, "web-0");
}

static void blobs_that_came_during_the_pull_are_counted_once(void **state)
{
    struct world *w = *state;
    int64_t begun_us;

    begin_pull(w);
    begun_us = w->now.wall_us;
    world_advance(w, 10 * SEC);
    /* A base layer of an earlier pull, the manifest, and a layer. */
    ANSWER(w, REPOSITORY, { 1, 5000, begun_us - MINUTE }, { 2, 700, begun_us + SEC },
           { 3, 30, begun_us + 5 * SEC });
    assert_int_equal(fetched_from(w, REGISTRY), 730);
    world_advance(w, 30 * SEC);
    ANSWER(w, REPOSITORY, { 1, 5000, begun_us - MINUTE }, { 2, 700, begun_us + SEC },
           { 3, 30, begun_us + 5 * SEC }, { 4, 4, begun_us + 40 * SEC });
    observe_size(w, IMAGE, 5734);
    assert_int_equal(fetched_from(w, REGISTRY), 734);
}

static void image_whose_layers_are_there_already_fetches_nothing(void **state)
{
    struct world *w = *state;

    begin_pull(w);
    world_advance(w, SEC);
    observe_size(w, IMAGE, 686771);
    observe_running(w, "web-0");
    ANSWER(w, REPOSITORY, { 1, 686771, ago(w, HOUR) });
    assert_int_equal(fetched_from(w, REGISTRY), 0);
}

/* The pull failed after its layers had come: the runtime removes them, and fetches them again. */
static void blob_that_is_fetched_again_counts_again(void **state)
{
    struct world *w = *state;

    begin_pull(w);
    world_advance(w, 10 * SEC);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    assert_true(is_asked_for(w, REPOSITORY));
    ANSWER(w, REPOSITORY, { 1, 100, ago(w, SEC) });
    assert_false(is_asked_for(w, REPOSITORY));
    world_advance(w, 5 * MINUTE);
    observe_size(w, IMAGE, 100);
    ANSWER(w, REPOSITORY, { 1, 100, ago(w, SEC) });
    assert_int_equal(fetched_from(w, REGISTRY), 200);
}

static void layer_of_two_repositories_counts_for_one(void **state)
{
    struct world *w = *state;
    int64_t came_us;

    begin_pull(w);
    observe_waiting_for(w, "web-1", ELSEWHERE ":v2");
    observe_image(w, ELSEWHERE ":v2", false);
    observe_polled(w, "web-1");
    world_advance(w, 10 * SEC);
    came_us = w->now.wall_us;
    ANSWER(w, REPOSITORY, { 1, 100, came_us }, { 2, 1, came_us });
    ANSWER(w, ELSEWHERE, { 1, 100, came_us }, { 3, 2, came_us });
    assert_int_equal(fetched_from(w, REGISTRY), 101);
    assert_int_equal(fetched_from(w, "quay.io"), 2);
}

static void two_tags_of_one_repository_are_asked_for_and_counted_once(void **state)
{
    struct world *w = *state;
    struct wanted wanted;

    begin_pull(w);
    observe_waiting_for(w, "web-1", REPOSITORY ":v2");
    observe_image(w, REPOSITORY ":v2", false);
    observe_sandbox(w, "web-0", true);
    observe_polled(w, "web-1");
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_int_equal(wanted.n_fetched, 1);
    wanted_done(&wanted);
    world_advance(w, SEC);
    ANSWER(w, REPOSITORY, { 1, 100, w->now.wall_us });
    assert_int_equal(fetched_from(w, REGISTRY), 100);
}

/* The last run of the agent counted what came before; and nobody knows how much of it. */
static void what_came_before_the_start_is_not_counted(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;

    observe_runtime(w, true);
    observe_list_begin(w);
    pod_of(w, &facts, "web-0");
    facts.fact.created_us = w->now.wall_us - HOUR;
    observe_pod(w, &facts);
    observe_list_end(w);
    observe_image(w, IMAGE, false);
    observe_polled(w, "web-0");
    ANSWER(w, REPOSITORY, { 1, 5000, ago(w, SEC) }, { 2, 70, w->now.wall_us });
    assert_int_equal(fetched_from(w, REGISTRY), 70);
}

static void long_pull_is_counted_every_30_seconds_and_at_its_end(void **state)
{
    struct world *w = *state;

    begin_pull(w);
    assert_true(is_asked_for(w, REPOSITORY));
    answer(w, REPOSITORY, NULL, 0);
    world_advance(w, 29 * SEC);
    assert_false(is_asked_for(w, REPOSITORY));
    world_advance(w, SEC);
    assert_true(is_asked_for(w, REPOSITORY));
    answer(w, REPOSITORY, NULL, 0);
    world_advance(w, 5 * SEC);
    observe_size(w, IMAGE, 1);
    assert_true(is_asked_for(w, REPOSITORY));
    answer(w, REPOSITORY, NULL, 0);
    assert_false(is_asked_for(w, REPOSITORY));
    observe_running(w, "web-0");
    assert_false(is_asked_for(w, REPOSITORY));
}

static void failing_image_is_not_asked_for_between_attempts(void **state)
{
    struct world *w = *state;

    begin_pull(w);
    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    answer(w, REPOSITORY, NULL, 0);
    observe_image(w, IMAGE, false);
    observe_polled(w, "web-0");
    world_advance(w, 2 * MINUTE);
    assert_false(is_asked_for(w, REPOSITORY));
}

/* Its tag may have moved: then the runtime fetches, though an image of that name is there. */
static void image_that_is_always_pulled_is_asked_for_after_its_container_started(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;

    for (int always = 0; always < 2; always++) {
        observe_runtime(w, true);
        pod_of(w, &facts, "web-0");
        facts.containers[0].pull_policy = always ? STR("Always") : STR("IfNotPresent");
        observe_pod(w, &facts);
        observe_image(w, IMAGE, true);
        observe_polled(w, "web-0");
        assert_false(is_asked_for(w, REPOSITORY));
        observe_running(w, "web-0");
        assert_int_equal(is_asked_for(w, REPOSITORY), always);
        observe_deleted(w, "web-0");
        world_advance(w, 2 * MINUTE);
    }
}

static void runtime_that_does_not_list_blobs_is_not_asked(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    begin_pull(w);
    assert_true(is_asked_for(w, REPOSITORY));
    for (int refused = 0; refused < 2; refused++) {
        if (refused) {
            observe_runtime(w, true);
            assert_int_equal(correlate_observe(w->correlate,
                                               &(struct observation){ .kind = OBSERVE_NO_BLOBS },
                                               w->now),
                             0);
        } else {
            observe_runtime(w, false);
        }
        assert_false(is_asked_for(w, REPOSITORY));
        world_snapshot(w, &snapshot);
        assert_false(snapshot.fetched_known);
        snapshot_done(&snapshot);
    }
}

/* More blobs than have a place in the notes: those that lost theirs do not count again. */
static void many_blobs_are_counted_once(void **state)
{
    static struct stored_blob blobs[LIMIT_REPOSITORY_BLOBS];
    struct world *w = *state;
    uint64_t total = 0;

    begin_pull(w);
    for (size_t round = 0; round < 8; round++) {
        world_advance(w, SEC);
        for (size_t i = 0; i < ARRAY_SIZE(blobs); i++)
            blobs[i] = (struct stored_blob){ total + i, 1, w->now.wall_us + (int64_t)i };
        total += ARRAY_SIZE(blobs);
        for (int again = 0; again < 2; again++) {
            answer(w, REPOSITORY, blobs, ARRAY_SIZE(blobs));
            assert_int_equal(fetched_from(w, REGISTRY), total);
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(blobs); i++)
        blobs[i] = (struct stored_blob){ i, 1, ago(w, 7 * SEC) + (int64_t)i };
    answer(w, REPOSITORY, blobs, ARRAY_SIZE(blobs));
    assert_int_equal(fetched_from(w, REGISTRY), total);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(blobs_that_came_during_the_pull_are_counted_once),
        WORLD_TEST(image_whose_layers_are_there_already_fetches_nothing),
        WORLD_TEST(blob_that_is_fetched_again_counts_again),
        WORLD_TEST(layer_of_two_repositories_counts_for_one),
        WORLD_TEST(two_tags_of_one_repository_are_asked_for_and_counted_once),
        WORLD_TEST(what_came_before_the_start_is_not_counted),
        WORLD_TEST(long_pull_is_counted_every_30_seconds_and_at_its_end),
        WORLD_TEST(failing_image_is_not_asked_for_between_attempts),
        WORLD_TEST(image_that_is_always_pulled_is_asked_for_after_its_container_started),
        WORLD_TEST(runtime_that_does_not_list_blobs_is_not_asked),
        WORLD_TEST(many_blobs_are_counted_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
