/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/kube/first_list.h"
#include "tests/unit/kube/kube_story.h"
#include "util.h"

static void tell(struct first_list *first, enum observation_kind kind)
{
    first->sink.observe(first->sink.self,
                        &(struct observation){ .kind = kind, .pod = { .uid = STR("u") } });
}

static void an_empty_first_list_is_told(void **state)
{
    struct first_list first;
    struct story story;

    (void)state;
    story_init(&story);
    first_list_init(&first, &story.sink, "pods of node n1");
    tell(&first, OBSERVE_PODS_BEGIN);
    assert_false(first.told);
    tell(&first, OBSERVE_PODS_END);
    assert_true(first.told);
    assert_string_equal(story.text.at, "PODS_BEGIN\nPODS_END\n");
    story_done(&story);
}

static void only_the_first_complete_list_counts(void **state)
{
    struct first_list first;
    struct story story;

    (void)state;
    story_init(&story);
    first_list_init(&first, &story.sink, "pods of node n1");
    tell(&first, OBSERVE_PODS_BEGIN); /* breaks off, as in a connection that is cut */
    tell(&first, OBSERVE_PODS_BEGIN);
    tell(&first, OBSERVE_POD);
    tell(&first, OBSERVE_PODS_END);
    assert_false(first.told);
    tell(&first, OBSERVE_PODS_BEGIN); /* later the last pod may well be gone */
    tell(&first, OBSERVE_PODS_END);
    assert_false(first.told);
    assert_int_equal(story_count(&story, "PODS_BEGIN"), 3);
    assert_int_equal(story_count(&story, "PODS_END"), 2);
    story_done(&story);
}

static void pods_of_a_list_that_broke_off_are_not_of_the_next(void **state)
{
    struct first_list first;
    struct story story;

    (void)state;
    story_init(&story);
    first_list_init(&first, &story.sink, "pods of node n1");
    tell(&first, OBSERVE_PODS_BEGIN);
    tell(&first, OBSERVE_POD);
    tell(&first, OBSERVE_PODS_BEGIN);
    tell(&first, OBSERVE_PODS_END);
    assert_true(first.told);
    story_done(&story);
}

static void everything_else_goes_through(void **state)
{
    struct first_list first;
    struct wanted wanted;
    struct story story;

    (void)state;
    story_init(&story);
    story.pods_wait = true;
    first_list_init(&first, &story.sink, "pods of node n1");
    first.sink.limit_hit(first.sink.self, LIMIT_HIT_PODS);
    assert_int_equal(story.limit_hits[LIMIT_HIT_PODS], 1);
    first.sink.wanted(first.sink.self, &wanted);
    assert_true(wanted.pods_wait);
    wanted_done(&wanted);
    story_done(&story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_first_list_is_told),
        cmocka_unit_test(only_the_first_complete_list_counts),
        cmocka_unit_test(pods_of_a_list_that_broke_off_are_not_of_the_next),
        cmocka_unit_test(everything_else_goes_through),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
