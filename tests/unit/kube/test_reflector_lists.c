/* SPDX-License-Identifier: Apache-2.0 */

/* Lists that are too large, or that fail again and again. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "limit.h"
#include "tests/unit/kube/kube_world.h"

/* A list that begins with one field of 2 GiB that nobody reads. */
#define ENDLESS STR("k8s\0\x22\xff\xff\xff\xff\x07")

static void receive_mebibytes(struct kube_world *w, size_t n)
{
    static const char junk[1 << 20];

    assert_int_equal(kube_world_receive(w, ENDLESS), 0);
    for (size_t i = 0; i < n; i++)
        kube_world_receive(w, (struct str){ .at = junk, .len = sizeof(junk) });
}

static void answer_too_much(struct kube_world *w)
{
    kube_world_answer(w, 200);
    receive_mebibytes(w, LIMIT_LIST_BODY >> 20);
    assert_true(reflector_late(&w->reflector, w->now));
    kube_world_cut(w, false, "cancelled");
}

static void list_that_is_too_large_is_read_in_pages(void **state)
{
    struct kube_world *w = *state;

    kube_world_ask(w);
    kube_world_refuse(w, 422);
    kube_world_ask(w);
    kube_world_assert_asked(w, "&resourceVersion=0");
    answer_too_much(w);
    kube_world_assert_change(w, CHANGE_FAILED, "the list is over 67108864 bytes");
    assert_true(kube_world_waits(w) < 10 * SEC);
    kube_world_ask(w);
    assert_string_equal(w->target.at, PODS "&limit=500");
    kube_world_answer_all(w, &w->list);
    kube_world_ask(w);
    kube_world_assert_asked(w, "watch=true");
}

static void page_that_is_too_large_is_followed_by_smaller_ones(void **state)
{
    static const char *const limits[] = { "&limit=500", "&limit=100", "&limit=20", "&limit=4",
                                          "&limit=1" };
    struct kube_world *w = *state;

    kube_world_ask(w);
    kube_world_refuse(w, 422);
    kube_world_ask(w);
    answer_too_much(w);
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        kube_world_ask(w);
        assert_true(str_ends(buf_str(&w->target), str_from(limits[i])));
        answer_too_much(w);
    }
    /* No page can be smaller: 64 MiB are not read again and again. */
    assert_true(kube_world_waits(w) >= 64 * SEC);
    kube_world_ask(w);
    assert_true(str_ends(buf_str(&w->target), STR("&limit=1")));
}

/* A list, and a watch that works until it is malformed. */
static void list_and_lose_watch(struct kube_world *w)
{
    kube_world_ask(w);
    kube_world_answer_all(w, &w->list);
    kube_world_ask(w);
    kube_world_answer(w, 200);
    kube_world_advance(w, 3 * SEC);
    assert_false(reflector_late(&w->reflector, w->now));
    assert_int_equal(kube_world_receive(w, STR("\0\0\0\1x")), -EPROTO);
    kube_world_cut(w, false, "cancelled");
}

static void pages_are_asked_for_from_the_start_for_an_hour(void **state)
{
    struct kube_world *w = *state;

    kube_world_ask(w);
    kube_world_refuse(w, 422);
    kube_world_ask(w);
    answer_too_much(w);
    kube_world_ask(w);
    answer_too_much(w);
    list_and_lose_watch(w);
    kube_world_ask(w);
    assert_string_equal(w->target.at, PODS "&limit=100");
    kube_world_refuse(w, 503);

    kube_world_advance(w, HOUR);
    kube_world_ask(w);
    kube_world_refuse(w, 503);
    kube_world_ask(w);
    kube_world_refuse(w, 422); /* a streaming list */
    list_and_lose_watch(w);
    kube_world_ask(w);
    kube_world_assert_asked(w, "&resourceVersionMatch=NotOlderThan");
}

/* However it fails: at most a MiB a second is read for nothing. */
static void failed_list_is_read_again_the_later_the_larger_it_is(void **state)
{
    struct kube_world *w = *state;

    kube_world_ask(w);
    kube_world_refuse(w, 422);
    for (int i = 0; i < 3; i++) {
        kube_world_ask(w);
        kube_world_answer(w, 200);
        receive_mebibytes(w, 40);
        kube_world_cut(w, true, "connection closed");
        assert_true(kube_world_waits(w) >= 40 * SEC && kube_world_waits(w) < 50 * SEC);
    }
    kube_world_ask(w);
    kube_world_refuse(w, 503); /* nothing was read */
    assert_true(kube_world_waits(w) < 11 * SEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KUBE_WORLD_TEST(list_that_is_too_large_is_read_in_pages),
        KUBE_WORLD_TEST(page_that_is_too_large_is_followed_by_smaller_ones),
        KUBE_WORLD_TEST(pages_are_asked_for_from_the_start_for_an_hour),
        KUBE_WORLD_TEST(failed_list_is_read_again_the_later_the_larger_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
