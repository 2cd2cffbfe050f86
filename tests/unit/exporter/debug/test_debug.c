/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "agent/commands/classify_json.h"
#include "exporter/debug/debug.h"
#include "exporter/http/limit_hits.h"
#include "tests/unit/support/snapshot_fixture.h"

static struct limit_hits limit_hits;

static struct fixture node;
static struct debug debug;
static struct http_response response;

static int begin(void **state)
{
    (void)state;
    memset(&limit_hits, 0, sizeof(limit_hits));
    fixture_golden(&node);
    debug = (struct debug){ .source = fixture_source(&node),
                            .explain = classify_json_explain,
                            .limit_hits = &limit_hits };
    memset(&response, 0, sizeof(response));
    return 0;
}

static int end(void **state)
{
    (void)state;
    buf_done(&response.body);
    return 0;
}

static const char *send_body(const char *method, const char *path, const char *host,
                             struct str body)
{
    const struct http_request request = {
        .method = method,
        .path = path,
        .host = host,
        .body = body,
    };

    buf_done(&response.body);
    response = (struct http_response){ .status = HTTP_OK };
    buf_init(&response.body, LIMIT_DEBUG_BODY);
    debug_handle(&debug, &request, &response);
    assert_int_equal(buf_error(&response.body), 0);
    assert_non_null(response.content_type);
    assert_true(response.no_store);
    return response.body.at;
}

static const char *ask_as(const char *method, const char *path, const char *host)
{
    return send_body(method, path, host, STR(""));
}

static const char *ask(const char *path)
{
    return ask_as("GET", path, "localhost");
}

static void assert_refused(const char *path, enum http_status status)
{
    ask(path);
    if (response.status != status)
        fail_msg("%s: %d, not %d", path, response.status, status);
    assert_string_equal(response.content_type, HTTP_JSON);
    assert_true(str_starts(buf_str(&response.body), STR("{\"error\":\"")));
}

static unsigned count(const char *part)
{
    unsigned n = 0;

    for (const char *at = response.body.at; (at = strstr(at, part)); at++)
        n++;
    return n;
}

static void all_failures_are_served(void **state)
{
    (void)state;
    ask("/debug/failures");
    assert_int_equal(response.status, HTTP_OK);
    assert_string_equal(response.content_type, HTTP_JSON);
    assert_int_equal(count("\"pod_uid\":"), 5);
    assert_int_equal(node.taken, 1);
    assert_int_equal(node.detail, SNAPSHOT_DETAIL);
}

static void failures_of_one_pod_are_served(void **state)
{
    (void)state;
    ask("/debug/failures/default/web-0");
    assert_int_equal(response.status, HTTP_OK);
    assert_int_equal(count("\"namespace\":"), 1);
    assert_non_null(strstr(response.body.at, "\"pod\":\"web-0\""));
}

static void escapes_in_the_path_are_decoded(void **state)
{
    (void)state;
    fixture_incident(&node, "a/b", "100%", "c", "i");
    ask("/debug/failures/a%2fb/100%25");
    assert_int_equal(response.status, HTTP_OK);
    assert_int_equal(count("\"namespace\":"), 1);
    ask("/debug/failures/%64efault/web%2D0");
    assert_int_equal(response.status, HTTP_OK);
}

static void a_pod_without_failures_is_404(void **state)
{
    (void)state;
    assert_refused("/debug/failures/default/web-9", HTTP_NOT_FOUND);
    assert_non_null(strstr(response.body.at, "default/web-9"));
    assert_refused("/debug/failures/default/%3Cscript%3E%22%0a", HTTP_NOT_FOUND);
    assert_non_null(strstr(response.body.at, "<script>\\\"\\n"));
    assert_refused("/debug/failures/default/%ff", HTTP_NOT_FOUND);
}

