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

static bool wants(const struct str *list, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(list[i], str_from(text)))
            return true;
    return false;
}

static void node_without_waiting_pods_wants_nothing(void **state)
{
    struct world *w = *state;
    struct wanted wanted;

    observe_running(w, "web-0");
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_false(wanted.pods_wait);
    assert_int_equal(wanted.n_images, 0);
    assert_int_equal(wanted.n_namespaces, 0);
    assert_int_equal(correlate_waiting(w->correlate), 0);
    wanted_done(&wanted);
}

static void starting_pod_wants_the_runtime_but_no_events(void **state)
{
    struct world *w = *state;
    struct wanted wanted;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    world_advance(w, HOUR); /* the runtime explains a long pull without an error */
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_true(wanted.pods_wait);
    assert_true(wants(wanted.images, wanted.n_images, IMAGE));
    assert_int_equal(wanted.n_namespaces, 0);
    wanted_done(&wanted);
}

static void failing_container_wants_events_until_it_recovers(void **state)
{
    struct world *w = *state;
    struct wanted wanted;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_waiting(w, "web-1", "ErrImagePull", NOT_FOUND_TEXT);
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_int_equal(wanted.n_namespaces, 1);
    assert_true(wants(wanted.namespaces, 1, "default"));
    wanted_done(&wanted);

    observe_running(w, "web-0");
    observe_running(w, "web-1");
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_int_equal(wanted.n_namespaces, 0);
    wanted_done(&wanted);
}

static void pod_without_a_sandbox_for_a_minute_wants_events(void **state)
{
    const struct observation none = { .kind = OBSERVE_SANDBOX,
                                      .sandbox = { .pod_uid = STR("web-0"), .ready = false } };
    struct world *w = *state;
    struct wanted wanted;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    correlate_observe(w->correlate, &none, w->now);
    world_advance(w, 59 * SEC);
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_int_equal(wanted.n_namespaces, 0);
    wanted_done(&wanted);

    world_advance(w, 2 * SEC);
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_int_equal(wanted.n_namespaces, 1);
    wanted_done(&wanted);
}

static void pod_that_the_runtime_does_not_list_has_no_sandbox(void **state)
{
    const struct observation ready = { .kind = OBSERVE_SANDBOX,
                                       .sandbox = { .pod_uid = STR("web-0"), .ready = true } };
    const struct observation end = { .kind = OBSERVE_SANDBOXES_END };
    struct world *w = *state;
    struct wanted wanted;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_waiting(w, "web-1", "ContainerCreating", "");
    for (size_t i = 0; i < 2; i++) {
        correlate_wanted(w->correlate, w->now, &wanted);
        assert_int_equal(wanted.n_namespaces, 0);
        wanted_done(&wanted);
        correlate_observe(w->correlate, &ready, w->now);
        correlate_observe(w->correlate, &end, w->now);
        world_advance(w, 30 * SEC);
    }
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_int_equal(wanted.n_namespaces, 1);
    wanted_done(&wanted);

    observe_deleted(w, "web-1"); /* web-0 has its sandbox */
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_int_equal(wanted.n_namespaces, 0);
    wanted_done(&wanted);
}

static void only_the_current_container_waits(void **state)
{
    struct world *w = *state;
    struct wanted wanted;
    struct pod_facts facts;

    pod_of(w, &facts, "web-0");
    facts.fact.n_containers = 3;
    facts.containers[2] = facts.containers[0];
    facts.containers[1] = facts.containers[0];
    facts.containers[0].name = STR("setup");
    facts.containers[0].kind = CONTAINER_INIT;
    facts.containers[0].image = STR("setup:v1");
    facts.containers[1].name = STR("proxy");
    facts.containers[1].kind = CONTAINER_SIDECAR;
    facts.containers[1].image = STR("proxy:v1");
    observe_pod(w, &facts);
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_int_equal(wanted.n_images, 1);
    assert_true(wants(wanted.images, 1, "setup:v1"));
    wanted_done(&wanted);

    facts.containers[0].phase = PHASE_TERMINATED;
    observe_pod(w, &facts);
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_int_equal(wanted.n_images, 1);
    assert_true(wants(wanted.images, 1, "proxy:v1"));
    wanted_done(&wanted);

    facts.containers[1].phase = PHASE_RUNNING;
    observe_pod(w, &facts);
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_int_equal(wanted.n_images, 1);
    assert_true(wants(wanted.images, 1, IMAGE));
    wanted_done(&wanted);
}

