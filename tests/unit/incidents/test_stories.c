/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Long stories about defects that reviews found: kubelets that restart, runtimes that hang, clocks
 * that are set, witnesses in an unlucky order.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/stall_story.h"
#include "tests/unit/incidents/world.h"

/* A new pod begins to pull while the old pod is still in its back-off. */
static void progress_begins_again_with_a_new_container(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;
    int64_t begun;

    observe_pulling(w, "old");
    world_advance(w, 10 * SEC);
    observe_waiting(w, "old", "ErrImagePull", RESET_TEXT);
    observe_waiting(w, "old", "ImagePullBackOff", BACK_OFF_TEXT);
    for (int i = 0; i < 60; i++) {
        world_advance(w, POLL);
        observe_image(w, IMAGE, false);
        observe_polled(w, "old");
    }
    observe_pulling(w, "new");
    begun = w->now.wall_us;
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.n_images, 1);
    assert_int_equal(snapshot.images[0].pulling, 1);
    assert_true(snapshot.images[0].since_us >= begun - POLL);
    snapshot_done(&snapshot);
}

/* The runtime hangs while a successful pull ends. */
static void pull_that_ends_while_the_runtime_hangs_is_counted(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_pulling(w, "web-0");
    for (int i = 0; i < 8; i++)
        world_advance(w, 10 * SEC);
    observe_image(w, IMAGE, true);
    world_snapshot(w, &snapshot);
    assert_int_equal(attempts_of(&snapshot, REGISTRY), 1);
    snapshot_done(&snapshot);
}

/* An event that is 50 minutes old is read at the start. It does not describe the present. */
static void secret_that_was_missing_long_ago_is_not_blamed(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;

    pod_of(w, &facts, "web-0");
    facts.secrets[0] = STR("regcred");
    facts.fact.n_pull_secrets = 1;
    facts.fact.created_us = w->now.wall_us - HOUR;
    facts.containers[0].waiting_reason = STR("ImagePullBackOff");
    facts.containers[0].waiting_message =
        STR("Back-off pulling image \"" IMAGE "\": ErrImagePull: " UNAUTHORIZED_TEXT);
    observe_list_begin(w);
    observe_pod(w, &facts);
    observe_list_end(w);
    correlate_observe(
        w->correlate,
        &(struct observation){
            .kind = OBSERVE_EVENT,
            .event = { .event_uid = STR("s"),
                       .namespace = STR("default"),
                       .pod_name = STR("web-0"),
                       .pod_uid = STR("web-0"),
                       .reason = STR("FailedToRetrieveImagePullSecret"),
                       .message = STR("Unable to retrieve some image pull secrets (regcred); "
                                      "attempting to pull the image may not succeed."),
                       .count = 3,
                       .first_us = w->now.wall_us - 55 * MINUTE,
                       .last_us = w->now.wall_us - 50 * MINUTE } },
        w->now);
    observe_event(w, "web-0", APP_PATH, "f", "BackOff", "Back-off pulling image", 90);
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->verdict.reason == REASON_PULL_SECRET_MISSING,
                     0);
    snapshot_done(&snapshot);
}

/* A snapshot between "absent" and the end of the poll. */
static void image_that_was_just_found_absent_has_no_old_time(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_pulling(w, "web-0");
    world_advance(w, 10 * SEC);
    observe_image(w, IMAGE, true);
    world_advance(w, 50 * SEC);
    observe_image(w, IMAGE, false); /* removed by the kubelet, and wanted again */
    world_snapshot(w, &snapshot);
    assert_true(snapshot.images[0].since_us == 0 ||
                snapshot.images[0].since_us >= w->now.wall_us - POLL);
    snapshot_done(&snapshot);
}

/* Hours ago, one poll found no sandbox. */
static void pod_that_ran_wants_no_events(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    struct wanted wanted;

    pod_of(w, &facts, "web-0");
    observe_pod(w, &facts);
    observe_sandboxes_end(w);
    observe_running(w, "web-0");
    world_advance(w, HOUR);
    pod_of(w, &facts, "web-0");
    facts.containers[0].phase = PHASE_RUNNING;
    facts.containers[0].waiting_reason = STR("");
    facts.containers[1] = (struct container_fact){ .name = STR("debug"),
                                                   .kind = CONTAINER_EPHEMERAL,
                                                   .image = STR(IMAGE),
                                                   .phase = PHASE_UNKNOWN };
    facts.fact.n_containers = 2;
    observe_pod(w, &facts);
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_int_equal(wanted.n_namespaces, 0);
    wanted_done(&wanted);
}