static void invalid_pod_paths_are_refused(void **state)
{
    static char endless[2000] = "/debug/failures/default/";

    (void)state;
    memset(endless + strlen(endless), 'x', sizeof(endless) - 1 - strlen(endless));
    assert_refused("/debug/failures/", HTTP_NOT_FOUND);
    assert_refused("/debug/failures/default", HTTP_NOT_FOUND);
    assert_refused("/debug/failures/default/", HTTP_NOT_FOUND);
    assert_refused("/debug/failures//web-0", HTTP_NOT_FOUND);
    assert_refused("/debug/failures/default/web-0/app", HTTP_NOT_FOUND);
    assert_refused("/debug/failures/default/%zz", HTTP_BAD_REQUEST);
    assert_refused("/debug/failures/default/a%00b", HTTP_BAD_REQUEST);
    assert_refused(endless, HTTP_BAD_REQUEST);
    assert_int_equal(node.taken, 0);
}

static void sources_are_served(void **state)
{
    (void)state;
    ask("/debug/sources");
    assert_int_equal(response.status, HTTP_OK);
    assert_int_equal(count("\"source\":"), SOURCE_MAX);
}

static void the_page_links_all_answers(void **state)
{
    static const char *const parts[] = {
        "<a href=\"/debug/failures\">", "/debug/failures/{namespace}/{pod}",
        "<a href=\"/debug/sources\">",  "<a href=\"/debug/images\">",
        "<a href=\"/debug/events\">",
    };

    (void)state;
    ask("/");
    assert_int_equal(response.status, HTTP_OK);
    assert_string_equal(response.content_type, HTTP_HTML);
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        if (!strstr(response.body.at, parts[i]))
            fail_msg("%s is missing on the page", parts[i]);
    assert_int_equal(node.taken, 0); /* its script fetches the data */
}

static void images_and_events_are_served(void **state)
{
    (void)state;
    ask("/debug/images");
    assert_int_equal(response.status, HTTP_OK);
    assert_int_equal(count("\"image\":"), 2);
    ask("/debug/events");
    assert_int_equal(response.status, HTTP_OK);
    assert_int_equal(count("\"number\":"), 3);
    assert_int_equal(node.detail, SNAPSHOT_DETAIL);
}

static const char *classify_body(struct str body)
{
    return send_body("POST", "/debug/classify", "localhost:9918", body);
}

static void a_message_is_classified(void **state)
{
    (void)state;
    classify_body(STR("dial tcp: lookup registry.example.com: no such host\r\n"));
    assert_int_equal(response.status, HTTP_OK);
    assert_string_equal(response.content_type, HTTP_JSON);
    assert_int_equal(count("{\"cause\":\"network\",\"reason\":\"dns_not_found\""), 1);
    assert_int_equal(count("no such host\""), count("no such host")); /* without the line break */
    assert_int_equal(node.taken, 0);
}

static void an_empty_message_is_refused(void **state)
{
    static const struct str bodies[] = { STR(""), STR("\n"), STR("\r\n") };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        classify_body(bodies[i]);
        assert_int_equal(response.status, HTTP_BAD_REQUEST);
        assert_non_null(strstr(response.body.at, "{\"error\":\"the body has no message"));
    }
}

static void any_bytes_are_classified(void **state)
{
    static char endless[LIMIT_CLASSIFY_BODY];

    (void)state;
    memset(endless, '"', sizeof(endless));
    classify_body((struct str){ .at = endless, .len = sizeof(endless) });
    assert_int_equal(response.status, HTTP_OK);
    assert_int_equal(count("\"truncated\":true"), 1);
    classify_body(STR("\xff\0<script>\x80\x01"));
    assert_int_equal(response.status, HTTP_OK);
    assert_int_equal(count("\"reason\":\"unclassified\""), 1);
}

static void classify_accepts_post_only(void **state)
{
    (void)state;
    ask("/debug/classify");
    assert_int_equal(response.status, HTTP_METHOD_NOT_ALLOWED);
    assert_string_equal(response.allow, "POST");
    send_body("PUT", "/debug/classify", "localhost", STR("x"));
    assert_int_equal(response.status, HTTP_METHOD_NOT_ALLOWED);
    send_body("POST", "/debug/classify", "rebound.example", STR("x"));
    assert_int_equal(response.status, HTTP_FORBIDDEN);
}

