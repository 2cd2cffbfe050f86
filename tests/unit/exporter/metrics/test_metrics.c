/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "buf.h"
#include "exporter/http/limit_hits.h"
#include "exporter/metrics/exposition.h"
#include "exporter/metrics/metrics.h"
#include "exporter/metrics/process_metrics.h"
#include "tests/unit/support/golden.h"
#include "tests/unit/support/snapshot_fixture.h"
#include "utf8.h"

static struct limit_hits limit_hits;

static struct fixture node;
static struct buf text;
static size_t left_out;

static const struct process_stats process = {
    .cpu_us = 1250 * MSEC,
    .resident_bytes = 12345678,
    .virtual_bytes = 234567890,
    .start_us = FIXTURE_NOW - HOUR,
    .open_fds = 17,
    .max_fds = 1024,
};

static struct metrics_input input;

static int begin(void **state)
{
    (void)state;
    fixture_init(&node);
    buf_init(&text, LIMIT_METRICS_BODY);
    left_out = 0;
    memset(&limit_hits, 0, sizeof(limit_hits));
    input = (struct metrics_input){
        .snapshot = &node.snapshot,
        .process = &process,
        .limit_hits = &limit_hits,
        .version = "0.1.0",
        .revision = "0123abcd",
        .compiler = "cc 1",
    };
    return 0;
}

static int end(void **state)
{
    (void)state;
    buf_done(&text);
    return 0;
}

static const char *scrape(void)
{
    struct err err = ERR_INIT;

    buf_reset(&text);
    assert_int_equal(metrics_write(&text, &input, &left_out, &err), 0);
    return text.at;
}

static void assert_line(const char *line)
{
    char whole[512];

    snprintf(whole, sizeof(whole), "\n%s\n", line);
    if (!strstr(text.at, whole))
        fail_msg("line '%s' is missing in\n%s", line, text.at);
}

static void assert_no(const char *part)
{
    if (strstr(text.at, part))
        fail_msg("unexpected '%s' in\n%s", part, text.at);
}

static unsigned count(const char *line_start)
{
    size_t len = strlen(line_start);
    unsigned n = 0;

    for (const char *at = text.at; at; at = strchr(at, '\n')) {
        at += *at == '\n';
        n += strncmp(at, line_start, len) == 0;
    }
    return n;
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Prometheus drops a whole scrape if it has a duplicate series. */
static void assert_no_series_twice(void)
{
    char *copy = strdup(text.at), *save = NULL, **lines;
    size_t n = 0;

    lines = calloc(text.len, sizeof(*lines));
    assert_non_null(copy);
    assert_non_null(lines);
    for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (line[0] == '#')
            continue;
        *strrchr(line, ' ') = '\0';
        lines[n++] = line;
    }
    qsort(lines, n, sizeof(*lines), compare_lines);
    for (size_t i = 1; i < n; i++)
        assert_string_not_equal(lines[i - 1], lines[i]);
    free(lines);
    free(copy);
}

static void golden_node(void **state)
{
    (void)state;
    fixture_golden(&node);
    scrape();
    assert_golden(&text, "tests/data/exporter/metrics.txt");
    assert_no_series_twice();
}

static void golden_openmetrics(void **state)
{
    (void)state;
    fixture_golden(&node);
    input.format = EXPOSITION_OPENMETRICS;
    scrape();
    assert_golden(&text, "tests/data/exporter/metrics-openmetrics.txt");
    assert_no("_created");
}

static void golden_healthy_node(void **state)
{
    (void)state;
    scrape();
    assert_golden(&text, "tests/data/exporter/metrics-healthy.txt");
}

/* --- the table ---------------------------------------------------------------------------------
 */

static void assert_name(const char *name)
{
    assert_true(islower((unsigned char)name[0]));
    for (; *name; name++)
        assert_true(islower((unsigned char)*name) || isdigit((unsigned char)*name) || *name == '_');
}

static bool ends(const char *text_, const char *end_)
{
    return str_ends(str_from(text_), str_from(end_));
}