/* kubelet: SyncPod starts the containers in order and pulls within each start. */
static void app_containers_pull_in_the_order_of_the_spec(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;

    pod_of(w, &facts, "web-0");
    facts.containers[1] = facts.containers[0];
    facts.containers[1].name = STR("second");
    facts.containers[1].image = STR("other.example.com/b:1");
    facts.fact.n_containers = 2;
    observe_pod(w, &facts);
    observe_image(w, IMAGE, false);
    observe_image(w, "other.example.com/b:1", false);
    observe_polled(w, "web-0");
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.registries[0].in_progress, 1);
    assert_int_equal(snapshot.registries[1].in_progress, 0);
    snapshot_done(&snapshot);
}

/* The agent restarts 9 min 30 s into a pull of ten minutes. */
static void pull_that_began_before_the_start_has_no_duration(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;

    pod_of(w, &facts, "web-0");
    facts.fact.created_us = w->now.wall_us - 10 * MINUTE;
    observe_list_begin(w);
    observe_pod(w, &facts);
    observe_list_end(w);
    observe_image(w, IMAGE, false);
    observe_polled(w, "web-0");
    world_advance(w, 30 * SEC);
    observe_image(w, IMAGE, true);
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.registries[0].pulls.count, 0);
    snapshot_done(&snapshot);
}

/* A mirror pod is created again while the old one is still being deleted. */
static void observations_of_a_static_pod_go_to_the_live_mirror_pod(void **state)
{
    struct world *w = *state;
    int wrong = 0;

    for (int i = 0; i < 40; i++) {
        struct pod_facts facts;
        char old[16], new[16], hash[16];
        struct snapshot snapshot;

        snprintf(old, sizeof(old), "old-%d", i);
        snprintf(new, sizeof(new), "new-%d", i);
        snprintf(hash, sizeof(hash), "hash-%d", i);
        pod_of(w, &facts, old);
        facts.fact.mirror_uid = str_from(hash);
        facts.fact.deleting = true;
        observe_pod(w, &facts);
        pod_of(w, &facts, new);
        facts.fact.mirror_uid = str_from(hash);
        observe_pod(w, &facts);
        correlate_observe(
            w->correlate,
            &(struct observation){ .kind = OBSERVE_EVENT,
                                   .event = { .event_uid = str_from(hash),
                                              .namespace = STR("default"),
                                              .pod_name = str_from(new),
                                              .pod_uid = str_from(hash),
                                              .field_path = STR(APP_PATH),
                                              .reason = STR("Failed"),
                                              .message = STR(PULL_FAILED(UNAUTHORIZED_TEXT)),
                                              .count = 1,
                                              .first_us = w->now.wall_us,
                                              .last_us = w->now.wall_us } },
            w->now);
        world_snapshot(w, &snapshot);
        wrong += incidents_of_pod(&snapshot, new) == 0;
        snapshot_done(&snapshot);
    }
    assert_int_equal(wrong, 0);
}

/* A wrong Secret of another pod must not keep this pod's pull out of the histogram. */
static void failure_of_another_pod_does_not_hide_a_successful_pull(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "bad", "ContainerCreating", "");
    observe_image(w, IMAGE, false);
    observe_polled(w, "bad");
    observe_waiting(w, "bad", "ErrImagePull", UNAUTHORIZED_TEXT);
    observe_waiting(w, "bad", "ImagePullBackOff", BACK_OFF_TEXT);
    world_advance(w, POLL);
    observe_waiting(w, "good", "ContainerCreating", "");
    observe_image(w, IMAGE, false);
    observe_polled(w, "good");
    world_advance(w, POLL);
    observe_image(w, IMAGE, true);
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.registries[0].pulls.count, 1);
    snapshot_done(&snapshot);
}

/* The clock is set back after a failure, and then a container is created. */
static void clock_set_back_hides_no_recovery(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", UNAUTHORIZED_TEXT);
    w->now.wall_us -= HOUR;
    world_advance(w, MINUTE);
    observe_created(w, "web-0", "app");
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_RECOVERED);
    snapshot_done(&snapshot);
}

