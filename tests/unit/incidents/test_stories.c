/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Long stories: what a hostile reading of the incident table found wrong once. Kubelets that
 * restart, runtimes that hang, clocks that are set, witnesses in an unlucky order.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

#define LOOK (5 * SEC)
#define RESET_TEXT                                                                                 \
    "failed to pull and unpack image \"" IMAGE "\": failed to copy: read tcp 10.0.0.1:1->"         \
    "10.0.0.2:443: read: connection reset by peer"

static void pulling(struct world *w, const char *name)
{
    tell_waiting(w, name, "ContainerCreating", "");
    tell_image(w, IMAGE, false);
    tell_looked(w, name);
}

/* The same while the old one still backs off. */
static void in_progress_since_the_new_one_waits(void **state)
{
    struct world *w = *state;
    struct look look;
    int64_t begun;

    pulling(w, "old");
    world_advance(w, 10 * SEC);
    tell_waiting(w, "old", "ErrImagePull", RESET_TEXT);
    tell_waiting(w, "old", "ImagePullBackOff", BACK_OFF_TEXT);
    for (int i = 0; i < 60; i++) {
        world_advance(w, LOOK);
        tell_image(w, IMAGE, false);
        tell_looked(w, "old");
    }
    tell_waiting(w, "new", "ContainerCreating", "");
    tell_image(w, IMAGE, false);
    tell_looked(w, "new");
    begun = w->now.wall_us;
    world_look(w, &look);
    assert_int_equal(look.snapshot.n_images, 1);
    assert_int_equal(look.snapshot.images[0].pulling, 1);
    assert_true(look.snapshot.images[0].since_us >= begun - LOOK);
    world_look_done(&look);
}

/* The same outage loses a good pull. */
static void a_pull_that_ends_while_the_runtime_hangs_is_counted(void **state)
{
    struct world *w = *state;
    struct look look;

    pulling(w, "web-0");
    for (int i = 0; i < 8; i++)
        world_advance(w, 10 * SEC);
    tell_image(w, IMAGE, true);
    world_look(w, &look);
    assert_int_equal(look_attempts(&look, REGISTRY), 1);
    world_look_done(&look);
}

/* An event of 50 minutes ago, read at the start, says nothing of now. */
static void a_secret_that_was_missing_long_ago_is_not_blamed(void **state)
{
    struct world *w = *state;
    struct pod_told told;
    struct look look;

    pod_of(w, &told, "web-0");
    told.secrets[0] = STR("regcred");
    told.fact.n_pull_secrets = 1;
    told.fact.created_us = w->now.wall_us - HOUR;
    told.containers[0].waiting_reason = STR("ImagePullBackOff");
    told.containers[0].waiting_message =
        STR("Back-off pulling image \"" IMAGE "\": ErrImagePull: " UNAUTHORIZED_TEXT);
    tell_list_begin(w);
    tell_pod(w, &told);
    tell_list_end(w);
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
    tell_event(w, "web-0", APP_PATH, "f", "BackOff", "Back-off pulling image", 90);
    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->verdict.reason == REASON_PULL_SECRET_MISSING, 0);
    world_look_done(&look);
}

/* The picture between "absent" and the end of the look. */
static void an_image_that_was_just_missed_has_no_old_time(void **state)
{
    struct world *w = *state;
    struct look look;

    pulling(w, "web-0");
    world_advance(w, 10 * SEC);
    tell_image(w, IMAGE, true);
    world_advance(w, 50 * SEC);
    tell_image(w, IMAGE, false); /* collected, and wanted again */
    world_look(w, &look);
    assert_true(look.snapshot.images[0].since_us == 0 ||
                look.snapshot.images[0].since_us >= w->now.wall_us - LOOK);
    world_look_done(&look);
}

/* The sandbox was seen missing for a moment, hours ago. */
static void no_events_for_a_pod_that_has_run(void **state)
{
    struct world *w = *state;
    struct pod_told told;
    struct wanted wanted;

    pod_of(w, &told, "web-0");
    tell_pod(w, &told);
    correlate_observe(w->correlate, &(struct observation){ .kind = OBSERVE_SANDBOXES_END }, w->now);
    tell_running(w, "web-0");
    world_advance(w, HOUR);
    pod_of(w, &told, "web-0");
    told.containers[0].phase = PHASE_RUNNING;
    told.containers[0].waiting_reason = STR("");
    told.containers[1] = (struct container_fact){ .name = STR("debug"),
                                                  .kind = CONTAINER_EPHEMERAL,
                                                  .image = STR(IMAGE),
                                                  .phase = PHASE_UNKNOWN };
    told.fact.n_containers = 2;
    tell_pod(w, &told);
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_int_equal(wanted.n_namespaces, 0);
    wanted_done(&wanted);
}

