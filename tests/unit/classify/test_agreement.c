/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Metrics and debug JSON must agree. Nodes get random events; now and then, the gauges of /metrics
 * are computed from the debug JSON and compared line by line.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <jansson.h>

#include "buf.h"
#include "exporter/http/limit_hits.h"
#include "exporter/metrics/metrics.h"
#include "exporter/metrics/process_metrics.h"
#include "tests/unit/incidents/world.h"
#include "tests/unit/support/debug_answer.h"

static struct limit_hits limit_hits; /* of exporter/: none */

#define LIVES 40u
#define STEPS 60u
#define PODS 14u
#define LINE_SIZE 1024u

static const char *const registries[] = {
    REGISTRY, "docker.io", "quay.io", "ghcr.io", "a.example.net:5000", "[::1]:443",
};

static const char *const messages[] = {
    UNAUTHORIZED_TEXT,
    NOT_FOUND_TEXT,
    "dial tcp: lookup registry.example.com: no such host",
    "429 Too Many Requests",
    "no space left on device",
    "something nobody has seen",
    "",
};

static uint64_t seed;

static unsigned pick(unsigned n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed % n);
}

/* --- random events --- */

static const char *pod_name(unsigned pod)
{
    static char names[PODS][16];

    snprintf(names[pod], sizeof(names[pod]), "pod-%u", pod);
    return names[pod];
}

static const char *image_of(unsigned pod)
{
    static char images[PODS][64];

    snprintf(images[pod], sizeof(images[pod]), "%s/team/app-%u:v1",
             registries[pod % ARRAY_SIZE(registries)], pod % 5);
    return images[pod];
}

/* Some pods have an init container with the same image, which fails first. */
static void observe_state(struct world *w, unsigned pod, const char *reason, const char *message)
{
    struct pod_facts facts;

    pod_of(w, &facts, pod_name(pod));
    facts.fact.namespace = pod % 2 ? STR("team-a") : STR("team-b");
    facts.containers[0].image = str_from(image_of(pod));
    facts.containers[0].waiting_reason = str_from(reason);
    facts.containers[0].waiting_message = str_from(message);
    if (!reason[0])
        facts.containers[0].phase = PHASE_RUNNING;
    if (pod % 3 == 0) {
        facts.containers[1] = facts.containers[0];
        facts.containers[1].name = STR("sidecar");
        facts.fact.n_containers = 2;
    }
    observe_pod(w, &facts);
}

static void live(struct world *w)
{
    unsigned pod = pick(PODS);
    const char *message = messages[pick(ARRAY_SIZE(messages))];

    switch (pick(9)) {
    case 0:
    case 1:
        observe_state(w, pod, "ErrImagePull", message);
        break;
    case 2:
        observe_state(w, pod, "ImagePullBackOff", message);
        break;
    case 3:
        observe_state(w, pod, "", "");
        break;
    case 4:
        observe_deleted(w, pod_name(pod));
        break;
    case 5:
        observe_state(w, pod, "ContainerCreating", "");
        observe_image(w, image_of(pod), false);
        observe_polled(w, pod_name(pod));
        break;
    case 6:
        observe_image(w, image_of(pod), true);
        break;
    case 7:
        observe_event(w, pod_name(pod), APP_PATH, "e-1", "Failed", message, 1 + (int)pick(5));
        break;
    default:
        world_advance(w, (int64_t)pick(200) * SEC);
        break;
    }
}

/* --- both answers --- */

struct answers {
    struct buf metrics;
    json_t *failures;
    json_t *images;
    json_t *sources;
};

static void set_world(struct snapshot *snapshot, const struct source_status *sources)
{
    snapshot->node = "node-1";
    for (size_t i = 0; i < SOURCE_MAX; i++)
        snapshot->sources[i] = sources[i];
}

static void write_metrics(struct world *w, const struct source_status *sources,
                          struct answers *answers)
{
    static const struct process_stats process;
    struct snapshot snapshot = { .taken = w->now };
    struct metrics_input input = { .limit_hits = &limit_hits,
                                   .snapshot = &snapshot,
                                   .process = &process,
                                   .version = "",
                                   .revision = "",
                                   .compiler = "" };
    struct err err = ERR_INIT;
    size_t left_out;