/* An init container ends with an error; the kubelet will start it again. */
static void failed_init_container_keeps_the_others_waiting(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;

    pod_of(w, &facts, "web-0");
    facts.containers[1] = facts.containers[0];
    facts.containers[0].name = STR("setup");
    facts.containers[0].kind = CONTAINER_INIT;
    facts.containers[0].image = STR("init.example.com/i:1");
    facts.containers[0].phase = PHASE_TERMINATED;
    facts.containers[0].created = true;
    facts.containers[0].exit_code = 1;
    facts.containers[0].waiting_reason = STR("");
    facts.containers[1].waiting_reason = STR("PodInitializing");
    facts.fact.n_containers = 2;
    observe_pod(w, &facts);
    observe_image(w, IMAGE, false);
    observe_polled(w, "web-0");
    world_snapshot(w, &snapshot);
    for (size_t i = 0; i < snapshot.n_registries; i++)
        assert_int_equal(snapshot.registries[i].in_progress, 0);
    snapshot_done(&snapshot);
}

/* The cause changes back to an earlier one. */
/* Its second run ended before a status could show it. */
static void init_container_that_succeeds_lets_the_next_one_start(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;

    pod_of(w, &facts, "web-0");
    facts.containers[1] = facts.containers[0];
    facts.containers[0].name = STR("setup");
    facts.containers[0].kind = CONTAINER_INIT;
    facts.containers[0].phase = PHASE_TERMINATED;
    facts.containers[0].created = true;
    facts.containers[0].waiting_reason = STR("");
    facts.containers[0].exit_code = 1;
    facts.fact.n_containers = 2;
    observe_pod(w, &facts);
    assert_int_equal(correlate_waiting(w->correlate), 0);
    facts.containers[0].exit_code = 0;
    observe_pod(w, &facts);
    assert_int_equal(correlate_waiting(w->correlate), 1);
}

static void cause_that_returns_is_an_effect(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", UNAUTHORIZED_TEXT);
    world_advance(w, 10 * SEC);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    world_advance(w, 10 * SEC);
    observe_waiting(w, "web-0", "ErrImagePull", UNAUTHORIZED_TEXT);
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->verdict.cause, CAUSE_UNAUTHORIZED);
    assert_int_equal(snapshot.recent[snapshot.n_recent - 1].effect, EFFECT_MOVED);
    snapshot_done(&snapshot);
}

/* The event about the sandbox image comes before the first poll that finds no sandbox. */
static void first_event_about_the_sandbox_image_opens_an_incident(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "other", "ContainerCreating", "");
    observe_polled(w, "other");
    world_advance(w, SEC);
    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_event(w, "web-0", "", "e1", "FailedCreatePodSandBox",
                  "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get "
                  "sandbox image \"registry.k8s.io/pause:3.9\": failed to pull image "
                  "\"registry.k8s.io/pause:3.9\": failed to resolve: 403 Forbidden",
                  1);
    world_snapshot(w, &snapshot);
    assert_int_equal(incidents_of_pod(&snapshot, "web-0"), 1);
    snapshot_done(&snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(progress_begins_again_with_a_new_container),
        WORLD_TEST(pull_that_ends_while_the_runtime_hangs_is_counted),
        WORLD_TEST(secret_that_was_missing_long_ago_is_not_blamed),
        WORLD_TEST(image_that_was_just_found_absent_has_no_old_time),
        WORLD_TEST(pod_that_ran_wants_no_events),
        WORLD_TEST(app_containers_pull_in_the_order_of_the_spec),
        WORLD_TEST(pull_that_began_before_the_start_has_no_duration),
        WORLD_TEST(observations_of_a_static_pod_go_to_the_live_mirror_pod),
        WORLD_TEST(failure_of_another_pod_does_not_hide_a_successful_pull),
        WORLD_TEST(clock_set_back_hides_no_recovery),
        WORLD_TEST(failed_init_container_keeps_the_others_waiting),
        WORLD_TEST(init_container_that_succeeds_lets_the_next_one_start),
        WORLD_TEST(cause_that_returns_is_an_effect),
        WORLD_TEST(first_event_about_the_sandbox_image_opens_an_incident),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
