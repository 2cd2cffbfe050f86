/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/kube/kube_world.h"

/* --- pods: how it starts ---------------------------------------------------------------------- */

static void first_request_is_a_streaming_list_at_once(void **state)
{
    struct kube_world *w = *state;

    assert_int_equal(kube_world_waits(w), 0);
    assert_true(reflector_asks_watch(&w->reflector));
    kube_world_ask(w);
    kube_world_assert_asked(w, PODS "&watch=true&allowWatchBookmarks=true&sendInitialEvents=true"
                                    "&resourceVersionMatch=NotOlderThan&timeoutSeconds=");
    kube_world_answer(w, 200);
    assert_int_equal(story_count(&w->story, "PODS_BEGIN"), 1);
    assert_int_equal(w->health.status.watches_open, 1);
    assert_int_equal(kube_world_receive(w, buf_str(&w->watchlist)), 0);
    assert_int_equal(story_count(&w->story, "PODS_END"), 1);
    assert_true(w->health.status.last_success_us == w->now.wall_us);
    assert_string_equal(w->health.status.resource_version, with_facts("{watch_until}"));

    /* The server ends it at the agreed time: the next watch resumes; nothing is logged. */
    kube_world_advance(w, 11 * MINUTE);
    kube_world_end(w);
    assert_int_equal(kube_world_waits(w), 0);
    kube_world_ask(w);
    kube_world_assert_asked(
        w,
        with_facts(
            PODS
            "&watch=true&allowWatchBookmarks=true&resourceVersion={watch_until}&timeoutSeconds="));
    kube_world_assert_change(w, CHANGE_NONE, NULL);
    kube_world_assert_reconnects(w, RECONNECT_CLOSED, 0);
    assert_true(w->health.status.up);
    assert_int_equal(w->health.status.watches_open, 0);
}

static void refused_streaming_list_is_followed_by_a_list_at_once(void **state)
{
    static const int refusals[] = { 400, 403, 404, 422 };
    struct kube_world *w = *state;

    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
        reflector_done(&w->reflector, w->now);
        kube_world_begin(w, KUBE_PODS);
        kube_world_ask(w);
        kube_world_refuse(w, refusals[i]);
        assert_int_equal(kube_world_waits(w), 0);
        assert_false(reflector_asks_watch(&w->reflector));
        kube_world_ask(w);
        assert_string_equal(w->target.at, PODS "&resourceVersion=0");
        kube_world_assert_change(w, CHANGE_NONE, NULL);
        kube_world_assert_reconnects(w, RECONNECT_REFUSED, 0);
        assert_true(w->health.status.up);
    }
}

/* Servers before 1.27 ignore the unknown parameter: they send pods, and then nothing. */
static void streaming_list_without_an_end_is_followed_by_a_list(void **state)
{
    struct kube_world *w = *state;

    kube_world_ask(w);
    kube_world_answer(w, 200);
    assert_int_equal(kube_world_receive(w, str_head(buf_str(&w->watch), 20000)), 0);
    kube_world_advance(w, 9 * SEC);
    assert_false(reflector_late(&w->reflector, w->now));
    assert_int_equal(kube_world_waits(w), 1 * SEC);
    kube_world_advance(w, 1 * SEC);
    assert_true(reflector_late(&w->reflector, w->now));
    kube_world_cut(w, false, "timeout");
    assert_int_equal(story_count(&w->story, "PODS_END"), 0);
    assert_true(w->health.status.up);

    kube_world_ask(w);
    assert_string_equal(w->target.at, PODS "&resourceVersion=0");
    kube_world_answer_all(w, &w->list);
    assert_int_equal(story_count(&w->story, "PODS_BEGIN"), 2);
    assert_int_equal(story_count(&w->story, "PODS_END"), 1);
}

static void list_is_followed_by_a_watch_from_its_version(void **state)
{
    struct kube_world *w = *state;

    kube_world_list_and_watch(w);
    kube_world_assert_asked(w, with_facts("&resourceVersion={list_version}&"));
    assert_int_equal(story_count(&w->story, "POD "), recording_fact("", "pods_listed"));
    assert_int_equal(story_count(&w->story, "PODS_END"), 1);
    assert_int_equal(kube_world_receive(w, buf_str(&w->watch)), 0);
    assert_int_equal(story_count(&w->story, "DELETED "), 1);
    assert_string_equal(w->health.status.resource_version, with_facts("{watch_until}"));
}

static void streaming_is_tried_again_after_an_hour(void **state)
{
    struct kube_world *w = *state;

    kube_world_list_and_watch(w);
    kube_world_expire(w);
    kube_world_ask(w);
    kube_world_assert_asked(w, "&limit=500");
    kube_world_refuse(w, 410);
    kube_world_advance(w, HOUR);
    kube_world_ask(w);
    assert_string_equal(w->target.at, PODS "&limit=500");
    kube_world_refuse(w, 410);
    kube_world_ask(w);
    kube_world_assert_asked(w, "sendInitialEvents=true");
    kube_world_answer(w, 200);
}

/* --- 410 -------------------------------------------------------------------------------------- */

