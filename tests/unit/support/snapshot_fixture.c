/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/support/snapshot_fixture.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "util.h"

void fixture_init(struct fixture *fixture)
{
    memset(fixture, 0, sizeof(*fixture));
    fixture->snapshot = (struct snapshot){
        .taken = { .mono_us = HOUR, .wall_us = FIXTURE_NOW },
        .node = "node-1",
        .runtime_name = "containerd",
        .runtime_version = "2.1.9",
        .incidents = fixture->incidents,
        .registries = fixture->registries,
        .healthy = true,
        .ready = true,
    };
    fixture->snapshot.sources[SOURCE_PODS] = (struct source_status){
        .enabled = true,
        .up = true,
        .since_us = FIXTURE_NOW - HOUR,
        .last_success_us = FIXTURE_NOW - SEC / 4,
        .resource_version = "4711",
        .watches_open = 1,
        .received_bytes = 98765,
    };
    fixture->snapshot.sources[SOURCE_CRI] = (struct source_status){
        .enabled = true,
        .up = true,
        .since_us = FIXTURE_NOW - HOUR,
        .last_success_us = FIXTURE_NOW - 3 * SEC,
    };
}

struct snapshot_incident *fixture_incident(struct fixture *fixture, const char *namespace,
                                           const char *pod, const char *container,
                                           const char *image)
{
    struct snapshot_incident *incident = &fixture->incidents[fixture->snapshot.n_incidents++];

    assert(fixture->snapshot.n_incidents <= FIXTURE_INCIDENTS);
    *incident = (struct snapshot_incident){
        .namespace = namespace,
        .pod = pod,
        .pod_uid = pod,
        .container = container,
        .kind = CONTAINER_APP,
        .image = image,
        .registry = "registry.example.com",
        .state = INCIDENT_BACKING_OFF,
        .verdict = { .cause = CAUSE_NOT_FOUND,
                     .reason = REASON_MANIFEST_UNKNOWN,
                     .stage = STAGE_MANIFEST,
                     .http_status = 404 },
        .failed_role = ROLE_MAX,
        .attempts = 4,
        .first_failure_us = FIXTURE_NOW - 2 * MINUTE,
        .first_failure_exact = true,
        .last_failure_us = FIXTURE_NOW - 30 * SEC,
    };
    return incident;
}

struct snapshot_registry *fixture_registry(struct fixture *fixture, const char *registry)
{
    struct snapshot_registry *counters = &fixture->registries[fixture->snapshot.n_registries++];

    assert(fixture->snapshot.n_registries <= FIXTURE_REGISTRIES);
    *counters = (struct snapshot_registry){ .registry = registry };
    return counters;
}

static int take(void *self, enum snapshot_detail detail, struct snapshot *ret, struct err *err)
{
    struct fixture *fixture = self;

    atomic_fetch_add(&fixture->taken, 1);
    atomic_store(&fixture->detail, (int)detail);
    if (fixture->error)
        return err_set(err, fixture->error, "no memory for a snapshot");
    *ret = fixture->snapshot;
    arena_init(&ret->arena, LIMIT_SNAPSHOT);
    return 0;
}

static uint64_t changes(void *self, struct instant *ret_now)
{
    struct fixture *fixture = self;

    *ret_now = fixture->snapshot.taken;
    return fixture->counts_changes ? fixture->snapshot.changes
                                   : 1 + atomic_fetch_add(&fixture->asked, 1);
}

struct snapshot_source fixture_source(struct fixture *fixture)
{
    return (struct snapshot_source){ .self = fixture, .take = take, .changes = changes };
}

/* --- the golden node ------------------------------------------------------- */

static const char *const one_secret[] = { "regcred" };

static void add_missing_secret(struct fixture *fixture)
{
    static const struct snapshot_evidence evidence[] = {
        { .at_us = FIXTURE_NOW - 121 * SEC,
          .witness = WITNESS_EVENT,
          .reason = "FailedToRetrieveImagePullSecret",
          .text = "Unable to retrieve some image pull secrets (regcred)" },
        { .at_us = FIXTURE_NOW - 120 * SEC,
          .witness = WITNESS_POD_STATUS,
          .reason = "ErrImagePull",
          .text = "401 Unauthorized" },
    };
    struct snapshot_incident *incident =
        fixture_incident(fixture, "default", "web-0", "app", "registry.example.com/team/app:v1");

    incident->pod_uid = "6d1d9e2e-0001";
    incident->owner_kind = "StatefulSet";
    incident->owner_name = "web";
    incident->verdict = (struct snapshot_verdict){ .cause = CAUSE_UNAUTHORIZED,
                                                   .reason = REASON_PULL_SECRET_MISSING,
                                                   .stage = STAGE_AUTH,
                                                   .http_status = 401 };
    incident->failed_host = "auth.example.com";
    incident->failed_role = ROLE_TOKEN_SERVER;
    incident->message = "failed to authorize: 401 Unauthorized";
    incident->advice = "Create the Secret regcred in namespace default.";
    incident->next_retry_us = FIXTURE_NOW + 10 * SEC;
    incident->pull_secrets = one_secret;
    incident->n_pull_secrets = 1;
    incident->missing_pull_secrets = one_secret;
    incident->n_missing_pull_secrets = 1;
    incident->image_present_known = true;
    incident->evidence = evidence;
    incident->n_evidence = ARRAY_SIZE(evidence);
}

