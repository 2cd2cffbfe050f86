/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A node that never rests: millions of observations about more pods, namespaces, registries and
 * texts than the limits allow. The memory of the incident table must stay flat, and must be given
 * back at the end. Memory is what the allocator has given out (mallinfo2), so that neither the
 * machine nor its load counts. The same seed makes the same story.
 *
 *     soak [OBSERVATIONS [SEED]]
 */

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/incidents/correlate.h"
#include "clock.h"
#include "limit.h"
#include "util.h"

#define OBSERVATIONS UINT64_C(10000000)
#define PARTS 10u         /* the memory of the first two is the measure for the others */
#define TOLERANCE 1.10    /* the story is random: the tables are not equally full at each moment */
#define PODS 6000u        /* more than LIMIT_PODS */
#define NAMESPACES 60u    /* more than LIMIT_NAMESPACES */
#define REGISTRIES 80u    /* more than --metrics.max-registries */
#define CROWDED_POD 400u  /* one pod in so many has too much of everything */
#define RUNTIME_EACH 100u /* the runtime is polled; pods and events come by themselves */
#define PASS_EACH 500u    /* observations between two looks at the time */
#define LOOK_EACH 20000u  /* observations between two snapshots */

/* The limits that only other layers reach; and one that needs many pulls that stand still
 * (tests/unit/incidents/test_stalls_behind.c). */
static const enum limit of_others[] = {
    LIMIT_HIT_POD_VERSIONS, LIMIT_HIT_IMAGE_VOLUMES,    LIMIT_HIT_PULL_SECRETS,
    LIMIT_HIT_INFO_SERIES,  LIMIT_HIT_EVENT_NAMESPACES, LIMIT_HIT_INGESTS,
    LIMIT_HIT_WATCH_FRAME,  LIMIT_HIT_LIST_BODY,        LIMIT_HIT_LIST_PAGES,
    LIMIT_HIT_CRI_MESSAGE,  LIMIT_HIT_HTTP_CONNECTIONS, LIMIT_HIT_SCRAPES,
    LIMIT_HIT_REQUEST_BODY, LIMIT_HIT_ANSWER_BODY,      LIMIT_HIT_PASSWORD_CHECKS,
    LIMIT_HIT_EVENT_BUDGET, LIMIT_HIT_WAITING_BEHIND,
};

struct node {
    struct correlate *correlate;
    struct instant now;
    uint64_t random;
    uint64_t observed;
    size_t largest_snapshot;
};

static void die(const char *what)
{
    fprintf(stderr, "soak: %s\n", what);
    exit(1);
}

/* xorshift64 */
static unsigned pick(struct node *node, unsigned below)
{
    node->random ^= node->random << 13;
    node->random ^= node->random >> 7;
    node->random ^= node->random << 17;
    return (unsigned)(node->random >> 32) % below;
}

static void observe(struct node *node, const struct observation *observation)
{
    if (correlate_observe(node->correlate, observation, node->now) < 0)
        die("no memory");
    node->observed++;
}

/* --- pods ------------------------------------------------------------------------------------- */

struct pod_text {
    char namespace[32], name[64], uid[64];
    unsigned number;
    bool crowded;
};

static struct pod_text some_pod(struct node *node)
{
    struct pod_text text;
    unsigned i = pick(node, PODS);

    if (pick(node, 20) == 0)
        i -= i % CROWDED_POD;
    snprintf(text.namespace, sizeof(text.namespace), "team-%u", i % NAMESPACES);
    snprintf(text.name, sizeof(text.name), "checkout-7d9c5b6f8-%05u", i);
    snprintf(text.uid, sizeof(text.uid), "3f1c7a52-8e0b-4d7e-9a61-%012x", i);
    text.number = i;
    text.crowded = i % CROWDED_POD == 0;
    return text;
}

static struct str some_image(struct node *node, char *at, size_t size)
{
    unsigned i = pick(node, 1000);

    snprintf(at, size, "registry-%u.example.com/team-%u/service:v%u", i % REGISTRIES, i % 7, i);
    return str_from(at);
}

/* Mostly the same one, so that events are about the image that the container has. */
static struct str image_of(struct node *node, const struct pod_text *pod, size_t container,
                           char *at, size_t size)
{
    size_t i = pod->number * 3 + container;

    if (pick(node, 8) == 0)
        return some_image(node, at, size);
    snprintf(at, size, "registry-%zu.example.com/team-%zu/service:v%zu", i % REGISTRIES, i % 7, i);
    return str_from(at);
}

