/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

static void pull_error_opens_an_incident_with_its_cause(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *incident;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);

    world_snapshot(w, &snapshot);
    incident = incident_of(&snapshot, "web-0");
    assert_int_equal(incident->state, INCIDENT_FAILING);
    assert_int_equal(incident->verdict.cause, CAUSE_NOT_FOUND);
    assert_string_equal(incident->registry, REGISTRY);
    assert_string_equal(incident->image, IMAGE);
    assert_string_equal(incident->container, "app");
    assert_int_equal(incident->first_failure_us, w->now.wall_us);
    assert_true(incident->first_failure_exact);
    snapshot_done(&snapshot);
}

static void starting_container_is_not_an_incident(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_waiting(w, "web-1", "PodInitializing", "");
    observe_waiting(w, "web-2", "CreateContainerError", "container create failed");

    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.n_incidents, 0);
    snapshot_done(&snapshot);
}

static void back_off_continues_the_incident_of_the_pull_error(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *incident;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    world_advance(w, SEC);
    observe_waiting(w, "web-0", "ImagePullBackOff",
                    BACK_OFF_TEXT ": ErrImagePull: " NOT_FOUND_TEXT);

    world_snapshot(w, &snapshot);
    incident = incident_of(&snapshot, "web-0");
    assert_int_equal(incident->state, INCIDENT_BACKING_OFF);
    assert_int_equal(incident->verdict.cause, CAUSE_NOT_FOUND);
    assert_int_equal(incident->attempts, 1);
    snapshot_done(&snapshot);
}

static void back_off_without_a_cause_keeps_the_known_one(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *incident;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);

    world_snapshot(w, &snapshot);
    incident = incident_of(&snapshot, "web-0");
    assert_int_equal(incident->state, INCIDENT_BACKING_OFF);
    assert_int_equal(incident->verdict.cause, CAUSE_NOT_FOUND);
    assert_non_null(strstr(incident->message, "not found"));
    snapshot_done(&snapshot);
}

static void new_cause_replaces_the_old_one(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", UNAUTHORIZED_TEXT);
    observe_waiting(w, "web-0", "ImagePullBackOff",
                    BACK_OFF_TEXT ": ErrImagePull: " UNAUTHORIZED_TEXT);
    world_advance(w, 10 * SEC);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);

    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->verdict.cause, CAUSE_NOT_FOUND);
    assert_int_equal(failures_of(&snapshot, CAUSE_UNAUTHORIZED), 1);
    assert_int_equal(failures_of(&snapshot, CAUSE_NOT_FOUND), 1);
    snapshot_done(&snapshot);
}

static void container_that_fails_with_its_image_present_has_recovered(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *incident;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_waiting(w, "web-1", "ErrImagePull", NOT_FOUND_TEXT);
    observe_waiting(w, "web-2", "ErrImagePull", NOT_FOUND_TEXT);
    world_advance(w, 10 * SEC);
    observe_running(w, "web-0");
    observe_waiting(w, "web-1", "CreateContainerError", "no such device");
    observe_waiting(w, "web-2", "CrashLoopBackOff", "back-off 10s restarting failed container");

    world_snapshot(w, &snapshot);
    for (size_t i = 0; i < 3; i++) {
        static const char *const names[] = { "web-0", "web-1", "web-2" };

        incident = incident_of(&snapshot, names[i]);
        assert_int_equal(incident->state, INCIDENT_RECOVERED);
        assert_int_equal(incident->ended_us, w->now.wall_us);
    }
    snapshot_done(&snapshot);
}

static void failure_after_a_recovery_is_a_new_incident(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_running(w, "web-0");
    world_advance(w, MINUTE);
    observe_waiting(w, "web-0", "ErrImagePull", UNAUTHORIZED_TEXT);

    world_snapshot(w, &snapshot);
    assert_int_equal(incidents_of_pod(&snapshot, "web-0"), 2);
    /* The open one comes first and has its own attempts. */
    assert_int_equal(snapshot.incidents[0].state, INCIDENT_FAILING);
    assert_int_equal(snapshot.incidents[0].attempts, 1);
    assert_int_equal(snapshot.incidents[0].first_failure_us, w->now.wall_us);
    assert_int_equal(snapshot.incidents[1].state, INCIDENT_RECOVERED);
    snapshot_done(&snapshot);
}

