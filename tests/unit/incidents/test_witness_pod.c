/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

static void a_pull_error_opens_an_incident_with_its_cause(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *incident;
    struct look look;

    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);

    world_look(w, &look);
    incident = look_one(&look, "web-0");
    assert_int_equal(incident->state, INCIDENT_FAILING);
    assert_int_equal(incident->verdict.cause, CAUSE_NOT_FOUND);
    assert_string_equal(incident->registry, REGISTRY);
    assert_string_equal(incident->image, IMAGE);
    assert_string_equal(incident->container, "app");
    assert_int_equal(incident->first_failure_us, w->now.wall_us);
    assert_true(incident->first_failure_exact);
    world_look_done(&look);
}

static void a_container_that_only_starts_is_no_incident(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_waiting(w, "web-1", "PodInitializing", "");
    tell_waiting(w, "web-2", "CreateContainerError", "container create failed");

    world_look(w, &look);
    assert_int_equal(look.snapshot.n_incidents, 0);
    world_look_done(&look);
}

static void back_off_joins_the_pull_error_before_it(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *incident;
    struct look look;

    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    world_advance(w, SEC);
    tell_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT ": ErrImagePull: " NOT_FOUND_TEXT);

    world_look(w, &look);
    incident = look_one(&look, "web-0");
    assert_int_equal(incident->state, INCIDENT_BACKING_OFF);
    assert_int_equal(incident->verdict.cause, CAUSE_NOT_FOUND);
    assert_int_equal(incident->attempts, 1);
    world_look_done(&look);
}

static void a_back_off_without_a_cause_keeps_the_known_one(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *incident;
    struct look look;

    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    tell_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);

    world_look(w, &look);
    incident = look_one(&look, "web-0");
    assert_int_equal(incident->state, INCIDENT_BACKING_OFF);
    assert_int_equal(incident->verdict.cause, CAUSE_NOT_FOUND);
    assert_non_null(strstr(incident->message, "not found"));
    world_look_done(&look);
}

static void a_pod_that_moves_to_another_cause_is_shown_under_the_new_one(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ErrImagePull", UNAUTHORIZED_TEXT);
    tell_waiting(w, "web-0", "ImagePullBackOff",
                 BACK_OFF_TEXT ": ErrImagePull: " UNAUTHORIZED_TEXT);
    world_advance(w, 10 * SEC);
    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);

    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->verdict.cause, CAUSE_NOT_FOUND);
    assert_int_equal(look_failures(&look, CAUSE_UNAUTHORIZED), 1);
    assert_int_equal(look_failures(&look, CAUSE_NOT_FOUND), 1);
    world_look_done(&look);
}

static void a_container_that_got_past_its_image_has_recovered(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *incident;
    struct look look;

    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    tell_waiting(w, "web-1", "ErrImagePull", NOT_FOUND_TEXT);
    tell_waiting(w, "web-2", "ErrImagePull", NOT_FOUND_TEXT);
    world_advance(w, 10 * SEC);
    tell_running(w, "web-0");
    tell_waiting(w, "web-1", "CreateContainerError", "no such device");
    tell_waiting(w, "web-2", "CrashLoopBackOff", "back-off 10s restarting failed container");

    world_look(w, &look);
    for (size_t i = 0; i < 3; i++) {
        static const char *const names[] = { "web-0", "web-1", "web-2" };

        incident = look_one(&look, names[i]);
        assert_int_equal(incident->state, INCIDENT_RECOVERED);
        assert_int_equal(incident->ended_us, w->now.wall_us);
    }
    world_look_done(&look);
}

static void a_failure_after_recovery_is_a_new_incident(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    tell_running(w, "web-0");
    world_advance(w, MINUTE);
    tell_waiting(w, "web-0", "ErrImagePull", UNAUTHORIZED_TEXT);

    world_look(w, &look);
    assert_int_equal(look_count(&look, "web-0"), 2);
    /* The open one comes first, with attempts of its own. */
    assert_int_equal(look.snapshot.incidents[0].state, INCIDENT_FAILING);
    assert_int_equal(look.snapshot.incidents[0].attempts, 1);
    assert_int_equal(look.snapshot.incidents[0].first_failure_us, w->now.wall_us);
    assert_int_equal(look.snapshot.incidents[1].state, INCIDENT_RECOVERED);
    world_look_done(&look);
}

static void a_container_whose_image_was_changed_starts_anew(void **state)
{
    struct world *w = *state;
    struct pod_told told;
    struct look look;

    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    pod_of(w, &told, "web-0");
    told.containers[0].image = STR(REGISTRY "/team/app:v2");
    tell_pod(w, &told);

    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->state, INCIDENT_GONE);
    world_look_done(&look);
}

