/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "exporter/http/limit_hits.h"
#include "exporter/metrics/exposition.h"
#include "exporter/metrics/web.h"
#include "tests/unit/support/own_body.h"
#include "tests/unit/support/snapshot_fixture.h"

static struct limit_hits limit_hits;

static struct fixture node;
static struct web web;
static struct http_response response;
static const char *accepts, *accepts_encoding;

static const struct web_settings config = {
    .metrics_path = "/metrics",
    .max_scrapes = 2,
    .limit_hits = &limit_hits,
    .version = "0.1.0<",
    .revision = "0123abcd",
};

/* Does what the server does after an answer was sent. */
static void send_away(struct http_response *answer)
{
    if (answer->sent)
        answer->sent(answer->sent_self);
    answer->sent = NULL;
    shared_body_unref(answer->share);
    answer->share = NULL;
    buf_done(&answer->body);
}

static int begin(void **state)
{
    struct snapshot_source source = fixture_source(&node);

    (void)state;
    memset(&limit_hits, 0, sizeof(limit_hits));
    fixture_init(&node);
    web_init(&web, &source, &config);
    memset(&response, 0, sizeof(response));
    accepts = accepts_encoding = NULL;
    return 0;
}

static int end(void **state)
{
    (void)state;
    send_away(&response);
    web_done(&web);
    return 0;
}

static const char *ask(const char *method, const char *path)
{
    const struct http_request request = {
        .method = method,
        .path = path,
        .accept = accepts,
        .accept_encoding = accepts_encoding,
    };

    send_away(&response);
    response = (struct http_response){ .status = HTTP_OK };
    buf_init(&response.body, LIMIT_DEBUG_BODY);
    web_handle(&web, &request, &response);
    own_body(&response);
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
    assert_string_equal(response.content_type, exposition_content_type(EXPOSITION_TEXT));
    assert_int_equal(node.taken, 1);
    assert_int_equal(node.detail, SNAPSHOT_METRICS);
}

/* Messages and names of Secrets are for the debug listener only. */
static void a_scrape_takes_a_snapshot_without_detail(void **state)
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

static void the_landing_page_has_version_and_links(void **state)
{
    (void)state;
    ask("GET", "/");
    assert_string_equal(response.content_type, HTTP_HTML);
    assert_non_null(strstr(response.body.at, "Version 0.1.0&lt;, revision 0123abcd"));
    assert_non_null(strstr(response.body.at, "href=\"/metrics\""));
}

static void other_paths_are_not_found(void **state)
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

static void a_failed_snapshot_is_reported(void **state)
{
    (void)state;
    node.error = -ENOMEM;
    ask("GET", "/metrics");
    assert_int_equal(response.status, HTTP_UNAVAILABLE);
    assert_string_equal(response.body.at, "cannot take a snapshot: no memory for a snapshot\n");
}

/* --- formats and encodings ---------------------------------------------------------------------
 */

static void openmetrics_is_served_on_request(void **state)
{
    (void)state;
    fixture_golden(&node);
    accepts = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
    assert_non_null(strstr(ask("GET", "/metrics"), "# TYPE imagepull_failures counter\n"));
    assert_true(str_ends(buf_str(&response.body), STR("\n# EOF\n")));
    assert_string_equal(response.content_type, exposition_content_type(EXPOSITION_OPENMETRICS));
    assert_string_equal(response.vary, "Accept, Accept-Encoding");
}

/* Decompresses a body. */
static void unpack(const struct buf *packed, struct buf *ret)
{
    z_stream stream = { .next_in = (unsigned char *)packed->at, .avail_in = (unsigned)packed->len };
    char part[4096];
    int r;

    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    do {
        stream.next_out = (unsigned char *)part;
        stream.avail_out = sizeof(part);
        r = inflate(&stream, Z_NO_FLUSH);
        assert_true(r == Z_OK || r == Z_STREAM_END);
        buf_add(ret, (struct str){ .at = part, .len = sizeof(part) - stream.avail_out });
    } while (r != Z_STREAM_END);
    assert_int_equal(stream.avail_in, 0);
    inflateEnd(&stream);
}

/* The process metrics change from one scrape to the next. */
static void cut_process_lines(struct buf *text)
{
    *strstr(text->at, "# HELP process_cpu") = '\0';
}

static void gzip_is_the_same_document(void **state)
{
    struct buf unpacked;
    char *whole;

    (void)state;
    fixture_golden(&node);
    fixture_registry(&node, "gcr.io"); /* as on a node: more samples than help texts */
    fixture_registry(&node, "public.ecr.aws");
    fixture_registry(&node, "registry.k8s.io");
    whole = strdup(ask("GET", "/metrics"));
    assert_non_null(whole);
    assert_null(response.encoding);

    accepts_encoding = "gzip";
    ask("GET", "/metrics");
    assert_string_equal(response.encoding, "gzip");
    assert_true(response.body.len < strlen(whole) / 4);
    buf_init(&unpacked, LIMIT_METRICS_BODY);
    unpack(&response.body, &unpacked);
    cut_process_lines(&unpacked);
    *strstr(whole, "# HELP process_cpu") = '\0';
    assert_string_equal(unpacked.at, whole);
    buf_done(&unpacked);
    free(whole);
}