static void namespaces_over_the_limit_are_counted(void **state)
{
    struct world *w = *state;
    struct wanted wanted;
    struct pod_facts facts;
    struct snapshot snapshot;
    char name[16];

    for (unsigned i = 0; i < LIMIT_EVENT_NAMESPACES + 2; i++) {
        snprintf(name, sizeof(name), "team-%u", i);
        pod_of(w, &facts, name);
        facts.fact.namespace = str_from(name);
        facts.containers[0].waiting_reason = STR("ErrImagePull");
        observe_pod(w, &facts);
    }
    for (int i = 0; i < 10; i++) { /* once each, with every question */
        correlate_wanted(w->correlate, w->now, &wanted);
        assert_int_equal(wanted.n_namespaces, LIMIT_EVENT_NAMESPACES);
        wanted_done(&wanted);
    }
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.limit_hits[LIMIT_HIT_EVENT_NAMESPACES], 2);
    snapshot_done(&snapshot);
}

/* A failing or running pod in each namespace; one namespace more than the limit. */
static void observe_namespaces(struct world *w, bool failing)
{
    struct pod_facts facts;
    char name[16];

    for (unsigned i = 0; i <= LIMIT_EVENT_NAMESPACES; i++) {
        snprintf(name, sizeof(name), "team-%u", i);
        pod_of(w, &facts, name);
        facts.fact.namespace = str_from(name);
        facts.containers[0].phase = failing ? PHASE_WAITING : PHASE_RUNNING;
        facts.containers[0].waiting_reason = STR("ErrImagePull");
        observe_pod(w, &facts);
    }
}

static void namespace_that_is_left_out_again_is_counted_again(void **state)
{
    struct world *w = *state;
    struct wanted wanted;
    struct snapshot snapshot;

    for (int i = 0; i < 4; i++) {
        observe_namespaces(w, i % 2 == 0);
        correlate_wanted(w->correlate, w->now, &wanted);
        wanted_done(&wanted);
    }
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.limit_hits[LIMIT_HIT_EVENT_NAMESPACES], 2);
    snapshot_done(&snapshot);
}

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

/* The blob in flight can belong to the next try of the other image, which its status does not show.
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
static void image_is_stalled_while_its_open_incident_is(void **state)
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
        WORLD_TEST(node_without_waiting_pods_wants_nothing),
        WORLD_TEST(starting_pod_wants_the_runtime_but_no_events),
        WORLD_TEST(failing_container_wants_events_until_it_recovers),
        WORLD_TEST(pod_without_a_sandbox_for_a_minute_wants_events),
        WORLD_TEST(pod_that_the_runtime_does_not_list_has_no_sandbox),
        WORLD_TEST(only_the_current_container_waits),
        WORLD_TEST(namespaces_over_the_limit_are_counted),
        WORLD_TEST(namespace_that_is_left_out_again_is_counted_again),
        WORLD_TEST(next_retry_follows_the_kubelets_back_off),
        WORLD_TEST(snapshot_for_metrics_has_no_texts_and_no_ended_incidents),
        WORLD_TEST(image_is_not_hidden_by_another_with_its_hash),
        WORLD_TEST(retry_of_another_image_does_not_put_a_present_one_in_progress),
        cmocka_unit_test(image_is_stalled_while_its_open_incident_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
