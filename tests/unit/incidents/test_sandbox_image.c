/* SPDX-License-Identifier: Apache-2.0 */

/* The image of a pod's sandbox. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

#define PAUSE "registry.example.com/pause:3.9"
#define NO_PAUSE                                                                                   \
    "Failed to create pod sandbox: rpc error: code = NotFound desc = failed to start sandbox "     \
    "\"x\": failed to get sandbox image \"" PAUSE "\": failed to pull image \"" PAUSE              \
    "\": failed to pull and unpack image \"" PAUSE "\": failed to resolve image: " PAUSE           \
    ": not found"
#define NO_NETWORK                                                                                 \
    "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for "  \
    "sandbox \"abc\": plugin type=\"calico\" failed (add): error getting ClusterInformation: "     \
    "Get \"https://10.96.0.1:443/apis\": dial tcp 10.96.0.1:443: i/o timeout"

/* A poll of the runtime that finds this sandbox alone. */
static void poll_sandbox(struct world *w, const char *name, bool ready)
{
    observe_sandbox(w, name, ready);
    observe_sandboxes_end(w);
}

static void sandbox_image_that_cannot_be_pulled_is_an_incident(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *incident;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    poll_sandbox(w, "web-0", false);
    observe_event(w, "web-0", "", "e1", "FailedCreatePodSandBox", NO_PAUSE, 1);
    world_advance(w, 15 * SEC);
    observe_event(w, "web-0", "", "e1", "FailedCreatePodSandBox", NO_PAUSE, 2);

    world_snapshot(w, &snapshot);
    incident = incident_of(&snapshot, "web-0");
    assert_int_equal(incident->kind, CONTAINER_SANDBOX);
    assert_string_equal(incident->container, "");
    assert_string_equal(incident->image, PAUSE);
    assert_int_equal(incident->verdict.cause, CAUSE_NOT_FOUND);
    assert_int_equal(incident->attempts, 2);
    snapshot_done(&snapshot);

    poll_sandbox(w, "web-0", true);
    observe_event(w, "web-0", "", "e1", "FailedCreatePodSandBox", NO_PAUSE, 2); /* late */
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_RECOVERED);
    snapshot_done(&snapshot);
}

static void event_dates_a_failure_before_it_was_read(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *incident;
    struct snapshot snapshot;
    int64_t began_us;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    poll_sandbox(w, "web-0", false);
    world_advance(w, 70 * SEC); /* only now events are read */
    w->now.wall_us -= MINUTE;
    began_us = w->now.wall_us / SEC * SEC;
    observe_event(w, "web-0", "", "e1", "FailedCreatePodSandBox", NO_PAUSE, 6);
    w->now.wall_us += MINUTE;

    world_snapshot(w, &snapshot);
    incident = incident_of(&snapshot, "web-0");
    assert_int_equal(incident->attempts, 6);
    assert_int_equal(incident->first_failure_us, began_us);
    assert_int_equal(failures_of(&snapshot, CAUSE_NOT_FOUND), 6);
    snapshot_done(&snapshot);
}

static void container_with_a_failed_pull_has_its_sandbox(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_event(w, "web-0", "", "e1", "FailedCreatePodSandBox", NO_PAUSE, 1);
    observe_waiting(w, "web-0", "ErrImagePull", UNAUTHORIZED_TEXT);

    world_snapshot(w, &snapshot);
    assert_int_equal(incidents_of_pod(&snapshot, "web-0"), 2);
    assert_int_equal(snapshot.incidents[0].kind, CONTAINER_APP);
    assert_int_equal(snapshot.incidents[1].kind, CONTAINER_SANDBOX);
    assert_int_equal(snapshot.incidents[1].state, INCIDENT_RECOVERED);
    snapshot_done(&snapshot);
}

static void sandbox_that_fails_for_another_reason_is_not_an_incident(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_event(w, "web-0", "", "e1", "FailedCreatePodSandBox", NO_NETWORK, 1);
    observe_running(w, "web-1");
    observe_event(w, "web-1", "", "e2", "FailedCreatePodSandBox", NO_PAUSE, 1); /* an old event */

    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.n_incidents, 0);
    snapshot_done(&snapshot);
}

static void sandbox_that_now_fails_for_another_reason_has_its_image(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_event(w, "web-0", "", "e1", "FailedCreatePodSandBox", NO_PAUSE, 1);
    world_advance(w, MINUTE);
    observe_event(w, "web-0", "", "e2", "FailedCreatePodSandBox", NO_NETWORK, 1);

    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_RECOVERED);
    snapshot_done(&snapshot);
}

static void sandbox_event_opens_an_incident_for_ten_minutes(void **state)
{
    struct world *w = *state;
    int64_t failed_us = w->now.wall_us;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    world_advance(w, 10 * MINUTE + 1);
    observe_event_at(w, "", "e1", "FailedCreatePodSandBox", NO_PAUSE, 1, failed_us, failed_us);
    assert_int_equal(count_incidents(w, "web-0"), 0);
    observe_event_at(w, "", "e2", "FailedCreatePodSandBox", NO_PAUSE, 1, failed_us, failed_us + 1);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_FAILING);
}