static struct str some_message(struct node *node, struct str image, char *at, size_t size)
{
    static const char *const errors[] = {
        "unexpected status from HEAD request to https://r.example.com/v2/x/manifests/1: 401 "
        "Unauthorized",
        "not found",
        "dial tcp 192.0.2.1:443: i/o timeout",
        "429 Too Many Requests",
        "write /var/lib/containerd/tmp: no space left on device",
        "some words that no rule knows",
    };
    int n = snprintf(
        at, size,
        "Failed to pull image \"%.*s\": failed to pull and unpack image \"%.*s\": %s; attempt %u: ",
        STR_ARG(image), STR_ARG(image), errors[pick(node, ARRAY_SIZE(errors))], pick(node, 100000));

    /* Long texts fill LIMIT_EVIDENCE_BYTES. */
    for (size_t i = (size_t)n; i + 1 < size && i < LIMIT_MESSAGE_TEXT; i++)
        at[i] = (char)('a' + (int)(i % 26));
    at[size - 1 < LIMIT_MESSAGE_TEXT ? size - 1 : LIMIT_MESSAGE_TEXT] = '\0';
    return str_from(at);
}

static void observe_pod(struct node *node)
{
    static const char *const reasons[] = { "ErrImagePull", "ImagePullBackOff", "ContainerCreating",
                                           "ErrImageNeverPull", "InvalidImageName" };
    static struct container_fact containers[LIMIT_CONTAINERS_PER_POD + 20];
    static struct image_volume_fact volumes[LIMIT_IMAGE_VOLUMES_PER_POD + 2];
    static struct str secrets[LIMIT_PULL_SECRETS_PER_POD + 2];
    static char images[LIMIT_CONTAINERS_PER_POD + 20][96], messages[4][1200], names[200][16];
    const struct pod_text text = some_pod(node);
    size_t n = text.crowded ? ARRAY_SIZE(containers) : 1 + pick(node, 3);
    struct observation o = { .kind = OBSERVE_POD };

    if (pick(node, text.crowded ? 200 : 12) == 0)
        o.kind = OBSERVE_POD_DELETED;
    for (size_t i = 0; i < n; i++) {
        snprintf(names[i], sizeof(names[i]), "app-%zu", i);
        containers[i] = (struct container_fact){
            .name = str_from(names[i]),
            .kind = CONTAINER_APP,
            .image = image_of(node, &text, i, images[i], sizeof(images[i])),
            .phase = pick(node, 4) ? PHASE_WAITING : PHASE_RUNNING,
            .waiting_reason = str_from(reasons[pick(node, ARRAY_SIZE(reasons))]),
        };
        if (i < ARRAY_SIZE(messages))
            containers[i].waiting_message =
                some_message(node, containers[i].image, messages[i], sizeof(messages[i]));
    }
    for (size_t i = 0; i < ARRAY_SIZE(volumes); i++)
        volumes[i].reference = STR("registry.example.com/data/model:1");
    for (size_t i = 0; i < ARRAY_SIZE(secrets); i++)
        secrets[i] = str_from(names[i % n]);
    o.pod = (struct pod_fact){
        .namespace = str_from(text.namespace),
        .name = str_from(text.name),
        .uid = str_from(text.uid),
        .phase = STR("Pending"),
        .created_us = node->now.wall_us - (int64_t)pick(node, 600) * SEC,
        .pull_secrets = secrets,
        .n_pull_secrets = text.crowded ? ARRAY_SIZE(secrets) : pick(node, 3),
        .containers = containers,
        .n_containers = n,
        .image_volumes = volumes,
        .n_image_volumes = text.crowded ? ARRAY_SIZE(volumes) : 0,
    };
    observe(node, &o);
}

static void observe_event(struct node *node)
{
    char image[96], message[1200], event[80], path[40];
    const struct pod_text text = some_pod(node);
    const unsigned container = pick(node, 3);
    struct observation o = { .kind = OBSERVE_EVENT };

    snprintf(event, sizeof(event), "%s-%u", text.uid + 24, pick(node, text.crowded ? 500 : 3));
    snprintf(path, sizeof(path), "spec.containers{app-%u}", container);
    o.event = (struct event_fact){
        .event_uid = str_from(event),
        .namespace = str_from(text.namespace),
        .pod_name = str_from(text.name),
        .pod_uid = str_from(text.uid),
        .field_path = str_from(path),
        .reason = pick(node, 4) ? STR("Failed") : STR("BackOff"),
        .message = some_message(node, image_of(node, &text, container, image, sizeof(image)),
                                message, sizeof(message)),
        .count = pick(node, 50) ? (int32_t)pick(node, 20) + 1 : 1000000,
        .first_us = node->now.wall_us - MINUTE,
        .last_us = node->now.wall_us,
    };
    observe(node, &o);
}

