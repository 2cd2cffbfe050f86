/* SPDX-License-Identifier: Apache-2.0 */

/* Which scrapes are formatted, and which get the bytes of the one before. */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/hub.h"
#include "exporter/http/http_budget.h"
#include "exporter/http/limit_hits.h"
#include "exporter/http/shared_body.h"
#include "exporter/metrics/exposition.h"
#include "exporter/metrics/web.h"
#include "tests/unit/support/own_body.h"
#include "tests/unit/support/snapshot_fixture.h"

#define OPENMETRICS "application/openmetrics-text"

static struct limit_hits limit_hits;
static struct http_budget budget;
static struct fixture node;
static struct web web;

static const struct web_settings config = {
    .metrics_path = "/metrics",
    .limit_hits = &limit_hits,
    .budget = &budget,
    .version = "0.1.0",
    .revision = "0123abcd",
};

static int begin(void **state)
{
    struct snapshot_source source = fixture_source(&node);

    (void)state;
    memset(&limit_hits, 0, sizeof(limit_hits));
    budget = (struct http_budget){ .max = LIMIT_HTTP_MEMORY };
    fixture_golden(&node);
    node.counts_changes = true;
    web_init(&web, &source, &config);
    return 0;
}

static int end(void **state)
{
    (void)state;
    web_done(&web);
    assert_int_equal(atomic_load(&budget.used), 0);
    return 0;
}

static void ask(const char *path, const char *accept, const char *encoding,
                struct http_response *ret)
{
    const struct http_request request = {
        .method = "GET", .path = path, .accept = accept, .accept_encoding = encoding
    };

    *ret = (struct http_response){ .status = HTTP_OK };
    buf_init(&ret->body, LIMIT_DEBUG_BODY);
    web_handle(&web, &request, ret);
    if (ret->sent)
        ret->sent(ret->sent_self);
}

static void forget(struct http_response *response)
{
    shared_body_unref(response->share);
    buf_done(&response->body);
}

static void scrape(struct http_response *ret)
{
    ask("/metrics", NULL, NULL, ret);
    assert_int_equal(ret->status, HTTP_OK);
}

static void assert_page_has(const char *text)
{
    struct http_response response;

    scrape(&response);
    own_body(&response);
    if (!strstr(response.body.at, text))
        fail_msg("there is no '%s'", text);
    forget(&response);
}

static void advance(int64_t by_us)
{
    node.snapshot.taken.mono_us += by_us;
    node.snapshot.taken.wall_us += by_us;
}

/* --- what is formatted -------------------------------------------------------------------------
 */

static void a_page_is_formatted_once_while_nothing_changes(void **state)
{
    struct http_response first, next;

    (void)state;
    scrape(&first);
    for (int i = 0; i < 5; i++) {
        scrape(&next);
        assert_ptr_equal(next.share, first.share);
        forget(&next);
    }
    forget(&first);
    assert_int_equal(node.taken, 1);
}

static void a_change_is_in_the_next_scrape(void **state)
{
    (void)state;
    for (unsigned attempts = 5; attempts < 9; attempts++) {
        char line[128];

        node.registries[0].attempts = attempts;
        node.snapshot.changes++;
        snprintf(line, sizeof(line), "attempts_total{registry=\"registry.example.com\"} %u\n",
                 attempts);
        assert_page_has(line);
        assert_page_has(line);
    }
    assert_int_equal(node.taken, 4);
}

static void a_limit_of_the_exporter_is_a_change(void **state)
{
    (void)state;
    assert_page_has("imagepull_");
    limit_hits_add(&limit_hits, LIMIT_HIT_HTTP_CONNECTIONS, 7);
    assert_page_has("{limit=\"http_connections\"} 7\n");
}

/* The values of the process, and what the table does when time has passed. */
static void a_page_is_never_older_than_a_second(void **state)
{
    (void)state;
    assert_page_has("");
    advance(SEC - 1);
    assert_page_has("");
    assert_int_equal(node.taken, 1);
    advance(1);
    assert_page_has("");
    assert_int_equal(node.taken, 2);
    advance(SEC - 1);
    assert_page_has("");
    assert_int_equal(node.taken, 2);
}

