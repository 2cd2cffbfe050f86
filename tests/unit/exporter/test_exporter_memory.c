/* SPDX-License-Identifier: Apache-2.0 */

/*
 * exporter/ with one failed allocation after the other. A program of its own, without sockets,
 * because the failing heap works for one thread only.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/commands/classify_json.h"
#include "exporter/debug/debug.h"
#include "exporter/exporter.h"
#include "exporter/http/limit_hits.h"
#include "exporter/http/shared_body.h"
#include "exporter/metrics/web.h"
#include "tests/unit/support/fault_heap.h"
#include "tests/unit/support/snapshot_fixture.h"

static struct limit_hits limit_hits;

static struct fixture node;

static int begin(void **state)
{
    (void)state;
    fixture_golden(&node);
    fixture_incident(&node, "broken\xff", "p", "c", "i");
    return 0;
}

static void a_failed_start_leaves_nothing(void **state)
{
    const struct exporter_config config = {
        .web_listen = "127.0.0.1:0",
        .debug_listen = "127.0.0.1:0",
        .explain = classify_json_explain,
        .version = "0.1.0",
        .revision = "0123abcd",
    };
    struct snapshot_source source = fixture_source(&node);

    (void)state;
    for (size_t n = 0;; n++) {
        struct exporter *exporter = NULL;
        struct err err = ERR_INIT;
        int r;

        fault_heap_fail_at(n);
        r = exporter_new(&config, &source, &exporter, &err);
        if (!fault_heap_fired()) {
            assert_int_equal(r, 0);
            assert_true(n >= 3); /* the exporter and two servers */
            exporter_free(exporter);
            assert_int_equal(fault_heap_live(), 0);
            return;
        }
        assert_int_equal(r, -ENOMEM);
        assert_null(exporter);
        assert_int_equal(fault_heap_live(), 0);
    }
}

/* Complete metrics: the memory ran out for gzip, or to keep them for the next scrape. */
static bool ends_whole(const struct http_response *response)
{
    const struct str body =
        response->share ? shared_body_text(response->share) : buf_str(&response->body);

    return !buf_error(&response->body) && response->vary &&
           (response->encoding || (body.len && str_find(body, STR("process_max_fds "))));
}

/* Each failed allocation gives an error answer or a body with an error. The last round, without a
 * failure, gives the answer itself. */
static void answer_fails_whole(const struct http_handler *handler, const char *path)
{
    const struct http_request request = { .method = "GET",
                                          .path = path,
                                          .accept_encoding = "gzip" };

    for (size_t n = 0;; n++) {
        struct http_response response = { .status = HTTP_OK };
        bool fired;

        buf_init(&response.body, LIMIT_DEBUG_BODY);
        fault_heap_fail_at(n);
        handler->handle(handler->self, &request, &response);
        fired = fault_heap_fired();
        if (!fired) {
            assert_int_equal(response.status, HTTP_OK);
            assert_int_equal(buf_error(&response.body), 0);
            assert_true(n > 0);
        } else if (response.status == HTTP_OK && ends_whole(&response)) {
            assert_int_equal(buf_error(&response.body), 0); /* sent uncompressed */
        } else if (response.status == HTTP_OK) {
            assert_int_equal(buf_error(&response.body), -ENOMEM);
        } else {
            assert_int_equal(response.status, HTTP_SERVER_ERROR);
            assert_int_equal(buf_error(&response.body), 0);
        }
        if (response.sent)
            response.sent(response.sent_self);
        shared_body_unref(response.share);
        buf_done(&response.body);
        assert_int_equal(fault_heap_live(), 0);
        if (!fired)
            return;
    }
}

/* The cache must not hide a leak. */
static void answer_without_cache(void *self, const struct http_request *request,
                                 struct http_response *response)
{
    struct web *web = self;

    web_handle(web, request, response);
    page_cache_drop_stale(&web->pages, &(struct page_basis){ .at_us = INT64_MAX });
}

static void web_answers_fail_without_a_leak(void **state)
{
    struct snapshot_source source = fixture_source(&node);
    const struct web_settings config = {
        .metrics_path = "/metrics",
        .limit_hits = &limit_hits,
        .version = "0.1.0",
        .revision = "0123abcd",
    };
    struct web web;
    struct http_handler handler = { .self = &web, .handle = answer_without_cache };

    (void)state;
    web_init(&web, &source, &config);
    answer_fails_whole(&handler, "/");
    answer_fails_whole(&handler, "/metrics");
    answer_fails_whole(&handler, "/healthz");
    web_done(&web);
}

static void debug_answers_fail_without_a_leak(void **state)
{
    struct debug debug = { .source = fixture_source(&node) };
    struct http_handler handler = { .self = &debug, .handle = debug_handle };

    (void)state;
    answer_fails_whole(&handler, "/");
    answer_fails_whole(&handler, "/debug/failures");
    answer_fails_whole(&handler, "/debug/failures/default/web-0");
    answer_fails_whole(&handler, "/debug/sources");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_failed_start_leaves_nothing, begin),
        cmocka_unit_test_setup(web_answers_fail_without_a_leak, begin),
        cmocka_unit_test_setup(debug_answers_fail_without_a_leak, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
