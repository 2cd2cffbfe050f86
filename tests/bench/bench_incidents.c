/* SPDX-License-Identifier: Apache-2.0 */

/*
 * How long the hub holds its mutex: for a snapshot (detailed, or for metrics), for the question
 * what is wanted next, and for one observation. With 0, 330 and 2,000 open incidents: half of them
 * fail with three pieces of evidence each, half of them stall behind one layer.
 *
 * The hub holds its mutex exactly while the timed calls run. The time is the thread's processor
 * time, so that other processes on the machine do not count.
 */

#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/incidents/correlate.h"
#include "clock.h"
#include "limit.h"
#include "util.h"

#define ROUNDS 400u
#define ROUNDS_OF_BLOB 20u
#define IMAGES 40u
#define REGISTRIES 12u
#define PODS_MAX 2000u
#define LAYER "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define STALLED_IMAGE "registry.example.com/team/big:v1"
#define STALLED_REPOSITORY "registry.example.com/team/big"

struct node {
    struct correlate *correlate;
    struct instant now;
};

struct pod_text {
    char name[64];
    char uid[64];
    char namespace[32];
    char image[128];
    char message[512];
};

static double cpu_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void die(const char *what)
{
    fprintf(stderr, "bench_incidents: %s\n", what);
    exit(1);
}

static void observe(struct node *node, const struct observation *observation)
{
    if (correlate_observe(node->correlate, observation, node->now) < 0)
        die("no memory");
}

static void pass(struct node *node, int64_t by_us)
{
    node->now.mono_us += by_us;
    node->now.wall_us += by_us;
    correlate_tick(node->correlate, node->now);
}

static void begin(struct node *node)
{
    const struct correlate_config config = { .max_registries = LIMIT_REGISTRIES_DEFAULT,
                                             .stall_after_us = 2 * MINUTE };

    node->now = (struct instant){ .mono_us = HOUR, .wall_us = INT64_C(1795300000) * SEC };
    node->correlate = correlate_new(&config, node->now);
    if (!node->correlate)
        die("no memory");
}

static void name_pod(struct pod_text *text, unsigned i, bool stalls)
{
    snprintf(text->name, sizeof(text->name), "checkout-7d9c5b6f8-%05u", i);
    snprintf(text->uid, sizeof(text->uid), "3f1c7a52-8e0b-4d7e-9a61-%012x", i);
    snprintf(text->namespace, sizeof(text->namespace), "team-%u", i % 30);
    snprintf(text->image, sizeof(text->image), "registry-%u.example.com/team-%u/service-%u:v1.2.%u",
             i % REGISTRIES, i % 30, i % IMAGES, i % IMAGES);
    if (stalls)
        snprintf(text->image, sizeof(text->image), STALLED_IMAGE);
    snprintf(
        text->message, sizeof(text->message),
        "failed to pull and unpack image \"%s\": failed to resolve reference \"%s\": unexpected "
        "status from HEAD request to https://registry.example.com/v2/x/manifests/v1: 401 "
        "Unauthorized",
        text->image, text->image);
}

static void observe_pod(struct node *node, const struct pod_text *text, const char *reason,
                        const char *message)
{
    const struct container_fact container = {
        .name = STR("app"),
        .kind = CONTAINER_APP,
        .image = str_from(text->image),
        .phase = PHASE_WAITING,
        .waiting_reason = str_from(reason),
        .waiting_message = str_from(message),
    };
    const struct str secrets[] = { STR("registry-credentials"), STR("mirror-credentials") };
    const struct observation observation = {
        .kind = OBSERVE_POD,
        .pod = { .namespace = str_from(text->namespace),
                 .name = str_from(text->name),
                 .uid = str_from(text->uid),
                 .phase = STR("Pending"),
                 .created_us = node->now.wall_us,
                 .pull_secrets = secrets,
                 .n_pull_secrets = ARRAY_SIZE(secrets),
                 .containers = &container,
                 .n_containers = 1 },
    };

    observe(node, &observation);
}

static void observe_event(struct node *node, const struct pod_text *text)
{
    char message[700];
    const struct observation observation = {
        .kind = OBSERVE_EVENT,
        .event = { .event_uid = str_from(text->uid),
                   .namespace = str_from(text->namespace),
                   .pod_name = str_from(text->name),
                   .pod_uid = str_from(text->uid),
                   .field_path = STR("spec.containers{app}"),
                   .reason = STR("Failed"),
                   .message = { .at = message },
                   .count = 3,
                   .first_us = node->now.wall_us,
                   .last_us = node->now.wall_us },
    };
    struct observation with_message = observation;

    snprintf(message, sizeof(message), "Failed to pull image \"%s\": %s", text->image,
             text->message);
    with_message.event.message = str_from(message);
    observe(node, &with_message);
}

static void fail(struct node *node, unsigned i)
{
    struct pod_text text;

    name_pod(&text, i, false);
    observe_pod(node, &text, "ErrImagePull", text.message);
    observe_event(node, &text);
    observe_pod(node, &text, "ImagePullBackOff", text.message);
}