static void each_format_and_encoding_has_its_page(void **state)
{
    static const char *const formats[] = { NULL, OPENMETRICS }, *const encodings[] = { NULL,
                                                                                       "gzip" };
    struct http_response pages[4], again;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
        ask("/metrics", formats[i / 2], encodings[i % 2], &pages[i]);
    for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
        ask("/metrics", formats[i / 2], encodings[i % 2], &again);
        assert_ptr_equal(again.share, pages[i].share);
        assert_string_equal(again.content_type, pages[i].content_type);
        assert_string_equal(again.content_type, exposition_content_type(i / 2));
        assert_string_equal(again.vary, "Accept, Accept-Encoding");
        assert_true((again.encoding != NULL) == (i % 2 == 1));
        for (size_t other = 0; other < i; other++)
            assert_ptr_not_equal(pages[i].share, pages[other].share);
        forget(&again);
    }
    for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
        forget(&pages[i]);
    assert_int_equal(node.taken, 4);
}

/* --- memory ------------------------------------------------------------------------------------
 */

static void a_slow_reader_keeps_its_page(void **state)
{
    struct http_response slow, next;
    size_t one;
    char *text;

    (void)state;
    scrape(&slow);
    text = strdup(shared_body_text(slow.share).at);
    assert_non_null(text);
    one = atomic_load(&budget.used);
    assert_true(one > strlen(text) && one < strlen(text) + 100);

    node.registries[0].attempts = 77;
    node.snapshot.changes++;
    scrape(&next);
    assert_ptr_not_equal(next.share, slow.share);
    assert_true(atomic_load(&budget.used) > one);
    assert_string_equal(shared_body_text(slow.share).at, text);
    assert_non_null(strstr(shared_body_text(next.share).at, "\"registry.example.com\"} 77\n"));
    forget(&slow);
    assert_int_equal(atomic_load(&budget.used), shared_body_text(next.share).len + 1);
    forget(&next);
    free(text);
}

static void slow_readers_of_one_page_hold_it_once(void **state)
{
    struct http_response slow[LIMIT_WEB_CONNECTIONS];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(slow); i++)
        scrape(&slow[i]);
    assert_int_equal(atomic_load(&budget.used), shared_body_text(slow[0].share).len + 1);
    for (size_t i = 0; i < ARRAY_SIZE(slow); i++)
        forget(&slow[i]);
}

static void an_unused_page_is_freed_by_the_next_probe(void **state)
{
    struct http_response response;

    (void)state;
    scrape(&response);
    forget(&response);
    assert_true(atomic_load(&budget.used) > 0);
    advance(SEC);
    ask("/healthz", NULL, NULL, &response);
    forget(&response);
    assert_int_equal(atomic_load(&budget.used), 0);
}

/* Fills the page with the names of registries, which are not cut here. */
static void fill_page(size_t bytes)
{
    static char names[FIXTURE_REGISTRIES][LIMIT_CACHED_PAGE];
    size_t families = 11; /* lines with the name: attempts, bytes, and a failure of each cause */

    for (unsigned i = 0; i < 4; i++) {
        size_t len = bytes / 4 / families;

        memset(names[i], 'a' + (int)i, len);
        names[i][len] = '\0';
        fixture_registry(&node, names[i]);
    }
}

static void a_large_page_is_not_kept(void **state)
{
    struct http_response response;

    (void)state;
    fill_page(LIMIT_CACHED_PAGE + 1);
    for (unsigned i = 1; i <= 3; i++) {
        scrape(&response);
        assert_null(response.share);
        assert_true(response.body.len > LIMIT_CACHED_PAGE);
        assert_int_equal(atomic_load(&budget.used), 0);
        assert_int_equal(node.taken, i);
        forget(&response);
    }
}

static void the_largest_pages_fit_into_the_memory_of_answers(void **state)
{
    static const char *const formats[] = { NULL, OPENMETRICS }, *const encodings[] = { NULL,
                                                                                       "gzip" };
    struct http_response response;

    (void)state;
    fill_page(LIMIT_CACHED_PAGE - (64 << 10));
    for (size_t i = 0; i < 4; i++) {
        ask("/metrics", formats[i / 2], encodings[i % 2], &response);
        assert_non_null(response.share);
        forget(&response);
    }
    assert_true(atomic_load(&budget.used) > 2 * (LIMIT_CACHED_PAGE - (64 << 10)));
    assert_true(atomic_load(&budget.used) <= 4 * LIMIT_CACHED_PAGE);
}