static void a_pod_that_succeeded_or_failed_waits_for_no_image(void **state)
{
    struct world *w = *state;
    struct pod_told told;
    struct look look;

    tell_waiting(w, "job-0", "ImagePullBackOff", BACK_OFF_TEXT);
    pod_of(w, &told, "job-0");
    told.fact.phase = STR("Failed"); /* activeDeadlineSeconds; the container's status stays */
    told.containers[0].waiting_reason = STR("ImagePullBackOff");
    tell_pod(w, &told);

    world_look(w, &look);
    assert_int_equal(look_one(&look, "job-0")->state, INCIDENT_GONE);
    world_look_done(&look);
}

static void an_image_volume_is_blamed_and_not_the_containers_own_image(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *incident;
    struct pod_told told;
    struct look look;

    pod_of(w, &told, "web-0");
    told.fact.n_image_volumes = 1;
    told.volumes[0] = (struct image_volume_fact){ .reference = STR("data.example.com/model:v3") };
    told.containers[0].waiting_reason = STR("ErrImagePull");
    told.containers[0].waiting_message =
        STR("rpc error: code = NotFound desc = failed to pull and unpack image "
            "\"data.example.com/model:v3\": failed to resolve image: "
            "data.example.com/model:v3: not found");
    tell_pod(w, &told);

    world_look(w, &look);
    incident = look_one(&look, "web-0");
    assert_int_equal(incident->kind, CONTAINER_IMAGE_VOLUME);
    assert_string_equal(incident->image, "data.example.com/model:v3");
    assert_string_equal(incident->registry, "data.example.com");
    assert_string_equal(incident->container, "app");
    world_look_done(&look);
}

/* containerd 1.6 says the same of a pull with a wrong password and of one without any. */
static void pull_secrets_tell_whether_refused_credentials_were_sent(void **state)
{
    static const char text[] = "failed to pull and unpack image \"" IMAGE "\": failed to resolve "
                               "reference \"" IMAGE "\": pulling from host " REGISTRY
                               " failed with status code [manifests v1]: 401 Unauthorized";
    struct world *w = *state;
    struct pod_told told;
    struct look look;

    tell_waiting(w, "without", "ErrImagePull", text);
    pod_of(w, &told, "with");
    told.fact.n_pull_secrets = 1;
    told.secrets[0] = STR("regcred");
    told.containers[0].waiting_reason = STR("ErrImagePull");
    told.containers[0].waiting_message = str_from(text);
    tell_pod(w, &told);

    world_look(w, &look);
    assert_int_equal(look_one(&look, "without")->verdict.reason, REASON_NO_CREDENTIALS);
    assert_int_equal(look_one(&look, "with")->verdict.reason, REASON_BAD_CREDENTIALS);
    assert_int_equal(look.snapshot.reasons[REASON_BAD_CREDENTIALS], 1);
    world_look_done(&look);
}

static void a_repeated_status_changes_nothing(void **state)
{
    struct world *w = *state;
    struct look look;

    for (size_t i = 0; i < 5; i++) {
        tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
        world_advance(w, SEC);
    }
    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->attempts, 1);
    assert_int_equal(look_one(&look, "web-0")->n_evidence, 1);
    assert_int_equal(look_failures(&look, CAUSE_NOT_FOUND), 1);
    world_look_done(&look);
}

/* `kubectl set image`: the pod comes with its new spec and, for a moment, with its old status. */
static void the_status_of_the_image_before_blames_nobody(void **state)
{
    struct world *w = *state;
    struct pod_told told;
    struct look look;

    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    pod_of(w, &told, "web-0");
    told.containers[0].image = STR("good.example.com/app:v2");
    told.containers[0].waiting_reason = STR("ErrImagePull");
    told.containers[0].waiting_message = STR(NOT_FOUND_TEXT);
    tell_pod(w, &told);

    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->state, INCIDENT_GONE);
    assert_int_equal(look_failures(&look, CAUSE_NOT_FOUND), 1);
    world_look_done(&look);

    told.containers[0].waiting_message =
        STR("failed to resolve image: good.example.com/app:v2: not found");
    tell_pod(w, &told);
    world_look(w, &look);
    assert_int_equal(look_count(&look, "web-0"), 2);
    assert_string_equal(look.snapshot.incidents[0].registry, "good.example.com");
    world_look_done(&look);
}