/* Pods from..to wait in silence for an image of which one layer stands still. */
static void wait_for_layer(struct node *node, unsigned from, unsigned to)
{
    const struct observation image = { .kind = OBSERVE_IMAGE,
                                       .image = { .image = STR(STALLED_IMAGE) } };
    struct ingest layer = { .digest = STR(LAYER), .bytes = 4096, .total = 1 << 20 };
    struct observation ingests = { .kind = OBSERVE_INGESTS,
                                   .ingests = { .ingests = &layer, .n = 1 } };
    struct pod_text text;

    for (unsigned i = from; i < to; i++) {
        name_pod(&text, i, true);
        observe_pod(node, &text, "ContainerCreating", "");
    }
    layer.begun_us = layer.moved_us = node->now.wall_us;
    for (int look = 0; look < 40; look++) {
        observe(node, &image);
        for (unsigned i = from; i < to; i++) {
            name_pod(&text, i, true);
            observe(node, &(struct observation){ .kind = OBSERVE_SANDBOX,
                                                 .sandbox = { str_from(text.uid), true } });
        }
        observe(node, &(struct observation){ .kind = OBSERVE_SANDBOXES_END });
        observe(node, &ingests);
        pass(node, 5 * SEC);
    }
}

static double observe_owner(struct node *node)
{
    const struct str repository = STR(STALLED_REPOSITORY);
    const struct observation blob = { .kind = OBSERVE_BLOB,
                                      .blob = { STR(LAYER), &repository, 1 } };
    double began_us = cpu_us();

    observe(node, &blob);
    return cpu_us() - began_us;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double report(const char *what, unsigned incidents, double *times, size_t n)
{
    qsort(times, n, sizeof(*times), compare);
    printf("%-24s %5u incidents: median %7.3f ms, p99 %7.3f ms\n", what, incidents,
           times[n / 2] / 1e3, times[n * 99 / 100] / 1e3);
    return times[n / 2];
}

static double time_snapshot(struct node *node, enum snapshot_detail detail, unsigned expected)
{
    static size_t bytes[SNAPSHOT_DETAIL + 1];
    struct snapshot snapshot = { .taken = node->now };
    double began_us;
    double took_us;

    arena_init(&snapshot.arena, LIMIT_SNAPSHOT);
    arena_reserve(&snapshot.arena, bytes[detail]); /* as the hub does it */
    began_us = cpu_us();
    correlate_tick(node->correlate, node->now);
    if (correlate_snapshot(node->correlate, detail, &snapshot) < 0)
        die("no memory");
    took_us = cpu_us() - began_us;
    bytes[detail] = snapshot.arena.used;
    if (correlate_complete(detail, &snapshot) < 0)
        die("no memory");
    if (snapshot.n_incidents != expected)
        die("the story went wrong: not all incidents are open");
    snapshot_done(&snapshot);
    return took_us;
}

static double time_wanted(struct node *node)
{
    struct wanted wanted;
    double began_us = cpu_us();
    double took_us;

    correlate_wanted(node->correlate, node->now, &wanted);
    took_us = cpu_us() - began_us;
    wanted_done(&wanted);
    return took_us;
}

static bool measure_readers(unsigned incidents, double budget_us)
{
    static double times[ROUNDS];
    struct node node;
    bool met = true;

    begin(&node);
    wait_for_layer(&node, 0, incidents / 2);
    observe_owner(&node);
    for (unsigned i = incidents / 2; i < incidents; i++)
        fail(&node, i);
    for (unsigned i = 0; i < ROUNDS; i++)
        times[i] = time_snapshot(&node, SNAPSHOT_DETAIL, incidents);
    met &= report("detailed snapshot", incidents, times, ROUNDS) <= budget_us;
    for (unsigned i = 0; i < ROUNDS; i++)
        times[i] = time_snapshot(&node, SNAPSHOT_METRICS, incidents);
    met &= report("snapshot for metrics", incidents, times, ROUNDS) <= budget_us;
    for (unsigned i = 0; i < ROUNDS; i++)
        times[i] = time_wanted(&node);
    met &= report("what is wanted", incidents, times, ROUNDS) <= budget_us;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct pod_text text;
        double began_us;

        name_pod(&text, i % (incidents ? incidents : 1),
                 i % (incidents ? incidents : 1) < incidents / 2);
        began_us = cpu_us();
        observe_pod(&node, &text, "ContainerCreating", "");
        times[i] = cpu_us() - began_us;
    }
    met &= report("one pod's status", incidents, times, ROUNDS) <= budget_us;
    correlate_free(node.correlate);
    return met;
}

/* One observation opens all of them. */
static bool measure_blob(unsigned incidents, double budget_us)
{
    static double times[ROUNDS_OF_BLOB];

    for (unsigned i = 0; i < ROUNDS_OF_BLOB; i++) {
        struct node node;

        begin(&node);
        wait_for_layer(&node, 0, incidents);
        times[i] = observe_owner(&node);
        time_snapshot(&node, SNAPSHOT_METRICS, incidents);
        correlate_free(node.correlate);
    }
    return report("a blob that stalls all", incidents, times, ROUNDS_OF_BLOB) <= budget_us;
}

int main(void)
{
    bool met = true;

    setvbuf(stdout, NULL, _IOLBF, 0);
    mallopt(M_MMAP_THRESHOLD, 64 * 1024); /* as the agent does it */
    mallopt(M_TRIM_THRESHOLD, 64 * 1024);
    measure_readers(0, 200);
    met &= measure_readers(330, 200);
    met &= measure_readers(PODS_MAX, 1000);
    met &= measure_blob(330, 200);
    met &= measure_blob(PODS_MAX, 1000);
    printf("time under the mutex: 0.2 ms with 330 incidents, 1 ms with 2,000: %s\n",
           met ? "met" : "MISSED");
    return met ? 0 : 1;
}