    arena_init(&snapshot.arena, LIMIT_SNAPSHOT);
    assert_int_equal(correlate_snapshot(w->correlate, SNAPSHOT_METRICS, &snapshot), 0);
    assert_int_equal(correlate_complete(SNAPSHOT_METRICS, &snapshot), 0);
    set_world(&snapshot, sources);
    buf_init(&answers->metrics, LIMIT_METRICS_BODY);
    assert_int_equal(metrics_write(&answers->metrics, &input, &left_out, &err), 0);
    assert_int_equal(left_out, 0);
    snapshot_done(&snapshot);
}

static json_t *parsed(struct buf *text)
{
    json_t *json = json_loadb(text->at, text->len, 0, NULL);

    assert_non_null(json);
    buf_reset(text);
    return json;
}

static void write_json(struct world *w, const struct source_status *sources,
                       struct answers *answers)
{
    struct err err = ERR_INIT;
    struct snapshot snapshot;
    struct buf json;
    size_t n;

    world_snapshot(w, &snapshot);
    set_world(&snapshot, sources);
    buf_init(&json, LIMIT_DEBUG_BODY);
    assert_int_equal(debug_answer(&json, &debug_json_failures, &snapshot, &n, &err), 0);
    answers->failures = parsed(&json);
    assert_int_equal(debug_answer(&json, &debug_json_images, &snapshot, &n, &err), 0);
    answers->images = parsed(&json);
    assert_int_equal(debug_answer(&json, &debug_json_sources, &snapshot, &n, &err), 0);
    answers->sources = parsed(&json);
    buf_done(&json);
    snapshot_done(&snapshot);
}

static void answers_done(struct answers *answers)
{
    buf_done(&answers->metrics);
    json_decref(answers->failures);
    json_decref(answers->images);
    json_decref(answers->sources);
}

/* --- expectations from the JSON --- */

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    assert_non_null(value);
    return value;
}

static bool is_open(const json_t *failure)
{
    return strcmp(text(failure, "state"), "recovered") != 0 &&
           strcmp(text(failure, "state"), "gone") != 0;
}

