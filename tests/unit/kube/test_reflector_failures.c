/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "limit.h"
#include "tests/unit/kube/kube_world.h"
#include "tests/unit/support/fault_heap.h"

/* --- failures ------------------------------------------------------------------------------- */

static void failures_back_off_and_are_logged_once(void **state)
{
    struct kube_world *w = *state;
    int64_t last = 0;

    for (int i = 0; i < 12; i++) {
        kube_world_ask(w);
        kube_world_cut(w, false, "Connection refused");
        kube_world_assert_change(w, i == 0 ? CHANGE_FAILED : CHANGE_RETRY, "Connection refused");
        assert_true(kube_world_waits(w) >= SEC && kube_world_waits(w) <= 30 * SEC);
        assert_true(i > 4 || kube_world_waits(w) > last);
        last = kube_world_waits(w);
    }
    assert_true(last >= 20 * SEC);
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
    kube_world_assert_asked(w, "&resourceVersion=3179&");
    kube_world_answer(w, 200);
    assert_false(w->health.status.up);
    assert_int_equal(kube_world_waits(w), 2 * SEC);
    kube_world_advance(w, 2 * SEC);
    assert_false(reflector_late(&w->reflector, w->now));
    assert_true(w->health.status.up);
}

static void minute_without_failure_resets_the_back_off(void **state)
{
    struct kube_world *w = *state;

    for (int i = 0; i < 6; i++) {
        kube_world_ask(w);
        kube_world_cut(w, false, "Connection refused");
    }
    assert_true(kube_world_waits(w) >= 20 * SEC);
    kube_world_ask(w);
    kube_world_answer(w, 200);
    assert_int_equal(kube_world_receive(w, buf_str(&w->watchlist)), 0);
    kube_world_advance(w, MINUTE);
    kube_world_cut(w, true, "stream reset");
    assert_true(kube_world_waits(w) < 2 * SEC);
}