static void tell_volume_pod(struct world *w, const char *message)
{
    struct pod_told told;

    pod_of(w, &told, "web-0");
    told.fact.n_image_volumes = 1;
    told.volumes[0] = (struct image_volume_fact){ .reference = STR("data.example.com/model:v3") };
    told.containers[0].waiting_reason = STR("ErrImagePull");
    told.containers[0].waiting_message = str_from(message);
    tell_pod(w, &told);
}

static void a_container_that_now_fails_on_its_volume_has_its_own_image(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_volume_pod(w, NOT_FOUND_TEXT);
    tell_volume_pod(w, "failed to pull and unpack image \"data.example.com/model:v3\": failed to "
                       "resolve image: data.example.com/model:v3: not found");

    world_look(w, &look);
    assert_int_equal(look_count(&look, "web-0"), 2);
    assert_int_equal(look.snapshot.incidents[0].kind, CONTAINER_IMAGE_VOLUME);
    assert_int_equal(look.snapshot.incidents[0].state, INCIDENT_FAILING);
    assert_int_equal(look.snapshot.incidents[1].state, INCIDENT_RECOVERED);
    world_look_done(&look);

    tell_volume_pod(w, "context deadline exceeded"); /* names nothing: it is the volume still */
    world_look(w, &look);
    assert_int_equal(look_count(&look, "web-0"), 2);
    assert_int_equal(look.snapshot.incidents[0].kind, CONTAINER_IMAGE_VOLUME);
    assert_int_equal(look.snapshot.incidents[0].verdict.reason, REASON_DEADLINE);
    world_look_done(&look);
}

static void a_pod_that_is_being_deleted_waits_for_no_image(void **state)
{
    struct world *w = *state;
    struct pod_told told;
    struct look look;

    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    pod_of(w, &told, "web-0");
    told.fact.deleting = true; /* and a finalizer keeps it */
    told.containers[0].waiting_reason = STR("ErrImagePull");
    tell_pod(w, &told);

    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->state, INCIDENT_GONE);
    assert_int_equal(correlate_waiting(w->correlate), 0);
    world_look_done(&look);
}

static void an_image_name_of_any_length_is_one_image(void **state)
{
    struct world *w = *state;
    struct pod_told told;
    struct look look;
    char image[1000];

    memset(image, 'a', sizeof(image) - 1);
    memcpy(image, "r.example.com/", 14);
    image[sizeof(image) - 1] = '\0';
    pod_of(w, &told, "web-0");
    told.containers[0].image = str_from(image);
    told.containers[0].waiting_reason = STR("ErrImagePull");
    told.containers[0].waiting_message = STR("manifest unknown");
    for (size_t i = 0; i < 5; i++) {
        tell_pod(w, &told);
        world_advance(w, SEC);
    }
    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->attempts, 1);
    assert_int_equal(look_one(&look, "web-0")->state, INCIDENT_FAILING);
    world_look_done(&look);
}

static void a_clock_that_was_set_back_does_not_freeze_the_cause(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ErrImagePull", UNAUTHORIZED_TEXT);
    w->now.wall_us -= HOUR;
    w->now.mono_us += MINUTE;
    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);

    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->verdict.cause, CAUSE_NOT_FOUND);
    world_look_done(&look);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_pull_error_opens_an_incident_with_its_cause),
        WORLD_TEST(a_container_that_only_starts_is_no_incident),
        WORLD_TEST(back_off_joins_the_pull_error_before_it),
        WORLD_TEST(a_back_off_without_a_cause_keeps_the_known_one),
        WORLD_TEST(a_pod_that_moves_to_another_cause_is_shown_under_the_new_one),
        WORLD_TEST(a_container_that_got_past_its_image_has_recovered),
        WORLD_TEST(a_failure_after_recovery_is_a_new_incident),
        WORLD_TEST(a_container_whose_image_was_changed_starts_anew),
        WORLD_TEST(a_pod_that_succeeded_or_failed_waits_for_no_image),
        WORLD_TEST(an_image_volume_is_blamed_and_not_the_containers_own_image),
        WORLD_TEST(pull_secrets_tell_whether_refused_credentials_were_sent),
        WORLD_TEST(a_repeated_status_changes_nothing),
        WORLD_TEST(the_status_of_the_image_before_blames_nobody),
        WORLD_TEST(a_container_that_now_fails_on_its_volume_has_its_own_image),
        WORLD_TEST(a_pod_that_is_being_deleted_waits_for_no_image),
        WORLD_TEST(an_image_name_of_any_length_is_one_image),
        WORLD_TEST(a_clock_that_was_set_back_does_not_freeze_the_cause),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