static unsigned count_lines(const struct answers *answers, const char *name)
{
    unsigned n = 0;

    for (const char *at = answers->metrics.at; at;
         at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
        n += strncmp(at, name, strlen(name)) == 0 && at[strlen(name)] == '{';
    return n;
}

/* The value of the only series with this prefix; fails the test without one. */
static double value_of(const struct answers *answers, const char *series)
{
    const char *at = answers->metrics.at;

    for (; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
        if (strncmp(at, series, strlen(series)) == 0 && at[strlen(series)] == ' ')
            return strtod(at + strlen(series), NULL);
    fail_msg("no series %s in\n%s", series, answers->metrics.at);
    return -1;
}

/* A registry over the limit is "other"; one within it has counters. */
static const char *label_of(const struct answers *answers, const char *registry)
{
    char series[LINE_SIZE];

    snprintf(series, sizeof(series), "\nimagepull_failures_total{registry=\"%s\",", registry);
    return strstr(answers->metrics.at, series) ? registry : "other";
}

static void group_series(const struct answers *answers, const json_t *failure, char ret[LINE_SIZE])
{
    snprintf(ret, LINE_SIZE,
             "imagepull_blocked_containers{namespace=\"%s\",registry=\"%s\",cause=\"%s\","
             "reason=\"%s\"}",
             text(failure, "namespace"), label_of(answers, text(failure, "registry")),
             text(failure, "cause"), text(failure, "reason"));
}

/* How many containers share the series of `failure`, and whether it is the first of them. */
static unsigned group_size(const struct answers *answers, const json_t *failure, bool *ret_first)
{
    char series[LINE_SIZE], other_series[LINE_SIZE];
    const json_t *other;
    unsigned n = 0;
    size_t i;

    group_series(answers, failure, series);
    json_array_foreach(json_object_get(answers->failures, "failures"), i, other)
    {
        if (!is_open(other))
            continue;
        group_series(answers, other, other_series);
        if (strcmp(series, other_series) != 0)
            continue;
        if (n++ == 0)
            *ret_first = other == failure;
    }
    return n;
}

static void check_container(const struct answers *answers, const json_t *failure)
{
    char labels[LINE_SIZE / 2], series[LINE_SIZE];
    struct tm tm = { .tm_isdst = 0 };

    snprintf(labels, sizeof(labels), "namespace=\"%s\",pod=\"%s\",container=\"%s\",image=\"%s\"",
             text(failure, "namespace"), text(failure, "pod"), text(failure, "container"),
             text(failure, "image"));
    snprintf(series, sizeof(series),
             "imagepull_container_blocked_info{%s,registry=\"%s\",cause=\"%s\",reason=\"%s\"}",
             labels, text(failure, "registry"), text(failure, "cause"), text(failure, "reason"));
    assert_true(value_of(answers, series) == 1);
    snprintf(series, sizeof(series), "imagepull_container_blocked_since_timestamp_seconds{%s}",
             labels);
    assert_non_null(strptime(text(failure, "first_failure"), "%Y-%m-%dT%H:%M:%SZ", &tm));
    assert_int_equal((time_t)value_of(answers, series), timegm(&tm));
}

static void check_failures(const struct answers *answers)
{
    const json_t *failure;
    char series[LINE_SIZE];
    unsigned open = 0;
    unsigned groups = 0;
    size_t i;

    json_array_foreach(json_object_get(answers->failures, "failures"), i, failure)
    {
        bool first = false;

        assert_int_equal(is_open(failure), json_is_null(json_object_get(failure, "ended")));
        if (!is_open(failure))
            continue;
        open++;
        group_series(answers, failure, series);
        assert_true(value_of(answers, series) == group_size(answers, failure, &first));
        groups += first;
        check_container(answers, failure);
    }
    assert_int_equal(count_lines(answers, "imagepull_blocked_containers"), groups);
    assert_int_equal(count_lines(answers, "imagepull_container_blocked_info"), open);
    assert_int_equal(count_lines(answers, "imagepull_container_blocked_since_timestamp_seconds"),
                     open);
}

/* Sums over all registries. Values of a registry are compared only if there is no "other". Without
 * the runtime, there are none. */
static void check_pulls(const struct answers *answers)
{
    double in_progress = 0;
    json_int_t pulling = 0;
    const json_t *image;
    char series[LINE_SIZE];
    size_t i;

    if (!strstr(answers->metrics.at, "imagepull_source_up{source=\"cri\"}")) {
        assert_int_equal(count_lines(answers, "imagepull_in_progress"), 0);
        return;
    }
    json_array_foreach(json_object_get(answers->images, "images"), i, image)
    {
        pulling += json_integer_value(json_object_get(image, "containers_pulling"));
    }
    for (size_t r = 0; r <= ARRAY_SIZE(registries); r++) {
        const char *label = r < ARRAY_SIZE(registries) ? registries[r] : "other";

        snprintf(series, sizeof(series), "imagepull_in_progress{registry=\"%s\"}", label);
        if (strstr(answers->metrics.at, series))
            in_progress += value_of(answers, series);
    }
    assert_true(in_progress == (double)pulling);
}

static void check_sources(const struct answers *answers)
{
    const json_t *source;
    char series[LINE_SIZE];
    unsigned on = 0;
    size_t i;

    json_array_foreach(json_object_get(answers->sources, "sources"), i, source)
    {
        if (strcmp(text(source, "state"), "off") == 0)
            continue;
        on++;
        snprintf(series, sizeof(series), "imagepull_source_up{source=\"%s\"}",
                 text(source, "source"));
        assert_true(value_of(answers, series) == (strcmp(text(source, "state"), "up") == 0));
    }
    assert_int_equal(count_lines(answers, "imagepull_source_up"), on);
}

/* --- tests --- */

static unsigned halt(struct world *w)
{
    struct source_status sources[SOURCE_MAX];
    struct answers answers;
    unsigned blocked;

    memset(sources, 0, sizeof(sources));
    for (size_t i = 0; i < SOURCE_MAX; i++) {
        sources[i].enabled = pick(3) > 0;
        sources[i].up = pick(2);
    }
    write_metrics(w, sources, &answers);
    write_json(w, sources, &answers);
    check_failures(&answers);
    check_pulls(&answers);
    check_sources(&answers);
    blocked = count_lines(&answers, "imagepull_container_blocked_info");
    answers_done(&answers);
    return blocked;
}

static void metrics_and_json_agree(void **state)
{
    unsigned most = 0;

    (void)state;
    for (unsigned life = 1; life <= LIVES; life++) {
        struct world w;

        seed = life * UINT64_C(0x9e3779b97f4a7c15);
        world_begin(&w);
        for (unsigned step = 0; step < STEPS; step++) {
            live(&w);
            if (step % 5 == 4) {
                unsigned blocked = halt(&w);

                most = blocked > most ? blocked : most;
            }
        }
        world_end(&w);
    }
    assert_true(most > PODS / 2); /* else too few failures to compare anything */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_and_json_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