static void older_sandbox_event_of_another_reason_ends_nothing(void **state)
{
    struct world *w = *state;
    int64_t failed_us;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    world_advance(w, MINUTE);
    failed_us = w->now.wall_us;
    observe_event_at(w, "", "e1", "FailedCreatePodSandBox", NO_PAUSE, 1, failed_us, failed_us);
    observe_event_at(w, "", "e2", "FailedCreatePodSandBox", NO_NETWORK, 1, failed_us - SEC,
                     failed_us - SEC);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_FAILING);
    observe_event_at(w, "", "e3", "FailedCreatePodSandBox", NO_NETWORK, 1, failed_us, failed_us);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_FAILING); /* the order of the two is unknown */
    world_advance(w, SEC);
    observe_event_at(w, "", "e4", "FailedCreatePodSandBox", NO_NETWORK, 1, failed_us + 1,
                     failed_us + 1);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_RECOVERED);
}

static void back_off_of_a_sandbox_image_opens_nothing(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_event_at(w, "", "e1", "FailedCreatePodSandBox", "Back-off pulling image \"" PAUSE "\"",
                     1, w->now.wall_us, w->now.wall_us);
    assert_int_equal(count_incidents(w, "web-0"), 0);
}

static void sandbox_event_of_a_pod_that_ended_opens_nothing(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;

    pod_of(w, &facts, "web-0");
    facts.fact.phase = STR("Failed");
    observe_pod(w, &facts);
    observe_event(
        w, "web-0", "", "e1", "FailedCreatePodSandBox",
        "Failed to create pod sandbox: failed to get sandbox image \"pause:3\": failed to "
        "pull image \"pause:3\": EOF",
        1);
    assert_int_equal(count_incidents(w, "web-0"), 0);
}

#define NOT_UNPACKED                                                                               \
    "Failed to create pod sandbox: rpc error: code = NotFound desc = failed to create containerd " \
    "container: error unpacking image: failed to extract layer sha256:"                            \
    "ef2d127de37b942baad06145e54b0c619a1f22327b2ebbcfbec78f5564afe39d: failed to get reader from " \
    "content store: content digest sha256:"                                                        \
    "e7f6c011776e8db7cd330b54174fd76f7d0216b612387a5ffcfb81e6f0919683: not found"

/* The event does not name the image of the sandbox. */
static void sandbox_image_that_cannot_be_unpacked_is_an_incident(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *incident;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    poll_sandbox(w, "web-0", false);
    observe_event(w, "web-0", "", "e1", "FailedCreatePodSandBox", NOT_UNPACKED, 1);
    world_snapshot(w, &snapshot);
    incident = incident_of(&snapshot, "web-0");
    assert_int_equal(incident->kind, CONTAINER_SANDBOX);
    assert_string_equal(incident->image, "");
    assert_int_equal(incident->verdict.cause, CAUSE_NODE);
    assert_int_equal(incident->state, INCIDENT_FAILING);
    snapshot_done(&snapshot);
    world_advance(w, 15 * SEC);
    observe_event(w, "web-0", "", "e1", "FailedCreatePodSandBox", NOT_UNPACKED, 2);
    observe_event(w, "web-0", "", "e2", "FailedCreatePodSandBox", NO_PAUSE, 1); /* the same one */
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->attempts, 3);
    snapshot_done(&snapshot);
    poll_sandbox(w, "web-0", true);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_RECOVERED);
}

static void sandbox_that_cannot_be_unpacked_does_not_end_its_incident(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    poll_sandbox(w, "web-0", false);
    observe_event(w, "web-0", "", "e1", "FailedCreatePodSandBox", NO_PAUSE, 1);
    world_advance(w, 15 * SEC);
    observe_event(w, "web-0", "", "e2", "FailedCreatePodSandBox", NOT_UNPACKED, 1);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_FAILING);
    observe_event(w, "web-0", "", "e3", "FailedCreatePodSandBox", NO_NETWORK, 1);
    world_advance(w, 15 * SEC);
    observe_event(w, "web-0", "", "e3", "FailedCreatePodSandBox", NO_NETWORK, 2);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_RECOVERED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(sandbox_image_that_cannot_be_unpacked_is_an_incident),
        WORLD_TEST(sandbox_that_cannot_be_unpacked_does_not_end_its_incident),
        WORLD_TEST(sandbox_image_that_cannot_be_pulled_is_an_incident),
        WORLD_TEST(event_dates_a_failure_before_it_was_read),
        WORLD_TEST(container_with_a_failed_pull_has_its_sandbox),
        WORLD_TEST(sandbox_that_fails_for_another_reason_is_not_an_incident),
        WORLD_TEST(sandbox_that_now_fails_for_another_reason_has_its_image),
        WORLD_TEST(sandbox_event_opens_an_incident_for_ten_minutes),
        WORLD_TEST(older_sandbox_event_of_another_reason_ends_nothing),
        WORLD_TEST(back_off_of_a_sandbox_image_opens_nothing),
        WORLD_TEST(sandbox_event_of_a_pod_that_ended_opens_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
