/* SPDX-License-Identifier: Apache-2.0 */

/* How long a pull lasts, and how it ends. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/stall_story.h"
#include "tests/unit/incidents/world.h"

/* How long all pulls from REGISTRY took. */
static int64_t pull_time(struct world *w)
{
    struct snapshot snapshot;
    int64_t us;

    world_snapshot(w, &snapshot);
    us = registry_row(&snapshot, REGISTRY)->pulls.sum_us;
    snapshot_done(&snapshot);
    return us;
}

static bool wants_image(struct world *w)
{
    struct wanted wanted;
    bool any;

    correlate_wanted(w->correlate, w->now, &wanted);
    any = wanted.n_images > 0;
    wanted_done(&wanted);
    return any;
}

static size_t images_of(struct world *w)
{
    struct snapshot snapshot;
    size_t n;

    world_snapshot(w, &snapshot);
    n = snapshot.n_images;
    snapshot_done(&snapshot);
    return n;
}

static void pull_lasts_from_the_wait_in_the_sandbox_until_the_image_is_present(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_image(w, IMAGE, false);
    world_advance(w, 30 * SEC); /* the sandbox is slow, nobody pulls */
    observe_polled(w, "web-0");
    world_advance(w, 4 * SEC);
    observe_size(w, IMAGE, 12345);

    world_snapshot(w, &snapshot);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->pulls.count, 1);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->pulls.sum_us, 4 * SEC);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->bytes, 0); /* none came */
    assert_int_equal(registry_row(&snapshot, REGISTRY)->attempts, 1);
    snapshot_done(&snapshot);
}

static void duration_of_a_quick_pull_begins_when_the_image_was_found_absent(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_image(w, IMAGE, false);
    world_advance(w, SEC);
    observe_size(w, IMAGE, 1);

    assert_int_equal(pull_time(w), SEC);
}

static void pod_that_runs_before_the_next_poll_had_a_successful_pull(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_pulling(w, "web-0");
    world_advance(w, 2 * SEC);
    observe_running(w, "web-0");
    world_advance(w, 3 * SEC);
    assert_true(wants_image(w)); /* nobody waits, but the size is still unknown */
    observe_size(w, IMAGE, 12345);

    world_snapshot(w, &snapshot);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->pulls.sum_us, 2 * SEC);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->bytes, 0);
    snapshot_done(&snapshot);
    assert_false(wants_image(w));
}

static void pull_ends_when_its_first_container_runs(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    observe_waiting(w, "web-1", "ContainerCreating", "");
    world_advance(w, 10 * SEC);
    observe_running(w, "web-0");
    world_advance(w, 10 * SEC);
    observe_running(w, "web-1");
    world_advance(w, 10 * SEC);
    observe_image(w, IMAGE, true);
    assert_int_equal(pull_time(w), 10 * SEC);
}

static void use_of_an_earlier_pull_does_not_end_the_next_pull(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_pulling(w, "web-0");
    world_advance(w, 10 * SEC);
    observe_running(w, "web-0");
    observe_size(w, IMAGE, 1);
    observe_deleted(w, "web-0");

    world_advance(w, 20 * SEC); /* the kubelet removes the image, and another pod needs it */
    observe_pulling(w, "web-1");
    world_advance(w, 30 * SEC);
    observe_size(w, IMAGE, 1);

    world_snapshot(w, &snapshot);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->pulls.count, 2);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->pulls.sum_us, (10 + 30) * SEC);
    snapshot_done(&snapshot);
}

static void image_of_an_abandoned_pull_is_asked_for_once_more(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    observe_deleted(w, "web-0");
    assert_true(wants_image(w));
    observe_image(w, IMAGE, false);
    assert_false(wants_image(w));
}

static void pull_without_a_waiting_container_is_remembered_for_ten_minutes(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    observe_deleted(w, "web-0");
    world_advance(w, 10 * MINUTE);
    assert_int_equal(images_of(w), 1);
    world_advance(w, 11 * SEC);
    assert_int_equal(images_of(w), 0);
}

static void pull_after_a_failed_try_has_no_duration(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_pulling(w, "web-0");
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    world_advance(w, 5 * MINUTE);
    observe_image(w, IMAGE, false);
    observe_size(w, IMAGE, 10);
    observe_running(w, "web-0");

    world_snapshot(w, &snapshot);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->pulls.count, 0);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->bytes, 0);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->attempts,
                     2); /* one failed, one successful */
    assert_int_equal(snapshot.recoveries[CAUSE_NOT_FOUND].count, 1);
    assert_int_equal(snapshot.recoveries[CAUSE_NOT_FOUND].sum_us, 5 * MINUTE);
    snapshot_done(&snapshot);
}

static void pull_that_failed_before_the_start_has_no_duration(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    observe_image(w, IMAGE, false);
    observe_polled(w, "web-0");
    world_advance(w, MINUTE);
    observe_size(w, IMAGE, 10);

    world_snapshot(w, &snapshot);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->pulls.count, 0);
    snapshot_done(&snapshot);
}

static void stall_does_not_count_as_a_failed_try_of_its_image(void **state)
{
    struct world *w = *state;

    stalled(w, "web-0");
    observe_image(w, IMAGE, true);
    observe_image(w, IMAGE, false);
    world_advance(w, 5 * SEC);
    observe_image(w, IMAGE, true);
    assert_int_equal(pull_time(w), STALL_AFTER + 5 * SEC);
}