static void other_paths_and_methods_are_refused(void **state)
{
    (void)state;
    assert_refused("/metrics", HTTP_NOT_FOUND);
    assert_refused("/debug", HTTP_NOT_FOUND);
    assert_refused("/debug/sources/", HTTP_NOT_FOUND);
    ask_as("POST", "/debug/failures", NULL);
    assert_int_equal(response.status, HTTP_METHOD_NOT_ALLOWED);
    assert_string_equal(response.allow, "GET, HEAD");
}

static void a_failed_snapshot_is_reported(void **state)
{
    (void)state;
    node.error = -ENOMEM;
    assert_refused("/debug/failures", HTTP_UNAVAILABLE);
    assert_refused("/debug/failures/a/b", HTTP_UNAVAILABLE);
    assert_refused("/debug/sources", HTTP_UNAVAILABLE);
}

/* --- the Host header ---------------------------------------------------------------------------
 */

static void names_of_this_machine_are_allowed(void **state)
{
    static const char *const hosts[] = {
        "localhost",   "LocalHost", "localhost:9918", "127.0.0.1",  "127.0.0.1:9918",
        "127.9.8.7:1", "[::1]",     "[::1]:9918",     "localhost:",
    };

    (void)state;
    ask_as("GET", "/debug/failures", NULL); /* a client that sends no Host header */
    assert_int_equal(response.status, HTTP_OK);
    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
        ask_as("GET", "/debug/failures", hosts[i]);
        if (response.status != HTTP_OK)
            fail_msg("'%s' was refused", hosts[i]);
    }
}

static void other_names_are_refused(void **state)
{
    static const char *const hosts[] = {
        "",
        ":",
        ":9918",
        "rebound.example",
        "rebound.example:9918",
        "127.rebound.example",
        "127.0.0.1.rebound.example",
        "localhost.rebound.example",
        "localhostx",
        "xlocalhost",
        "127.1",
        "127.0.0.1x",
        "127.0.0.1:9918:1",
        "127.0.0.1:evil",
        "127.0.0.1:999999",
        "127.0.0.256",
        "10.0.0.1",
        "0.0.0.0",
        "[::1",
        "::1",
        "[::1]x",
        "[::1]x:80",
        "[::2]",
        "[::ffff:10.0.0.1]",
        "[",
        "]",
        "localhost@rebound.example",
        "localhost, rebound.example",
        " localhost",
        "127.000000000000000000000000000000.0.1",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
        ask_as("GET", "/debug/failures", hosts[i]);
        if (response.status != HTTP_FORBIDDEN)
            fail_msg("'%s' was allowed", hosts[i]);
        assert_null(strstr(response.body.at, "regcred"));
    }
    assert_int_equal(node.taken, 0);
}

/* Reads the parts of a large answer into `text` and ends it. Returns the error of the last one. */
static int read_parts(struct http_response *large, struct buf *text, size_t *ret_largest)
{
    struct buf part;
    int r;

    *ret_largest = 0;
    buf_init(&part, LIMIT_DEBUG_MEMBER);
    do {
        buf_reset(&part);
        r = large->stream.next(large->stream.self, &part);
        if (r == 0 && part.len) /* with nothing, `part` has no memory */
            buf_add(text, buf_str(&part));
        if (part.len > *ret_largest)
            *ret_largest = part.len;
    } while (r == 0 && part.len);
    buf_done(&part);
    large->sent(large->sent_self);
    return r;
}

static void many_failures(void)
{
    static char message[1000];

    memset(message, 'x', sizeof(message) - 1);
    while (node.snapshot.n_incidents < 2000)
        fixture_incident(&node, "ns", "pod", "app", "image")->message = message;
}

static void a_large_answer_is_sent_part_by_part(void **state)
{
    struct buf text;
    size_t largest;
    json_t *json;

    (void)state;
    many_failures();
    ask("/debug/failures");
    assert_int_equal(response.status, HTTP_OK);
    assert_string_equal(response.content_type, HTTP_JSON);
    assert_int_equal(response.body.len, 0);
    assert_non_null(response.stream.next);
    buf_init(&text, 64 << 20);
    assert_int_equal(read_parts(&response, &text, &largest), 0);
    assert_in_range(largest, 1000, 8000); /* one failure */
    json = json_loadb(text.at, text.len, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(json, "failures")), 2000);
    json_decref(json);
    buf_done(&text);
}

