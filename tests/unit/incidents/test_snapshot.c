/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/incidents/pull.h"
#include "tests/unit/incidents/world.h"

static void next_retry_follows_the_kubelets_back_off(void **state)
{
    static const int64_t waits_s[] = { 10, 20, 40, 80, 160, 300, 300 };
    struct world *w = *state;
    struct snapshot snapshot;

    for (size_t i = 0; i < ARRAY_SIZE(waits_s); i++) {
        observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
        observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
        world_snapshot(w, &snapshot);
        assert_int_equal(incident_of(&snapshot, "web-0")->next_retry_us,
                         w->now.wall_us + waits_s[i] * SEC);
        snapshot_done(&snapshot);
        world_advance(w, waits_s[i] * SEC);
    }
    world_snapshot(w, &snapshot); /* it is due now: no estimate */
    assert_int_equal(incident_of(&snapshot, "web-0")->next_retry_us, 0);
    snapshot_done(&snapshot);
}

static int64_t next_retry_of(struct world *w)
{
    struct snapshot snapshot;
    int64_t at_us;

    world_snapshot(w, &snapshot);
    at_us = incident_of(&snapshot, "web-0")->next_retry_us;
    snapshot_done(&snapshot);
    return at_us;
}

/* It counts the same message in a new object, from 1. */
static void kubelet_that_starts_again_has_forgotten_its_back_off(void **state)
{
    struct world *w = *state;
    int64_t first_us = w->now.wall_us;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    for (int i = 1; i <= 4; i++) {
        observe_failed_at(w, "e1", i, first_us, w->now.wall_us);
        world_advance(w, 40 * SEC);
    }
    int64_t again_us = w->now.wall_us;
    observe_failed_at(w, "e2", 1, again_us, again_us);
    assert_int_equal(next_retry_of(w), again_us + 10 * SEC);
    world_advance(w, 10 * SEC);
    observe_failed_at(w, "e2", 2, again_us, w->now.wall_us);
    assert_int_equal(next_retry_of(w), w->now.wall_us + 20 * SEC);
    world_advance(w, 20 * SEC);
    observe_failed_at(w, "e3", 1, w->now.wall_us, w->now.wall_us); /* and once more */
    assert_int_equal(next_retry_of(w), w->now.wall_us + 10 * SEC);
}

/* A list is not sorted. */
static void objects_of_a_kubelet_that_started_again_come_in_any_order(void **state)
{
    struct world *w = *state;
    int64_t now_us = w->now.wall_us;

    observe_failing_at_start(w, "ImagePullBackOff", BACK_OFF_TEXT);
    observe_failed_at(w, "e2", 2, now_us - MINUTE, now_us);
    observe_failed_at(w, "e1", 7, now_us - HOUR, now_us - 2 * MINUTE);
    assert_int_equal(next_retry_of(w), now_us + 20 * SEC);
}

/* Some messages differ each time. */
static void another_message_is_no_start_of_the_kubelet(void **state)
{
    struct world *w = *state;
    int64_t now_us = w->now.wall_us;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_failed_at(w, "e1", 1, now_us, now_us);
    world_advance(w, 10 * SEC);
    observe_event_at(w, APP_PATH, "e2", "Failed",
                     "Failed to pull image \"" IMAGE "\": dial tcp: i/o timeout", 1, w->now.wall_us,
                     w->now.wall_us);
    assert_int_equal(next_retry_of(w), w->now.wall_us + 20 * SEC);
}

static void snapshot_for_metrics_has_no_texts_and_no_ended_incidents(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot = { .taken = w->now };

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_waiting(w, "web-1", "ErrImagePull", NOT_FOUND_TEXT);
    observe_running(w, "web-1");
    arena_init(&snapshot.arena, LIMIT_SNAPSHOT);
    assert_int_equal(correlate_snapshot(w->correlate, SNAPSHOT_METRICS, &snapshot), 0);
    assert_int_equal(snapshot.n_incidents, 1);
    assert_string_equal(snapshot.incidents[0].pod, "web-0");
    assert_null(snapshot.incidents[0].message);
    snapshot_done(&snapshot);
}