/* kubelet: SyncPod starts the containers in order and pulls within each start. */
static void app_containers_pull_in_their_order(void **state)
{
    struct world *w = *state;
    struct pod_told told;
    struct look look;

    pod_of(w, &told, "web-0");
    told.containers[1] = told.containers[0];
    told.containers[1].name = STR("second");
    told.containers[1].image = STR("other.example.com/b:1");
    told.fact.n_containers = 2;
    tell_pod(w, &told);
    tell_image(w, IMAGE, false);
    tell_image(w, "other.example.com/b:1", false);
    tell_looked(w, "web-0");
    world_look(w, &look);
    assert_int_equal(look.snapshot.registries[0].in_progress, 1);
    assert_int_equal(look.snapshot.registries[1].in_progress, 0);
    world_look_done(&look);
}

/* The agent restarts 9 min 30 s into a pull of ten minutes. */
static void a_pull_that_began_before_us_has_no_duration(void **state)
{
    struct world *w = *state;
    struct pod_told told;
    struct look look;

    pod_of(w, &told, "web-0");
    told.fact.created_us = w->now.wall_us - 10 * MINUTE;
    tell_list_begin(w);
    tell_pod(w, &told);
    tell_list_end(w);
    tell_image(w, IMAGE, false);
    tell_looked(w, "web-0");
    world_advance(w, 30 * SEC);
    tell_image(w, IMAGE, true);
    world_look(w, &look);
    assert_int_equal(look.snapshot.registries[0].pulls.count, 0);
    world_look_done(&look);
}

/* A mirror pod is made anew while the old one still is there, being deleted. */
static void facts_of_a_static_pod_go_to_the_mirror_that_lives(void **state)
{
    struct world *w = *state;
    int wrong = 0;

    for (int i = 0; i < 40; i++) {
        struct pod_told told;
        char old[16], new[16], hash[16];
        struct look look;

        snprintf(old, sizeof(old), "old-%d", i);
        snprintf(new, sizeof(new), "new-%d", i);
        snprintf(hash, sizeof(hash), "hash-%d", i);
        pod_of(w, &told, old);
        told.fact.mirror_uid = str_from(hash);
        told.fact.deleting = true;
        tell_pod(w, &told);
        pod_of(w, &told, new);
        told.fact.mirror_uid = str_from(hash);
        tell_pod(w, &told);
        correlate_observe(
            w->correlate,
            &(struct observation){
                .kind = OBSERVE_EVENT,
                .event = { .event_uid = str_from(hash),
                           .namespace = STR("default"),
                           .pod_name = str_from(new),
                           .pod_uid = str_from(hash),
                           .field_path = STR(APP_PATH),
                           .reason = STR("Failed"),
                           .message = STR("Failed to pull image \"" IMAGE "\": " UNAUTHORIZED_TEXT),
                           .count = 1,
                           .first_us = w->now.wall_us,
                           .last_us = w->now.wall_us } },
            w->now);
        world_look(w, &look);
        wrong += look_count(&look, new) == 0;
        world_look_done(&look);
    }
    assert_int_equal(wrong, 0);
}

/* Another pod's wrong Secret takes this pod's good pull out of the histogram. */
static void another_pods_failure_does_not_hide_a_good_pull(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "bad", "ContainerCreating", "");
    tell_image(w, IMAGE, false);
    tell_looked(w, "bad");
    tell_waiting(w, "bad", "ErrImagePull", UNAUTHORIZED_TEXT);
    tell_waiting(w, "bad", "ImagePullBackOff", BACK_OFF_TEXT);
    world_advance(w, LOOK);
    tell_waiting(w, "good", "ContainerCreating", "");
    tell_image(w, IMAGE, false);
    tell_looked(w, "good");
    world_advance(w, LOOK);
    tell_image(w, IMAGE, true);
    world_look(w, &look);
    assert_int_equal(look.snapshot.registries[0].pulls.count, 1);
    world_look_done(&look);
}