static void expired_watch_is_followed_by_a_paged_list(void **state)
{
    struct kube_world *w = *state;

    kube_world_list_and_watch(w);
    kube_world_expire(w);
    assert_true(kube_world_waits(w) >= SEC && kube_world_waits(w) <= 3 * SEC / 2);
    kube_world_assert_reconnects(w, RECONNECT_EXPIRED, 1);
    assert_true(w->health.status.up);
    kube_world_assert_change(w, CHANGE_RETRY, "too old resource version");

    kube_world_ask(w);
    assert_string_equal(w->target.at, PODS "&limit=500");
    kube_world_answer_all(w, &w->page);
    assert_int_equal(kube_world_waits(w), 0);
    kube_world_ask(w);
    kube_world_assert_asked(w, PODS "&limit=500&continue=ey");
    kube_world_answer_all(w, &w->list);
    kube_world_ask(w);
    kube_world_assert_asked(w, with_facts("&resourceVersion={list_version}&"));
    assert_int_equal(story_count(&w->story, "PODS_BEGIN"), 2);
    assert_int_equal(story_count(&w->story, "PODS_END"), 2);
    kube_world_answer(w, 200);
}

static void expired_page_is_followed_by_the_whole_list(void **state)
{
    struct kube_world *w = *state;

    kube_world_list_and_watch(w);
    kube_world_expire(w);
    kube_world_ask(w);
    kube_world_answer_all(w, &w->page);
    kube_world_ask(w);
    kube_world_refuse(w, 410);
    kube_world_ask(w);
    assert_string_equal(w->target.at, PODS);
    kube_world_answer_all(w, &w->list);
    assert_int_equal(story_count(&w->story, "PODS_END"), 2);
    kube_world_ask(w);
    kube_world_assert_asked(w, with_facts("&resourceVersion={list_version}&"));
}

static void expired_watch_is_followed_by_a_streaming_list(void **state)
{
    struct kube_world *w = *state;

    kube_world_streaming_list(w);
    kube_world_advance(w, 11 * MINUTE);
    kube_world_end(w);
    kube_world_ask(w);
    kube_world_refuse(w, 410);
    kube_world_ask(w);
    kube_world_assert_asked(w, "sendInitialEvents=true");
    kube_world_cut(w, false, "no connection");
    kube_world_ask(w); /* not from the expired version */
    kube_world_assert_asked(w, "sendInitialEvents=true");
}

static void expired_streaming_list_is_a_failure(void **state)
{
    struct kube_world *w = *state;

    kube_world_ask(w);
    kube_world_assert_asked(w, "sendInitialEvents=true");
    kube_world_refuse(w, 410);
    assert_false(w->health.status.up);
    kube_world_assert_reconnects(w, RECONNECT_EXPIRED, 1);
}

static void repeated_expiry_backs_off(void **state)
{
    struct kube_world *w = *state;
    int64_t last = 0;

    kube_world_list_and_watch(w);
    for (int i = 0; i < 4; i++) {
        kube_world_expire(w);
        assert_true(kube_world_waits(w) > last);
        last = kube_world_waits(w);
        kube_world_ask(w);
        kube_world_answer_all(w, &w->list);
        kube_world_ask(w);
        kube_world_answer(w, 200);
    }
}

/* --- events ----------------------------------------------------------------------------------- */

static void events_are_listed_in_pages_and_then_watched(void **state)
{
    struct kube_world *w = *state;
    struct buf list;

    reflector_done(&w->reflector, w->now);
    kube_world_begin(w, KUBE_EVENTS);
    recording_read("events.list.pb", &list);
    kube_world_ask(w);
    assert_string_equal(w->target.at, "/api/v1/namespaces/default/events?fieldSelector="
                                      "involvedObject.kind%3DPod%2Csource%3Dkubelet&limit=500");
    kube_world_answer_all(w, &list);
    assert_true(story_count(&w->story, "EVENT ") > 100);
    assert_int_equal(story_count(&w->story, "PODS_"), 0);
    kube_world_ask(w);
    kube_world_assert_asked(
        w, with_facts("&watch=true&allowWatchBookmarks=true&resourceVersion={list_version}&"));
    kube_world_answer(w, 200);
    kube_world_advance(w, 2 * SEC);
    assert_false(reflector_late(&w->reflector, w->now));
    assert_true(w->health.status.up);
    buf_done(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KUBE_WORLD_TEST(first_request_is_a_streaming_list_at_once),
        KUBE_WORLD_TEST(refused_streaming_list_is_followed_by_a_list_at_once),
        KUBE_WORLD_TEST(streaming_list_without_an_end_is_followed_by_a_list),
        KUBE_WORLD_TEST(list_is_followed_by_a_watch_from_its_version),
        KUBE_WORLD_TEST(streaming_is_tried_again_after_an_hour),
        KUBE_WORLD_TEST(expired_watch_is_followed_by_a_paged_list),
        KUBE_WORLD_TEST(expired_page_is_followed_by_the_whole_list),
        KUBE_WORLD_TEST(expired_watch_is_followed_by_a_streaming_list),
        KUBE_WORLD_TEST(expired_streaming_list_is_a_failure),
        KUBE_WORLD_TEST(repeated_expiry_backs_off),
        KUBE_WORLD_TEST(events_are_listed_in_pages_and_then_watched),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
