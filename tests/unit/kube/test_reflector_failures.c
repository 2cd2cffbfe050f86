/* SPDX-License-Identifier: Apache-2.0 */

/* Connections that fail: the back-off, what is logged, and the recovery. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/kube/kube_world.h"
#include "tests/unit/support/fault_heap.h"

static void failures_back_off_and_are_logged_once(void **state)
{
    struct kube_world *w = *state;
    int64_t last = 0;

    for (int i = 0; i < 12; i++) {
        kube_world_ask(w);
        kube_world_cut(w, false, "Connection refused");
        kube_world_assert_change(w, i == 0 ? CHANGE_FAILED : CHANGE_RETRY, "Connection refused");
        assert_true(kube_world_waits(w) >= SEC && kube_world_waits(w) <= 10 * SEC);
        assert_true(i > 3 || kube_world_waits(w) > last);
        last = kube_world_waits(w);
    }
    assert_true(last >= 6 * SEC);
    assert_false(w->health.status.up);
    assert_string_equal(w->health.status.last_error, "Connection refused");
    kube_world_assert_reconnects(w, RECONNECT_NETWORK, 12);

    /* Another kind of failure is logged. */
    kube_world_ask(w);
    kube_world_answer(w, 503);
    kube_world_end(w);
    kube_world_assert_change(w, CHANGE_FAILED, "the API server answered 503");
}

static void recovery_is_reported_with_its_duration(void **state)
{
    struct kube_world *w = *state;
    struct reflector_change change;

    for (int i = 0; i < 3; i++) {
        kube_world_ask(w);
        kube_world_cut(w, false, "Connection refused");
        assert_true(reflector_take_change(&w->reflector, &change));
    }
    kube_world_ask(w);
    kube_world_answer(w, 200);
    assert_false(w->health.status.up);
    assert_int_equal(kube_world_receive(w, buf_str(&w->watchlist)), 0);
    assert_true(reflector_take_change(&w->reflector, &change));
    assert_int_equal(change.kind, CHANGE_RECOVERED);
    assert_int_equal(change.failures, 3);
    assert_true(change.failed_for_us == w->now.mono_us - START);
    assert_true(w->health.status.up);
    assert_true(w->health.status.since_us == w->now.wall_us);
    assert_string_equal(w->health.status.last_error, "Connection refused");
}

static void quiet_watch_works_after_two_seconds(void **state)
{
    struct kube_world *w = *state;

    kube_world_list_and_watch(w);
    kube_world_cut(w, false, "Connection reset");
    kube_world_ask(w);
    kube_world_cut(w, false, "Connection refused");
    kube_world_ask(w);
    kube_world_assert_asked(w, with_facts("&resourceVersion={list_version}&"));
    kube_world_answer(w, 200);
    assert_false(w->health.status.up);
    assert_int_equal(kube_world_waits(w), 2 * SEC);
    kube_world_advance(w, 2 * SEC);
    assert_false(reflector_late(&w->reflector, w->now));
    assert_true(w->health.status.up);
}

/* Another watch of this agent works again after an outage. */
static void back_off_ends_when_another_watch_works_again(void **state)
{
    struct kube_world *w = *state;

    for (int i = 0; i < 6; i++) {
        kube_world_ask(w);
        kube_world_cut(w, false, "Connection refused");
    }
    assert_true(kube_world_waits(w) > 2 * SEC);
    reflector_wake(&w->reflector, w->now);
    assert_true(kube_world_waits(w) <= 2 * SEC);
    kube_world_ask(w);
    reflector_wake(&w->reflector, w->now); /* a request is open */
    assert_int_equal(kube_world_waits(w), 30 * SEC);
}

static void answer_of_the_server_is_no_reason_to_ask_sooner(void **state)
{
    struct kube_world *w = *state;

    for (int i = 0; i < 6; i++) {
        kube_world_ask(w);
        kube_world_refuse(w, 503);
    }
    reflector_wake(&w->reflector, w->now);
    assert_true(kube_world_waits(w) > 2 * SEC);
}

static void minute_without_failure_resets_the_back_off(void **state)
{
    struct kube_world *w = *state;

    for (int i = 0; i < 6; i++) {
        kube_world_ask(w);
        kube_world_cut(w, false, "Connection refused");
    }
    assert_true(kube_world_waits(w) >= 6 * SEC);
    kube_world_streaming_list(w);
    kube_world_advance(w, MINUTE);
    kube_world_cut(w, true, "stream reset");
    assert_true(kube_world_waits(w) < 2 * SEC);
}

static void watch_that_ends_too_soon_is_counted_and_resumed(void **state)
{
    struct kube_world *w = *state;

    kube_world_streaming_list(w);
    kube_world_advance(w, 4 * MINUTE);
    kube_world_end(w);
    kube_world_assert_reconnects(w, RECONNECT_CLOSED, 1);
    assert_true(w->health.status.up);
    kube_world_assert_change(w, CHANGE_RETRY, "closed the watch after 240000ms");
    assert_true(kube_world_waits(w) >= SEC && kube_world_waits(w) <= 3 * SEC / 2);
    kube_world_ask(w);
    kube_world_assert_asked(w, with_facts("&resourceVersion={watch_until}&"));
}