static void watch_that_ends_too_soon_is_counted_and_resumed(void **state)
{
    struct kube_world *w = *state;

    kube_world_ask(w);
    kube_world_answer(w, 200);
    assert_int_equal(kube_world_receive(w, buf_str(&w->watchlist)), 0);
    kube_world_advance(w, 4 * MINUTE);
    kube_world_end(w);
    kube_world_assert_reconnects(w, RECONNECT_CLOSED, 1);
    assert_true(w->health.status.up);
    kube_world_assert_change(w, CHANGE_RETRY, "closed the watch after 240000ms");
    assert_true(kube_world_waits(w) >= SEC && kube_world_waits(w) <= 3 * SEC / 2);
    kube_world_ask(w);
    kube_world_assert_asked(w, "&resourceVersion=3997&");
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

static void refusal_is_logged_with_the_message_of_the_server(void **state)
{
    struct kube_world *w = *state;

    kube_world_ask(w);
    kube_world_refuse(w, 403); /* the 403 of the streaming list is not logged */
    kube_world_ask(w);
    kube_world_answer(w, 403);
    assert_int_equal(kube_world_receive(w, recording_body(&w->forbidden)), 0);
    kube_world_end(w);
    kube_world_assert_change(
        w, CHANGE_FAILED,
        "the API server answered 403: pods is forbidden: User \"system:anonymous\"");
    kube_world_assert_reconnects(w, RECONNECT_REFUSED, 1);
    assert_false(w->health.status.up);
    assert_true(kube_world_waits(w) >= SEC);
}

static void long_error_body_is_not_read(void **state)
{
    static const char junk[1000];
    const struct str bytes = { .at = junk, .len = sizeof(junk) };
    struct kube_world *w = *state;
    size_t read = 0;

    kube_world_ask(w);
    kube_world_answer(w, 500);
    while (kube_world_receive(w, bytes) == 0)
        read += bytes.len;
    assert_true(read < LIMIT_ERROR_BODY + bytes.len);
    kube_world_cut(w, false, "cancelled");
    kube_world_assert_change(w, CHANGE_FAILED, "the API server answered 500");
}

static void retry_after_is_followed_up_to_five_minutes(void **state)
{
    struct kube_world *w = *state;

    kube_world_ask(w);
    kube_world_answer(w, 429);
    reflector_ended(&w->reflector, w->now,
                    &(struct transfer_end){ .complete = true, .retry_after_us = 17 * SEC });
    assert_true(kube_world_waits(w) >= 17 * SEC && kube_world_waits(w) < 18 * SEC);
    kube_world_ask(w);
    kube_world_answer(w, 429);
    reflector_ended(&w->reflector, w->now,
                    &(struct transfer_end){ .complete = true, .retry_after_us = 24 * HOUR });
    assert_true(kube_world_waits(w) >= 5 * MINUTE && kube_world_waits(w) <= 5 * MINUTE + SEC);
}

static void unknown_version_is_followed_by_a_list(void **state)
{
    struct kube_world *w = *state;

    kube_world_ask(w);
    kube_world_answer(w, 200);
    assert_int_equal(kube_world_receive(w, buf_str(&w->watchlist)), 0);
    kube_world_advance(w, 11 * MINUTE);
    kube_world_end(w);
    kube_world_ask(w);
    kube_world_refuse(w, 504); /* "Too large resource version": etcd was restored from a backup */
    kube_world_ask(w);
    kube_world_assert_asked(w, "sendInitialEvents=true");
}

static void malformed_watch_is_followed_by_a_list(void **state)
{
    struct kube_world *w = *state;

    kube_world_ask(w);
    kube_world_answer(w, 200);
    assert_int_equal(kube_world_receive(w, STR("\0\0\0\1x")), -EPROTO);
    assert_true(reflector_late(&w->reflector, w->now));
    kube_world_cut(w, false, "cancelled");
    kube_world_assert_reconnects(w, RECONNECT_MALFORMED, 1);
    assert_false(w->health.status.up);
    kube_world_ask(w);
    assert_string_equal(w->target.at, PODS "&resourceVersion=0");
}

static void receive_malformed(struct kube_world *w)
{
    assert_int_equal(kube_world_receive(w, STR("\0\0\0\1x")), -EPROTO);
    kube_world_cut(w, false, "cancelled");
}

/* The cache of the server may be older than what was read. */
static void new_list_is_not_older_than_what_was_read(void **state)
{
    struct kube_world *w = *state;

    kube_world_list_and_watch(w); /* up to 3179 */
    receive_malformed(w);
    for (int i = 0; i < 2; i++) { /* also after a failed list */
        kube_world_ask(w);
        assert_string_equal(w->target.at,
                            PODS "&resourceVersion=3179&resourceVersionMatch=NotOlderThan");
        kube_world_refuse(w, i == 0 ? 504 : 503);
    }
    kube_world_ask(w);
    kube_world_answer(w, 200);
    assert_int_equal(kube_world_receive(w, buf_str(&w->list)), 0);
    kube_world_end(w);
    kube_world_ask(w);
    kube_world_assert_asked(w, "watch=true");
}

static void refuse_version(struct kube_world *w, int status, struct str text)
{
    kube_world_ask(w);
    kube_world_assert_asked(w, "&resourceVersion=3179&resourceVersionMatch=NotOlderThan");
    kube_world_answer(w, status);
    kube_world_receive(w, text);
    kube_world_end(w);
}

static void list_bypasses_a_cache_that_lags_behind(void **state)
{
    static const struct {
        int status;
        struct str text;
    } refusals[] = {
        { 504, STR("{\"kind\":\"Status\",\"message\":\"Timeout: Too large resource version: 3179, "
                   "current: 7\"}") },
        { 400, STR("{\"message\":\"resourceVersion: Invalid value\"}") },
        { 410, STR("{\"message\":\"too old resource version\"}") },
    };
    struct kube_world *w = *state;

    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
        reflector_done(&w->reflector, w->now);
        kube_world_begin(w, KUBE_PODS);
        kube_world_list_and_watch(w);
        receive_malformed(w);
        refuse_version(w, refusals[i].status, refusals[i].text);
        kube_world_ask(w);
        assert_string_equal(w->target.at, PODS "&limit=500");
        kube_world_answer(w, 200);
        assert_int_equal(kube_world_receive(w, buf_str(&w->list)), 0);
        kube_world_end(w);

        /* The next list is from the cache again, which is cheaper. */
        kube_world_ask(w);
        kube_world_answer(w, 200);
        kube_world_advance(w, 3 * SEC);
        assert_false(reflector_late(&w->reflector, w->now)); /* it works */
        receive_malformed(w);
        kube_world_ask(w);
        kube_world_assert_asked(w, "&resourceVersion=3179&resourceVersionMatch=NotOlderThan");
        kube_world_refuse(w, 503);
    }
}

static void html_page_is_not_a_list(void **state)
{
    struct kube_world *w = *state;

    kube_world_ask(w);
    reflector_answered(&w->reflector, w->now, 200, "text/html");
    assert_true(kube_world_receive(w, STR("<html>")) < 0);
    kube_world_cut(w, false, "cancelled");
    kube_world_assert_change(
        w, CHANGE_FAILED,
        "answered with 'text/html' instead of 'application/vnd.kubernetes.protobuf'");
    assert_int_equal(story_count(&w->story, "PODS_BEGIN"), 0);
    kube_world_assert_reconnects(w, RECONNECT_MALFORMED, 1);
}

