/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/incidents/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#define MIRROR_TEXT                                                                                \
    "failed to pull and unpack image \"" IMAGE "\": failed to resolve reference \"" IMAGE          \
    "\": failed to do request: Head \"https://m.example.com/v2/team/app/manifests/v1?ns=" REGISTRY \
    "\": dial tcp 192.0.2.7:443: connect: connection refused"

static void the_host_that_failed_is_shown_and_advised_on(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *incident;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", MIRROR_TEXT);
    world_snapshot(w, &snapshot);
    incident = incident_of(&snapshot, "web-0");
    assert_int_equal(incident->failed_role, ROLE_MIRROR);
    assert_string_equal(incident->failed_host, "m.example.com");
    assert_string_equal(incident->registry, REGISTRY);
    assert_non_null(strstr(incident->advice, "The mirror m.example.com does not accept"));
    snapshot_done(&snapshot);
}

/* The login that the kubelet sends is one for the image's registry. */
static void a_mirror_that_refuses_is_not_the_registry(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *incident;
    struct snapshot snapshot;

    observe_waiting(
        w, "web-0", "ErrImagePull",
        "failed to pull and unpack image \"" IMAGE "\": failed to resolve reference \"" IMAGE
        "\": pull access denied, repository does not exist or may require "
        "authorization: unexpected status from HEAD request to "
        "https://m.example.com/v2/team/app/manifests/v1?ns=" REGISTRY ": 401 Unauthorized");
    world_snapshot(w, &snapshot);
    incident = incident_of(&snapshot, "web-0");
    assert_int_equal(incident->verdict.cause, CAUSE_UNAUTHORIZED);
    assert_int_equal(incident->failed_role, ROLE_MIRROR);
    assert_null(strstr(incident->advice, REGISTRY " refused"));
    assert_non_null(strstr(incident->advice, "m.example.com"));
    snapshot_done(&snapshot);
}

static void nobody_failed_where_the_node_did(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *incident;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull",
                    "Failed to pull image \"" IMAGE
                    "\": open /etc/containers/policy.json: no such file or directory");
    world_snapshot(w, &snapshot);
    incident = incident_of(&snapshot, "web-0");
    assert_int_equal(incident->failed_role, ROLE_MAX);
    assert_null(incident->failed_host);
    assert_non_null(strstr(incident->advice, "/etc/containers/policy.json on the node"));
    snapshot_done(&snapshot);
}

/* CRI-O resolves short names itself (registries.conf, unqualified-search-registries). */
static void a_short_name_has_the_registry_that_the_runtime_asked(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *incident;
    struct pod_facts facts;
    struct snapshot snapshot;
    bool counted = false;

    observe_waiting_for(w, "web-0", "busybox");
    pod_of(w, &facts, "web-0");
    facts.containers[0].image = STR("busybox");
    facts.containers[0].waiting_reason = STR("ErrImagePull");
    facts.containers[0].waiting_message =
        STR("initializing source docker://busybox:latest: reading manifest latest in "
            "registry.access.redhat.com/busybox: name unknown: Repo not found");
    observe_pod(w, &facts);
    world_snapshot(w, &snapshot);
    incident = incident_of(&snapshot, "web-0");
    assert_string_equal(incident->registry, "registry.access.redhat.com");
    assert_string_equal(incident->image, "busybox");
    assert_int_equal(incident->failed_role, ROLE_REGISTRY);
    assert_string_equal(incident->failed_host, "registry.access.redhat.com");
    assert_non_null(strstr(incident->advice, "registry.access.redhat.com has no such repository"));
    for (size_t i = 0; i < snapshot.n_registries; i++)
        if (strcmp(snapshot.registries[i].registry, "registry.access.redhat.com") == 0)
            counted = snapshot.registries[i].failures[CAUSE_NOT_FOUND] == 1;
    assert_true(counted);
    snapshot_done(&snapshot);
}

static void observe_busybox(struct world *w, const char *reason, const char *message)
{
    struct pod_facts facts;

    pod_of(w, &facts, "web-0");
    facts.containers[0].image = STR("busybox");
    facts.containers[0].waiting_reason = str_from(reason);
    facts.containers[0].waiting_message = str_from(message);
    observe_pod(w, &facts);
}

/* Kubelets before 1.32 tell a back-off without its cause. */
static void a_short_name_takes_the_registry_that_a_later_report_names(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting_for(w, "web-0", "busybox");
    observe_busybox(w, "ImagePullBackOff", "Back-off pulling image \"busybox\"");
    world_snapshot(w, &snapshot);
    assert_string_equal(incident_of(&snapshot, "web-0")->registry, "docker.io");
    snapshot_done(&snapshot);

    observe_event(w, "web-0", APP_PATH, "e1", "Failed",
                  "Failed to pull image \"busybox\": initializing source docker://busybox:latest: "
                  "reading manifest latest in registry.access.redhat.com/busybox: name unknown: "
                  "Repo not found",
                  1);
    world_snapshot(w, &snapshot);
    assert_string_equal(incident_of(&snapshot, "web-0")->registry, "registry.access.redhat.com");
    assert_string_equal(incident_of(&snapshot, "web-0")->image, "busybox");
    assert_int_equal(
        registry_row(&snapshot, "registry.access.redhat.com")->failures[CAUSE_NOT_FOUND], 1);
    assert_int_equal(attempts_of(&snapshot, "docker.io"), 0);
    snapshot_done(&snapshot);

    /* A report that names none changes nothing. */
    observe_busybox(w, "ErrImagePull", "context deadline exceeded");
    observe_busybox(w, "ImagePullBackOff", "Back-off pulling image \"busybox\"");
    observe_busybox(w, "ErrImagePull",
                    "initializing source docker://busybox:latest: reading manifest latest in "
                    "quay.io/busybox: name unknown: Repo not found");
    world_snapshot(w, &snapshot);
    assert_string_equal(incident_of(&snapshot, "web-0")->registry, "quay.io");
    assert_int_equal(registry_row(&snapshot, "registry.access.redhat.com")->attempts, 2);
    assert_int_equal(registry_row(&snapshot, "quay.io")->attempts, 1);
    snapshot_done(&snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(the_host_that_failed_is_shown_and_advised_on),
        WORLD_TEST(a_short_name_has_the_registry_that_the_runtime_asked),
        WORLD_TEST(a_short_name_takes_the_registry_that_a_later_report_names),
        WORLD_TEST(a_mirror_that_refuses_is_not_the_registry),
        WORLD_TEST(nobody_failed_where_the_node_did),
    };

    return cmocka_run_group_tests_name("failed_host", tests, NULL, NULL);
}