static bool nested;

/* A second listener gets a request while the first one takes a snapshot. */
static int take_and_ask(void *self, enum snapshot_detail detail, struct snapshot *ret,
                        struct err *err)
{
    struct snapshot_source source = fixture_source(self);
    const struct http_request request = { .method = "GET", .path = "/", .host = "localhost" };
    struct http_response other = { .status = HTTP_OK };

    buf_init(&other.body, LIMIT_DEBUG_BODY);
    debug_handle(&debug, &request, &other);
    assert_int_equal(other.status, HTTP_UNAVAILABLE);
    assert_string_equal(other.retry_after, "1");
    buf_done(&other.body);
    nested = true;
    return source.take(source.self, detail, ret, err);
}

/* The memory of one answer is reserved, and there may be two listeners. */
static void one_request_is_answered_at_a_time(void **state)
{
    (void)state;
    nested = false;
    debug.source.take = take_and_ask;
    ask("/debug/sources");
    assert_int_equal(response.status, HTTP_OK);
    assert_true(nested);
    debug.source = fixture_source(&node);
    ask("/debug/sources");
    assert_int_equal(response.status, HTTP_OK);
    ask("/no/such/page");
    ask("/debug/sources");
    assert_int_equal(response.status, HTTP_OK);
}

/* Each of them holds a snapshot for as long as the client likes. */
static void large_answers_are_sent_one_at_a_time(void **state)
{
    struct http_response first;
    struct buf text;
    size_t largest;

    (void)state;
    many_failures();
    ask("/debug/failures");
    first = response;
    response = (struct http_response){ .status = HTTP_OK };
    assert_refused("/debug/failures/ns/pod", HTTP_UNAVAILABLE);
    assert_string_equal(response.retry_after, "1");
    assert_null(response.stream.next);
    assert_non_null(strstr(response.body.at, "another large answer is being sent; try again"));
    ask("/debug/sources");
    assert_int_equal(response.status, HTTP_OK);
    buf_init(&text, 64 << 20);
    assert_int_equal(read_parts(&first, &text, &largest), 0);
    buf_done(&first.body);
    ask("/debug/failures/ns/pod");
    assert_int_equal(response.status, HTTP_OK);
    buf_reset(&text);
    assert_int_equal(read_parts(&response, &text, &largest), 0);
    assert_null(strstr(text.at, "web-0")); /* of another pod */
    buf_done(&text);
}

/* The client notices: the connection ends before the answer does. */
static void a_member_over_the_limit_cuts_the_answer(void **state)
{
    static char endless[LIMIT_DEBUG_MEMBER];
    struct buf text;
    size_t largest;

    (void)state;
    memset(endless, 'x', sizeof(endless) - 1);
    fixture_incident(&node, "ns", "pod", "app", "image")->message = endless;
    ask("/debug/failures");
    assert_int_equal(response.status, HTTP_OK);
    buf_init(&text, 64 << 20);
    assert_int_equal(read_parts(&response, &text, &largest), -E2BIG);
    assert_int_equal(limit_hits.counts[LIMIT_HIT_ANSWER_BODY], 1);
    buf_done(&text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_failures_are_served),
        TEST(failures_of_one_pod_are_served),
        TEST(escapes_in_the_path_are_decoded),
        TEST(a_pod_without_failures_is_404),
        TEST(invalid_pod_paths_are_refused),
        TEST(sources_are_served),
        TEST(the_page_links_all_answers),
        TEST(images_and_events_are_served),
        TEST(a_message_is_classified),
        TEST(an_empty_message_is_refused),
        TEST(any_bytes_are_classified),
        TEST(classify_accepts_post_only),
        TEST(other_paths_and_methods_are_refused),
        TEST(a_failed_snapshot_is_reported),
        TEST(a_large_answer_is_sent_part_by_part),
        TEST(large_answers_are_sent_one_at_a_time),
        TEST(a_member_over_the_limit_cuts_the_answer),
        TEST(one_request_is_answered_at_a_time),
        TEST(names_of_this_machine_are_allowed),
        TEST(other_names_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