/* The server then refuses it, or sends it because it fits after all. */
static void a_page_without_room_in_the_budget_is_not_kept(void **state)
{
    struct http_response response;

    (void)state;
    assert_true(http_budget_take(&budget, LIMIT_HTTP_MEMORY));
    scrape(&response);
    assert_null(response.share);
    assert_non_null(strstr(response.body.at, "\nimagepull_blocked_containers{"));
    forget(&response);
    http_budget_give(&budget, LIMIT_HTTP_MEMORY);
}

/* --- several threads ---------------------------------------------------------------------------
 */

#define PODS 200u
#define SCRAPERS 4u

static void observe_pod(const struct sink *sink, unsigned number)
{
    char name[32];
    struct container_fact container = { .name = STR("app"),
                                        .image = STR("registry.example.com/app:v1"),
                                        .phase = PHASE_WAITING,
                                        .waiting_reason = STR("ErrImagePull"),
                                        .waiting_message = STR("not found") };
    struct observation observation = { .kind = OBSERVE_POD };

    snprintf(name, sizeof(name), "pod-%u", number);
    observation.pod = (struct pod_fact){ .namespace = STR("default"),
                                         .name = str_from(name),
                                         .uid = str_from(name),
                                         .phase = STR("Pending"),
                                         .containers = &container,
                                         .n_containers = 1 };
    sink->observe(sink->self, &observation);
}

static unsigned blocked_now(const char *accept)
{
    static const char line[] = "\nimagepull_blocked_containers{";
    struct http_response response;
    const char *at;
    unsigned n;

    ask("/metrics", accept, NULL, &response);
    own_body(&response);
    at = strstr(response.body.at, line);
    n = at ? (unsigned)strtoul(strstr(at, "} ") + 2, NULL, 10) : 0;
    forget(&response);
    return n;
}

struct scraper {
    pthread_t thread;
    const char *accept;
    bool fell;
};

static void *scrape_until_all_are_blocked(void *self)
{
    struct scraper *scraper = self;

    for (unsigned before = 0, n = 0; n < PODS; before = n) {
        n = blocked_now(scraper->accept);
        scraper->fell |= n < before;
    }
    return NULL;
}

/* Each pod that fails is in the next scrape, and no scrape is older than the one before. */
static void no_scrape_is_older_than_the_one_before(void **state)
{
    const struct hub_config hub_config = { .node = "n", .max_registries = 4 };
    struct hub *hub = hub_new(&hub_config, clock_system());
    struct scraper scrapers[SCRAPERS];

    (void)state;
    assert_non_null(hub);
    web_done(&web);
    web_init(&web, hub_snapshots(hub), &config);
    for (size_t i = 0; i < SCRAPERS; i++) {
        scrapers[i] = (struct scraper){ .accept = i % 2 ? OPENMETRICS : NULL };
        assert_int_equal(
            pthread_create(&scrapers[i].thread, NULL, scrape_until_all_are_blocked, &scrapers[i]),
            0);
    }
    for (unsigned i = 0; i < PODS; i++) {
        observe_pod(hub_sink(hub), i);
        assert_int_equal(blocked_now(NULL), i + 1);
    }
    for (size_t i = 0; i < SCRAPERS; i++) {
        pthread_join(scrapers[i].thread, NULL);
        assert_false(scrapers[i].fell);
    }
    web_done(&web);
    web_init(&web, hub_snapshots(hub), &config);
    hub_free(hub);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_page_is_formatted_once_while_nothing_changes),
        TEST(a_change_is_in_the_next_scrape),
        TEST(a_limit_of_the_exporter_is_a_change),
        TEST(a_page_is_never_older_than_a_second),
        TEST(each_format_and_encoding_has_its_page),
        TEST(a_slow_reader_keeps_its_page),
        TEST(slow_readers_of_one_page_hold_it_once),
        TEST(an_unused_page_is_freed_by_the_next_probe),
        TEST(a_large_page_is_not_kept),
        TEST(the_largest_pages_fit_into_the_memory_of_answers),
        TEST(a_page_without_room_in_the_budget_is_not_kept),
        TEST(no_scrape_is_older_than_the_one_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