/* --- the runtime ------------------------------------------------------------------------------ */

/* Some blobs are there at each look, so that they can stand still. */
#define LASTING 8u

static unsigned some_blob(struct node *node)
{
    return pick(node, pick(node, 2) ? LASTING : 500);
}

static void observe_ingests(struct node *node)
{
    static char digests[LIMIT_INGESTS][80];
    struct ingest ingests[32];
    size_t n = LASTING + pick(node, ARRAY_SIZE(ingests) - LASTING);

    for (size_t i = 0; i < n; i++) {
        bool lasts = i < LASTING;

        snprintf(digests[i], sizeof(digests[i]), "sha256:%064x",
                 lasts ? (unsigned)i : LASTING + pick(node, 500));
        ingests[i] = (struct ingest){ .digest = str_from(digests[i]),
                                      .bytes = lasts ? 10 : pick(node, 1000),
                                      .total = 1000,
                                      .begun_us = node->now.wall_us - 10 * MINUTE,
                                      .moved_us = node->now.wall_us - 9 * MINUTE };
    }
    observe(node, &(struct observation){ .kind = OBSERVE_INGESTS,
                                         .ingests = { ingests, n, pick(node, 2), false } });
}

static void observe_owners(struct node *node)
{
    static char names[LIMIT_BLOB_REPOSITORIES + 8][80];
    struct str repositories[LIMIT_BLOB_REPOSITORIES + 8];
    char digest[80];
    size_t n = pick(node, ARRAY_SIZE(repositories) + 1);

    snprintf(digest, sizeof(digest), "sha256:%064x", some_blob(node));
    for (size_t i = 0; i < n; i++) {
        snprintf(names[i], sizeof(names[i]), "registry-%zu.example.com/team-%u/service",
                 i % REGISTRIES, pick(node, 7));
        repositories[i] = str_from(names[i]);
    }
    observe(node, &(struct observation){ .kind = OBSERVE_BLOB,
                                         .blob = { str_from(digest), repositories, n } });
}

static void observe_runtime(struct node *node)
{
    const struct pod_text text = some_pod(node);
    char image[96], digest[80];
    struct stored_blob blob;
    struct observation o = { .kind = OBSERVE_IMAGE };

    switch (pick(node, 6)) {
    case 0:
        snprintf(digest, sizeof(digest), "sha256:%064x", pick(node, 5000));
        o.image = (struct image_fact){ some_image(node, image, sizeof(image)), pick(node, 2),
                                       pick(node, 1u << 30), str_from(digest) };
        break;
    case 1:
        o.kind = OBSERVE_SANDBOX;
        o.sandbox = (struct sandbox_fact){ str_from(text.uid), pick(node, 4) };
        break;
    case 2:
        o.kind = OBSERVE_CREATED;
        o.created = (struct created_fact){ str_from(text.uid), STR("app-0"), node->now.wall_us };
        break;
    case 3:
        observe_ingests(node);
        return;
    case 4:
        observe_owners(node);
        return;
    default:
        o.kind = OBSERVE_REPOSITORY;
        blob = (struct stored_blob){ (uint64_t)node->now.mono_us, 1, node->now.wall_us };
        o.repository = (struct repository_fact){ STR("registry-1.example.com/team-1/service"),
                                                 node->now.wall_us - SEC, &blob, 1 };
        break;
    }
    observe(node, &o);
}

/* --- what is checked -------------------------------------------------------------------------- */

