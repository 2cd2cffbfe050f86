/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/kube/kubelet.h"
#include "agent/kube/list.h"
#include "tests/unit/kube/kube_story.h"
#include "util.h"

/* A kubelet, what it tells, and the time, which is a number here. */
struct world {
    struct story story;
    struct health health;
    struct kubelet kubelet;
    struct instant now;
    struct buf json;
};

static int setup(void **state)
{
    struct world *w = test_calloc(1, sizeof(*w));
    struct kubelet_config config = {
        .node_name = "lab-node", .sink = &w->story.sink, .health = &w->health, .seed = 42
    };

    story_init(&w->story);
    recording_read("kubelet.pods.json", &w->json);
    w->now = (struct instant){ .mono_us = 1000 * SEC, .wall_us = 1795297282 * SEC };
    health_init(&w->health, SOURCE_PODS, &w->story.sink, true, w->now);
    kubelet_init(&w->kubelet, &config, w->now);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    kubelet_done(&w->kubelet, w->now);
    buf_done(&w->json);
    story_done(&w->story);
    test_free(w);
    return 0;
}

/* --- the words of the tests ------------------------------------------------------------------- */

static int64_t waits(const struct world *w)
{
    return kubelet_deadline_us(&w->kubelet) - w->now.mono_us;
}

static void ask(struct world *w)
{
    const int64_t wait_us = waits(w);

    if (wait_us > 0) {
        w->now.mono_us += wait_us - 1;
        assert_false(kubelet_due(&w->kubelet, w->now));
        w->now.mono_us += 1;
    }
    assert_true(kubelet_due(&w->kubelet, w->now));
    kubelet_ask(&w->kubelet, w->now);
    assert_false(kubelet_due(&w->kubelet, w->now));
}

static void answer(struct world *w, int status, struct str body)
{
    kubelet_answered(&w->kubelet, status);
    kubelet_received(&w->kubelet, body);
    kubelet_ended(&w->kubelet, w->now, &(struct transfer_end){ .complete = true });
}

static void list(struct world *w)
{
    ask(w);
    answer(w, 200, buf_str(&w->json));
}

static void assert_says(const char *text, const char *words)
{
    if (!str_find(str_from(text), str_from(words)))
        fail_msg("\"%s\" does not say \"%s\"", text, words);
}

static void assert_news(struct world *w, int kind, const char *words)
{
    struct reflector_news news = { .kind = NEWS_NOTHING };

    kubelet_take_news(&w->kubelet, &news);
    assert_int_equal(news.kind, kind);
    if (words)
        assert_says(news.text, words);
}

/* --- what is read ----------------------------------------------------------------------------- */

static void the_kubelets_list_says_what_its_json_says(void **state)
{
    struct world *w = *state;
    struct buf expected;

    recording_read("kubelet.pods.expected", &expected);
    list(w);
    assert_string_equal(w->story.text.at, expected.at);
    buf_done(&expected);
    health_publish(&w->health);
    assert_true(w->story.status[SOURCE_PODS].up);
    assert_int_equal(w->story.status[SOURCE_PODS].last_success_us, w->now.wall_us);
    assert_int_equal(w->story.status[SOURCE_PODS].received_bytes, w->json.len);
    assert_news(w, NEWS_NOTHING, NULL);
}

/* The kubelet was asked a moment later: one pod of 24 had gone on from back-off to an attempt. */
static void the_kubelets_list_equals_the_api_servers(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    struct intake intake;
    struct story api;
    struct str token, rest;
    struct buf body;
    size_t lines = 0, differ = 0;

    story_init(&api);
    intake_init(&intake, KUBE_PODS, &api.sink, "lab-node");
    recording_read("pods.list.pb", &body);
    assert_int_equal(list_take(&intake, buf_str(&body), true, &token, &err), 0);
    list(w);
    for (rest = buf_str(&w->story.text); rest.len; lines++) {
        const struct str line = str_span(rest.at, str_find(rest, STR("\n")));

        differ += !story_has(&api, line);
        rest = str_skip(rest, line.len + 1);
    }
    assert_int_equal(lines, 24 + 2);
    assert_int_equal(differ, 1);
    assert_int_equal(story_count(&api, "POD "), 24);
    buf_done(&body);
    intake_done(&intake);
    story_done(&api);
}

/* --- when ------------------------------------------------------------------------------------- */

static void it_asks_often_while_something_waits_and_rarely_otherwise(void **state)
{
    struct world *w = *state;

    w->story.pods_wait = true;
    list(w);
    assert_int_equal(waits(w), 2 * SEC);
    list(w);
    assert_int_equal(waits(w), 3 * SEC);
    list(w);
    list(w);
    assert_int_equal(waits(w), 5 * SEC);
    w->story.pods_wait = false;
    list(w);
    assert_int_equal(waits(w), MINUTE);
    w->story.pods_wait = true;
    list(w);
    assert_int_equal(waits(w), 2 * SEC);
    assert_int_equal(story_count(&w->story, "PODS_BEGIN"), 6);
    assert_int_equal(story_count(&w->story, "PODS_END"), 6);
}

