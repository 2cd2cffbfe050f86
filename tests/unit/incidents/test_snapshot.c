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

static void a_node_where_all_is_well_wants_nothing(void **state)
{
    struct world *w = *state;
    struct wanted wanted;

    tell_running(w, "web-0");
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_false(wanted.pods_wait);
    assert_int_equal(wanted.n_images, 0);
    assert_int_equal(wanted.n_namespaces, 0);
    assert_int_equal(correlate_waiting(w->correlate), 0);
    wanted_done(&wanted);
}

static void a_pod_that_merely_starts_wants_the_runtime_and_no_events(void **state)
{
    struct world *w = *state;
    struct wanted wanted;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    world_advance(w, HOUR); /* a long pull in silence is CRI's to explain */
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_true(wanted.pods_wait);
    assert_true(wants(wanted.images, wanted.n_images, IMAGE));
    assert_int_equal(wanted.n_namespaces, 0);
    wanted_done(&wanted);
}

static void a_failing_container_wants_its_namespaces_events_until_it_recovers(void **state)
{
    struct world *w = *state;
    struct wanted wanted;

    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    tell_waiting(w, "web-1", "ErrImagePull", NOT_FOUND_TEXT);
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_int_equal(wanted.n_namespaces, 1);
    assert_true(wants(wanted.namespaces, 1, "default"));
    wanted_done(&wanted);

    tell_running(w, "web-0");
    tell_running(w, "web-1");
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_int_equal(wanted.n_namespaces, 0);
    wanted_done(&wanted);
}

