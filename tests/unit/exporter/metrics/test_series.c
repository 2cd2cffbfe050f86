/* SPDX-License-Identifier: Apache-2.0 */

/* How many series a node has: a cost that each node of a cluster pays. docs/metrics.md has the
 * numbers (test_metrics_docs.c). */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "buf.h"
#include "causes.h"
#include "limit.h"
#include "tests/unit/exporter/metrics/series_cases.h"

static unsigned count(const struct buf *text, const char *line_start)
{
    char pattern[128];
    unsigned n = 0;

    snprintf(pattern, sizeof(pattern), "\n%s", line_start);
    for (const char *at = text->at; (at = strstr(at, pattern)); at++)
        n++;
    return n;
}

static void a_node_has_no_more_series_than_its_budget(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_series_cases; i++) {
        const struct series_case *node = &series_cases[i];
        struct buf text;

        buf_init(&text, LIMIT_METRICS_BODY);
        series_write(node, &text);
        if (node->most && series_count(&text) > node->most)
            fail_msg("%s: %zu series, more than %zu, in\n%s", node->node, series_count(&text),
                     node->most, text.at);
        buf_done(&text);
    }
}

/* The numbers mean nothing if the node is not what its case says. */
static void the_nodes_are_what_they_are_called(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_series_cases; i++) {
        const struct series_case *node = &series_cases[i];
        struct buf text;

        buf_init(&text, LIMIT_METRICS_BODY);
        series_write(node, &text);
        assert_int_equal(count(&text, "imagepull_duration_seconds_count{"), node->registries);
        assert_int_equal(count(&text, "imagepull_container_blocked_info{"), node->blocked);
        assert_int_equal(count(&text, "imagepull_container_blocked_since_timestamp_seconds{"),
                         node->blocked);
        assert_int_equal(count(&text, "imagepull_recovery_seconds_count{"),
                         node->has_failed ? CAUSE_MAX : 0);
        assert_int_equal(count(&text, "process_"), node->without_self ? 0 : 6);
        assert_int_equal(count(&text, "imagepull_source_up{"), 3);
        assert_int_equal(count(&text, "imagepull_runtime_info{"), 1);
        if (node->blocked == 100)
            assert_true(count(&text, "imagepull_blocked_containers{") >= 90);
        buf_done(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_has_no_more_series_than_its_budget),
        cmocka_unit_test(the_nodes_are_what_they_are_called),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