static void names_follow_the_rules(void **state)
{
    const struct metric_family *family;

    (void)state;
    for (size_t i = 0; (family = metrics_family(i)); i++) {
        assert_name(family->name);
        if (!str_starts(str_from(family->name), STR("imagepull_")) &&
            !str_starts(str_from(family->name), STR("process_")))
            fail_msg("%s has no known prefix", family->name);
        if ((family->type == METRIC_COUNTER) != ends(family->name, "_total"))
            fail_msg("%s: counters, and only counters, end in _total", family->name);
        if (strstr(family->name, "timestamp") && !ends(family->name, "_timestamp_seconds"))
            fail_msg("%s: timestamps are in seconds", family->name);
        for (size_t label = 0; family->labels[label]; label++) {
            assert_name(family->labels[label]);
            assert_string_not_equal(family->labels[label],
                                    "node"); /* Prometheus adds it as a target label */
        }
    }
    assert_true(family == NULL);
}

/* OpenMetrics: the name of a family with a unit ends in the unit. */
static void names_end_in_their_unit(void **state)
{
    static const char *const units[] = { "_seconds", "_bytes" };
    const struct metric_family *family;

    (void)state;
    for (size_t i = 0; (family = metrics_family(i)); i++) {
        struct str name = str_from(family->name);
        const char *unit = NULL;

        if (family->type == METRIC_COUNTER)
            name.len -= strlen("_total");
        for (size_t u = 0; u < ARRAY_SIZE(units); u++)
            if (str_ends(name, str_from(units[u])))
                unit = units[u] + 1;
        assert_string_equal(unit ? unit : "", family->unit ? family->unit : "");
    }
}

static void helps_are_sentences(void **state)
{
    const struct metric_family *family;

    (void)state;
    for (size_t i = 0; (family = metrics_family(i)); i++) {
        unsigned char first = (unsigned char)family->help[0];

        if (!(isupper(first) || isdigit(first)) || !ends(family->help, "."))
            fail_msg("%s: '%s' is not a sentence", family->name, family->help);
        if (strpbrk(family->help, "\\\"\n")) /* they are written without escapes */
            fail_msg("%s: its help needs escapes", family->name);
    }
}

static void families_are_unique(void **state)
{
    const struct metric_family *one, *other;

    (void)state;
    for (size_t i = 0; (one = metrics_family(i)); i++)
        for (size_t j = 0; j < i && (other = metrics_family(j)); j++)
            assert_string_not_equal(one->name, other->name);
}

/* --- samples -----------------------------------------------------------------------------------
 */

static void a_registry_has_a_series_for_each_cause(void **state)
{
    (void)state;
    fixture_registry(&node, "registry.example.com");
    scrape();
    assert_int_equal(count("imagepull_failures_total{registry=\"registry.example.com\""),
                     CAUSE_MAX);
    assert_line("imagepull_failures_total{registry=\"registry.example.com\",cause=\"unknown\"} 0");
    assert_line("imagepull_attempts_total{registry=\"registry.example.com\"} 0");
}

static void a_reason_appears_after_its_first_failure(void **state)
{
    (void)state;
    scrape();
    assert_no("imagepull_failure_reasons_total");
    node.snapshot.reasons[REASON_DNS_NOT_FOUND] = 7;
    scrape();
    assert_line("imagepull_failure_reasons_total{cause=\"network\",reason=\"dns_not_found\"} 7");
    assert_int_equal(count("imagepull_failure_reasons_total"), 1);
}

static void a_disabled_source_has_no_series(void **state)
{
    (void)state;
    scrape();
    assert_no("{source=\"events\"");
    node.snapshot.sources[SOURCE_EVENTS].enabled = true;
    scrape();
    assert_line("imagepull_source_up{source=\"events\"} 0");
    /* It never succeeded; 0 would mean a success in 1970. */
    assert_no("imagepull_source_last_success_timestamp_seconds{source=\"events\"}");
}

