/* SPDX-License-Identifier: Apache-2.0 */

/* Requests that get no answer, and watches that do not end in time. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/kube/kube_world.h"

static void times_out(struct kube_world *w, int64_t after_us)
{
    kube_world_advance(w, after_us);
    assert_true(reflector_late(&w->reflector, w->now));
    kube_world_cut(w, false, "timeout");
}

static void two_requests_without_an_answer_are_a_reason_for_a_new_client(void **state)
{
    struct kube_world *w = *state;

    kube_world_streaming_list(w);
    times_out(w, 200 * SEC); /* its watch is silent */
    assert_false(reflector_take_stuck(&w->reflector));
    kube_world_ask(w);
    times_out(w, 30 * SEC);
    assert_true(reflector_take_stuck(&w->reflector));
    assert_false(reflector_take_stuck(&w->reflector)); /* not again at each step */
    kube_world_ask(w);
    times_out(w, 30 * SEC);
    assert_false(reflector_take_stuck(&w->reflector));
    kube_world_ask(w);
    times_out(w, 30 * SEC);
    assert_true(reflector_take_stuck(&w->reflector));
}

static void an_answer_between_two_timeouts_shows_that_the_client_works(void **state)
{
    struct kube_world *w = *state;

    kube_world_ask(w);
    times_out(w, 30 * SEC);
    kube_world_streaming_list(w);
    times_out(w, 200 * SEC);
    assert_false(reflector_take_stuck(&w->reflector));
}

static void refused_requests_are_no_reason_for_a_new_client(void **state)
{
    struct kube_world *w = *state;

    for (int i = 0; i < 5; i++) {
        kube_world_ask(w);
        kube_world_cut(w, false, "Connection refused");
        assert_false(reflector_take_stuck(&w->reflector));
    }
}

static void silence_times_out_in_each_state(void **state)
{
    struct kube_world *w = *state;

    kube_world_ask(w);
    assert_int_equal(kube_world_waits(w), 30 * SEC);
    kube_world_advance(w, 30 * SEC);
    assert_true(reflector_late(&w->reflector, w->now));
    kube_world_cut(w, false, "timeout");
    kube_world_assert_change(w, CHANGE_FAILED, "no answer within 30s");
    kube_world_assert_reconnects(w, RECONNECT_NETWORK, 1);

    kube_world_streaming_list(w);
    assert_int_equal(kube_world_waits(w), 200 * SEC); /* three bookmarks are missing */
    kube_world_advance(w, 200 * SEC);
    assert_true(reflector_late(&w->reflector, w->now));
    kube_world_cut(w, false, "timeout");
    kube_world_assert_reconnects(w, RECONNECT_NETWORK, 2);
    kube_world_ask(w);
    kube_world_assert_asked(w, with_facts("&resourceVersion={watch_until}&"));
    kube_world_refuse(w, 410);

    reflector_done(&w->reflector, w->now);
    kube_world_begin(w, KUBE_PODS);
    kube_world_ask(w);
    kube_world_refuse(w, 422);
    kube_world_ask(w);
    kube_world_answer(w, 200);
    assert_int_equal(kube_world_receive(w, str_head(buf_str(&w->list), 100)), 0);
    kube_world_advance(w, 2 * MINUTE);
    assert_true(reflector_late(&w->reflector, w->now));
    kube_world_cut(w, false, "timeout");
    assert_int_equal(story_count(&w->story, "PODS_END"),
                     1); /* this PODS_END is of the first list */
}

/* timeoutSeconds of the last request. */
static int64_t agreed_us(const struct kube_world *w)
{
    const char *at = strstr(w->target.at, "&timeoutSeconds=");

    assert_non_null(at);
    return strtol(at + strlen("&timeoutSeconds="), NULL, 10) * SEC;
}

/* Bookmarks of events are rare. But the server ends each watch; through a proxy that keeps the
 * connection open, neither an event nor the end arrives when the server is gone. */
