/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/kube/kubelet.h"
#include "tests/read_list.h"
#include "tests/unit/kube/kube_world.h"
#include "util.h"

static int setup(void **state)
{
    struct kube_world *w;

    kube_world_setup(state);
    w = *state;
    reflector_done(&w->reflector, w->now);
    kube_world_begin_kubelet(w);
    return 0;
}

/* --- steps of the tests ----------------------------------------------------------------------- */

static void ask(struct kube_world *w)
{
    if (kube_world_waits(w) > 0) {
        kube_world_advance(w, kube_world_waits(w) - 1);
        assert_false(reflector_due(&w->reflector, w->now));
    }
    kube_world_ask(w);
    assert_string_equal(w->target.at, "/pods");
    assert_false(reflector_asks_watch(&w->reflector));
}

static void answer(struct kube_world *w, int status, struct str body)
{
    kube_world_answer(w, status);
    kube_world_receive(w, body);
    kube_world_end(w);
}

static void list(struct kube_world *w)
{
    ask(w);
    answer(w, 200, buf_str(&w->kubelet));
}

static void assert_contains(const char *text, const char *words)
{
    if (!str_find(str_from(text), str_from(words)))
        fail_msg("\"%s\" does not contain \"%s\"", text, words);
}

/* --- what is read ----------------------------------------------------------------------------- */

static void list_of_the_kubelet_matches_its_json(void **state)
{
    struct kube_world *w = *state;

    list(w);
    story_assert_is(&w->story, "kubelet.pods.expected");
    health_publish(&w->health);
    assert_true(w->story.status[SOURCE_PODS].up);
    assert_true(w->story.status[SOURCE_PODS].last_success_us == w->now.wall_us);
    assert_int_equal(w->story.status[SOURCE_PODS].received_bytes, w->kubelet.len);
    kube_world_assert_change(w, CHANGE_NONE, NULL);
}

static void kubelet_and_api_server_give_the_same_list(void **state)
{
    struct kube_world *w = *state;
    struct err err = ERR_INIT;
    struct intake intake;
    struct story api;
    struct str token, rest;
    size_t lines = 0;

    story_init(&api);
    intake_init(&intake, KUBE_PODS, &api.sink, "lab-node");
    assert_int_equal(list_take(&intake, buf_str(&w->list), true, &token, &err), 0);
    list(w);
    for (rest = buf_str(&w->story.text); rest.len; lines++) {
        const struct str line = str_span(rest.at, str_find(rest, STR("\n")));

        if (!story_has(&api, line))
            fail_msg("only the kubelet says: %.*s", STR_ARG(line));
        rest = str_skip(rest, line.len + 1);
    }
    assert_int_equal(lines, recording_fact("", "pods_listed") + 2); /* PODS_BEGIN, PODS_END */
    assert_int_equal(story_count(&api, "POD "), recording_fact("", "pods_listed"));
    intake_done(&intake);
    story_done(&api);
}

/* --- when ------------------------------------------------------------------------------------- */

static void polls_are_frequent_only_while_a_container_waits(void **state)
{
    struct kube_world *w = *state;

    w->story.pods_wait = true;
    list(w);
    assert_int_equal(kube_world_waits(w), 2 * SEC);
    list(w);
    assert_int_equal(kube_world_waits(w), 3 * SEC);
    list(w);
    list(w);
    assert_int_equal(kube_world_waits(w), 5 * SEC);
    w->story.pods_wait = false;
    list(w);
    assert_int_equal(kube_world_waits(w), MINUTE);
    w->story.pods_wait = true;
    list(w);
    assert_int_equal(kube_world_waits(w), 2 * SEC);
    assert_int_equal(story_count(&w->story, "PODS_BEGIN"), 6);
    assert_int_equal(story_count(&w->story, "PODS_END"), 6);
}

static void silent_kubelet_times_out_after_30s(void **state)
{
    struct kube_world *w = *state;

    ask(w);
    kube_world_advance(w, 30 * SEC - 1);
    assert_false(reflector_late(&w->reflector, w->now));
    kube_world_advance(w, 1);
    assert_true(reflector_late(&w->reflector, w->now));
    kube_world_cut(w, false, "timeout");
    kube_world_assert_change(w, CHANGE_FAILED, "no complete answer within 30s");
    assert_true(kube_world_waits(w) >= SEC && kube_world_waits(w) <= 2 * SEC);
}

static void answer_that_stops_in_the_middle_times_out(void **state)
{
    struct kube_world *w = *state;

    ask(w);
    kube_world_advance(w, 20 * SEC);
    kube_world_answer(w, 200);
    assert_int_equal(kube_world_receive(w, str_head(buf_str(&w->kubelet), 100)), 0);
    assert_int_equal(kube_world_waits(w), 10 * SEC); /* bytes do not extend it */
    kube_world_advance(w, 10 * SEC);
    assert_true(reflector_late(&w->reflector, w->now));
    kube_world_cut(w, false, "timeout");
    kube_world_assert_change(w, CHANGE_FAILED, "no complete answer within 30s");
    kube_world_assert_reconnects(w, RECONNECT_NETWORK, 1);
    assert_int_equal(w->story.text.len, 0);
}