static void container_that_ran_since_our_start_has_an_exact_pull(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;

    observe_list_begin(w);
    pod_of(w, &facts, "web-0");
    facts.fact.created_us = w->now.wall_us - HOUR;
    observe_pod(w, &facts);
    observe_list_end(w);
    observe_running(w, "web-0");
    observe_pulling(w, "web-0");
    world_advance(w, 7 * SEC);
    observe_image(w, IMAGE, true);
    assert_int_equal(pull_time(w), 7 * SEC);
}

/* web-0 was there before this process, and "debug-1" and "debug-2" were added later. */
static void two_ephemeral_containers(struct world *w)
{
    struct pod_facts facts;

    observe_list_begin(w);
    pod_of(w, &facts, "web-0");
    facts.fact.created_us = w->now.wall_us - HOUR;
    facts.containers[0].phase = PHASE_RUNNING;
    observe_pod(w, &facts);
    observe_list_end(w);

    facts.fact.n_containers = 3;
    for (size_t i = 1; i < 3; i++) {
        facts.containers[i] = facts.containers[0];
        facts.containers[i].kind = CONTAINER_EPHEMERAL;
        facts.containers[i].name = i == 1 ? STR("debug-1") : STR("debug-2");
        facts.containers[i].image = i == 1 ? STR(OTHER_TAG) : STR(REPOSITORY ":v3");
        facts.containers[i].phase = PHASE_WAITING;
    }
    observe_pod(w, &facts);
    observe_image(w, OTHER_TAG, false);
    observe_image(w, REPOSITORY ":v3", false);
    observe_polled(w, "web-0");
}

static void container_added_to_an_old_pod_has_an_exact_pull(void **state)
{
    struct world *w = *state;

    two_ephemeral_containers(w);
    world_advance(w, 7 * SEC);
    observe_image(w, OTHER_TAG, true);
    assert_int_equal(pull_time(w), 7 * SEC);
}

static void ephemeral_containers_pull_at_the_same_time(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    two_ephemeral_containers(w);
    world_snapshot(w, &snapshot);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->in_progress, 2);
    snapshot_done(&snapshot);
}

/* Polls every 5 s, as the source does, while a pod waits for an absent image. */
static void poll_for(struct world *w, const char *sandbox, const char *image, int64_t for_us)
{
    for (int64_t passed = 0; passed < for_us; passed += 5 * SEC) {
        observe_image(w, image, false);
        observe_polled(w, sandbox);
        world_advance(w, 5 * SEC);
    }
}

static void quick_pull_after_a_long_wait_for_the_sandbox_is_quick(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    poll_for(w, "another", IMAGE, 10 * MINUTE); /* the volume of this pod is not attached yet */
    observe_size(w, IMAGE, 1);

    world_snapshot(w, &snapshot);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->pulls.count, 1);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->pulls.sum_us, 5 * SEC);
    snapshot_done(&snapshot);
}

static void quick_pull_after_a_long_one_of_the_same_pod_is_quick(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;

    pod_of(w, &facts, "web-0");
    facts.fact.n_containers = 2;
    facts.containers[1] = facts.containers[0];
    facts.containers[1].name = STR("second");
    facts.containers[1].image = STR("quay.io/second:1");
    observe_pod(w, &facts);
    observe_image(w, IMAGE, false);
    poll_for(w, "web-0", "quay.io/second:1", 10 * MINUTE);
    observe_size(w, IMAGE, 1);
    observe_size(w, "quay.io/second:1", 1);

    world_snapshot(w, &snapshot);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->pulls.sum_us, 10 * MINUTE);
    assert_int_equal(registry_row(&snapshot, "quay.io")->pulls.sum_us, 5 * SEC);
    snapshot_done(&snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(pull_lasts_from_the_wait_in_the_sandbox_until_the_image_is_present),
        WORLD_TEST(duration_of_a_quick_pull_begins_when_the_image_was_found_absent),
        WORLD_TEST(pod_that_runs_before_the_next_poll_had_a_successful_pull),
        WORLD_TEST(pull_ends_when_its_first_container_runs),
        WORLD_TEST(use_of_an_earlier_pull_does_not_end_the_next_pull),
        WORLD_TEST(image_of_an_abandoned_pull_is_asked_for_once_more),
        WORLD_TEST(pull_without_a_waiting_container_is_remembered_for_ten_minutes),
        WORLD_TEST(pull_after_a_failed_try_has_no_duration),
        WORLD_TEST(pull_that_failed_before_the_start_has_no_duration),
        WORLD_TEST(stall_does_not_count_as_a_failed_try_of_its_image),
        WORLD_TEST(container_that_ran_since_our_start_has_an_exact_pull),
        WORLD_TEST(container_added_to_an_old_pod_has_an_exact_pull),
        WORLD_TEST(ephemeral_containers_pull_at_the_same_time),
        WORLD_TEST(quick_pull_after_a_long_wait_for_the_sandbox_is_quick),
        WORLD_TEST(quick_pull_after_a_long_one_of_the_same_pod_is_quick),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