static void changed_image_ends_the_incident(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    pod_of(w, &facts, "web-0");
    facts.containers[0].image = STR(REGISTRY "/team/app:v2");
    observe_pod(w, &facts);

    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_GONE);
    snapshot_done(&snapshot);
}

static void ended_pod_waits_for_no_image(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;

    observe_waiting(w, "job-0", "ImagePullBackOff", BACK_OFF_TEXT);
    pod_of(w, &facts, "job-0");
    facts.fact.phase = STR("Failed"); /* activeDeadlineSeconds; the container's status stays */
    facts.containers[0].waiting_reason = STR("ImagePullBackOff");
    observe_pod(w, &facts);

    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "job-0")->state, INCIDENT_GONE);
    snapshot_done(&snapshot);
}

static void failed_image_volume_is_not_a_failure_of_the_own_image(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *incident;
    struct pod_facts facts;
    struct snapshot snapshot;

    pod_of(w, &facts, "web-0");
    facts.fact.n_image_volumes = 1;
    facts.volumes[0] = (struct image_volume_fact){ .reference = STR("data.example.com/model:v3") };
    facts.containers[0].waiting_reason = STR("ErrImagePull");
    facts.containers[0].waiting_message =
        STR("rpc error: code = NotFound desc = failed to pull and unpack image "
            "\"data.example.com/model:v3\": failed to resolve image: "
            "data.example.com/model:v3: not found");
    observe_pod(w, &facts);

    world_snapshot(w, &snapshot);
    incident = incident_of(&snapshot, "web-0");
    assert_int_equal(incident->kind, CONTAINER_IMAGE_VOLUME);
    assert_string_equal(incident->image, "data.example.com/model:v3");
    assert_string_equal(incident->registry, "data.example.com");
    assert_string_equal(incident->container, "app");
    snapshot_done(&snapshot);
}

/* containerd 1.6 has the same message for a wrong password and for none. */
static void pull_secrets_decide_whether_credentials_were_sent(void **state)
{
    static const char text[] = "failed to pull and unpack image \"" IMAGE "\": failed to resolve "
                               "reference \"" IMAGE "\": pulling from host " REGISTRY
                               " failed with status code [manifests v1]: 401 Unauthorized";
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;

    observe_waiting(w, "without", "ErrImagePull", text);
    pod_of(w, &facts, "with");
    facts.fact.n_pull_secrets = 1;
    facts.secrets[0] = STR("regcred");
    facts.containers[0].waiting_reason = STR("ErrImagePull");
    facts.containers[0].waiting_message = str_from(text);
    observe_pod(w, &facts);

    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "without")->verdict.reason, REASON_NO_CREDENTIALS);
    assert_int_equal(incident_of(&snapshot, "with")->verdict.reason, REASON_BAD_CREDENTIALS);
    assert_int_equal(snapshot.reasons[REASON_BAD_CREDENTIALS], 1);
    snapshot_done(&snapshot);
}

static void repeated_status_changes_nothing(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    for (size_t i = 0; i < 5; i++) {
        observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
        world_advance(w, SEC);
    }
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->attempts, 1);
    assert_int_equal(incident_of(&snapshot, "web-0")->n_evidence, 1);
    assert_int_equal(failures_of(&snapshot, CAUSE_NOT_FOUND), 1);
    snapshot_done(&snapshot);
}

static void observe_volume_pod(struct world *w, const char *message)
{
    struct pod_facts facts;

    pod_of(w, &facts, "web-0");
    facts.fact.n_image_volumes = 1;
    facts.volumes[0] = (struct image_volume_fact){ .reference = STR("data.example.com/model:v3") };
    facts.containers[0].waiting_reason = STR("ErrImagePull");
    facts.containers[0].waiting_message = str_from(message);
    observe_pod(w, &facts);
}

#define VOLUME_TEXT                                                                                \
    "failed to pull and unpack image \"data.example.com/model:v3\": failed to resolve image: "     \
    "data.example.com/model:v3: not found"

