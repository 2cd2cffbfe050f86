/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Prometheus takes a falling counter for a restart and counts all of it again. The counters of a
 * registry may disappear and start again; those of "other", and those without a registry, may not.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/hub.h"
#include "exporter/http/limit_hits.h"
#include "exporter/metrics/web.h"
#include "limit.h"
#include "tests/unit/support/own_body.h"
#include "util.h"

static struct limit_hits limit_hits;

#define PODS 5
#define REGISTRIES 6
#define STEPS 600

static struct instant now;

static struct instant tell(void *self)
{
    (void)self;
    return now;
}

static unsigned dice;

static unsigned roll(unsigned sides)
{
    dice = dice * 1664525 + 1013904223;
    return (dice >> 16) % sides;
}

static void report_pod(const struct sink *sink, unsigned pod, enum observation_kind kind)
{
    static unsigned life[PODS]; /* each life has a new uid, maybe another registry */
    static unsigned registry[PODS];
    struct container_fact container = { .name = STR("app"), .phase = PHASE_WAITING };
    struct observation observation = { .kind = kind };
    char name[32], uid[32], image[64];

    snprintf(name, sizeof(name), "pod-%u", pod);
    snprintf(uid, sizeof(uid), "uid-%u-%u", pod, life[pod]);
    snprintf(image, sizeof(image), "registry-%u.example.com/app:v1", registry[pod]);
    container.image = str_from(image);
    if (roll(4) == 0) {
        container.phase = PHASE_RUNNING;
    } else {
        container.waiting_reason = roll(2) ? STR("ErrImagePull") : STR("ImagePullBackOff");
        container.waiting_message = roll(2) ? STR("not found") : STR("401 Unauthorized");
    }
    observation.pod = (struct pod_fact){
        .namespace = STR("default"),
        .name = str_from(name),
        .uid = str_from(uid),
        .phase = STR("Pending"),
        .containers = &container,
        .n_containers = 1,
    };
    sink->observe(sink->self, &observation);
    if (kind == OBSERVE_POD_DELETED) {
        life[pod]++;
        registry[pod] = roll(REGISTRIES);
    }
}

static void step(const struct sink *sink)
{
    int64_t passed_us = roll(20) ? (int64_t)roll(60) * SEC : 61 * 60 * SEC;

    now.mono_us += passed_us;
    now.wall_us += passed_us;
    sink->tick(sink->self, SOURCE_PODS);
    report_pod(sink, roll(PODS), roll(4) ? OBSERVE_POD : OBSERVE_POD_DELETED);
}

/* A document: its series with their values. */
struct page {
    struct buf text;
    size_t n;
    struct sample {
        const char *series;
        double value;
    } samples[1000];
};

static void page_read(struct page *page, struct web *web)
{
    static const struct http_request request = { .method = "GET", .path = "/metrics" };
    struct http_response response = { .status = HTTP_OK };
    char *save = NULL;

    buf_init(&response.body, LIMIT_METRICS_BODY);
    web_handle(web, &request, &response);
    assert_int_equal(response.status, HTTP_OK);
    response.sent(response.sent_self);
    own_body(&response);
    page->text = response.body;
    page->n = 0;
    for (char *line = strtok_r(page->text.at, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        char *space = strrchr(line, ' ');

        if (*line == '#')
            continue;
        *space = '\0';
        assert_true(page->n < ARRAY_SIZE(page->samples));
        page->samples[page->n++] = (struct sample){ line, strtod(space + 1, NULL) };
    }
}

/* Whether it is a counter that must never fall. */
static bool lasts(const char *series)
{
    const char *registry = strstr(series, "registry=\"");
    const char *namespace = strstr(series, "namespace=\"");

    return (strstr(series, "_total") || strstr(series, "_bucket{") || strstr(series, "_count{")) &&
           (!registry || strstr(series, "registry=\"other\"")) &&
           (!namespace || strstr(series, "namespace=\"_other\""));
}

/* What the random walk reached: the test must not pass without it. */
static unsigned rises_of_other, registries_gone;

static const struct sample *find(const struct page *page, const char *series)
{
    for (size_t i = 0; i < page->n; i++)
        if (strcmp(page->samples[i].series, series) == 0)
            return &page->samples[i];
    return NULL;
}

static void assert_not_lower(const struct page *before, const struct page *after)
{
    for (size_t i = 0; i < before->n; i++) {
        const struct sample *old = &before->samples[i], *new = find(after, old->series);

        if (!lasts(old->series)) {
            registries_gone += !new &&strstr(old->series, "attempts_total");
            continue;
        }
        if (!new || new->value < old->value)
            fail_msg("%s fell from %g to %g", old->series, old->value, new ? new->value : -1);
        rises_of_other += strstr(old->series, "\"other\"") && new->value > old->value;
    }
}

static void counters_never_fall(void **state)
{
    static const struct hub_config hub_config = { .node = "n",
                                                  .max_registries = 2,
                                                  .reads_runtime = true };
    const struct web_settings config = {
        .metrics_path = "/metrics", .limit_hits = &limit_hits, .version = "", .revision = ""
    };
    const struct clock clock = { .now = tell };
    static struct page pages[2];
    struct hub *hub;
    struct web web;

    (void)state;
    now = (struct instant){ .mono_us = HOUR, .wall_us = 1800000000 * SEC };
    hub = hub_new(&hub_config, &clock);
    assert_non_null(hub);
    web_init(&web, hub_snapshots(hub), &config);
    page_read(&pages[0], &web);
    for (unsigned i = 1; i < STEPS; i++) {
        struct page *before = &pages[(i - 1) % 2], *after = &pages[i % 2];

        step(hub_sink(hub));
        page_read(after, &web);
        assert_not_lower(before, after);
        buf_done(&before->text);
    }
    buf_done(&pages[(STEPS - 1) % 2].text);
    assert_true(rises_of_other > 100 && registries_gone > 10);
    web_done(&web);
    hub_stop(hub);
    hub_free(hub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_never_fall),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