/* A tenant can find such names: both have the same hash_str(). */
static void image_is_not_hidden_by_another_with_its_hash(void **state)
{
    static const char *const images[] = { "quay.io/pgdj7uigajwtl:1", "quay.io/vtkoag3ufls3k:1" };
    struct world *w = *state;
    struct wanted wanted;

    assert_int_equal(image_hash(str_from(images[0])), image_hash(str_from(images[1])));
    for (size_t i = 0; i < ARRAY_SIZE(images); i++) {
        struct pod_facts facts;

        pod_of(w, &facts, images[i]);
        facts.containers[0].image = str_from(images[i]);
        observe_pod(w, &facts);
        observe_image(w, images[i], false);
    }
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_int_equal(wanted.n_images, 2);
    wanted_done(&wanted);
}

/* The blob in flight can belong to the next attempt of the other image, which its status does not
 * show.
 */
static void retry_of_another_image_does_not_put_a_present_one_in_progress(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    observe_image(w, IMAGE, false);
    pod_of(w, &facts, "web-1");
    facts.containers[0].image = STR("quay.io/other:1");
    facts.containers[0].pull_policy = STR("Always");
    observe_pod(w, &facts);
    observe_image(w, "quay.io/other:1", true);
    observe_polled(w, "web-1");
    OBSERVE_BLOBS(w, { "sha256:1", 400, 0 });
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.n_images, 2);
    for (size_t i = 0; i < snapshot.n_images; i++)
        assert_int_equal(snapshot.images[i].pulling, 0);
    snapshot_done(&snapshot);
}

/* An incident has the image as the pod names it, a snapshot's image its canonical name. */
static void image_is_stalled_while_its_incident_is_stalled(void **state)
{
#define DIGEST "@sha256:0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"
    static const struct {
        const char *incident, *image;
        bool same;
    } rows[] = {
        { "quay.io/team/big:1", "quay.io/team/big:1", true },
        { "busybox", "docker.io/library/busybox:latest", true },
        { "quay.io/team/big:1" DIGEST, "quay.io/team/big" DIGEST, true },
        { "busybox:1" DIGEST, "docker.io/library/busybox" DIGEST, true },
        { "app", "docker.io/team/app:latest", false },
        { "quay.io/team/big:1", "quay.io/team/big:2", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        for (enum incident_state now = 0; now < INCIDENT_STATE_MAX; now++) {
            struct snapshot_incident incident = { .image = rows[i].incident,
                                                  .registry = "",
                                                  .state = now };
            struct snapshot_image image = { .image = rows[i].image };
            struct snapshot snapshot = {
                .incidents = &incident, .n_incidents = 1, .images = &image, .n_images = 1
            };

            arena_init(&snapshot.arena, LIMIT_SNAPSHOT);
            assert_int_equal(correlate_complete(SNAPSHOT_DETAIL, &snapshot), 0);
            assert_int_equal(image.stalled, rows[i].same && now == INCIDENT_STALLED);
            snapshot_done(&snapshot);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(next_retry_follows_the_kubelets_back_off),
        WORLD_TEST(kubelet_that_starts_again_has_forgotten_its_back_off),
        WORLD_TEST(objects_of_a_kubelet_that_started_again_come_in_any_order),
        WORLD_TEST(another_message_is_no_start_of_the_kubelet),
        WORLD_TEST(snapshot_for_metrics_has_no_texts_and_no_ended_incidents),
        WORLD_TEST(image_is_not_hidden_by_another_with_its_hash),
        WORLD_TEST(retry_of_another_image_does_not_put_a_present_one_in_progress),
        cmocka_unit_test(image_is_stalled_while_its_incident_is_stalled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