static void what_only_the_runtime_knows_is_absent_without_it(void **state)
{
    static const char *const names[] = { "imagepull_attempts_total{", "imagepull_bytes_total{" };

    (void)state;
    fixture_registry(&node, "registry.example.com");
    node.snapshot.fetched_known = true;
    for (int on = 1; on >= 0; on--) {
        node.snapshot.sources[SOURCE_CRI].enabled = on;
        scrape();
        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
            assert_int_equal(count(names[i]), on);
        assert_int_equal(count("imagepull_failures_total{"), CAUSE_MAX);
    }
    assert_no("source=\"cri\"");
}

static void an_unknown_runtime_has_no_info(void **state)
{
    (void)state;
    node.snapshot.runtime_name = NULL;
    node.snapshot.runtime_version = NULL;
    scrape();
    assert_no("imagepull_runtime_info");
    node.snapshot.runtime_name = "cri-o";
    scrape();
    assert_line("imagepull_runtime_info{runtime=\"cri-o\",version=\"unknown\"} 1");
}

static void note_when_counters_began(void)
{
    node.registries[1].since_us = FIXTURE_NOW - HOUR;
    node.registries[1].pulls_since_us = FIXTURE_NOW - MINUTE;
    node.snapshot.since.reasons_us[REASON_TOO_MANY_REQUESTS] = FIXTURE_NOW - SEC;
    node.snapshot.since.limit_hits_us[LIMIT_HIT_REGISTRIES] = FIXTURE_NOW - SEC;
    node.snapshot.since.recoveries_us[CAUSE_NOT_FOUND] = FIXTURE_NOW - SEC;
    node.snapshot.sources[SOURCE_PODS].reconnects_since_us[RECONNECT_EXPIRED] = FIXTURE_NOW - SEC;
    node.snapshot.calls.durations[METHOD_VERSION].since_us = FIXTURE_NOW - HOUR;
    node.snapshot.calls.errors_since_us[METHOD_VERSION][14] = FIXTURE_NOW - SEC;
}

/* A server that knows when it began counts its first failure, too. */
static void counters_say_when_they_began(void **state)
{
    (void)state;
    fixture_golden(&node);
    note_when_counters_began();
    input.format = EXPOSITION_OPENMETRICS;
    scrape();
    assert_no("_created");
    input.created = true;
    scrape();
    assert_golden(&text, "tests/data/exporter/metrics-created.txt");
    assert_line("imagepull_attempts_created{registry=\"docker.io\"} 1795297200");
    assert_line("imagepull_failures_created{registry=\"docker.io\",cause=\"config\"} 1795297200");
    assert_line("imagepull_bytes_created{registry=\"docker.io\"} 1795297200");
    assert_line("imagepull_duration_seconds_created{registry=\"docker.io\"} 1795300740");
    assert_line("imagepull_failure_reasons_created{cause=\"rate_limited\","
                "reason=\"too_many_requests\"} 1795300799");
    assert_line("imagepull_limit_hits_created{limit=\"registries\"} 1795300799");
    assert_line("imagepull_recovery_seconds_created{cause=\"not_found\"} 1795300799");
    assert_line(
        "imagepull_source_reconnects_created{source=\"pods\",reason=\"expired\"} 1795300799");
    assert_line("imagepull_cri_request_errors_created{method=\"Version\",code=\"Unavailable\"} "
                "1795300799");
    assert_no_series_twice();
    input.format = EXPOSITION_TEXT;
    scrape();
    assert_no("_created");
}

