/* SPDX-License-Identifier: Apache-2.0 */

/* docs/metrics.md, and the table of README.md, say what the table of metrics.c says. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "buf.h"
#include "exporter/metrics/exposition.h"
#include "exporter/metrics/metrics.h"
#include "limit.h"
#include "tests/unit/exporter/metrics/series_cases.h"
#include "tests/unit/support/golden.h"

static void add_family(struct buf *page, const struct metric_family *family)
{
    buf_printf(page, "| `%s` | %s | %s | ", family->name, metric_type_name(family->type),
               family->unit ? family->unit : "");
    for (size_t i = 0; family->labels[i]; i++)
        buf_printf(page, "%s`%s`", i ? ", " : "", family->labels[i]);
    buf_printf(page, " | %s | %s |\n",
               family->stability == METRIC_STABLE ? "stable" : "experimental", family->help);
}

static void add_registries(struct buf *page)
{
    buf_add_text(
        page,
        "\n## The label registry\n\n"
        "It is the host, and the port if there is one, of the image's name: the registry that the "
        "pod names, also if a mirror or a\ntoken server fails. Three values are no registry:\n\n"
        "| value | meaning |\n|---|---|\n"
        "| `other` | Several registries together. A node counts the first 16 "
        "(`--metrics.max-registries`); a registry whose pulls are counted goes before one that a "
        "pod only names. The series of single containers have the true name. In the series of a "
        "namespace: its fourth and further registries. |\n"
        "| `invalid` | The image's name cannot be parsed, so nothing was asked of a registry: "
        "reason `invalid_reference`, Kubernetes' InvalidImageName. |\n"
        "| `unknown` | Only of `imagepull_in_progress_bytes`: the bytes belong to one of several "
        "pulls. |\n");
}

static void add_first_failure(struct buf *page)
{
    buf_add_text(
        page,
        "\n## The first failure, and increase()\n\n"
        "Prometheus cannot know that a series which appears with the value 1 was 0 before. So "
        "`increase()` and `rate()` do not\nsee the first count of a new series, unless it has a "
        "created timestamp (`tests/cluster/test_first_failure.py` measures it):\n\n"
        "| series | seen from its first count on |\n|---|---|\n"
        "| `imagepull_failures_total`, of a registry that a pod has named for one scrape interval "
        "or longer | always: all causes begin at 0 |\n"
        "| the same, of a new registry (a typing error in its name), and every series that appears "
        "with its first count | with created timestamps |\n\n"
        "For created timestamps, start the agent with `--metrics.created=on`, and Prometheus (3.0 "
        "or later) with\n`--enable-feature=created-timestamp-zero-ingestion`. OpenMetrics then "
        "says when each counter began (`_created`), and\nPrometheus stores a 0 at that time "
        "instead of the line. Without the feature it stores each of these lines as a series: so\n"
        "the flag is off by default.\n\n"
        "Without created timestamps, this counts the first one, too, for example in 15 minutes. It "
        "is wrong only when a counter\nstarts again at 0:\n\n"
        "    sum(imagepull_failure_reasons_total) - (sum(imagepull_failure_reasons_total offset "
        "15m) or vector(0))\n\n"
        "`imagepull_blocked_containers` and "
        "`imagepull_container_blocked_since_timestamp_seconds` are gauges and show a failure\nat "
        "once. The alerts use them.\n");
}

static void add_series(struct buf *page)
{
    buf_add_text(page, "\n## Number of series\n\n"
                       "Counted by `tests/unit/exporter/metrics/test_series.c`, for a node with "
                       "containerd that reads events. An image of\neach registry was pulled. The "
                       "blocked containers are those of 10 namespaces, with all causes.\n\n"
                       "| node | series | budget |\n|---|---|---|\n");
    for (size_t i = 0; i < n_series_cases; i++) {
        struct buf metrics;

        buf_init(&metrics, LIMIT_METRICS_BODY);
        series_write(&series_cases[i], &metrics);
        buf_printf(page, "| %s | %zu | ", series_cases[i].node, series_count(&metrics));
        if (series_cases[i].most)
            buf_printf(page, "%zu |\n", series_cases[i].most);
        else
            buf_add_text(page, "|\n");
        buf_done(&metrics);
    }
}

/* tests/deploy/test_owners.py evaluates the queries. */
static const char about_owners[] =
    "\n## The owner of a blocked pod\n\n"
    "No metric names the Deployment or DaemonSet of a pod: `status` and the debug JSON do. "
    "kube-state-metrics has the\nowner, and Prometheus joins the two. Blocked containers by "
    "controller; a pod without one has an empty owner, or\n`<none>` from older versions:\n\n"
    "```promql\n"
    "count by (namespace, owner_kind, owner_name, cause, reason) (\n"
    "    imagepull_container_blocked_info\n"
    "  * on (namespace, pod) group_left (owner_kind, owner_name)\n"
    "    max by (namespace, pod, owner_kind, owner_name) "
    "(kube_pod_owner{owner_is_controller!=\"false\"})\n"
    ")\n"
    "```\n\n"
    "The controller of a Deployment's pods is a ReplicaSet. Blocked containers by "
    "Deployment:\n\n"
    "```promql\n"
    "count by (namespace, deployment, cause, reason) (\n"
    "    imagepull_container_blocked_info\n"
    "  * on (namespace, pod) group_left (replicaset)\n"
    "    max by (namespace, pod, replicaset) (label_replace(\n"
    "      kube_pod_owner{owner_kind=\"ReplicaSet\"}, \"replicaset\", \"$1\", \"owner_name\", "
    "\"(.+)\"))\n"
    "  * on (namespace, replicaset) group_left (deployment)\n"
    "    max by (namespace, replicaset, deployment) (label_replace(\n"
    "      kube_replicaset_owner{owner_kind=\"Deployment\"}, \"deployment\", \"$1\", "
    "\"owner_name\", \"(.+)\"))\n"
    ")\n"
    "```\n\n"
    "Both read the series of single containers, of which a node has a limited number: see\n"
    "`imagepull_container_blocked_left_out`.\n";