/* And set back after a failure: the container that was made is not believed. */
static void a_clock_set_back_hides_no_recovery(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ErrImagePull", UNAUTHORIZED_TEXT);
    w->now.wall_us -= HOUR;
    world_advance(w, MINUTE);
    tell_created(w, "web-0", "app");
    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->state, INCIDENT_RECOVERED);
    world_look_done(&look);
}

/* An init container ends in an error; the kubelet will start it again. */
static void an_init_container_that_failed_gives_nobody_its_turn(void **state)
{
    struct world *w = *state;
    struct pod_told told;
    struct look look;

    pod_of(w, &told, "web-0");
    told.containers[1] = told.containers[0];
    told.containers[0].name = STR("setup");
    told.containers[0].kind = CONTAINER_INIT;
    told.containers[0].image = STR("init.example.com/i:1");
    told.containers[0].phase = PHASE_TERMINATED;
    told.containers[0].exit_code = 1;
    told.containers[0].waiting_reason = STR("");
    told.containers[1].waiting_reason = STR("PodInitializing");
    told.fact.n_containers = 2;
    tell_pod(w, &told);
    tell_image(w, IMAGE, false);
    tell_looked(w, "web-0");
    world_look(w, &look);
    for (size_t i = 0; i < look.snapshot.n_registries; i++)
        assert_int_equal(look.snapshot.registries[i].in_progress, 0);
    world_look_done(&look);
}

/* The cause went back to an earlier one: the ring says nothing happened. */
/* Its second run was over before anybody could see it run. */
static void an_init_container_that_succeeds_after_all_gives_the_next_its_turn(void **state)
{
    struct world *w = *state;
    struct pod_told told;

    pod_of(w, &told, "web-0");
    told.containers[1] = told.containers[0];
    told.containers[0].name = STR("setup");
    told.containers[0].kind = CONTAINER_INIT;
    told.containers[0].phase = PHASE_TERMINATED;
    told.containers[0].waiting_reason = STR("");
    told.containers[0].exit_code = 1;
    told.fact.n_containers = 2;
    tell_pod(w, &told);
    assert_int_equal(correlate_waiting(w->correlate), 0);
    told.containers[0].exit_code = 0;
    tell_pod(w, &told);
    assert_int_equal(correlate_waiting(w->correlate), 1);
}

static void a_cause_that_comes_back_is_a_move(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ErrImagePull", UNAUTHORIZED_TEXT);
    world_advance(w, 10 * SEC);
    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    world_advance(w, 10 * SEC);
    tell_waiting(w, "web-0", "ErrImagePull", UNAUTHORIZED_TEXT);
    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->verdict.cause, CAUSE_UNAUTHORIZED);
    assert_int_equal(look.snapshot.recent[look.snapshot.n_recent - 1].effect, EFFECT_MOVED);
    world_look_done(&look);
}

/* A sandbox image fails; event comes before the look that finds no sandbox, others were before. */
static void the_first_event_of_a_sandbox_image_is_heard(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "other", "ContainerCreating", "");
    tell_looked(w, "other");
    world_advance(w, SEC);
    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_event(w, "web-0", "", "e1", "FailedCreatePodSandBox",
               "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get "
               "sandbox image \"registry.k8s.io/pause:3.9\": failed to pull image "
               "\"registry.k8s.io/pause:3.9\": failed to resolve: 403 Forbidden",
               1);
    world_look(w, &look);
    assert_int_equal(look_count(&look, "web-0"), 1);
    world_look_done(&look);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(in_progress_since_the_new_one_waits),
        WORLD_TEST(a_pull_that_ends_while_the_runtime_hangs_is_counted),
        WORLD_TEST(a_secret_that_was_missing_long_ago_is_not_blamed),
        WORLD_TEST(an_image_that_was_just_missed_has_no_old_time),
        WORLD_TEST(no_events_for_a_pod_that_has_run),
        WORLD_TEST(app_containers_pull_in_their_order),
        WORLD_TEST(a_pull_that_began_before_us_has_no_duration),
        WORLD_TEST(facts_of_a_static_pod_go_to_the_mirror_that_lives),
        WORLD_TEST(another_pods_failure_does_not_hide_a_good_pull),
        WORLD_TEST(a_clock_set_back_hides_no_recovery),
        WORLD_TEST(an_init_container_that_failed_gives_nobody_its_turn),
        WORLD_TEST(an_init_container_that_succeeds_after_all_gives_the_next_its_turn),
        WORLD_TEST(a_cause_that_comes_back_is_a_move),
        WORLD_TEST(the_first_event_of_a_sandbox_image_is_heard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
