/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

static const struct snapshot_observation *last(const struct snapshot *snapshot)
{
    assert_true(snapshot->n_recent > 0);
    return &snapshot->recent[snapshot->n_recent - 1];
}

static void expect_last(struct world *w, enum observation_kind kind, const char *text,
                        enum effect effect)
{
    struct snapshot snapshot;

    world_snapshot(w, &snapshot);
    assert_int_equal(last(&snapshot)->kind, kind);
    assert_string_equal(last(&snapshot)->text, text);
    assert_string_equal(effect_name(last(&snapshot)->effect), effect_name(effect));
    snapshot_done(&snapshot);
}

static void each_observation_shows_its_effect(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    expect_last(w, OBSERVE_POD, "ContainerCreating", EFFECT_NONE);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    expect_last(w, OBSERVE_POD, "ErrImagePull", EFFECT_OPENED);
    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    expect_last(w, OBSERVE_POD, "ImagePullBackOff", EFFECT_MOVED);
    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    expect_last(w, OBSERVE_POD, "ImagePullBackOff", EFFECT_NONE);
    observe_event(w, "web-0", APP_PATH, "e1", "Failed", "Failed to pull image \"" IMAGE "\": EOF",
                  3);
    expect_last(w, OBSERVE_EVENT, "Failed", EFFECT_MOVED);
    world_advance(w, SEC);
    observe_created(w, "web-0", "app");
    expect_last(w, OBSERVE_CREATED, "", EFFECT_ENDED);
}

static void observation_names_object_and_source(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_event(w, "web-0", APP_PATH, "e1", "Failed", "Failed to pull image \"" IMAGE "\": EOF",
                  1);
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.n_recent, 2);
    assert_int_equal(snapshot.recent[0].source, SOURCE_PODS);
    assert_int_equal(snapshot.recent[1].source, SOURCE_EVENTS);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(snapshot.recent[i].number, i + 1);
        assert_int_equal(snapshot.recent[i].at_us, w->now.wall_us);
        assert_string_equal(snapshot.recent[i].namespace, "default");
        assert_string_equal(snapshot.recent[i].pod, "web-0");
        assert_string_equal(snapshot.recent[i].container, "app");
    }
    snapshot_done(&snapshot);
}

static void repeated_poll_leaves_only_a_gap_in_the_numbers(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_pulling(w, "web-0");
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.n_recent, 2);
    assert_int_equal(snapshot.recent[1].number, 5);
    snapshot_done(&snapshot);
}

static void oldest_observation_is_dropped_first(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;
    char name[32];

    for (unsigned i = 0; i < LIMIT_RECENT + 3; i++) {
        snprintf(name, sizeof(name), "web-%u", i);
        observe_waiting(w, name, "ContainerCreating", "");
    }
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.n_recent, LIMIT_RECENT);
    assert_string_equal(snapshot.recent[0].pod, "web-3");
    assert_string_equal(last(&snapshot)->pod, name);
    snapshot_done(&snapshot);
}

static void secret_in_an_observation_is_not_shown(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_event(w, "web-0", "", "e1", "https://user:hunter2hunter2@" REGISTRY, "", 1);
    world_snapshot(w, &snapshot);
    assert_null(strstr(last(&snapshot)->text, "hunter2"));
    assert_non_null(strstr(last(&snapshot)->text, REGISTRY));
    snapshot_done(&snapshot);
}

static void hostile_names_stay_in_their_field(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;

    pod_of(w, &facts, "web-0");
    facts.containers[0].name = (struct str){ "a\0b", 3 };
    facts.containers[0].waiting_reason = (struct str){ "\0\0", 2 };
    observe_pod(w, &facts);
    world_snapshot(w, &snapshot);
    assert_string_equal(last(&snapshot)->container, "a b");
    assert_string_equal(last(&snapshot)->text, "  ");
    snapshot_done(&snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(each_observation_shows_its_effect),
        WORLD_TEST(observation_names_object_and_source),
        WORLD_TEST(repeated_poll_leaves_only_a_gap_in_the_numbers),
        WORLD_TEST(oldest_observation_is_dropped_first),
        WORLD_TEST(secret_in_an_observation_is_not_shown),
        WORLD_TEST(hostile_names_stay_in_their_field),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