/* Some limits are reached in exporter/, some in the core, and info_series in both. */
static void limits_began_where_they_were_first_reached(void **state)
{
    const int64_t core_us = FIXTURE_NOW - HOUR;

    (void)state;
    input.format = EXPOSITION_OPENMETRICS;
    input.created = true;
    atomic_store(&limit_hits.counts[LIMIT_HIT_SCRAPES], 1);
    atomic_store(&limit_hits.since_us[LIMIT_HIT_SCRAPES], FIXTURE_NOW);
    node.snapshot.limit_hits[LIMIT_HIT_INFO_SERIES] = 1;
    node.snapshot.since.limit_hits_us[LIMIT_HIT_INFO_SERIES] = core_us;
    scrape();
    assert_line("imagepull_limit_hits_created{limit=\"scrapes\"} 1795300800");
    assert_line("imagepull_limit_hits_created{limit=\"info_series\"} 1795297200");
    atomic_store(&limit_hits.counts[LIMIT_HIT_INFO_SERIES], 1);
    atomic_store(&limit_hits.since_us[LIMIT_HIT_INFO_SERIES], FIXTURE_NOW);
    scrape();
    assert_line("imagepull_limit_hits_created{limit=\"info_series\"} 1795297200");
    atomic_store(&limit_hits.since_us[LIMIT_HIT_INFO_SERIES], core_us - SEC);
    scrape();
    assert_line("imagepull_limit_hits_created{limit=\"info_series\"} 1795297199");
}

static void a_limit_knows_when_it_was_first_reached(void **state)
{
    int64_t first_us;

    (void)state;
    assert_int_equal(atomic_load(&limit_hits.since_us[LIMIT_HIT_SCRAPES]), 0);
    limit_hits_add(&limit_hits, LIMIT_HIT_SCRAPES, 2);
    first_us = atomic_load(&limit_hits.since_us[LIMIT_HIT_SCRAPES]);
    assert_true(first_us > 0);
    limit_hits_add(&limit_hits, LIMIT_HIT_SCRAPES, 1);
    assert_int_equal(atomic_load(&limit_hits.since_us[LIMIT_HIT_SCRAPES]), first_us);
}

/* What tells whether the agent misses something stays. */
static void metrics_about_the_process_can_be_off(void **state)
{
    (void)state;
    fixture_golden(&node);
    node.snapshot.left_out[LIMIT_HIT_INCIDENTS] = 3;
    input.process = NULL;
    scrape();
    assert_no("process_");
    assert_no("imagepull_cri_request_");
    assert_line("imagepull_source_up{source=\"cri\"} 0");
    assert_line("imagepull_source_reconnects_total{source=\"pods\",reason=\"expired\"} 1");
    assert_line("imagepull_limit_hits_total{limit=\"registries\"} 3");
    assert_line("imagepull_left_out{limit=\"incidents\"} 3");
    assert_line("imagepull_container_blocked_left_out 0");
}

static void bytes_are_absent_where_the_runtime_does_not_list_blobs(void **state)
{
    (void)state;
    fixture_registry(&node, "registry.example.com")->bytes = 7;
    scrape();
    assert_no("imagepull_bytes_total{");
    node.snapshot.fetched_known = true;
    scrape();
    assert_line("imagepull_bytes_total{registry=\"registry.example.com\"} 7");
}

static void phases_are_absent_where_the_runtime_does_not_show_them(void **state)
{
    (void)state;
    node.snapshot.phases_us[PULL_PHASE_UNPACKING] = 1500 * MSEC;
    scrape();
    assert_no("imagepull_phase_seconds_total{");
    node.snapshot.phases_known = true;
    scrape();
    assert_line("imagepull_phase_seconds_total{phase=\"kubelet_queue\"} 0");
    assert_line("imagepull_phase_seconds_total{phase=\"slot_queue\"} 0");
    assert_line("imagepull_phase_seconds_total{phase=\"downloading\"} 0");
    assert_line("imagepull_phase_seconds_total{phase=\"unpacking\"} 1.5");
    assert_int_equal(count("imagepull_phase_seconds_total{"), 4);
}

static void sizes_appear_with_their_first_pull(void **state)
{
    (void)state;
    node.snapshot.pulls_of_size[SIZE_CLASS_MEDIUM] =
        (struct pulls_of_size){ .count = 2, .sum_us = 3 * SEC };
    scrape();
    assert_line("imagepull_size_duration_seconds_sum{size=\"up_to_1GB\"} 3");
    assert_line("imagepull_size_duration_seconds_count{size=\"up_to_1GB\"} 2");
    assert_int_equal(count("imagepull_size_duration_seconds_count{"), 1);
}

