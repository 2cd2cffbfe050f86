/* SPDX-License-Identifier: Apache-2.0 */

/* What the source does with answers that are errors. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/cri/cri_story.h"

static void lists_are_not_found(struct world *world)
{
    const struct double_answer answer = { .status = 5, .details = "not found" };

    double_set(world->runtime, "ListContainers", &answer);
}

static void lists_are_denied(struct world *world)
{
    const struct double_answer answer = { .status = 7, .details = "not for you" };

    double_set(world->runtime, "ListContainers", &answer);
}

static void lists_work(struct world *world)
{
    double_answers(world->runtime, "ListContainers", CONTAINERS);
}

static void a_refused_image_does_not_end_the_poll(void **state)
{
    static const struct moment story[] = { { START + 500 * MSEC, NULL } };
    const struct double_answer refusal = {
        .status = 3,
        .details = "invalid reference 'https://user:secret@x'",
    };
    struct world *world = *state;

    story_start_runtime(world);
    double_set(world->runtime, "ImageStatus", &refusal);
    world->waiting = true;
    story_play(world, story);
    story_assert_observed(world,
                          "0 runtime 1.6\n0 sandbox u 1\n0 created u/c\n0 no more sandboxes\n");
    assert_true(world->status.up);
    assert_non_null(strstr(world->status.last_error, "ImageStatus is refused"));
    assert_null(strstr(world->status.last_error, "secret"));
    assert_int_equal(story_logged(world, "secret"), 0);
}

/* The lists are read at 0, 32 and 62 s: not at each poll. */
static void a_list_over_the_limit_does_not_end_the_poll(void **state)
{
    static const struct moment story[] = {
        { START + 50 * SEC, lists_work },
        { START + 70 * SEC, NULL },
    };
    const struct double_answer refusal = {
        .status = 8,
        .details = "grpc: trying to send message larger than max (17 vs. 16)",
    };
    struct world *world = *state;

    story_start_runtime(world);
    double_set(world->runtime, "ListContainers", &refusal);
    world->waiting = true;
    story_play(world, story);
    assert_int_equal(world->limit_hits, 2);
    assert_int_equal(world->limit_hit, LIMIT_HIT_CRI_MESSAGE);
    assert_int_equal(world->status.reconnects[RECONNECT_MALFORMED], 0);
    assert_int_equal(world->status_flips, 0);
    assert_true(world->status.up);
    assert_non_null(strstr(world->status.last_error, "ListContainers"));
    assert_null(str_find(buf_str(&world->observed), STR("47 created")));
    assert_non_null(str_find(buf_str(&world->observed), STR("47 busybox")));
    assert_non_null(str_find(buf_str(&world->observed), STR("created u/c")));
}

static void an_answer_of_any_method_over_the_limit_is_counted(void **state)
{
    static const struct moment story[] = { { START + 500 * MSEC, NULL } };
    const struct double_answer refusal = {
        .status = 8,
        .details = "grpc: trying to send message larger than max (17 vs. 16)",
    };
    static const struct {
        const char *method;
        bool ends_poll;
    } rows[] = {
        { "Version", true },       { "Status", true },          { "ImageFsInfo", false },
        { "ImageStatus", false },  { "ListContainers", false }, { "ListPodSandbox", false },
        { "ListStatuses", false },
    };
    void *each = NULL;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct world *world;

        assert_int_equal(story_new(&each), 0);
        world = each;
        story_start_runtime(world);
        double_set(world->runtime, rows[i].method, &refusal);
        world->waiting = world->pulling = true;
        story_play(world, story);
        assert_int_equal(world->limit_hits, 1);
        assert_int_equal(world->limit_hit, LIMIT_HIT_CRI_MESSAGE);
        assert_int_equal(world->status.up, !rows[i].ends_poll);
        assert_non_null(strstr(world->status.last_error, rows[i].method));
        story_free(&each);
    }
}

/* An empty sandbox has two bytes in the message and more than a hundred when it is decoded. */
static void a_list_that_decodes_to_more_than_the_limit_is_counted(void **state)
{
    static const struct moment story[] = { { START + 500 * MSEC, NULL } };
    static char many[2u << 20];
    struct world *world = *state;

    for (size_t i = 0; i < sizeof(many); i += 2)
        many[i] = '\x0a';
    story_start_runtime(world);
    double_answers(world->runtime, "ListPodSandbox",
                   (struct str){ .at = many, .len = sizeof(many) });
    world->waiting = true;
    story_play(world, story);
    assert_int_equal(world->limit_hits, 1);
    assert_int_equal(world->limit_hit, LIMIT_HIT_CRI_MESSAGE);
    assert_true(world->status.up);
    assert_non_null(strstr(world->status.last_error, "ListPodSandbox"));
}

static void not_found_on_a_list_reconnects_as_refused(void **state)
{
    static const struct moment story[] = { { START + 500 * MSEC, NULL } };
    const struct double_answer not_found = { .status = 5, .details = "not found" };
    struct world *world = *state;

    story_start_runtime(world);
    double_set(world->runtime, "ListContainers", &not_found);
    world->waiting = true;
    story_play(world, story);
    assert_false(world->status.up);
    assert_int_equal(world->status.reconnects[RECONNECT_REFUSED], 1);
}

static void a_new_reason_of_the_same_outage_is_one_more_warning(void **state)
{
    static const struct moment story[] = {
        { START + 20 * SEC, lists_are_denied },
        { START + 60 * SEC, lists_are_not_found },
        { START + 90 * SEC, lists_work },
        { START + 110 * SEC, NULL },
    };
    struct world *world = *state;

    story_start_runtime(world);
    lists_are_not_found(world);
    world->waiting = true;
    story_play(world, story);
    assert_int_equal(story_logged(world, "NotFound: not found; retrying"), 2);
    assert_int_equal(story_logged(world, "PermissionDenied: not for you; retrying"), 1);
    assert_int_equal(story_logged(world, "level=warn"), 3);
    assert_int_equal(story_logged(world, "answers again"), 1);
    assert_true(world->status.up);
}

static void a_socket_without_cri_is_logged_with_the_likely_reason(void **state)
{
    static const struct moment story[] = { { START + 500 * MSEC, NULL } };
    struct world *world = *state;

    world->runtime = double_new(world->path); /* answers Unimplemented */
    story_play(world, story);
    story_assert_observed(world, "");
    assert_false(world->status.up);
    assert_non_null(strstr(world->status.last_error, "its CRI plugin is off"));
    assert_int_equal(world->status.reconnects[RECONNECT_REFUSED], 1);
}

static void an_undecodable_answer_is_an_error(void **state)
{
    static const struct moment story[] = { { START + 500 * MSEC, NULL } };
    struct world *world = *state;

    story_start_runtime(world);
    double_answers(world->runtime, "Version", STR("<html>"));
    story_play(world, story);
    story_assert_observed(world, "");
    assert_false(world->status.up);
    assert_int_equal(world->status.reconnects[RECONNECT_MALFORMED], 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, story_new, story_free)
    const struct CMUnitTest tests[] = {
        TEST(a_refused_image_does_not_end_the_poll),
        TEST(a_list_over_the_limit_does_not_end_the_poll),
        cmocka_unit_test(an_answer_of_any_method_over_the_limit_is_counted),
        TEST(a_list_that_decodes_to_more_than_the_limit_is_counted),
        TEST(not_found_on_a_list_reconnects_as_refused),
        TEST(a_new_reason_of_the_same_outage_is_one_more_warning),
        TEST(a_socket_without_cri_is_logged_with_the_likely_reason),
        TEST(an_undecodable_answer_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
