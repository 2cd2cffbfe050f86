/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "buf.h"
#include "exporter/metrics/exposition.h"
#include "utf8.h"

static const struct metric_family plain = { "demo_total",  METRIC_COUNTER, NULL,
                                            METRIC_STABLE, "A count.",     { NULL } };
static const struct metric_family labelled = { "demo_info",   METRIC_GAUGE, NULL,
                                               METRIC_STABLE, "A fact.",    { "image", "why" } };

static struct buf out;
static struct exposition exposition;

static int begin(void **state)
{
    (void)state;
    buf_init(&out, 1 << 20);
    exposition_begin(&exposition, &out, EXPOSITION_TEXT);
    return 0;
}

static int end(void **state)
{
    (void)state;
    buf_done(&out);
    return 0;
}

#define LABELLED_HEAD "# HELP demo_info A fact.\n# TYPE demo_info gauge\n"

static void the_head_is_written_once_before_the_first_sample(void **state)
{
    (void)state;
    exposition_family(&exposition, &plain);
    exposition_uint(&exposition, NULL, 0);
    exposition_family(&exposition, &labelled);
    exposition_uint(&exposition, LABELS("a", "b"), 1);
    exposition_uint(&exposition, LABELS("", "c"), UINT64_MAX);
    assert_string_equal(out.at,
                        "# HELP demo_total A count.\n"
                        "# TYPE demo_total counter\n"
                        "demo_total 0\n" LABELLED_HEAD "demo_info{image=\"a\",why=\"b\"} 1\n"
                        "demo_info{image=\"\",why=\"c\"} 18446744073709551615\n");
}

static void a_family_without_samples_writes_nothing(void **state)
{
    (void)state;
    exposition_family(&exposition, &labelled);
    exposition_family(&exposition, &plain);
    assert_int_equal(out.len, 0);
}