static void refusal_names_the_missing_permission_once(void **state)
{
    static const struct {
        int status;
        const char *body, *expected[2];
    } refusals[] = {
        { 401, "Unauthorized", { "answered 401: Unauthorized: it does not accept the token" } },
        { 403,
          "Forbidden (user=system:serviceaccount:m:a, verb=get, resource=nodes, "
          "subresource(s)=[pods proxy])",
          { "answered 403: Forbidden (user=system:serviceaccount:m:a",
            "must be allowed to get nodes/pods (nodes/proxy for older kubelets)" } },
        { 404, "404 page not found\n", { "--kube.kubelet-url is not the URL of a kubelet" } },
        { 410, "Gone", { "the kubelet answered 410: Gone" } },
        { 500, "oops", { "the kubelet answered 500: oops" } },
    };
    struct kube_world *w = *state;

    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
        for (int turn = 0; turn < 3; turn++) {
            ask(w);
            answer(w, refusals[i].status, str_from(refusals[i].body));
            assert_contains(w->health.status.last_error, refusals[i].expected[0]);
            kube_world_assert_change(w, turn == 0 ? CHANGE_FAILED : CHANGE_RETRY,
                                     refusals[i].expected[0]);
            if (refusals[i].expected[1])
                assert_contains(w->reflector.err.text, refusals[i].expected[1]);
        }
    }
    assert_false(w->health.status.up);
    kube_world_assert_reconnects(w, RECONNECT_REFUSED, 15);
    assert_int_equal(w->story.text.len, 0);

    list(w);
    assert_true(w->health.status.up);
    kube_world_assert_change(w, CHANGE_RECOVERED, NULL);
    assert_int_equal(kube_world_waits(w), MINUTE);
}

static void failed_poll_keeps_the_known_pods(void **state)
{
    struct kube_world *w = *state;

    list(w);
    story_reset(&w->story);
    ask(w);
    kube_world_cut(w, false, "connection refused");
    kube_world_assert_change(w, CHANGE_FAILED, "connection refused");
    ask(w);
    answer(w, 200, STR("{\"kind\":\"PodList\""));
    kube_world_assert_change(w, CHANGE_FAILED, "not valid JSON");
    ask(w);
    kube_world_answer(w, 200);
    kube_world_cut(w, true, "connection closed");
    kube_world_assert_change(w, CHANGE_FAILED, "connection closed");
    assert_int_equal(w->health.status.reconnects[RECONNECT_NETWORK], 1);
    assert_int_equal(w->health.status.reconnects[RECONNECT_MALFORMED], 1);
    assert_int_equal(w->health.status.reconnects[RECONNECT_CLOSED], 1);
    assert_int_equal(w->story.text.len, 0);

    ask(w);
    kube_world_answer(w, 429);
    reflector_ended(&w->reflector, w->now,
                    &(struct transfer_end){ .complete = true, .retry_after_us = 17 * SEC });
    assert_int_equal(kube_world_waits(w), 17 * SEC);
}

static void list_over_the_limit_is_cancelled_and_counted(void **state)
{
    struct kube_world *w = *state;
    static char block[1 << 20];
    int r = 0;

    memset(block, ' ', sizeof(block));
    ask(w);
    kube_world_answer(w, 200);
    for (size_t sent = 0; r == 0 && sent <= LIMIT_LIST_BODY; sent += sizeof(block))
        r = kube_world_receive(w, (struct str){ .at = block, .len = sizeof(block) });
    assert_int_equal(r, -EMSGSIZE);
    assert_true(reflector_late(&w->reflector, w->now));
    kube_world_cut(w, false, "cancelled");
    kube_world_assert_change(w, CHANGE_FAILED, "the list is over 67108864 bytes");
    assert_int_equal(w->story.limit_hits[LIMIT_HIT_LIST_BODY], 1);
}

#define KUBELET_TEST(test) cmocka_unit_test_setup_teardown(test, setup, kube_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        KUBELET_TEST(list_of_the_kubelet_matches_its_json),
        KUBELET_TEST(kubelet_and_api_server_give_the_same_list),
        KUBELET_TEST(polls_are_frequent_only_while_a_container_waits),
        KUBELET_TEST(silent_kubelet_times_out_after_30s),
        KUBELET_TEST(answer_that_stops_in_the_middle_times_out),
        KUBELET_TEST(refusal_names_the_missing_permission_once),
        KUBELET_TEST(failed_poll_keeps_the_known_pods),
        KUBELET_TEST(list_over_the_limit_is_cancelled_and_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