static void watch_that_is_cut_within_an_event_resumes_before_it(void **state)
{
    struct kube_world *w = *state;

    kube_world_list_and_watch(w);
    assert_int_equal(kube_world_receive(w, str_head(buf_str(&w->watch), 5000)), 0);
    kube_world_cut(w, true, "stream reset");
    kube_world_assert_reconnects(w, RECONNECT_CLOSED, 1);
    kube_world_ask(w);
    kube_world_answer(w, 200);
    /* The half event must not be read with the new stream. */
    assert_int_equal(kube_world_receive(w, buf_str(&w->watch)), 0);
}

static void empty_watch_is_a_failure(void **state)
{
    struct kube_world *w = *state;

    kube_world_list_and_watch(w);
    kube_world_advance(w, 10 * MSEC);
    kube_world_end(w);
    kube_world_assert_change(w, CHANGE_FAILED, "closed the watch after 10ms");
    assert_false(w->health.status.up);
    kube_world_assert_reconnects(w, RECONNECT_CLOSED, 1);
}

static void closed_stream_leaves_the_source_up(void **state)
{
    struct kube_world *w = *state;

    kube_world_ask(w);
    kube_world_cut(w, false, "Connection refused");
    assert_false(w->health.status.up);
    kube_world_ask(w);
    kube_world_answer(w, 200);
    assert_int_equal(w->health.status.watches_open, 1);
    reflector_done(&w->reflector, w->now);
    assert_true(w->health.status.up);
    assert_int_equal(w->health.status.watches_open, 0);
    kube_world_assert_reconnects(w, RECONNECT_NETWORK, 1);
    kube_world_begin(w, KUBE_PODS); /* for the teardown */
}

/* One request to a server without streaming lists, as stream.c makes it. Returns whether the watch
 * has been read to its end. */
static bool request_once(struct kube_world *w)
{
    const bool retry = kube_world_waits(w) > 0;
    struct str body = { 0 };
    int r = 0;

    if (retry)
        kube_world_advance(w, kube_world_waits(w));
    buf_done(&w->target);
    reflector_ask(&w->reflector, w->now, &w->target);
    if (buf_error(&w->target)) {
        kube_world_cut(w, false, "no memory for a request");
        return false;
    }
    if (strstr(w->target.at, "sendInitialEvents")) {
        kube_world_refuse(w, 422);
        return false;
    }
    kube_world_answer(w, 200);
    body = strstr(w->target.at, "&watch=") ? buf_str(&w->watch) : buf_str(&w->list);
    for (; r == 0 && body.len; body = str_skip(body, 1000))
        r = kube_world_receive(w, str_head(body, 1000));
    if (r == 0 && strstr(w->target.at, "&watch="))
        return true;
    if (r < 0)
        kube_world_cut(w, false, "cancelled");
    else
        kube_world_end(w);
    return false;
}

/* Each allocation from the first request to the end of the watch fails once. */
static void failed_allocations_are_retried(void **state)
{
    struct kube_world *w = *state;
    bool fired = true;
    size_t n;

    for (n = 0; fired; n++) {
        int requests = 0;

        reflector_done(&w->reflector, w->now);
        buf_done(&w->target);
        buf_init(&w->target, 1 << 16);
        kube_world_begin(w, KUBE_PODS);
        w->story.text.max = 0; /* the story must not allocate */
        fault_heap_fail_at(n);
        while (!request_once(w))
            assert_true(++requests < 10);
        fired = fault_heap_fired();
        assert_string_equal(w->reflector.intake.resource_version, with_facts("{watch_until}"));
        assert_true(w->health.status.up);
        assert_int_equal(w->health.status.watches_open, 1);
    }
    assert_true(n > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KUBE_WORLD_TEST(failures_back_off_and_are_logged_once),
        KUBE_WORLD_TEST(recovery_is_reported_with_its_duration),
        KUBE_WORLD_TEST(quiet_watch_works_after_two_seconds),
        KUBE_WORLD_TEST(back_off_ends_when_another_watch_works_again),
        KUBE_WORLD_TEST(answer_of_the_server_is_no_reason_to_ask_sooner),
        KUBE_WORLD_TEST(minute_without_failure_resets_the_back_off),
        KUBE_WORLD_TEST(watch_that_ends_too_soon_is_counted_and_resumed),
        KUBE_WORLD_TEST(watch_that_is_cut_within_an_event_resumes_before_it),
        KUBE_WORLD_TEST(empty_watch_is_a_failure),
        KUBE_WORLD_TEST(closed_stream_leaves_the_source_up),
        KUBE_WORLD_TEST(failed_allocations_are_retried),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