static void a_pod_without_a_sandbox_for_a_minute_wants_events(void **state)
{
    const struct observation none = { .kind = OBSERVE_SANDBOX,
                                      .sandbox = { .pod_uid = STR("web-0"), .ready = false } };
    struct world *w = *state;
    struct wanted wanted;

    tell_waiting(w, "web-0", "ContainerCreating", "");
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

static void a_pod_that_the_runtime_never_speaks_of_has_no_sandbox(void **state)
{
    const struct observation ready = { .kind = OBSERVE_SANDBOX,
                                       .sandbox = { .pod_uid = STR("web-0"), .ready = true } };
    const struct observation end = { .kind = OBSERVE_SANDBOXES_END };
    struct world *w = *state;
    struct wanted wanted;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_waiting(w, "web-1", "ContainerCreating", "");
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

    tell_deleted(w, "web-1"); /* web-0 has its sandbox */
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_int_equal(wanted.n_namespaces, 0);
    wanted_done(&wanted);
}

static void only_the_container_whose_turn_it_is_waits(void **state)
{
    struct world *w = *state;
    struct wanted wanted;
    struct pod_told told;

    pod_of(w, &told, "web-0");
    told.fact.n_containers = 3;
    told.containers[2] = told.containers[0];
    told.containers[1] = told.containers[0];
    told.containers[0].name = STR("setup");
    told.containers[0].kind = CONTAINER_INIT;
    told.containers[0].image = STR("setup:v1");
    told.containers[1].name = STR("proxy");
    told.containers[1].kind = CONTAINER_SIDECAR;
    told.containers[1].image = STR("proxy:v1");
    tell_pod(w, &told);
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_int_equal(wanted.n_images, 1);
    assert_true(wants(wanted.images, 1, "setup:v1"));
    wanted_done(&wanted);

    told.containers[0].phase = PHASE_TERMINATED;
    tell_pod(w, &told);
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_int_equal(wanted.n_images, 1);
    assert_true(wants(wanted.images, 1, "proxy:v1"));
    wanted_done(&wanted);

    told.containers[1].phase = PHASE_RUNNING;
    tell_pod(w, &told);
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_int_equal(wanted.n_images, 1);
    assert_true(wants(wanted.images, 1, IMAGE));
    wanted_done(&wanted);
}

static void namespaces_over_the_cap_are_counted(void **state)
{
    struct world *w = *state;
    struct wanted wanted;
    struct pod_told told;
    struct look look;
    char name[16];

    for (unsigned i = 0; i < LIMIT_EVENT_NAMESPACES + 2; i++) {
        snprintf(name, sizeof(name), "team-%u", i);
        pod_of(w, &told, name);
        told.fact.namespace = str_from(name);
        told.containers[0].waiting_reason = STR("ErrImagePull");
        tell_pod(w, &told);
    }
    for (int i = 0; i < 10; i++) { /* once each, however often somebody asks */
        correlate_wanted(w->correlate, w->now, &wanted);
        assert_int_equal(wanted.n_namespaces, LIMIT_EVENT_NAMESPACES);
        wanted_done(&wanted);
    }
    world_look(w, &look);
    assert_int_equal(look.snapshot.limit_hits[LIMIT_HIT_EVENT_NAMESPACES], 2);
    world_look_done(&look);
}

/* One failing or running pod in each of one namespace more than can be watched. */
static void tell_namespaces(struct world *w, bool failing)
{
    struct pod_told told;
    char name[16];

    for (unsigned i = 0; i <= LIMIT_EVENT_NAMESPACES; i++) {
        snprintf(name, sizeof(name), "team-%u", i);
        pod_of(w, &told, name);
        told.fact.namespace = str_from(name);
        told.containers[0].phase = failing ? PHASE_WAITING : PHASE_RUNNING;
        told.containers[0].waiting_reason = STR("ErrImagePull");
        tell_pod(w, &told);
    }
}

static void a_namespace_that_is_left_out_again_is_counted_again(void **state)
{
    struct world *w = *state;
    struct wanted wanted;
    struct look look;

    for (int i = 0; i < 4; i++) {
        tell_namespaces(w, i % 2 == 0);
        correlate_wanted(w->correlate, w->now, &wanted);
        wanted_done(&wanted);
    }
    world_look(w, &look);
    assert_int_equal(look.snapshot.limit_hits[LIMIT_HIT_EVENT_NAMESPACES], 2);
    world_look_done(&look);
}

static void the_next_retry_follows_the_kubelets_back_off(void **state)
{
    static const int64_t waits_s[] = { 10, 20, 40, 80, 160, 300, 300 };
    struct world *w = *state;
    struct look look;

    for (size_t i = 0; i < ARRAY_SIZE(waits_s); i++) {
        tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
        tell_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
        world_look(w, &look);
        assert_int_equal(look_one(&look, "web-0")->next_retry_us,
                         w->now.wall_us + waits_s[i] * SEC);
        world_look_done(&look);
        world_advance(w, waits_s[i] * SEC);
    }
    world_look(w, &look); /* it is due: there is nothing to foretell */
    assert_int_equal(look_one(&look, "web-0")->next_retry_us, 0);
    world_look_done(&look);
}

static void a_picture_for_metrics_leaves_out_texts_and_what_ended(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot = { .taken = w->now };

    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    tell_waiting(w, "web-1", "ErrImagePull", NOT_FOUND_TEXT);
    tell_running(w, "web-1");
    arena_init(&snapshot.arena, LIMIT_SNAPSHOT);
    assert_int_equal(correlate_snapshot(w->correlate, SNAPSHOT_METRICS, &snapshot), 0);
    assert_int_equal(snapshot.n_incidents, 1);
    assert_string_equal(snapshot.incidents[0].pod, "web-0");
    assert_null(snapshot.incidents[0].message);
    snapshot_done(&snapshot);
}

/* Names that a tenant can find: both have the same hash_str(). */
static void an_image_is_not_hidden_by_another_with_its_hash(void **state)
{
    static const char *const images[] = { "quay.io/pgdj7uigajwtl:1", "quay.io/vtkoag3ufls3k:1" };
    struct world *w = *state;
    struct wanted wanted;

    assert_int_equal(image_hash(str_from(images[0])), image_hash(str_from(images[1])));
    for (size_t i = 0; i < ARRAY_SIZE(images); i++) {
        struct pod_told told;

        pod_of(w, &told, images[i]);
        told.containers[0].image = str_from(images[i]);
        tell_pod(w, &told);
        tell_image(w, images[i], false);
    }
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_int_equal(wanted.n_images, 2);
    wanted_done(&wanted);
}

/* What is in flight may be of the other one's next try: its status says nothing of that. */
static void an_image_that_is_there_is_not_fetched_because_another_is_tried_again(void **state)
{
    struct world *w = *state;
    struct pod_told told;
    struct look look;

    tell_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    tell_image(w, IMAGE, false);
    pod_of(w, &told, "web-1");
    told.containers[0].image = STR("quay.io/other:1");
    told.containers[0].pull_policy = STR("Always");
    tell_pod(w, &told);
    tell_image(w, "quay.io/other:1", true);
    tell_looked(w, "web-1");
    TELL_INGESTS(w, { "sha256:1", 400, 0 });
    world_look(w, &look);
    assert_int_equal(look.snapshot.n_images, 2);
    for (size_t i = 0; i < look.snapshot.n_images; i++)
        assert_int_equal(look.snapshot.images[i].pulling, 0);
    world_look_done(&look);
}

/* An incident has the image as the pod names it, a snapshot's image its canonical name. */
static void an_image_is_stalled_while_an_open_incident_about_it_is(void **state)
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
        WORLD_TEST(a_node_where_all_is_well_wants_nothing),
        WORLD_TEST(a_pod_that_merely_starts_wants_the_runtime_and_no_events),
        WORLD_TEST(a_failing_container_wants_its_namespaces_events_until_it_recovers),
        WORLD_TEST(a_pod_without_a_sandbox_for_a_minute_wants_events),
        WORLD_TEST(a_pod_that_the_runtime_never_speaks_of_has_no_sandbox),
        WORLD_TEST(only_the_container_whose_turn_it_is_waits),
        WORLD_TEST(namespaces_over_the_cap_are_counted),
        WORLD_TEST(a_namespace_that_is_left_out_again_is_counted_again),
        WORLD_TEST(the_next_retry_follows_the_kubelets_back_off),
        WORLD_TEST(a_picture_for_metrics_leaves_out_texts_and_what_ended),
        WORLD_TEST(an_image_is_not_hidden_by_another_with_its_hash),
        WORLD_TEST(an_image_that_is_there_is_not_fetched_because_another_is_tried_again),
        cmocka_unit_test(an_image_is_stalled_while_an_open_incident_about_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
