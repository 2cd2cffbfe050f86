/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

static const struct snapshot_observation *last(const struct look *look)
{
    assert_true(look->snapshot.n_recent > 0);
    return &look->snapshot.recent[look->snapshot.n_recent - 1];
}

static void expect_last(struct world *w, enum observation_kind kind, const char *text,
                        enum effect effect)
{
    struct look look;

    world_look(w, &look);
    assert_int_equal(last(&look)->kind, kind);
    assert_string_equal(last(&look)->text, text);
    assert_string_equal(effect_name(last(&look)->effect), effect_name(effect));
    world_look_done(&look);
}

static void each_says_what_it_did(void **state)
{
    struct world *w = *state;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    expect_last(w, OBSERVE_POD, "ContainerCreating", EFFECT_NONE);
    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    expect_last(w, OBSERVE_POD, "ErrImagePull", EFFECT_OPENED);
    tell_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    expect_last(w, OBSERVE_POD, "ImagePullBackOff", EFFECT_MOVED);
    tell_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    expect_last(w, OBSERVE_POD, "ImagePullBackOff", EFFECT_NONE);
    tell_event(w, "web-0", APP_PATH, "e1", "Failed", "Failed to pull image \"" IMAGE "\": EOF", 3);
    expect_last(w, OBSERVE_EVENT, "Failed", EFFECT_MOVED);
    world_advance(w, SEC);
    tell_created(w, "web-0", "app");
    expect_last(w, OBSERVE_CREATED, "", EFFECT_ENDED);
}

static void it_names_who_and_who_said_so(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    tell_event(w, "web-0", APP_PATH, "e1", "Failed", "Failed to pull image \"" IMAGE "\": EOF", 1);
    world_look(w, &look);
    assert_int_equal(look.snapshot.n_recent, 2);
    assert_int_equal(look.snapshot.recent[0].source, SOURCE_PODS);
    assert_int_equal(look.snapshot.recent[1].source, SOURCE_EVENTS);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(look.snapshot.recent[i].number, i + 1);
        assert_int_equal(look.snapshot.recent[i].at_us, w->now.wall_us);
        assert_string_equal(look.snapshot.recent[i].namespace, "default");
        assert_string_equal(look.snapshot.recent[i].pod, "web-0");
        assert_string_equal(look.snapshot.recent[i].container, "app");
    }
    world_look_done(&look);
}

static void what_the_runtime_repeats_leaves_a_gap_only(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_image(w, IMAGE, false);
    tell_looked(w, "web-0");
    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    world_look(w, &look);
    assert_int_equal(look.snapshot.n_recent, 2);
    assert_int_equal(look.snapshot.recent[1].number, 5);
    world_look_done(&look);
}

static void the_oldest_goes_first(void **state)
{
    struct world *w = *state;
    struct look look;
    char name[32];

    for (unsigned i = 0; i < LIMIT_RECENT + 3; i++) {
        snprintf(name, sizeof(name), "web-%u", i);
        tell_waiting(w, name, "ContainerCreating", "");
    }
    world_look(w, &look);
    assert_int_equal(look.snapshot.n_recent, LIMIT_RECENT);
    assert_string_equal(look.snapshot.recent[0].pod, "web-3");
    assert_string_equal(last(&look)->pod, name);
    world_look_done(&look);
}

static void a_secret_is_not_shown(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_event(w, "web-0", "", "e1", "https://user:hunter2hunter2@" REGISTRY, "", 1);
    world_look(w, &look);
    assert_null(strstr(last(&look)->text, "hunter2"));
    assert_non_null(strstr(last(&look)->text, REGISTRY));
    world_look_done(&look);
}

static void hostile_names_cannot_move_the_parts(void **state)
{
    struct world *w = *state;
    struct pod_told told;
    struct look look;

    pod_of(w, &told, "web-0");
    told.containers[0].name = (struct str){ "a\0b", 3 };
    told.containers[0].waiting_reason = (struct str){ "\0\0", 2 };
    tell_pod(w, &told);
    world_look(w, &look);
    assert_string_equal(last(&look)->container, "a b");
    assert_string_equal(last(&look)->text, "  ");
    world_look_done(&look);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(each_says_what_it_did),
        WORLD_TEST(it_names_who_and_who_said_so),
        WORLD_TEST(what_the_runtime_repeats_leaves_a_gap_only),
        WORLD_TEST(the_oldest_goes_first),
        WORLD_TEST(a_secret_is_not_shown),
        WORLD_TEST(hostile_names_cannot_move_the_parts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
