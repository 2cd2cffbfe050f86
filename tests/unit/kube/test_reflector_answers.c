/* SPDX-License-Identifier: Apache-2.0 */

/* Answers that are refused, malformed, or over a limit. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "limit.h"
#include "tests/unit/kube/kube_world.h"

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

    kube_world_streaming_list(w);
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

    kube_world_list_and_watch(w); /* up to list_version */
    receive_malformed(w);
    for (int i = 0; i < 2; i++) { /* also after a failed list */
        kube_world_ask(w);
        assert_string_equal(
            w->target.at,
            with_facts(PODS "&resourceVersion={list_version}&resourceVersionMatch=NotOlderThan"));
        kube_world_refuse(w, i == 0 ? 504 : 503);
    }
    kube_world_ask(w);
    kube_world_answer_all(w, &w->list);
    kube_world_ask(w);
    kube_world_assert_asked(w, "watch=true");
}

static void refuse_version(struct kube_world *w, int status, struct str text)
{
    kube_world_ask(w);
    kube_world_assert_asked(
        w, with_facts("&resourceVersion={list_version}&resourceVersionMatch=NotOlderThan"));
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
        { 504, STR("{\"kind\":\"Status\",\"message\":\"Timeout: Too large resource version: 3000, "
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
        kube_world_answer_all(w, &w->list);

        /* The next list is from the cache again, which is cheaper. */
        kube_world_ask(w);
        kube_world_answer(w, 200);
        kube_world_advance(w, 3 * SEC);
        assert_false(reflector_late(&w->reflector, w->now)); /* it works */
        receive_malformed(w);
        kube_world_ask(w);
        kube_world_assert_asked(
            w, with_facts("&resourceVersion={list_version}&resourceVersionMatch=NotOlderThan"));
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

/* A list with one field of 2 GiB that nobody reads. */
#define LIST_BEGINS "k8s\0\x22\xff\xff\xff\xff\x07"

static void list_over_the_limit_is_cancelled(void **state)
{
    static char junk[1 << 20] = LIST_BEGINS;
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
    assert_int_equal(w->reflector.reading.sift.size, 0);
}

/* A server, or a proxy that caches, whose pages never come to an end. */
static void endless_pages_are_a_failure(void **state)
{
    struct kube_world *w = *state;
    unsigned pages = 0;

    kube_world_list_and_watch(w);
    kube_world_expire(w);
    do {
        kube_world_ask(w);
        kube_world_answer_all(w, &w->page);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
