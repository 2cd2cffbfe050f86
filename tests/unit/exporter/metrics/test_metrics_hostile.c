/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A tenant names pods, images and registries with the worst possible bytes, through the whole
 * agent, with 10,000 registries. Each format stays valid and within its limit.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/hub.h"
#include "clock.h"
#include "exporter/http/limit_hits.h"
#include "exporter/metrics/web.h"
#include "tests/unit/support/own_body.h"
#include "utf8.h"
#include "util.h"

static struct limit_hits limit_hits;

#define PODS 100
#define CONTAINERS 100 /* per pod, each with its own registry */
#define SERIES_AT_WORST 1000
#define PROMTOOL "/usr/bin/promtool"

static char endless[100 * 1024];

static const char *const evil[] = {
    "app",
    "say \"no\"",
    "two\nlines",
    "\xff\xfe\xc0\x80",
    "<script>alert(1)</script>",
    "back\\",
    "x\"} 1\nfo{",
    "# EOF\n",
    "\xe2\x80\xae",
    "not-found/unauthorized-401",
    "\x01\t",
    endless,
    "caf\xc3\xa9",
    "{}=,",
};

static struct hub *hub;
static struct web web;

/* Adds a pod whose images all fail. */
static void observe_pod(unsigned pod)
{
    static char images[CONTAINERS][512], names[CONTAINERS][64];
    static struct container_fact containers[CONTAINERS];
    const struct sink *sink = hub_sink(hub);
    struct observation observation = { .kind = OBSERVE_POD };
    char uid[32];

    snprintf(uid, sizeof(uid), "uid-%u", pod);
    for (unsigned i = 0; i < CONTAINERS; i++) {
        const char *word = evil[(pod + i) % ARRAY_SIZE(evil)];

        snprintf(images[i], sizeof(images[i]), "evil-%u-%u.example.com/%.200s:v1", pod, i,
                 i % 2 ? word : "team/app");
        snprintf(names[i], sizeof(names[i]), "%.40s-%u", word, i);
        containers[i] = (struct container_fact){
            .name = str_from(names[i]),
            .image = str_from(images[i]),
            .phase = PHASE_WAITING,
            .waiting_reason = STR("ErrImagePull"),
            .waiting_message = i % 10 ? str_from(word) : str_from(endless),
        };
    }
    observation.pod = (struct pod_fact){
        .namespace = str_from(evil[pod % ARRAY_SIZE(evil)]),
        .name = str_from(evil[(pod / 2) % ARRAY_SIZE(evil)]),
        .uid = str_from(uid),
        .phase = STR("Pending"),
        .containers = containers,
        .n_containers = CONTAINERS,
    };
    sink->observe(sink->self, &observation);
}

static int begin(void **state)
{
    static const struct hub_config hub_config = { .node = "n",
                                                  .max_registries = 16,
                                                  .reads_runtime = true };
    const struct web_settings config = {
        .metrics_path = "/metrics",
        .limit_hits = &limit_hits,
        .version = "0.1.0",
        .revision = "0123abcd",
    };

    (void)state;
    memset(endless, 'e', sizeof(endless) - 1);
    hub = hub_new(&hub_config, clock_system());
    if (!hub)
        return -1;
    web_init(&web, hub_snapshots(hub), &config);
    for (unsigned pod = 0; pod < PODS; pod++)
        observe_pod(pod);
    return 0;
}

static int end(void **state)
{
    (void)state;
    web_done(&web);
    hub_stop(hub);
    hub_free(hub);
    return 0;
}

static void scrape(const char *accept, struct http_response *ret)
{
    const struct http_request request = { .method = "GET", .path = "/metrics", .accept = accept };

    *ret = (struct http_response){ .status = HTTP_OK };
    buf_init(&ret->body, LIMIT_DEBUG_BODY);
    web_handle(&web, &request, ret);
    own_body(ret);
    assert_int_equal(ret->status, HTTP_OK);
    assert_int_equal(buf_error(&ret->body), 0);
    ret->sent(ret->sent_self);
}