static void list_over_the_limit_is_cancelled(void **state)
{
    static const char junk[1 << 20];
    const struct str bytes = { .at = junk, .len = sizeof(junk) };
    struct kube_world *w = *state;
    size_t read = 0;

    kube_world_ask(w);
    kube_world_refuse(w, 422);
    kube_world_ask(w);
    kube_world_answer(w, 200);
    while (kube_world_receive(w, bytes) == 0)
        read += bytes.len;
    assert_int_equal(read, LIMIT_LIST_BODY);
    assert_int_equal(w->story.limit_hits[LIMIT_HIT_LIST_BODY], 1);
    kube_world_cut(w, false, "cancelled");
    kube_world_assert_change(w, CHANGE_FAILED, "the list is over 67108864 bytes");
    assert_int_equal(w->reflector.body.size, 0);
}

/* A server, or a proxy that caches, whose pages never come to an end. */
static void endless_pages_are_a_failure(void **state)
{
    struct kube_world *w = *state;
    unsigned pages = 0;

    kube_world_list_and_watch(w);
    assert_int_equal(kube_world_receive(w, recording_body(&w->expired)), -EREMOTEIO);
    kube_world_end(w);
    do {
        kube_world_ask(w);
        kube_world_answer(w, 200);
        assert_int_equal(kube_world_receive(w, buf_str(&w->page)), 0);
        kube_world_end(w);
        story_reset(&w->story);
        pages++;
    } while (kube_world_waits(w) == 0 && pages < 2 * LIMIT_LIST_PAGES);
    assert_int_equal(pages, LIMIT_LIST_PAGES);
    kube_world_assert_change(w, CHANGE_FAILED, "the list has over 1000 pages");
    assert_int_equal(w->story.limit_hits[LIMIT_HIT_LIST_PAGES], 1);
    assert_false(w->health.status.up);
    kube_world_ask(w);
    assert_null(strstr(w->target.at, "&continue="));
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

    kube_world_ask(w);
    kube_world_answer(w, 200);
    assert_int_equal(kube_world_receive(w, buf_str(&w->watchlist)), 0);
    assert_int_equal(kube_world_waits(w), 200 * SEC); /* three bookmarks are missing */
    kube_world_advance(w, 200 * SEC);
    assert_true(reflector_late(&w->reflector, w->now));
    kube_world_cut(w, false, "timeout");
    kube_world_assert_reconnects(w, RECONNECT_NETWORK, 2);
    kube_world_ask(w);
    kube_world_assert_asked(w, "&resourceVersion=3997&");
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
    kube_world_answer(w, 200);
    assert_int_equal(kube_world_receive(w, buf_str(&list)), 0);
    kube_world_end(w);
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
    kube_world_assert_asked(w, "&watch=true&allowWatchBookmarks=true&resourceVersion=3183&");
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

/* --- memory ----------------------------------------------------------------------------------- */

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
        assert_string_equal(w->reflector.intake.resource_version, "3997");
        assert_true(w->health.status.up);
        assert_int_equal(w->health.status.watches_open, 1);
    }
    assert_true(n > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KUBE_WORLD_TEST(failures_back_off_and_are_logged_once),
        KUBE_WORLD_TEST(recovery_is_reported_with_its_duration),
        KUBE_WORLD_TEST(quiet_watch_works_after_two_seconds),
        KUBE_WORLD_TEST(minute_without_failure_resets_the_back_off),
        KUBE_WORLD_TEST(watch_that_ends_too_soon_is_counted_and_resumed),
        KUBE_WORLD_TEST(watch_that_is_cut_within_an_event_resumes_before_it),
        KUBE_WORLD_TEST(empty_watch_is_a_failure),
        KUBE_WORLD_TEST(refusal_is_logged_with_the_message_of_the_server),
        KUBE_WORLD_TEST(long_error_body_is_not_read),
        KUBE_WORLD_TEST(retry_after_is_followed_up_to_five_minutes),
        KUBE_WORLD_TEST(unknown_version_is_followed_by_a_list),
        KUBE_WORLD_TEST(malformed_watch_is_followed_by_a_list),
        KUBE_WORLD_TEST(new_list_is_not_older_than_what_was_read),
        KUBE_WORLD_TEST(list_bypasses_a_cache_that_lags_behind),
        KUBE_WORLD_TEST(html_page_is_not_a_list),
        KUBE_WORLD_TEST(list_over_the_limit_is_cancelled),
        KUBE_WORLD_TEST(endless_pages_are_a_failure),
        KUBE_WORLD_TEST(silence_times_out_in_each_state),
        KUBE_WORLD_TEST(event_watch_that_does_not_end_in_time_is_a_failure),
        KUBE_WORLD_TEST(pod_watch_that_does_not_end_in_time_is_a_failure),
        KUBE_WORLD_TEST(streaming_list_without_its_end_times_out),
        KUBE_WORLD_TEST(closed_stream_leaves_the_source_up),
        KUBE_WORLD_TEST(failed_allocations_are_retried),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