static void add_ambiguous_init(struct fixture *fixture)
{
    struct snapshot_incident *incident =
        fixture_incident(fixture, "team-a", "job-x", "fetch", "team/privat");

    incident->kind = CONTAINER_INIT;
    incident->registry = "docker.io";
    incident->state = INCIDENT_FAILING;
    incident->verdict =
        (struct snapshot_verdict){ .cause = CAUSE_UNAUTHORIZED,
                                   .reason = REASON_DENIED_OR_MISSING,
                                   .stage = STAGE_RESOLVE,
                                   .ambiguous_with = UINT32_C(1) << CAUSE_NOT_FOUND };
    incident->first_failure_exact = false;
    incident->message =
        "pull access denied, repository does not exist or may require authorization";
}

/* All values that can be unknown are unknown. */
static void add_unknown_sandbox(struct fixture *fixture)
{
    struct snapshot_incident *incident =
        fixture_incident(fixture, "kube-system", "agent-1", "", "pause.example.net/pause:3.10");

    incident->kind = CONTAINER_SANDBOX;
    incident->registry = "pause.example.net";
    incident->verdict = (struct snapshot_verdict){ .cause = CAUSE_UNKNOWN,
                                                   .reason = REASON_UNCLASSIFIED,
                                                   .stage = STAGE_MAX };
    incident->attempts = 0;
    incident->first_failure_us = 0;
    incident->last_failure_us = 0;
}

static void add_recovered(struct fixture *fixture)
{
    struct snapshot_incident *incident =
        fixture_incident(fixture, "default", "web-1", "app", "docker.io/library/busybox:1");

    incident->registry = "docker.io";
    incident->state = INCIDENT_RECOVERED;
    incident->image_present_known = true;
    incident->image_present = true;
    incident->ended_us = FIXTURE_NOW - 10 * SEC;
}

static void add_stalled(struct fixture *fixture)
{
    static const struct snapshot_waiter behind[] = { { "team-a", "web-7", "app",
                                                       "quay.io/team/big:1" } };
    static const struct snapshot_stall stall = { .layer = "sha256:0f0f",
                                                 .bytes = 4096,
                                                 .total = 65536,
                                                 .last_progress_us = FIXTURE_NOW - 150 * SEC,
                                                 .waiting_behind = behind,
                                                 .n_waiting_behind = 1 };
    struct snapshot_incident *incident =
        fixture_incident(fixture, "team-a", "web-6", "app", "quay.io/team/big:1");

    incident->registry = "quay.io";
    incident->state = INCIDENT_STALLED;
    incident->verdict = (struct snapshot_verdict){ .cause = CAUSE_NETWORK,
                                                   .reason = REASON_PULL_STALLED,
                                                   .stage = STAGE_BLOB };
    incident->attempts = 1;
    incident->stall = &stall;
}

static void add_images(struct fixture *fixture)
{
    static const struct snapshot_image images[] = {
        { .image = "quay.io/team/big:1",
          .registry = "quay.io",
          .stalled = true,
          .digest = "",
          .waiting = 2,
          .pulling = 2,
          .since_us = FIXTURE_NOW - 3 * MINUTE,
          .bytes = 4096,
          .total = 65536 },
        { .image = "docker.io/library/busybox:1",
          .registry = "docker.io",
          .present = true,
          .size = 2223787,
          .digest = "sha256:abcd",
          .waiting = 1 },
    };

    fixture->snapshot.images = images;
    fixture->snapshot.n_images = ARRAY_SIZE(images);
    fixture->snapshot.image_fs = (struct snapshot_image_fs){ .mountpoint = "/var/lib/containerd",
                                                             .used_bytes = 123456789,
                                                             .used_inodes = 4711 };
    fixture->snapshot.bytes_known = fixture->snapshot.fetched_known = true;
    fixture->snapshot.phases_known = true;
    fixture->snapshot.phases_us[PULL_PHASE_KUBELET_QUEUE] = 90 * SEC;
    fixture->snapshot.phases_us[PULL_PHASE_DOWNLOADING] = 12345 * MSEC;
    fixture->snapshot.phases_since_us = FIXTURE_NOW - HOUR;
    fixture->snapshot.pulls_of_size[SIZE_CLASS_LARGE] = (struct pulls_of_size){
        .count = 2, .sum_us = 3600 * SEC + 750 * MSEC, .since_us = FIXTURE_NOW - 30 * MINUTE
    };
    fixture->snapshot.unowned_bytes = 512;
}