static void what_happens_rarely_has_no_series_before(void **state)
{
    static const char *const rare[] = { "imagepull_source_reconnects_total",
                                        "imagepull_limit_hits_total", "imagepull_in_progress",
                                        "imagepull_cri_request_" };

    (void)state;
    fixture_registry(&node, "registry.example.com");
    node.snapshot.bytes_known = true;
    scrape();
    for (size_t i = 0; i < ARRAY_SIZE(rare); i++)
        assert_no(rare[i]);
}

static void unknown_process_values_are_left_out(void **state)
{
    static const struct process_stats nothing = { -1, -1, -1, -1, -1, -1 };

    (void)state;
    input.process = &nothing;
    scrape();
    assert_no("process_");
}

static void series_are_unique(void **state)
{
    struct snapshot_incident *incident;

    (void)state;
    fixture_registry(&node, "registry.example.com");
    fixture_incident(&node, "ns", "web-0", "app", "image");
    fixture_incident(&node, "ns", "web-0", "app", "image")->pod_uid = "another";
    incident = fixture_incident(&node, "ns", "web-0", "app", "image");
    incident->kind = CONTAINER_IMAGE_VOLUME;
    incident->verdict.cause = CAUSE_NETWORK;
    incident->verdict.reason = REASON_DEADLINE;
    incident = fixture_incident(&node, "ns", "web-0", "app", "other-image");
    incident->registry = "not.counted.example";
    fixture_incident(&node, "ns", "web-0", "app", "other-image")->registry = "other";
    fixture_incident(&node, "n\xff", "web-0", "app", "image");
    fixture_incident(&node, "n\xfe", "web-0", "app", "image");
    scrape();
    assert_no_series_twice();
    assert_int_equal(count("imagepull_container_blocked_info"), 3);
}

static void fill(unsigned n)
{
    static char pods[FIXTURE_INCIDENTS][16];

    node.snapshot.n_incidents = 0;
    for (unsigned i = 0; i < n; i++) {
        snprintf(pods[i], sizeof(pods[i]), "pod-%u", i);
        fixture_incident(&node, "ns", pods[i], "app", "image");
    }
}

/* The hits of the snapshot and of exporter/ are one series. It grows when more containers are left
 * out, not with each scrape. */
static void left_out_series_are_counted_once(void **state)
{
    (void)state;
    node.snapshot.limit_hits[LIMIT_HIT_INFO_SERIES] = 1000;
    fill(LIMIT_INFO_SERIES);
    scrape();
    assert_int_equal(left_out, 0);
    assert_line("imagepull_container_blocked_left_out 0");
    assert_line("imagepull_limit_hits_total{limit=\"info_series\"} 1000");

    fill(LIMIT_INFO_SERIES + 7);
    scrape();
    assert_int_equal(left_out, 7);
    assert_line("imagepull_container_blocked_left_out 7");
    assert_line("imagepull_limit_hits_total{limit=\"info_series\"} 1007");
    assert_int_equal(count("imagepull_container_blocked_info"), LIMIT_INFO_SERIES);
    assert_int_equal(count("imagepull_container_blocked_since_timestamp_seconds"),
                     LIMIT_INFO_SERIES);

    input.info_left_out_before = 7;
    limit_hits_add(&limit_hits, LIMIT_HIT_INFO_SERIES, 7);
    scrape();
    assert_line("imagepull_limit_hits_total{limit=\"info_series\"} 1007");

    fill(LIMIT_INFO_SERIES + 2);
    scrape();
    assert_line("imagepull_container_blocked_left_out 2");
    assert_line("imagepull_limit_hits_total{limit=\"info_series\"} 1007");
}

