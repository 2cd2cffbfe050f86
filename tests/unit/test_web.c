/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "exporter/exposition.h"
#include "exporter/web.h"
#include "tests/unit/snapshot_fixture.h"

static struct fixture node;
static struct web web;
static struct http_response response;

static int begin(void **state)
{
    struct snapshot_source source = fixture_source(&node);

    (void)state;
    fixture_init(&node);
    web_init(&web, &source, "0.1.0<", "0123abcd");
    memset(&response, 0, sizeof(response));
    return 0;
}

static int end(void **state)
{
    (void)state;
    buf_done(&response.body);
    return 0;
}

static const char *ask(const char *method, const char *path)
{
    const struct http_request request = { .method = method, .path = path };

    buf_done(&response.body);
    response = (struct http_response){ .status = HTTP_OK };
    buf_init(&response.body, LIMIT_DEBUG_BODY);
    web_handle(&web, &request, &response);
    assert_int_equal(buf_error(&response.body), 0);
    assert_non_null(response.content_type);
    return response.body.at;
}

static void metrics_are_served(void **state)
{
    (void)state;
    fixture_golden(&node);
    assert_non_null(strstr(ask("GET", "/metrics"), "\nimagepull_blocked_containers{"));
    assert_non_null(strstr(response.body.at, "\nprocess_resident_memory_bytes "));
    assert_non_null(
        strstr(response.body.at, "version=\"0.1.0<\",revision=\"0123abcd\",compiler=\""));
    assert_int_equal(response.status, HTTP_OK);
    assert_string_equal(response.content_type, EXPOSITION_CONTENT_TYPE);
    assert_int_equal(node.taken, 1);
    assert_int_equal(node.detail, SNAPSHOT_METRICS);
}

/* Messages and Secrets' names are for the debug listener. */
static void no_detail_is_asked_for(void **state)
{
    static const char *const paths[] = { "/", "/metrics", "/healthz", "/readyz" };

    (void)state;
    fixture_golden(&node);
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        ask("GET", paths[i]);
        assert_int_equal(node.detail, SNAPSHOT_METRICS);
        assert_null(strstr(response.body.at, "regcred"));
    }
}

static void health_follows_the_agent(void **state)
{
    static const char *const paths[] = { "/-/healthy", "/healthz" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        node.snapshot.healthy = true;
        node.snapshot.ready = false;
        assert_string_equal(ask("GET", paths[i]), "healthy\n");
        assert_int_equal(response.status, HTTP_OK);
        node.snapshot.healthy = false;
        node.snapshot.ready = true;
        ask("GET", paths[i]);
        assert_int_equal(response.status, HTTP_UNAVAILABLE);
    }
}

static void readiness_follows_the_agent(void **state)
{
    static const char *const paths[] = { "/-/ready", "/readyz" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        node.snapshot.ready = true;
        node.snapshot.healthy = false;
        assert_string_equal(ask("GET", paths[i]), "ready\n");
        assert_int_equal(response.status, HTTP_OK);
        node.snapshot.ready = false;
        node.snapshot.healthy = true;
        ask("GET", paths[i]);
        assert_int_equal(response.status, HTTP_UNAVAILABLE);
    }
}

static void the_landing_page_says_what_this_is(void **state)
{
    (void)state;
    ask("GET", "/");
    assert_string_equal(response.content_type, HTTP_HTML);
    assert_non_null(strstr(response.body.at, "Version 0.1.0&lt;, revision 0123abcd"));
    assert_non_null(strstr(response.body.at, "href=\"/metrics\""));
}

static void other_paths_are_not_there(void **state)
{
    static const char *const paths[] = {
        "/metrics/", "/metric", "", "*", "/debug/failures", "//metrics", "/%6detrics", "/../metrics"
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        ask("GET", paths[i]);
        assert_int_equal(response.status, HTTP_NOT_FOUND);
    }
    assert_int_equal(node.taken, 0);
}

static void other_methods_are_refused(void **state)
{
    (void)state;
    ask("POST", "/metrics");
    assert_int_equal(response.status, HTTP_METHOD_NOT_ALLOWED);
    assert_string_equal(response.allow, "GET, HEAD");
    ask("HEAD", "/metrics");
    assert_int_equal(response.status, HTTP_OK);
    ask("DELETE", "/nowhere");
    assert_int_equal(response.status, HTTP_NOT_FOUND);
}

static void no_snapshot_is_said(void **state)
{
    (void)state;
    node.error = -ENOMEM;
    ask("GET", "/metrics");
    assert_int_equal(response.status, HTTP_UNAVAILABLE);
    assert_string_equal(response.body.at,
                        "no picture of the agent this time: no memory for a snapshot\n");
}

static void series_left_out_are_counted_across_scrapes(void **state)
{
    static char pods[LIMIT_INFO_SERIES + 3][16];

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(pods); i++) {
        snprintf(pods[i], sizeof(pods[i]), "pod-%u", i);
        fixture_incident(&node, "ns", pods[i], "app", "image");
    }
    for (int i = 0; i < 3; i++)
        assert_non_null(strstr(ask("GET", "/metrics"), "{limit=\"info_series\"} 3\n"));
    node.snapshot.n_incidents = 1;
    assert_non_null(strstr(ask("GET", "/metrics"), "{limit=\"info_series\"} 3\n"));
    node.snapshot.n_incidents = LIMIT_INFO_SERIES + 2;
    assert_non_null(strstr(ask("GET", "/metrics"), "{limit=\"info_series\"} 5\n"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(metrics_are_served),
        TEST(no_detail_is_asked_for),
        TEST(health_follows_the_agent),
        TEST(readiness_follows_the_agent),
        TEST(the_landing_page_says_what_this_is),
        TEST(other_paths_are_not_there),
        TEST(other_methods_are_refused),
        TEST(no_snapshot_is_said),
        TEST(series_left_out_are_counted_across_scrapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