static void add_recent(struct fixture *fixture)
{
    static const struct snapshot_observation recent[] = {
        { .number = 7,
          .at_us = FIXTURE_NOW - 121 * SEC,
          .source = SOURCE_EVENTS,
          .kind = OBSERVE_EVENT,
          .namespace = "default",
          .pod = "web-0",
          .container = "",
          .text = "FailedToRetrieveImagePullSecret",
          .effect = EFFECT_NONE },
        { .number = 8,
          .at_us = FIXTURE_NOW - 120 * SEC,
          .source = SOURCE_PODS,
          .kind = OBSERVE_POD,
          .namespace = "default",
          .pod = "web-0",
          .container = "app",
          .text = "ErrImagePull",
          .effect = EFFECT_OPENED },
        { .number = 11,
          .at_us = FIXTURE_NOW - 10 * SEC,
          .source = SOURCE_CRI,
          .kind = OBSERVE_IMAGE,
          .namespace = "",
          .pod = "",
          .container = "",
          .text = "docker.io/library/busybox:1",
          .effect = EFFECT_ENDED },
    };

    fixture->snapshot.recent = recent;
    fixture->snapshot.n_recent = ARRAY_SIZE(recent);
}

static void add_calls(struct fixture *fixture)
{
    struct runtime_calls *calls = &fixture->snapshot.calls;

    calls->durations[METHOD_VERSION] =
        (struct call_durations){ .count = 2, .sum_us = 3 * SEC + 700 };
    calls->errors[METHOD_VERSION][14] = 1;
}

static void add_namespaces(struct fixture *fixture)
{
    static const struct snapshot_namespace namespaces[] = {
        { .namespace = "default",
          .registry = "registry.example.com",
          .attempts = 9,
          .failures = { [CAUSE_UNAUTHORIZED] = 4, [CAUSE_RATE_LIMITED] = 2 } },
        { .namespace = "_other", .registry = "other", .failures = { [CAUSE_UNAUTHORIZED] = 1 } },
    };

    fixture->snapshot.namespaces = namespaces;
    fixture->snapshot.n_namespaces = ARRAY_SIZE(namespaces);
}

void fixture_golden(struct fixture *fixture)
{
    struct snapshot_registry *counters;

    fixture_init(fixture);
    add_missing_secret(fixture);
    add_ambiguous_init(fixture);
    add_unknown_sandbox(fixture);
    add_recovered(fixture);
    add_stalled(fixture);
    add_images(fixture);
    add_recent(fixture);
    add_calls(fixture);
    add_namespaces(fixture);

    counters = fixture_registry(fixture, "registry.example.com");
    counters->attempts = 5;
    counters->failures[CAUSE_UNAUTHORIZED] = 4;
    counters->newest[CAUSE_UNAUTHORIZED] =
        (struct snapshot_exemplar){ "default", "web-0", FIXTURE_NOW - 31 * SEC + MSEC / 4 };
    counters = fixture_registry(fixture, "docker.io");
    counters->attempts = 12;
    counters->failures[CAUSE_UNAUTHORIZED] = 1;
    counters->failures[CAUSE_RATE_LIMITED] = 2;
    counters->bytes = 2223787;
    histogram_add(&counters->pulls, &histogram_pull_bounds, 750 * MSEC);
    histogram_add(&counters->pulls, &histogram_pull_bounds, HOUR);
    counters = fixture_registry(fixture, "quay.io");
    counters->in_progress = 2;
    counters->in_progress_bytes = 4096;
    counters->in_progress_since_us = FIXTURE_NOW - 3 * MINUTE;
    fixture_registry(fixture, "other");

    fixture->snapshot.reasons[REASON_PULL_SECRET_MISSING] = 4;
    fixture->snapshot.reasons[REASON_DENIED_OR_MISSING] = 1;
    fixture->snapshot.reasons[REASON_TOO_MANY_REQUESTS] = 2;
    histogram_add(&fixture->snapshot.recoveries[CAUSE_NOT_FOUND], &histogram_recovery_bounds,
                  90 * SEC);
    fixture->snapshot.limit_hits[LIMIT_HIT_REGISTRIES] = 3;
    fixture->snapshot.sources[SOURCE_PODS].reconnects[RECONNECT_EXPIRED] = 1;
    fixture->snapshot.sources[SOURCE_CRI].up = false;
    strcpy(fixture->snapshot.sources[SOURCE_CRI].last_error, "Version: connect: No such file");
    fixture->snapshot.sources[SOURCE_CRI].last_error_us = FIXTURE_NOW - 2 * SEC;
}
