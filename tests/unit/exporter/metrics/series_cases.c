/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/exporter/metrics/series_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/hub.h"
#include "buf.h"
#include "causes.h"
#include "exporter/http/limit_hits.h"
#include "exporter/metrics/metrics.h"
#include "exporter/metrics/process_metrics.h"
#include "util.h"

#define NAMESPACES 10

const struct series_case series_cases[] = {
    { "healthy, 1 registry", 1, 0, false, false, 0 },
    { "healthy, 5 registries", 5, 0, false, false, 140 },
    { "healthy, 5 registries, `--metrics.self=off`", 5, 0, false, true, 140 },
    { "5 registries, 10 blocked containers", 5, 10, false, false, 0 },
    { "5 registries, 100 blocked containers, and each cause has recovered once", 5, 100, true,
      false, 600 },
    { "16 registries, 100 blocked containers, and each cause has recovered once", 16, 100, true,
      false, 0 },
};

const size_t n_series_cases = ARRAY_SIZE(series_cases);

/* A message of each cause. */
static const struct {
    const char *reason, *message;
} failures[CAUSE_MAX] = {
    [CAUSE_UNAUTHORIZED] = { "ErrImagePull", "unexpected status: 401 Unauthorized" },
    [CAUSE_NOT_FOUND] = { "ErrImagePull", "manifest unknown" },
    [CAUSE_NETWORK] = { "ErrImagePull", "dial tcp: lookup a.example: no such host" },
    [CAUSE_RATE_LIMITED] = { "ErrImagePull", "429 Too Many Requests" },
    [CAUSE_REGISTRY_ERROR] = { "ErrImagePull", "unexpected status: 503 Service Unavailable" },
    [CAUSE_BAD_IMAGE] = { "ErrImagePull", "no match for platform in manifest" },
    [CAUSE_NODE] = { "ErrImagePull", "write /var/lib: no space left on device" },
    [CAUSE_CONFIG] = { "ErrImageNeverPull", "not present with pull policy of Never" },
    [CAUSE_UNKNOWN] = { "ErrImagePull", "gremlins" },
};

static struct instant now;

static struct instant tell(void *self)
{
    (void)self;
    return now;
}

static void advance(int64_t by_us)
{
    now.mono_us += by_us;
    now.wall_us += by_us;
}

/* Pod number `n`, as the kubelet reports it. */
static void observe_pod(const struct sink *sink, const struct series_case *node, unsigned n,
                        enum container_phase phase, const char *reason, const char *message)
{
    char namespace[32], name[32], image[64];
    struct container_fact container = { .name = STR("app"),
                                        .phase = phase,
                                        .waiting_reason = str_from(reason),
                                        .waiting_message = str_from(message) };
    struct observation observation = { .kind = OBSERVE_POD };

    snprintf(namespace, sizeof(namespace), "team-%u", n % NAMESPACES);
    snprintf(name, sizeof(name), "web-%u", n);
    snprintf(image, sizeof(image), "reg-%u.example/team/app:v%u", n % node->registries, n);
    container.image = str_from(image);
    observation.pod = (struct pod_fact){ .namespace = str_from(namespace),
                                         .name = str_from(name),
                                         .uid = str_from(name),
                                         .phase = STR("Pending"),
                                         .created_us = now.wall_us,
                                         .containers = &container,
                                         .n_containers = 1 };
    sink->observe(sink->self, &observation);
}

static void observe_image(const struct sink *sink, const struct series_case *node, unsigned n,
                          bool present)
{
    static const uint64_t sizes[] = { 1000, 500000000, 5000000000 };
    char image[64];

    snprintf(image, sizeof(image), "reg-%u.example/team/app:v%u", n % node->registries, n);
    sink->observe(sink->self,
                  &(struct observation){ .kind = OBSERVE_IMAGE,
                                         .image = { .image = str_from(image),
                                                    .present = present,
                                                    .size = present ? sizes[n % 3] : 0 } });
}

static void observe_sandbox(const struct sink *sink, unsigned n)
{
    char name[32];

    snprintf(name, sizeof(name), "web-%u", n);
    sink->observe(sink->self,
                  &(struct observation){ .kind = OBSERVE_SANDBOX,
                                         .sandbox = { .pod_uid = str_from(name), .ready = true } });
}