static void hostile_values_stay_on_one_line(void **state)
{
    static const struct {
        const char *value, *written;
    } samples[] = {
        { "say \"no\"", "say \\\"no\\\"" },
        { "C:\\images\\", "C:\\\\images\\\\" },
        { "two\nlines", "two\\nlines" },
        { "\n", "\\n" },
        { "x\"} 1\nforged_metric{a=\"b", "x\\\"} 1\\nforged_metric{a=\\\"b" },
        { "<script>alert(1)</script>", "<script>alert(1)</script>" },
        { "\xff", "\xef\xbf\xbd" },
        { "12345678\xc3\xbc\xff\"", "12345678\xc3\xbc\xef\xbf\xbd\\\"" },
        { "a\xc3\"", "a\xef\xbf\xbd\\\"" }, /* an escape inside a UTF-8 sequence */
        { "1234567\n8", "1234567\\n8" },
        { "123456789\\", "123456789\\\\" },
        { "tab\tbell\a", "tab\tbell\a" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
        struct buf expected;

        buf_init(&expected, 1 << 20);
        buf_printf(&expected, LABELLED_HEAD "demo_info{image=\"%s\",why=\"w\"} 1\n",
                   samples[i].written);
        buf_reset(&out);
        exposition_family(&exposition, &labelled);
        exposition_uint(&exposition, LABELS(samples[i].value, "w"), 1);
        assert_string_equal(out.at, expected.at);
        buf_done(&expected);
    }
}

/* Lengths around the size of struct line, and much longer ones. */
static void long_values_are_not_cut(void **state)
{
    static char value[100001];
    static const size_t lengths[] = { 900, 990, 1000, 1010, 1023, 1024, 1025, 2048, 100000 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        struct buf expected;

        memset(value, 'v', lengths[i]);
        value[lengths[i]] = '\0';
        buf_init(&expected, 1 << 20);
        buf_printf(&expected, LABELLED_HEAD "demo_info{image=\"%s\",why=\"%s\"} 1\n", value, value);
        buf_reset(&out);
        exposition_family(&exposition, &labelled);
        exposition_uint(&exposition, LABELS(value, value), 1);
        assert_string_equal(out.at, expected.at);
        buf_done(&expected);
    }
}

static void every_byte_makes_valid_utf8(void **state)
{
    (void)state;
    exposition_family(&exposition, &labelled);
    for (int byte = 1; byte < 256; byte++) {
        const char value[] = { 'a', 'b', (char)byte, 'c', '\0' };

        exposition_uint(&exposition, LABELS(value, value), 1);
    }
    assert_int_equal(utf8_prefix(buf_str(&out)), out.len);
}

static void times_are_seconds(void **state)
{
    static const struct {
        int64_t us;
        const char *written;
    } samples[] = {
        { 0, "0" },
        { 1, "0.000001" },
        { 250 * MSEC, "0.25" },
        { SEC, "1" },
        { INT64_C(1795300799750000), "1795300799.75" },
        { -1, "-0.000001" },
        { -SEC, "-1" },
        { INT64_MIN, "-9223372036854.775808" },
        { INT64_MAX, "9223372036854.775807" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
        buf_reset(&out);
        exposition_family(&exposition, &plain);
        exposition_seconds(&exposition, NULL, samples[i].us);
        assert_int_equal(out.at[out.len - 1], '\n');
        out.at[out.len - 1] = '\0';
        assert_string_equal(strrchr(out.at, ' ') + 1, samples[i].written);
    }
}

/* --- OpenMetrics -------------------------------------------------------------------------------
 */

static const struct metric_family timed = { "demo_wait_seconds", METRIC_HISTOGRAM, "seconds",
                                            METRIC_STABLE,       "Waits.",         { "why" } };
static const struct metric_family sized = { "demo_bytes_total", METRIC_COUNTER, "bytes",
                                            METRIC_STABLE,      "Sizes.",       { "image" } };

static void use_openmetrics(void)
{
    buf_reset(&out);
    exposition_begin(&exposition, &out, EXPOSITION_OPENMETRICS);
}

static void openmetrics_heads_have_no_total_suffix(void **state)
{
    (void)state;
    use_openmetrics();
    exposition_family(&exposition, &plain);
    exposition_uint(&exposition, NULL, 3);
    exposition_family(&exposition, &sized);
    exposition_uint(&exposition, LABELS("a"), 5);
    exposition_family(&exposition, &labelled);
    exposition_uint(&exposition, LABELS("a", "b"), 1);
    exposition_end(&exposition);
    assert_string_equal(out.at, "# HELP demo A count.\n"
                                "# TYPE demo counter\n"
                                "demo_total 3\n"
                                "# HELP demo_bytes Sizes.\n"
                                "# TYPE demo_bytes counter\n"
                                "# UNIT demo_bytes bytes\n"
                                "demo_bytes_total{image=\"a\"} 5\n" LABELLED_HEAD
                                "demo_info{image=\"a\",why=\"b\"} 1\n"
                                "# EOF\n");
}

static void only_openmetrics_has_an_eof_line(void **state)
{
    (void)state;
    exposition_end(&exposition);
    assert_int_equal(out.len, 0);
    use_openmetrics();
    exposition_end(&exposition);
    assert_string_equal(out.at, "# EOF\n");
}

static void a_summary_has_a_sum_and_a_count(void **state)
{
    static const struct metric_family family = { "demo_wait_seconds", METRIC_SUMMARY, "seconds",
                                                 METRIC_STABLE,       "A wait.",      { "who" } };

    (void)state;
    exposition_family(&exposition, &family);
    exposition_summary(&exposition, LABELS("w"), 90 * SEC + MSEC, 4);
    assert_string_equal(out.at, "# HELP demo_wait_seconds A wait.\n"
                                "# TYPE demo_wait_seconds summary\n"
                                "demo_wait_seconds_sum{who=\"w\"} 90.001\n"
                                "demo_wait_seconds_count{who=\"w\"} 4\n");
}

static void openmetrics_says_when_a_counter_began(void **state)
{
    (void)state;
    exposition_begin(&exposition, &out, EXPOSITION_OPENMETRICS);
    exposition_family(&exposition, &plain);
    exposition_uint(&exposition, NULL, 7);
    exposition_created(&exposition, NULL, 90 * SEC + MSEC);
    exposition_created(&exposition, NULL, 0); /* unknown */
    assert_string_equal(out.at, "# HELP demo A count.\n"
                                "# TYPE demo counter\n"
                                "demo_total 7\n"
                                "demo_created 90.001\n");

    buf_reset(&out);
    exposition_begin(&exposition, &out, EXPOSITION_TEXT);
    exposition_family(&exposition, &plain);
    exposition_uint(&exposition, NULL, 7);
    exposition_created(&exposition, NULL, 90 * SEC);
    assert_null(strstr(out.at, "_created"));
}

static void bounds_are_floats_in_openmetrics(void **state)
{
    static const struct histogram_bounds bounds = { 3, { SEC / 2, SEC, 60 * SEC } };
    struct histogram histogram = { .counts = { 1, 0, 2, 1 }, .count = 4, .sum_us = 90 * SEC };

    (void)state;
    exposition_family(&exposition, &timed);
    exposition_histogram(&exposition, LABELS("w"), &histogram, &bounds);
    assert_string_equal(out.at, "# HELP demo_wait_seconds Waits.\n"
                                "# TYPE demo_wait_seconds histogram\n"
                                "demo_wait_seconds_bucket{why=\"w\",le=\"0.5\"} 1\n"
                                "demo_wait_seconds_bucket{why=\"w\",le=\"1\"} 1\n"
                                "demo_wait_seconds_bucket{why=\"w\",le=\"60\"} 3\n"
                                "demo_wait_seconds_bucket{why=\"w\",le=\"+Inf\"} 4\n"
                                "demo_wait_seconds_sum{why=\"w\"} 90\n"
                                "demo_wait_seconds_count{why=\"w\"} 4\n");
    use_openmetrics();
    exposition_family(&exposition, &timed);
    exposition_histogram(&exposition, LABELS("w"), &histogram, &bounds);
    assert_string_equal(out.at, "# HELP demo_wait_seconds Waits.\n"
                                "# TYPE demo_wait_seconds histogram\n"
                                "# UNIT demo_wait_seconds seconds\n"
                                "demo_wait_seconds_bucket{why=\"w\",le=\"0.5\"} 1\n"
                                "demo_wait_seconds_bucket{why=\"w\",le=\"1.0\"} 1\n"
                                "demo_wait_seconds_bucket{why=\"w\",le=\"60.0\"} 3\n"
                                "demo_wait_seconds_bucket{why=\"w\",le=\"+Inf\"} 4\n"
                                "demo_wait_seconds_sum{why=\"w\"} 90\n"
                                "demo_wait_seconds_count{why=\"w\"} 4\n");
}

static const char *exemplar_of(const char *pod, const char *namespace, int64_t at_us)
{
    const struct metric_exemplar exemplar = {
        .labels = { "pod", "namespace" },
        .values = { pod, namespace },
        .at_us = at_us,
    };

    buf_reset(&out);
    exposition_family(&exposition, &plain);
    exposition_count(&exposition, NULL, 7, &exemplar);
    return strstr(out.at, "\ndemo_total ") + 1;
}

static void an_exemplar_names_one_event(void **state)
{
    (void)state;
    assert_string_equal(exemplar_of("web-0", "default", 90 * SEC), "demo_total 7\n");
    use_openmetrics();
    assert_string_equal(exemplar_of("web-0", "default", 90 * SEC + SEC / 4),
                        "demo_total 7 # {pod=\"web-0\",namespace=\"default\"} 1 90.25\n");
    assert_string_equal(exemplar_of("a\"\n\xff", "d\\", SEC),
                        "demo_total 7 # {pod=\"a\\\"\\n\xef\xbf\xbd\",namespace=\"d\\\\\"} 1 1\n");
    assert_string_equal(exemplar_of("web-0", "default", 0), "demo_total 7\n");
    exposition_count(&exposition, NULL, 8, NULL);
    assert_true(str_ends(buf_str(&out), STR("\ndemo_total 8\n")));
}

/* Over 128 characters of names and values a reader may refuse the whole scrape. */
static void long_exemplars_lose_labels(void **state)
{
    char pod[254], namespace[254];

    (void)state;
    use_openmetrics();
    memset(pod, 'p', sizeof(pod));
    memset(namespace, 'n', sizeof(namespace));
    pod[128 - strlen("pod") - strlen("namespace") - 63] = '\0';
    namespace[63] = '\0';
    assert_non_null(strstr(exemplar_of(pod, namespace, SEC), "namespace=\"nnn"));
    namespace[63] = 'n';
    namespace[64] = '\0';
    assert_null(strstr(exemplar_of(pod, namespace, SEC), "namespace"));
    assert_non_null(strstr(out.at, "{pod=\"ppp"));

    memset(pod, 'p', 253);
    pod[125] = '\0';
    assert_non_null(strstr(exemplar_of(pod, "", SEC), "{pod=\"ppp"));
    pod[125] = 'p';
    pod[126] = '\0';
    assert_string_equal(exemplar_of(pod, "d", SEC), "demo_total 7\n");
}

static void a_full_buffer_is_an_error(void **state)
{
    (void)state;
    buf_done(&out);
    buf_init(&out, 60);
    exposition_family(&exposition, &labelled);
    for (int i = 0; i < 10; i++)
        exposition_uint(&exposition, LABELS("a\"", "b"), 1);
    assert_int_equal(buf_error(&out), -E2BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_head_is_written_once_before_the_first_sample, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_family_without_samples_writes_nothing, begin, end),
        cmocka_unit_test_setup_teardown(hostile_values_stay_on_one_line, begin, end),
        cmocka_unit_test_setup_teardown(long_values_are_not_cut, begin, end),
        cmocka_unit_test_setup_teardown(every_byte_makes_valid_utf8, begin, end),
        cmocka_unit_test_setup_teardown(times_are_seconds, begin, end),
        cmocka_unit_test_setup_teardown(openmetrics_heads_have_no_total_suffix, begin, end),
        cmocka_unit_test_setup_teardown(only_openmetrics_has_an_eof_line, begin, end),
        cmocka_unit_test_setup_teardown(a_summary_has_a_sum_and_a_count, begin, end),
        cmocka_unit_test_setup_teardown(openmetrics_says_when_a_counter_began, begin, end),
        cmocka_unit_test_setup_teardown(bounds_are_floats_in_openmetrics, begin, end),
        cmocka_unit_test_setup_teardown(an_exemplar_names_one_event, begin, end),
        cmocka_unit_test_setup_teardown(long_exemplars_lose_labels, begin, end),
        cmocka_unit_test_setup_teardown(a_full_buffer_is_an_error, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
