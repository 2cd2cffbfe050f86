/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The incident table with witnesses that report anything: a few bytes are one observation about one
 * of a few pods and images, or time that passes, also backwards. After each, the counters must
 * balance.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/incidents/correlate.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct story {
    const uint8_t *at;
    const uint8_t *end;
    struct correlate *correlate;
    struct instant now;
    uint64_t booked;
};

static unsigned pick(struct story *t, unsigned below)
{
    return t->at < t->end ? *t->at++ % below : 0;
}

static struct str one_of(struct story *t, const char *const *texts, unsigned n)
{
    return str_from(texts[pick(t, n)]);
}

#define ONE_OF(t, ...)                                                                             \
    one_of(t, (const char *const[]){ __VA_ARGS__ },                                                \
           sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))

static struct str uid(struct story *t)
{
    return ONE_OF(t, "uid-1", "uid-2", "uid-3", "hash-1", "");
}

static struct str name(struct story *t)
{
    return ONE_OF(t, "app", "side", "init", "");
}

static struct str image(struct story *t)
{
    return ONE_OF(
        t, "busybox", "docker.io/library/busybox:latest", "quay.io/a/b:1",
        "quay.io/a/b@sha256:0000000000000000000000000000000000000000000000000000000000000000",
        "[::1]:5000/x", "UPPER//bad:", "");
}

static struct str message(struct story *t)
{
    return ONE_OF(t, "", "Failed to pull image \"quay.io/a/b:1\": not found",
                  "Back-off pulling image \"busybox\"",
                  "Failed to pull image \"busybox\": 401 Unauthorized",
                  "(combined from similar events): Failed to pull image \"busybox\": timeout",
                  "Unable to retrieve some image pull secrets (a, b); attempting",
                  "failed to get sandbox image \"pause:3\": failed to pull image \"pause:3\": EOF",
                  "context canceled");
}

static struct str digest(struct story *t)
{
    return ONE_OF(t, "sha256:1", "sha256:2", "");
}

static void observe_pod(struct story *t)
{
    struct container_fact containers[3];
    struct image_volume_fact volume = { .reference = image(t) };
    struct str secret = STR("a");
    struct observation o = { .kind = pick(t, 8) ? OBSERVE_POD : OBSERVE_POD_DELETED };

    for (unsigned i = 0; i < ARRAY_SIZE(containers); i++)
        containers[i] = (struct container_fact){
            .name = name(t),
            .kind = pick(t, CONTAINER_EPHEMERAL + 1),
            .image = image(t),
            .phase = pick(t, 4),
            .waiting_reason = ONE_OF(t, "ErrImagePull", "ImagePullBackOff", "ContainerCreating",
                                     "ErrImageNeverPull", "CreateContainerError", ""),
            .waiting_message = message(t),
            .created = pick(t, 2),
        };
    o.pod = (struct pod_fact){
        .namespace = STR("ns"),
        .name = STR("pod"),
        .uid = uid(t),
        .mirror_uid = pick(t, 2) ? STR("hash-1") : STR(""),
        .owner_kind = ONE_OF(t, "ReplicaSet", "DaemonSet", "Job", ""),
        .owner_name = ONE_OF(t, "web-5d8f9", "-5d8f9", "web", ""),
        .template_hash = ONE_OF(t, "5d8f9", "web-5d8f9", ""),
        .phase = ONE_OF(t, "Pending", "Running", "Succeeded", "Failed"),
        .deleting = pick(t, 8) == 1,
        .created_us = t->now.wall_us - (int64_t)pick(t, 200) * SEC,
        .pull_secrets = &secret,
        .n_pull_secrets = pick(t, 2),
        .containers = containers,
        .n_containers = pick(t, ARRAY_SIZE(containers) + 1),
        .image_volumes = &volume,
        .n_image_volumes = pick(t, 2),
    };
    correlate_observe(t->correlate, &o, t->now);
}

static void observe_event(struct story *t)
{
    const struct observation o = {
        .kind = OBSERVE_EVENT,
        .event = { .event_uid = ONE_OF(t, "e1", "e2", "e3"),
                   .namespace = STR("ns"),
                   .pod_name = STR("pod"),
                   .pod_uid = uid(t),
                   .field_path = ONE_OF(t, "spec.containers{app}", "spec.initContainers{init}", "",
                                        "spec.containers{", "}{"),
                   .reason = ONE_OF(t, "Failed", "BackOff", "FailedToRetrieveImagePullSecret",
                                    "FailedCreatePodSandBox", "InspectFailed"),
                   .message = message(t),
                   .count = (int32_t)pick(t, 256) * (pick(t, 8) ? 1 : -70000),
                   .first_us = t->now.wall_us - (int64_t)pick(t, 256) * MINUTE,
                   .last_us = t->now.wall_us - (int64_t)pick(t, 256) * SEC },
    };

    correlate_observe(t->correlate, &o, t->now);
}