/* Each pod pulls its image without an error. */
static void pull_images(const struct sink *sink, const struct series_case *node)
{
    for (unsigned n = 0; n < node->registries; n++) {
        observe_pod(sink, node, n, PHASE_WAITING, "ContainerCreating", "");
        observe_image(sink, node, n, false);
        observe_sandbox(sink, n);
        advance(7 * SEC);
        observe_image(sink, node, n, true);
        observe_pod(sink, node, n, PHASE_RUNNING, "", "");
    }
}

/* Pods `first` to `end` fail: all combinations of namespaces, registries and causes take turns. */
static void fail_pods(const struct sink *sink, const struct series_case *node, unsigned first,
                      unsigned end)
{
    for (unsigned n = first; n < end; n++) {
        enum cause cause = (enum cause)(n % CAUSE_MAX);

        observe_pod(sink, node, n, PHASE_WAITING, failures[cause].reason, failures[cause].message);
    }
}

static void recover_pods(const struct sink *sink, const struct series_case *node, unsigned first,
                         unsigned end)
{
    for (unsigned n = first; n < end; n++) {
        observe_image(sink, node, n, true);
        observe_pod(sink, node, n, PHASE_RUNNING, "", "");
    }
}

/* All sources work, and the runtime is asked all that a healthy node asks it. */
static void observe_sources(const struct sink *sink)
{
    const struct source_status status = {
        .enabled = true, .up = true, .last_success_us = now.wall_us, .received_bytes = 1000
    };
    struct runtime_calls calls = { .durations[0].count = 0 };

    for (enum runtime_method method = 0; method < METHOD_MAX; method++)
        calls.durations[method] = (struct call_durations){ .count = 10, .sum_us = SEC };
    for (enum source_id source = 0; source < SOURCE_MAX; source++)
        sink->status(sink->self, source, &status);
    sink->calls(sink->self, &calls);
    sink->observe(sink->self, &(struct observation){ .kind = OBSERVE_INGESTS });
    sink->observe(sink->self,
                  &(struct observation){ .kind = OBSERVE_RUNTIME,
                                         .runtime = { STR("containerd"), STR("2.1.9"), true } });
}

static void live(const struct sink *sink, const struct series_case *node)
{
    unsigned failed = 1000; /* the first pod that recovers */

    observe_sources(sink);
    pull_images(sink, node);
    if (node->has_failed) {
        fail_pods(sink, node, failed, failed + CAUSE_MAX);
        advance(MINUTE);
        recover_pods(sink, node, failed, failed + CAUSE_MAX);
    }
    fail_pods(sink, node, 100, 100 + node->blocked);
    advance(MINUTE);
    for (enum source_id source = 0; source < SOURCE_MAX; source++)
        sink->tick(sink->self, source);
}

void series_write(const struct series_case *node, struct buf *out)
{
    static const struct hub_config config = { .node = "n",
                                              .max_registries = 16,
                                              .stall_after_us = 2 * MINUTE };
    static const struct process_stats process = { 1, 1, 1, 1, 1, 1 };
    const struct clock clock = { .now = tell };
    struct limit_hits limit_hits = { .counts = { 0 } };
    struct metrics_input input = { .process = node->without_self ? NULL : &process,
                                   .version = "",
                                   .revision = "",
                                   .compiler = "",
                                   .limit_hits = &limit_hits };
    struct err err = ERR_INIT;
    struct snapshot snapshot;
    struct hub *hub;
    size_t left_out;

    now = (struct instant){ .mono_us = HOUR, .wall_us = INT64_C(1800000000) * SEC };
    hub = hub_new(&config, &clock);
    assert_non_null(hub);
    live(hub_sink(hub), node);
    assert_int_equal(
        hub_snapshots(hub)->take(hub_snapshots(hub)->self, SNAPSHOT_METRICS, &snapshot, &err), 0);
    input.snapshot = &snapshot;
    assert_int_equal(metrics_write(out, &input, &left_out, &err), 0);
    assert_int_equal(left_out, 0);
    snapshot_done(&snapshot);
    hub_free(hub);
}

size_t series_count(const struct buf *text)
{
    size_t n = 0;

    for (const char *line = text->at; line && *line; line = strchr(line, '\n') + 1)
        n += *line != '#';
    return n;
}