static size_t memory(void)
{
    const struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

static void look(struct node *node)
{
    struct snapshot snapshot = { .taken = node->now };
    struct wanted wanted;

    correlate_wanted(node->correlate, node->now, &wanted);
    wanted_done(&wanted);
    arena_init(&snapshot.arena, LIMIT_SNAPSHOT);
    if (correlate_snapshot(node->correlate, SNAPSHOT_DETAIL, &snapshot) < 0 ||
        correlate_complete(SNAPSHOT_DETAIL, &snapshot) < 0)
        die("a snapshot does not fit into its limit");
    if (snapshot.n_incidents > LIMIT_INCIDENTS)
        die("more incidents than the limit");
    if (snapshot.arena.used > node->largest_snapshot)
        node->largest_snapshot = snapshot.arena.used;
    snapshot_done(&snapshot);
}

static void pass(struct node *node, int64_t by_us)
{
    node->now.mono_us += by_us;
    node->now.wall_us += by_us;
    correlate_tick(node->correlate, node->now);
}

/* Observes until `until`. Returns the most memory that was in use. */
static size_t live(struct node *node, uint64_t until)
{
    size_t most = 0;

    while (node->observed < until) {
        if (pick(node, RUNTIME_EACH) == 0)
            observe_runtime(node);
        else if (pick(node, 2))
            observe_pod(node);
        else
            observe_event(node);
        if (node->observed % PASS_EACH == 0)
            pass(node, (int64_t)pick(node, 30000) * MSEC);
        if (node->observed % LOOK_EACH == 0)
            look(node);
        if (node->observed % 1000 == 0 && memory() > most)
            most = memory();
    }
    return most;
}

/* All pods go, and time passes. */
static void end(struct node *node)
{
    observe(node, &(struct observation){ .kind = OBSERVE_PODS_BEGIN });
    observe(node, &(struct observation){ .kind = OBSERVE_PODS_END });
    observe(node, &(struct observation){ .kind = OBSERVE_SANDBOXES_END });
    observe(node, &(struct observation){ .kind = OBSERVE_INGESTS });
    for (int i = 0; i < 100; i++)
        pass(node, 10 * MINUTE);
}

static bool is_of_others(enum limit limit)
{
    for (size_t i = 0; i < ARRAY_SIZE(of_others); i++)
        if (of_others[i] == limit)
            return true;
    return false;
}

static bool every_limit_was_reached(const struct node *node)
{
    struct snapshot snapshot = { .taken = node->now };
    bool all = true;

    arena_init(&snapshot.arena, LIMIT_SNAPSHOT);
    if (correlate_snapshot(node->correlate, SNAPSHOT_METRICS, &snapshot) < 0)
        die("no memory");
    for (int i = 0; i < LIMIT_HIT_MAX; i++) {
        if (snapshot.limit_hits[i] || is_of_others((enum limit)i))
            continue;
        printf("the limit %s was not reached\n", limit_name((enum limit)i));
        all = false;
    }
    if (snapshot.n_incidents) {
        printf("%zu incidents are left at the end\n", snapshot.n_incidents);
        all = false;
    }
    snapshot_done(&snapshot);
    return all;
}

int main(int argc, char **argv)
{
    const struct correlate_config config = { .max_registries = LIMIT_REGISTRIES_DEFAULT,
                                             .stall_after_us = 2 * MINUTE };
    uint64_t total = argc > 1 ? strtoull(argv[1], NULL, 10) : OBSERVATIONS;
    struct node node = { .now = { .mono_us = HOUR, .wall_us = INT64_C(1795300000) * SEC },
                         .random = argc > 2 ? strtoull(argv[2], NULL, 10) : 88172645463325252u };
    size_t before, most, measure = 0;
    bool good = true;

    if (total < PARTS || !node.random)
        die("usage: soak [OBSERVATIONS [SEED]], at least 10, and a seed that is not 0");
    printf("seed %" PRIu64 "\n", node.random); /* also gets the buffer of stdout */
    before = memory();
    node.correlate = correlate_new(&config, node.now);
    if (!node.correlate)
        die("no memory");
    for (unsigned part = 1; part <= PARTS; part++) {
        most = live(&node, total / PARTS * part);
        printf("after %9" PRIu64 " observations: at most %6.2f MiB in use, a snapshot %5.2f MiB\n",
               node.observed, (double)most / (1 << 20), (double)node.largest_snapshot / (1 << 20));
        if (part <= 2 && most > measure)
            measure = most;
        else if (part > 2 && (double)most > (double)measure * TOLERANCE)
            good = false;
    }
    if (!good)
        printf("the memory grows\n");
    end(&node);
    good = every_limit_was_reached(&node) && good;
    printf("all pods gone: %.2f MiB in use\n", (double)memory() / (1 << 20));
    correlate_free(node.correlate);
    if (memory() > before + 4096) {
        printf("%zu bytes are not given back\n", memory() - before);
        good = false;
    }
    return good ? 0 : 1;
}