static void observe_runtime(struct story *t)
{
    struct str repository = ONE_OF(t, "docker.io/library/busybox", "quay.io/a/b");
    struct ingest ingests[2];
    struct stored_blob blobs[2];
    struct observation o = { .kind = OBSERVE_IMAGE };

    switch (pick(t, 6)) {
    case 0:
        o.image = (struct image_fact){ image(t), pick(t, 2), pick(t, 200), digest(t) };
        break;
    case 1:
        o.kind = OBSERVE_SANDBOX;
        o.sandbox = (struct sandbox_fact){ uid(t), pick(t, 2) };
        break;
    case 2:
        o.kind = OBSERVE_SANDBOXES_END;
        break;
    case 3:
        o.kind = OBSERVE_CREATED;
        o.created = (struct created_fact){ .pod_uid = uid(t),
                                           .container = name(t),
                                           .created_us = t->now.wall_us };
        break;
    case 4:
        o.kind = OBSERVE_REPOSITORY;
        for (unsigned i = 0; i < ARRAY_SIZE(blobs); i++)
            blobs[i] = (struct stored_blob){ pick(t, 4), pick(t, 256),
                                             t->now.wall_us - (int64_t)pick(t, 4) * SEC };
        o.repository = (struct repository_fact){ repository, t->now.wall_us - SEC, blobs,
                                                 pick(t, ARRAY_SIZE(blobs) + 1) };
        correlate_observe(t->correlate, &o, t->now);
        o.kind = OBSERVE_BLOB;
        o.blob = (struct blob_fact){ digest(t), &repository, pick(t, 2) };
        break;
    default:
        for (unsigned i = 0; i < ARRAY_SIZE(ingests); i++)
            ingests[i] = (struct ingest){ digest(t), pick(t, 3), pick(t, 3),
                                          t->now.wall_us - (int64_t)pick(t, 256) * SEC,
                                          t->now.wall_us - (int64_t)pick(t, 256) * SEC };
        o.kind = OBSERVE_INGESTS;
        o.ingests = (struct ingests_fact){ ingests, pick(t, 3), pick(t, 2), pick(t, 2) };
        break;
    }
    correlate_observe(t->correlate, &o, t->now);
}

static void pass_time(struct story *t)
{
    int64_t by_us = (int64_t)pick(t, 256) * pick(t, 64) * SEC;

    t->now.mono_us += by_us;
    t->now.wall_us += pick(t, 16) ? by_us : -by_us;
    correlate_tick(t->correlate, t->now);
}

static void reading_changes_nothing(struct story *t, const struct snapshot *before)
{
    struct snapshot again = { .taken = t->now };
    struct wanted wanted;

    arena_init(&again.arena, LIMIT_SNAPSHOT);
    correlate_wanted(t->correlate, t->now, &wanted);
    wanted_done(&wanted);
    if (correlate_snapshot(t->correlate, SNAPSHOT_DETAIL, &again) < 0 ||
        memcmp(again.limit_hits, before->limit_hits, sizeof(again.limit_hits)) != 0 ||
        again.n_incidents != before->n_incidents || again.n_images != before->n_images)
        abort();
    for (size_t i = 0; i < again.n_images; i++)
        if (again.images[i].waiting != before->images[i].waiting ||
            again.images[i].pulling != before->images[i].pulling ||
            again.images[i].since_us != before->images[i].since_us)
            abort();
    snapshot_done(&again);
}

static void balance(struct story *t)
{
    struct snapshot snapshot = { .taken = t->now };
    uint64_t failures = 0, attempts = 0, reasons = 0;
    struct wanted wanted;

    arena_init(&snapshot.arena, LIMIT_SNAPSHOT);
    correlate_wanted(t->correlate, t->now, &wanted);
    wanted_done(&wanted);
    if (correlate_snapshot(t->correlate, SNAPSHOT_DETAIL, &snapshot) < 0 ||
        correlate_complete(SNAPSHOT_DETAIL, &snapshot) < 0)
        abort();
    for (size_t i = 0; i < snapshot.n_incidents; i++)
        if (snapshot.incidents[i].state == INCIDENT_STALLED && !snapshot.incidents[i].stall)
            abort();
    for (size_t i = 0; i < snapshot.n_registries; i++) {
        for (enum cause cause = 0; cause < CAUSE_MAX; cause++)
            failures += snapshot.registries[i].failures[cause];
        attempts += snapshot.registries[i].attempts;
    }
    reading_changes_nothing(t, &snapshot);
    for (enum reason reason = 0; reason < REASON_MAX; reason++)
        reasons += snapshot.reasons[reason];
    if (attempts < failures || reasons < t->booked)
        abort();
    t->booked = reasons;
    snapshot_done(&snapshot);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct correlate_config config = { .max_registries = 2, .stall_after_us = 2 * MINUTE };
    struct story story = { .at = data,
                           .end = data + size,
                           .now = { .mono_us = HOUR, .wall_us = INT64_C(1795300000) * SEC } };

    story.correlate = correlate_new(&config, story.now);
    if (!story.correlate)
        abort();
    while (story.at < story.end) {
        switch (pick(&story, 6)) {
        case 0:
        case 1:
            observe_pod(&story);
            break;
        case 2:
            observe_event(&story);
            break;
        case 3:
            observe_runtime(&story);
            break;
        case 4:
            pass_time(&story);
            break;
        default:
            correlate_observe(story.correlate,
                              &(struct observation){ .kind = pick(&story, 2) ? OBSERVE_PODS_BEGIN
                                                                             : OBSERVE_PODS_END },
                              story.now);
        }
        balance(&story);
    }
    correlate_free(story.correlate);
    return 0;
}