static void what_limits_leave_out_now_is_a_gauge(void **state)
{
    (void)state;
    scrape();
    assert_no("imagepull_left_out");
    node.snapshot.left_out[LIMIT_HIT_INCIDENTS] = 3;
    node.snapshot.left_out[LIMIT_HIT_REGISTRIES] = 3; /* counted as "other" */
    scrape();
    assert_line("imagepull_left_out{limit=\"incidents\"} 3");
    assert_int_equal(count("imagepull_left_out"), 1);
}

static void hostile_names_keep_the_text_valid(void **state)
{
    static char endless[100001];
    static const char *const names[] = {
        "\"} 1\nforged{a=\"",
        "a\\",
        "\xff\xfe\xc0\x80",
        "<script>alert(1)</script>",
        "# HELP x\n# TYPE x counter\nx 1",
        "not-found/unauthorized-401:timeout",
        endless,
    };

    (void)state;
    memset(endless, 'e', sizeof(endless) - 1);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        fixture_incident(&node, names[i], names[i], names[i], names[i])->registry = names[i];
        fixture_registry(&node, names[i]);
    }
    scrape();
    assert_no_series_twice();
    assert_no("\nforged");
    assert_no("\nx 1");
    assert_int_equal(utf8_prefix(buf_str(&text)), text.len);
}

static void hostile_names_keep_openmetrics_valid(void **state)
{
    (void)state;
    input.format = EXPOSITION_OPENMETRICS;
    hostile_names_keep_the_text_valid(state);
    assert_true(str_ends(buf_str(&text), STR("\n# EOF\n")));
    assert_ptr_equal(strstr(text.at, "# EOF"), text.at + text.len - strlen("# EOF\n"));
}

static void a_document_over_its_limit_is_an_error(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    buf_done(&text);
    buf_init(&text, 1000);
    assert_int_equal(metrics_write(&text, &input, &left_out, &err), -E2BIG);
    assert_string_equal(err.text, "the metrics of 0 incidents have more than 1000 bytes");
}

/* --- promtool ----------------------------------------------------------------------------------
 */

#define PROMTOOL "/usr/bin/promtool"

static void promtool_accepts_the_metrics(void **state)
{
    FILE *promtool;

    if (access(PROMTOOL, X_OK) != 0)
        skip();
    hostile_names_keep_the_text_valid(state);
    fill(LIMIT_INFO_SERIES + 1);
    node.snapshot.reasons[REASON_DNS_NOT_FOUND] = 7;
    scrape();
    promtool = popen(PROMTOOL " check metrics", "we");
    assert_non_null(promtool);
    assert_int_equal(fwrite(text.at, 1, text.len, promtool), text.len);
    assert_int_equal(pclose(promtool), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(golden_node),
        TEST(golden_openmetrics),
        TEST(golden_healthy_node),
        TEST(names_follow_the_rules),
        TEST(names_end_in_their_unit),
        TEST(helps_are_sentences),
        TEST(families_are_unique),
        TEST(a_registry_has_a_series_for_each_cause),
        TEST(a_reason_appears_after_its_first_failure),
        TEST(a_disabled_source_has_no_series),
        TEST(what_only_the_runtime_knows_is_absent_without_it),
        TEST(an_unknown_runtime_has_no_info),
        TEST(counters_say_when_they_began),
        TEST(limits_began_where_they_were_first_reached),
        TEST(a_limit_knows_when_it_was_first_reached),
        TEST(metrics_about_the_process_can_be_off),
        TEST(phases_are_absent_where_the_runtime_does_not_show_them),
        TEST(sizes_appear_with_their_first_pull),
        TEST(bytes_are_absent_where_the_runtime_does_not_list_blobs),
        TEST(what_happens_rarely_has_no_series_before),
        TEST(unknown_process_values_are_left_out),
        TEST(series_are_unique),
        TEST(left_out_series_are_counted_once),
        TEST(what_limits_leave_out_now_is_a_gauge),
        TEST(hostile_names_keep_the_text_valid),
        TEST(hostile_names_keep_openmetrics_valid),
        TEST(a_document_over_its_limit_is_an_error),
        TEST(promtool_accepts_the_metrics),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