/* docs/metrics.md comes from the table; UPDATE_GOLDEN=1 writes it. */
static void the_documentation_matches_the_table(void **state)
{
    const struct metric_family *family;
    struct buf page;

    (void)state;
    buf_init(&page, 1 << 20);
    buf_add_text(
        &page,
        "# Metrics\n\n"
        "`UPDATE_GOLDEN=1 build/tests/unit/exporter/metrics/test_metrics_docs` writes this page "
        "from "
        "the "
        "table in\n`exporter/metrics/metrics.c`.\n\n"
        "The formats are text 0.0.4 and, if Prometheus asks for it, OpenMetrics 1.0. In "
        "OpenMetrics,\n`imagepull_failures_total` has exemplars: pod and namespace of the newest "
        "failure of each series. A stable\nmetric keeps its name, labels and meaning. An "
        "experimental metric may change or be removed.\n\n"
        "| metric | type | unit | labels | stability | help |\n|---|---|---|---|---|---|\n");
    for (size_t i = 0; (family = metrics_family(i)); i++)
        add_family(&page, family);
    add_registries(&page);
    add_first_failure(&page);
    add_series(&page);
    buf_add_text(&page, about_owners);
    assert_golden(&page, "docs/metrics.md");
    buf_done(&page);
}

static void read_all(const char *path, struct buf *ret)
{
    FILE *file = fopen(path, "re");
    char part[4096];
    size_t len;

    assert_non_null(file);
    buf_init(ret, 1 << 20);
    while ((len = fread(part, 1, sizeof(part), file)) > 0)
        buf_add(ret, (struct str){ .at = part, .len = len });
    fclose(file);
    buf_add_byte(ret, '\0');
}

/* README.md has one row for all of process_*, and one for build_info with them. */
static void the_readme_has_each_metric_with_its_type_and_labels(void **state)
{
    const struct metric_family *family;
    struct buf readme, row;

    (void)state;
    read_all("README.md", &readme);
    for (size_t i = 0; (family = metrics_family(i)); i++) {
        struct str name = str_from(family->name);

        if (str_starts(name, STR("process_")) || str_ends(name, STR("_build_info")))
            continue;
        buf_init(&row, 1000);
        buf_printf(&row, "\n| `%s` | %s |", family->name, metric_type_name(family->type));
        for (size_t label = 0; family->labels[label]; label++)
            buf_printf(&row, "%s %s", label ? "," : "", family->labels[label]);
        buf_add_text(&row, " | ");
        buf_add_byte(&row, '\0');
        if (!strstr(readme.at, row.at))
            fail_msg("README.md has no row '%s'", row.at + 1);
        buf_done(&row);
    }
    buf_done(&readme);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_documentation_matches_the_table),
        cmocka_unit_test(the_readme_has_each_metric_with_its_type_and_labels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
