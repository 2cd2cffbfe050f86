/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "exporter/metrics/negotiate.h"
#include "util.h"

#define OM "application/openmetrics-text"

static void formats_follow_the_accept_header(void **state)
{
    static const struct {
        const char *accept;
        enum exposition_format format;
    } samples[] = {
        { NULL, EXPOSITION_TEXT },
        { "", EXPOSITION_TEXT },
        { "*/*", EXPOSITION_TEXT },
        { "text/html, */*;q=0.8", EXPOSITION_TEXT },
        { "text/plain", EXPOSITION_TEXT },
        /* Prometheus 2.42 */
        { OM ";version=1.0.0," OM ";version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
          EXPOSITION_OPENMETRICS },
        /* Prometheus 3 */
        { OM ";version=1.0.0;escaping=allow-utf-8;q=0.6," OM
             ";version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
             "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
          EXPOSITION_OPENMETRICS },
        /* with scrape_protocols: [PrometheusText0.0.4, OpenMetricsText1.0.0] */
        { "text/plain;version=0.0.4;q=0.6," OM ";version=1.0.0;q=0.5,*/*;q=0.4", EXPOSITION_TEXT },
        /* protobuf first, which is not supported */
        { "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
          "encoding=delimited,text/plain;version=0.0.4;q=0.5",
          EXPOSITION_TEXT },
        { OM, EXPOSITION_OPENMETRICS },
        { "  Application/OpenMetrics-Text ; Version=\"1.0.0\" ; Q=0.2 ", EXPOSITION_OPENMETRICS },
        { OM ", */*", EXPOSITION_OPENMETRICS },
        { OM ";q=0.5, text/plain", EXPOSITION_TEXT },
        { OM ";q=0.5, text/plain;q=0.4999", EXPOSITION_OPENMETRICS },
        { OM ";q=0.3, text/*;q=0.4", EXPOSITION_TEXT },
        { OM ";q=0.3, text/*;q=0.2, */*", EXPOSITION_OPENMETRICS },
        { OM ";q=0", EXPOSITION_TEXT },
        { OM ";q=0.000", EXPOSITION_TEXT },
        { OM ";version=0.0.1", EXPOSITION_TEXT },
        { OM ";version=2.0.0", EXPOSITION_TEXT },
        { "application/*", EXPOSITION_TEXT },
        { OM "x", EXPOSITION_TEXT },
        { ",,;;=,q=1;,", EXPOSITION_TEXT },
        { OM ";q=;version", EXPOSITION_OPENMETRICS },
        { OM ";q=abc", EXPOSITION_OPENMETRICS },
        { OM ";q=0.x,text/plain;q=0.9", EXPOSITION_OPENMETRICS },
        { OM ";version=\"", EXPOSITION_TEXT },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
        if (negotiate_format(samples[i].accept) != samples[i].format)
            fail_msg("'%s' chooses the other format", samples[i].accept);
}

static void gzip_follows_the_accept_encoding_header(void **state)
{
    static const struct {
        const char *accept;
        bool gzip;
    } samples[] = {
        { NULL, false },
        { "", false },
        { "gzip", true },
        { "GZIP", true },
        { "x-gzip", true },
        { "deflate, gzip;q=1.0, *;q=0.5", true },
        { "gzip, deflate", true },
        { "deflate, br, zstd", false },
        { "gzip;q=0", false },
        { "gzip;q=0.0", false },
        { "identity", false },
        { "identity;q=0.5, gzip;q=0.4", false },
        { "identity;q=0.4, gzip;q=0.5", true },
        { "*", false },
        { "gzipped", false },
        { ";gzip", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
        if (negotiate_gzip(samples[i].accept) != samples[i].gzip)
            fail_msg("wrong answer for '%s'", samples[i].accept);
}

/* Random bytes: nothing after the end is read. */
static void random_headers_are_read(void **state)
{
    static const char bytes[] = ",;=\" \tq01.x/*";
    uint32_t seed = 1;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        char text[24];
        size_t len = (seed >> 8) % sizeof(text);

        for (size_t i = 0; i < len; i++) {
            seed = seed * 1664525 + 1013904223;
            text[i] = bytes[(seed >> 16) % (sizeof(bytes) - 1)];
        }
        text[len ? len - 1 : 0] = '\0';
        assert_int_equal(negotiate_format(text), EXPOSITION_TEXT);
        assert_false(negotiate_gzip(text));
        seed = seed * 1664525 + 1013904223;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_follow_the_accept_header),
        cmocka_unit_test(gzip_follows_the_accept_encoding_header),
        cmocka_unit_test(random_headers_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