/* The kubelet pulls the own image only if the images of the volumes are there. */
static void own_image_that_fails_proves_that_the_volume_has_come(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_volume_pod(w, VOLUME_TEXT);
    observe_volume_pod(w, NOT_FOUND_TEXT);

    world_snapshot(w, &snapshot);
    assert_int_equal(incidents_of_pod(&snapshot, "web-0"), 2);
    assert_int_not_equal(snapshot.incidents[0].kind, CONTAINER_IMAGE_VOLUME);
    assert_int_equal(snapshot.incidents[0].state, INCIDENT_FAILING);
    assert_int_equal(snapshot.incidents[1].kind, CONTAINER_IMAGE_VOLUME);
    assert_int_equal(snapshot.incidents[1].state, INCIDENT_RECOVERED);
    snapshot_done(&snapshot);
}

static void volume_that_fails_tells_nothing_of_the_own_image(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_volume_pod(w, NOT_FOUND_TEXT);
    observe_volume_pod(w, VOLUME_TEXT);

    world_snapshot(w, &snapshot);
    assert_int_equal(incidents_of_pod(&snapshot, "web-0"), 2);
    assert_int_equal(snapshot.incidents[0].kind, CONTAINER_IMAGE_VOLUME);
    assert_int_equal(snapshot.incidents[0].state, INCIDENT_FAILING);
    assert_int_equal(snapshot.incidents[1].state, INCIDENT_GONE);
    snapshot_done(&snapshot);

    observe_volume_pod(w, "context deadline exceeded"); /* the message names no image, so it is
                                                           still about the volume */
    world_snapshot(w, &snapshot);
    assert_int_equal(incidents_of_pod(&snapshot, "web-0"), 2);
    assert_int_equal(snapshot.incidents[0].kind, CONTAINER_IMAGE_VOLUME);
    assert_int_equal(snapshot.incidents[0].verdict.reason, REASON_DEADLINE);
    snapshot_done(&snapshot);
}

static void pod_being_deleted_waits_for_no_image(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    pod_of(w, &facts, "web-0");
    facts.fact.deleting = true; /* a finalizer keeps the pod */
    facts.containers[0].waiting_reason = STR("ErrImagePull");
    observe_pod(w, &facts);

    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_GONE);
    assert_int_equal(correlate_waiting(w->correlate), 0);
    snapshot_done(&snapshot);
}

static void image_name_of_any_length_is_one_image(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;
    char image[1000];

    memset(image, 'a', sizeof(image) - 1);
    memcpy(image, "r.example.com/", 14);
    image[sizeof(image) - 1] = '\0';
    pod_of(w, &facts, "web-0");
    facts.containers[0].image = str_from(image);
    facts.containers[0].waiting_reason = STR("ErrImagePull");
    facts.containers[0].waiting_message = STR("manifest unknown");
    for (size_t i = 0; i < 5; i++) {
        observe_pod(w, &facts);
        world_advance(w, SEC);
    }
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->attempts, 1);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_FAILING);
    snapshot_done(&snapshot);
}

static void clock_set_back_does_not_freeze_the_cause(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", UNAUTHORIZED_TEXT);
    w->now.wall_us -= HOUR;
    w->now.mono_us += MINUTE;
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);

    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->verdict.cause, CAUSE_NOT_FOUND);
    snapshot_done(&snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(pull_error_opens_an_incident_with_its_cause),
        WORLD_TEST(starting_container_is_not_an_incident),
        WORLD_TEST(back_off_continues_the_incident_of_the_pull_error),
        WORLD_TEST(back_off_without_a_cause_keeps_the_known_one),
        WORLD_TEST(new_cause_replaces_the_old_one),
        WORLD_TEST(container_that_fails_with_its_image_present_has_recovered),
        WORLD_TEST(failure_after_a_recovery_is_a_new_incident),
        WORLD_TEST(changed_image_ends_the_incident),
        WORLD_TEST(ended_pod_waits_for_no_image),
        WORLD_TEST(failed_image_volume_is_not_a_failure_of_the_own_image),
        WORLD_TEST(pull_secrets_decide_whether_credentials_were_sent),
        WORLD_TEST(repeated_status_changes_nothing),
        WORLD_TEST(own_image_that_fails_proves_that_the_volume_has_come),
        WORLD_TEST(volume_that_fails_tells_nothing_of_the_own_image),
        WORLD_TEST(pod_being_deleted_waits_for_no_image),
        WORLD_TEST(image_name_of_any_length_is_one_image),
        WORLD_TEST(clock_set_back_does_not_freeze_the_cause),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