static void a_kubelet_that_does_not_answer_is_given_up(void **state)
{
    struct world *w = *state;

    ask(w);
    w->now.mono_us += 30 * SEC - 1;
    assert_false(kubelet_late(&w->kubelet, w->now));
    w->now.mono_us += 1;
    assert_true(kubelet_late(&w->kubelet, w->now));
    kubelet_ended(&w->kubelet, w->now, &(struct transfer_end){ .text = "taking too long" });
    assert_news(w, NEWS_FAILED, "no complete answer within 30s");
    assert_true(waits(w) >= SEC && waits(w) <= 2 * SEC);
}

static void a_refusal_says_what_is_missing_once(void **state)
{
    static const struct {
        int status;
        const char *body, *says[2];
    } refusals[] = {
        { 401, "Unauthorized", { "answered 401: Unauthorized: it does not accept the token" } },
        { 403,
          "Forbidden (user=system:serviceaccount:m:a, verb=get, resource=nodes, "
          "subresource(s)=[pods proxy])",
          { "answered 403: Forbidden (user=system:serviceaccount:m:a",
            "must be allowed to get nodes/pods (nodes/proxy for older kubelets)" } },
        { 404, "404 page not found\n", { "--kube.kubelet-url is no kubelet's" } },
        { 500, "oops", { "answered 500: oops" } },
    };
    struct world *w = *state;

    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
        for (int turn = 0; turn < 3; turn++) {
            ask(w);
            answer(w, refusals[i].status, str_from(refusals[i].body));
            assert_says(w->health.status.last_error, refusals[i].says[0]);
            assert_news(w, turn == 0 ? NEWS_FAILED : NEWS_DETAIL, refusals[i].says[0]);
            if (refusals[i].says[1])
                assert_says(w->kubelet.err.text, refusals[i].says[1]);
        }
    }
    assert_false(w->health.status.up);
    assert_int_equal(w->health.status.reconnects[RECONNECT_REFUSED], 12);
    assert_int_equal(w->story.text.len, 0);

    list(w);
    assert_true(w->health.status.up);
    assert_news(w, NEWS_RECOVERED, NULL);
    assert_int_equal(waits(w), MINUTE);
}

static void trouble_on_the_way_keeps_what_is_known(void **state)
{
    struct world *w = *state;

    list(w);
    story_reset(&w->story);
    ask(w);
    kubelet_ended(&w->kubelet, w->now, &(struct transfer_end){ .text = "connection refused" });
    assert_news(w, NEWS_FAILED, "connection refused");
    ask(w);
    answer(w, 200, STR("{\"kind\":\"PodList\""));
    assert_news(w, NEWS_FAILED, "no JSON");
    assert_int_equal(w->health.status.reconnects[RECONNECT_NETWORK], 1);
    assert_int_equal(w->health.status.reconnects[RECONNECT_MALFORMED], 1);
    assert_int_equal(w->story.text.len, 0);

    ask(w);
    kubelet_answered(&w->kubelet, 429);
    kubelet_ended(&w->kubelet, w->now,
                  &(struct transfer_end){ .complete = true, .retry_after_us = 17 * SEC });
    assert_int_equal(waits(w), 17 * SEC);
}

static void a_list_over_the_limit_is_broken_off_and_counted(void **state)
{
    struct world *w = *state;
    static char block[1 << 20];
    int r = 0;

    memset(block, ' ', sizeof(block));
    ask(w);
    kubelet_answered(&w->kubelet, 200);
    for (size_t sent = 0; r == 0 && sent <= LIMIT_LIST_BODY; sent += sizeof(block))
        r = kubelet_received(&w->kubelet, (struct str){ .at = block, .len = sizeof(block) });
    assert_int_equal(r, -EMSGSIZE);
    assert_true(kubelet_late(&w->kubelet, w->now));
    kubelet_ended(&w->kubelet, w->now, &(struct transfer_end){ .text = "broken off" });
    assert_news(w, NEWS_FAILED, "a list of over 67108864 bytes");
    assert_int_equal(w->story.limit_hits[LIMIT_HIT_LIST_BODY], 1);
}

#define KUBELET_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        KUBELET_TEST(the_kubelets_list_says_what_its_json_says),
        KUBELET_TEST(the_kubelets_list_equals_the_api_servers),
        KUBELET_TEST(it_asks_often_while_something_waits_and_rarely_otherwise),
        KUBELET_TEST(a_kubelet_that_does_not_answer_is_given_up),
        KUBELET_TEST(a_refusal_says_what_is_missing_once),
        KUBELET_TEST(trouble_on_the_way_keeps_what_is_known),
        KUBELET_TEST(a_list_over_the_limit_is_broken_off_and_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