static void short_answers_are_not_compressed(void **state)
{
    (void)state;
    accepts_encoding = "gzip";
    ask("GET", "/healthz");
    assert_null(response.encoding);
    node.error = -ENOMEM;
    ask("GET", "/metrics");
    assert_null(response.encoding);
}

/* --- limits ------------------------------------------------------------------------------------
 */

static void scrape_into(struct http_response *ret)
{
    const struct http_request request = { .method = "GET", .path = "/metrics" };

    *ret = (struct http_response){ .status = HTTP_OK };
    buf_init(&ret->body, LIMIT_DEBUG_BODY);
    web_handle(&web, &request, ret);
}

static void scrapes_over_the_limit_are_refused(void **state)
{
    struct http_response slow[2], third;

    (void)state;
    scrape_into(&slow[0]);
    scrape_into(&slow[1]);
    assert_int_equal(slow[1].status, HTTP_OK);
    scrape_into(&third);
    assert_int_equal(third.status, HTTP_UNAVAILABLE);
    assert_string_equal(third.body.at, "2 scrapes are running, the maximum of --web.max-requests; "
                                       "try again\n");
    send_away(&third);
    assert_int_equal(limit_hits.counts[LIMIT_HIT_SCRAPES], 1);

    /* Probes are not scrapes, and a scrape that has ended makes room for the next. */
    ask("GET", "/healthz");
    assert_int_equal(response.status, HTTP_OK);
    send_away(&slow[0]);
    scrape_into(&third);
    assert_int_equal(third.status, HTTP_OK);
    send_away(&third);
    send_away(&slow[1]);
    assert_int_equal(web.scrapes, 0);
}

static void without_a_limit_all_scrapes_are_answered(void **state)
{
    struct http_response slow[50];

    (void)state;
    web.max_scrapes = 0;
    for (size_t i = 0; i < ARRAY_SIZE(slow); i++) {
        scrape_into(&slow[i]);
        assert_int_equal(slow[i].status, HTTP_OK);
    }
    for (size_t i = 0; i < ARRAY_SIZE(slow); i++)
        send_away(&slow[i]);
}

/* --- the path ----------------------------------------------------------------------------------
 */

static void metrics_can_have_another_path(void **state)
{
    (void)state;
    web.metrics_path = "/node/images";
    assert_non_null(strstr(ask("GET", "/node/images"), "\nimagepull_"));
    assert_non_null(strstr(ask("GET", "/"), "href=\"/node/images\""));
    ask("GET", "/metrics");
    assert_int_equal(response.status, HTTP_NOT_FOUND);
}

static void invalid_metrics_paths_are_refused(void **state)
{
    static const char *const bad[] = { "",           "metrics", "/",         "/healthz", "/-/ready",
                                       "/metrics?x", "/a b",    "/\xc3\xbc", "/a\n" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct err err = ERR_INIT;

        assert_int_equal(web_check_path(bad[i], &err), -EINVAL);
        assert_int_not_equal(err.text[0], '\0');
    }
    assert_int_equal(web_check_path("/metrics", NULL), 0);
    assert_int_equal(web_check_path("/a/b%20c-d_e", NULL), 0);
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

/* The names of registries are not cut here, so a few long ones fill the document. */
static void metrics_over_the_limit_are_an_error(void **state)
{
    static char endless[FIXTURE_REGISTRIES][100000];

    (void)state;
    for (unsigned i = 0; i < FIXTURE_REGISTRIES; i++) {
        memset(endless[i], 'a' + (int)(i % 26), sizeof(endless[i]) - 1);
        fixture_registry(&node, endless[i]);
    }
    ask("GET", "/metrics");
    assert_int_equal(response.status, HTTP_SERVER_ERROR);
    assert_non_null(strstr(response.body.at, "have more than 8388608 bytes"));
    assert_int_equal(limit_hits.counts[LIMIT_HIT_ANSWER_BODY], 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(metrics_are_served),
        TEST(a_scrape_takes_a_snapshot_without_detail),
        TEST(health_follows_the_agent),
        TEST(readiness_follows_the_agent),
        TEST(the_landing_page_has_version_and_links),
        TEST(other_paths_are_not_found),
        TEST(other_methods_are_refused),
        TEST(a_failed_snapshot_is_reported),
        TEST(openmetrics_is_served_on_request),
        TEST(gzip_is_the_same_document),
        TEST(short_answers_are_not_compressed),
        TEST(scrapes_over_the_limit_are_refused),
        TEST(without_a_limit_all_scrapes_are_answered),
        TEST(metrics_can_have_another_path),
        TEST(invalid_metrics_paths_are_refused),
        TEST(metrics_over_the_limit_are_an_error),
        TEST(series_left_out_are_counted_across_scrapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