static void event_watch_that_does_not_end_in_time_is_a_failure(void **state)
{
    struct kube_world *w = *state;
    struct buf list;

    reflector_done(&w->reflector, w->now);
    kube_world_begin(w, KUBE_EVENTS);
    recording_read("events.list.pb", &list);
    kube_world_ask(w);
    kube_world_answer_all(w, &list);
    kube_world_ask(w);
    kube_world_answer(w, 200);
    kube_world_advance(w, agreed_us(w) + 30 * SEC - 1);
    assert_false(reflector_late(&w->reflector, w->now));
    assert_true(w->health.status.up);
    assert_int_equal(kube_world_waits(w), 1);
    kube_world_advance(w, 1);
    assert_true(reflector_late(&w->reflector, w->now));
    kube_world_cut(w, false, "timeout");
    kube_world_assert_change(w, CHANGE_FAILED, "the watch did not end after its timeoutSeconds");
    kube_world_assert_reconnects(w, RECONNECT_NETWORK, 1);
    assert_false(w->health.status.up);
    kube_world_ask(w);
    kube_world_assert_asked(
        w, with_facts("&watch=true&allowWatchBookmarks=true&resourceVersion={list_version}&"));
    buf_done(&list);
}

/* Bytes alone do not keep a watch of pods open, either. */
static void pod_watch_that_does_not_end_in_time_is_a_failure(void **state)
{
    struct kube_world *w = *state;
    int64_t end_us;

    kube_world_list_and_watch(w);
    end_us = w->now.mono_us + agreed_us(w) + 30 * SEC;
    for (size_t i = 0; w->now.mono_us + 100 * SEC < end_us; i++) {
        kube_world_advance(w, 100 * SEC);
        assert_false(reflector_late(&w->reflector, w->now));
        assert_int_equal(kube_world_receive(w, str_head(str_skip(buf_str(&w->watch), i), 1)), 0);
    }
    kube_world_advance(w, end_us - w->now.mono_us - 1);
    assert_false(reflector_late(&w->reflector, w->now));
    kube_world_advance(w, 1);
    assert_true(reflector_late(&w->reflector, w->now));
    kube_world_cut(w, false, "timeout");
    kube_world_assert_change(w, CHANGE_FAILED, "the watch did not end after its timeoutSeconds");
}

/* A server that does not know sendInitialEvents may send changes after the pods. */
static void streaming_list_without_its_end_times_out(void **state)
{
    struct kube_world *w = *state;
    struct str some = str_head(buf_str(&w->watch), 3000);

    kube_world_ask(w);
    kube_world_answer(w, 200);
    assert_int_equal(kube_world_receive(w, str_head(some, 1000)), 0);
    assert_int_equal(kube_world_waits(w), 10 * SEC);
    for (size_t i = 0; i < 4; i++) {
        kube_world_advance(w, 9 * SEC - 1);
        assert_int_equal(reflector_late(&w->reflector, w->now), i == 3);
        if (i < 3)
            assert_int_equal(kube_world_receive(w, str_head(str_skip(some, 1000 + i), 1)), 0);
    }
    kube_world_cut(w, false, "timeout");
    assert_true(w->health.status.up);
    kube_world_ask(w);
    kube_world_assert_asked(w, "&resourceVersion=0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KUBE_WORLD_TEST(silence_times_out_in_each_state),
        KUBE_WORLD_TEST(two_requests_without_an_answer_are_a_reason_for_a_new_client),
        KUBE_WORLD_TEST(an_answer_between_two_timeouts_shows_that_the_client_works),
        KUBE_WORLD_TEST(refused_requests_are_no_reason_for_a_new_client),
        KUBE_WORLD_TEST(event_watch_that_does_not_end_in_time_is_a_failure),
        KUBE_WORLD_TEST(pod_watch_that_does_not_end_in_time_is_a_failure),
        KUBE_WORLD_TEST(streaming_list_without_its_end_times_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