/* Every line is a comment or a known sample, and their number is limited. */
static void assert_lines(struct buf *body)
{
    unsigned series = 0;
    char *save = NULL;

    assert_int_equal(utf8_prefix(buf_str(body)), body->len);
    for (char *line = strtok_r(body->at, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        struct str text = str_from(line);

        if (str_starts(text, STR("# HELP ")) || str_starts(text, STR("# TYPE ")) ||
            str_starts(text, STR("# UNIT ")) || str_eq(text, STR("# EOF")))
            continue;
        if (!str_starts(text, STR("imagepull_")) && !str_starts(text, STR("process_")))
            fail_msg("unknown line: %.80s", line);
        series++;
    }
    assert_true(series > 350 && series < SERIES_AT_WORST);
}

/* --- duplicate series --------------------------------------------------------------------------
 * Prometheus refuses a scrape with a duplicate series. Few names, which differ only in bytes that a
 * label cannot show: all bytes that are not UTF-8 become the same character.
 */

static unsigned dice;

static unsigned roll(unsigned sides)
{
    dice = dice * 1664525 + 1013904223;
    return (dice >> 16) % sides;
}

static const char *any_name(void)
{
    static const char *const names[] = { "\xff", "\xfe",  "\xc3",      "\xef\xbf\xbd",
                                         "a",    "a\xff", "a\xe2\x82", "a\xfe",
                                         "A",    "\"" };

    return names[roll(ARRAY_SIZE(names))];
}

static void observe_lookalike(const struct sink *sink, unsigned pod)
{
    static const char *const reasons[] = { "ErrImagePull", "ImagePullBackOff", "InvalidImageName" };
    struct container_fact containers[3];
    struct observation observation = { .kind = OBSERVE_POD };
    char uid[32], images[3][64];

    snprintf(uid, sizeof(uid), "uid-%u", pod);
    for (unsigned i = 0; i < 3; i++) {
        snprintf(images[i], sizeof(images[i]), "%s.example.com/%s", any_name(), any_name());
        containers[i] = (struct container_fact){
            .name = str_from(any_name()),
            .image = str_from(images[i]),
            .kind = roll(2) ? CONTAINER_APP : CONTAINER_INIT,
            .phase = PHASE_WAITING,
            .waiting_reason = str_from(reasons[roll(ARRAY_SIZE(reasons))]),
            .waiting_message = roll(2) ? STR("not found") : STR("401 Unauthorized"),
        };
    }
    observation.pod = (struct pod_fact){
        .namespace = str_from(any_name()),
        .name = str_from(any_name()),
        .uid = str_from(uid),
        .phase = STR("Pending"),
        .containers = containers,
        .n_containers = 3,
    };
    sink->observe(sink->self, &observation);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Heads are unique too, so the samples of a family are together. */
static void assert_nothing_twice(char *body)
{
    static char *lines[SERIES_AT_WORST * 2];
    size_t n = 0;
    char *save = NULL;

    for (char *line = strtok_r(body, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *value = *line == '#' ? NULL : strchr(line, '}');

        if (value)
            strcpy(value, "}"); /* a '}' after the labels is only in an exemplar */
        assert_true(n < ARRAY_SIZE(lines));
        lines[n++] = line;
    }
    assert_true(n > 100);
    qsort(lines, n, sizeof(lines[0]), by_text);
    for (size_t i = 1; i < n; i++)
        if (strcmp(lines[i - 1], lines[i]) == 0)
            fail_msg("duplicate: %s", lines[i]);
}

static void names_that_look_equal_are_one_series(void **state)
{
    static const struct hub_config hub_config = { .node = "n",
                                                  .max_registries = 2,
                                                  .reads_runtime = true };
    const struct web_settings config = {
        .metrics_path = "/metrics", .limit_hits = &limit_hits, .version = "", .revision = ""
    };
    static const char *const accepted[] = { NULL, "application/openmetrics-text" };
    struct hub *large = hub;

    (void)state;
    for (unsigned round = 0; round < 40; round++) {
        dice = round;
        hub = hub_new(&hub_config, clock_system());
        assert_non_null(hub);
        web_done(&web);
        web_init(&web, hub_snapshots(hub), &config);
        for (unsigned pod = 0; pod < 25; pod++)
            observe_lookalike(hub_sink(hub), pod);
        for (size_t i = 0; i < ARRAY_SIZE(accepted); i++) {
            struct http_response response;

            scrape(accepted[i], &response);
            assert_nothing_twice(response.body.at);
            buf_done(&response.body);
        }
        hub_stop(hub);
        hub_free(hub);
    }
    hub = large;
}

static void text_stays_valid_and_limited(void **state)
{
    struct http_response response;

    (void)state;
    scrape(NULL, &response);
    assert_lines(&response.body);
    buf_done(&response.body);
}

static void openmetrics_stays_valid_and_limited(void **state)
{
    struct http_response response;

    (void)state;
    scrape("application/openmetrics-text", &response);
    assert_true(str_ends(buf_str(&response.body), STR("\n# EOF\n")));
    assert_lines(&response.body);
    buf_done(&response.body);
}

static void promtool_accepts_the_metrics(void **state)
{
    struct http_response response;
    FILE *promtool;

    (void)state;
    if (access(PROMTOOL, X_OK) != 0)
        skip();
    scrape(NULL, &response);
    promtool = popen(PROMTOOL " check metrics", "we");
    assert_non_null(promtool);
    assert_int_equal(fwrite(response.body.at, 1, response.body.len, promtool), response.body.len);
    assert_int_equal(pclose(promtool), 0);
    buf_done(&response.body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_stays_valid_and_limited),
        cmocka_unit_test(openmetrics_stays_valid_and_limited),
        cmocka_unit_test(promtool_accepts_the_metrics),
        cmocka_unit_test(names_that_look_equal_are_one_series), /* last: it uses another hub */
    };

    return cmocka_run_group_tests(tests, begin, end);
}
