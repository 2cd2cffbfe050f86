/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The kubelet's pull worked, or it asked for none, and then the container cannot be created or
 * started because of its image: a virtual machine pulls it itself, or it is gone again.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

#define GUEST_TEXT                                                                                 \
    "failed to create containerd task: failed to create shim task: failed to pull manifest Not "   \
    "authorized: url https://" REGISTRY "/v2/team/app/manifests/v1"
#define LOST_TEXT "creating container storage: image not known"
#define MOUNT_TEXT                                                                                 \
    "failed to create containerd task: failed to create shim task: error mounting \"/a\" to "      \
    "rootfs at \"/b\": no such file or directory"

static void expect(struct world *w, enum incident_state state, enum reason reason,
                   uint64_t attempts)
{
    const struct snapshot_incident *incident;
    struct snapshot snapshot;

    world_snapshot(w, &snapshot);
    incident = incident_of(&snapshot, "web-0");
    assert_int_equal(incident->state, state);
    assert_int_equal(incident->verdict.reason, reason);
    assert_int_equal(incident->attempts, attempts);
    assert_int_equal(incident->next_retry_us, 0); /* not the back-off of pulls */
    snapshot_done(&snapshot);
}

/* The container was made, and its start failed: it waits for the next one, or has ended. */
static void observe_start_error(struct world *w, enum container_phase phase, const char *text)
{
    struct pod_facts facts;

    pod_of(w, &facts, "web-0");
    facts.containers[0].phase = phase;
    facts.containers[0].waiting_reason = phase == PHASE_WAITING ? STR("CrashLoopBackOff") : STR("");
    facts.containers[0].exit_code = 128;
    facts.containers[0].created = true;
    facts.containers[0].start_error = str_from(text);
    observe_pod(w, &facts);
}

static void pull_in_a_virtual_machine_is_an_incident(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "RunContainerError", GUEST_TEXT);
    expect(w, INCIDENT_FAILING, REASON_FORBIDDEN, 1);
    observe_running(w, "web-0");
    assert_int_equal(state_of(w, "web-0"), INCIDENT_RECOVERED);
}

static void container_that_was_made_has_no_image_in_its_virtual_machine(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "RunContainerError", GUEST_TEXT);
    world_advance(w, SEC);
    observe_created(w, "web-0", "app");
    expect(w, INCIDENT_FAILING, REASON_FORBIDDEN, 1);
    observe_start_error(w, PHASE_TERMINATED, GUEST_TEXT);
    expect(w, INCIDENT_FAILING, REASON_FORBIDDEN, 1);
    observe_start_error(w, PHASE_WAITING, GUEST_TEXT);
    expect(w, INCIDENT_BACKING_OFF, REASON_FORBIDDEN, 1);
    observe_waiting(w, "web-0", "RunContainerError", GUEST_TEXT);
    expect(w, INCIDENT_FAILING, REASON_FORBIDDEN, 2);
}

static void start_that_failed_for_another_reason_is_no_incident(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "CreateContainerError", MOUNT_TEXT);
    observe_start_error(w, PHASE_TERMINATED, MOUNT_TEXT);
    observe_start_error(w, PHASE_WAITING, MOUNT_TEXT);
    assert_int_equal(count_incidents(w, "web-0"), 0);
}

static void image_that_is_gone_after_its_pull_is_lost(void **state)
{
    const struct snapshot_incident *incident;
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "CreateContainerError", LOST_TEXT);
    observe_image(w, IMAGE, false);
    expect(w, INCIDENT_FAILING, REASON_IMAGE_LOST, 1);
    world_snapshot(w, &snapshot);
    incident = incident_of(&snapshot, "web-0");
    assert_int_equal(incident->verdict.cause, CAUSE_NODE);
    assert_true(incident->image_present_known && !incident->image_present);
    assert_int_equal(failures_of(&snapshot, CAUSE_NODE), 0); /* no pull has failed */
    assert_int_equal(registry_row(&snapshot, REGISTRY)->in_progress, 0);
    snapshot_done(&snapshot);
}

/* The runtime shows what it really has. */
static void image_that_is_lost_is_asked_for(void **state)
{
    struct world *w = *state;
    struct wanted wanted;

    observe_waiting(w, "web-0", "CreateContainerError", LOST_TEXT);
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_int_equal(wanted.n_images, 1);
    wanted_done(&wanted);
}

static void image_that_is_lost_replaces_the_cause_of_an_earlier_attempt(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "ErrImagePull", UNAUTHORIZED_TEXT);
    world_advance(w, 20 * SEC);
    observe_waiting(w, "web-0", "CreateContainerError", LOST_TEXT);
    expect(w, INCIDENT_FAILING, REASON_IMAGE_LOST, 1);
    observe_waiting(w, "web-0", "CreateContainerError", MOUNT_TEXT);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_RECOVERED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(pull_in_a_virtual_machine_is_an_incident),
        WORLD_TEST(container_that_was_made_has_no_image_in_its_virtual_machine),
        WORLD_TEST(start_that_failed_for_another_reason_is_no_incident),
        WORLD_TEST(image_that_is_gone_after_its_pull_is_lost),
        WORLD_TEST(image_that_is_lost_is_asked_for),
        WORLD_TEST(image_that_is_lost_replaces_the_cause_of_an_earlier_attempt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
