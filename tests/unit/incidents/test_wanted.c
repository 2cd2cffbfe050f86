/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

static bool wants(const struct str *list, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(list[i], str_from(text)))
            return true;
    return false;
}

static void expect_namespaces(struct world *w, size_t n)
{
    struct wanted wanted;

    correlate_wanted(w->correlate, w->now, &wanted);
    assert_int_equal(wanted.n_namespaces, n);
    wanted_done(&wanted);
}

static void expect_only_image(struct world *w, const char *image)
{
    struct wanted wanted;

    correlate_wanted(w->correlate, w->now, &wanted);
    assert_int_equal(wanted.n_images, 1);
    assert_true(wants(wanted.images, 1, image));
    wanted_done(&wanted);
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
    expect_namespaces(w, 0);
}

static void pod_without_a_sandbox_for_a_minute_wants_events(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_sandbox(w, "web-0", false);
    world_advance(w, 59 * SEC);
    expect_namespaces(w, 0);

    world_advance(w, 2 * SEC);
    expect_namespaces(w, 1);
}

static void pod_that_the_runtime_does_not_list_has_no_sandbox(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_waiting(w, "web-1", "ContainerCreating", "");
    for (size_t i = 0; i < 2; i++) {
        expect_namespaces(w, 0);
        observe_polled(w, "web-0");
        world_advance(w, 30 * SEC);
    }
    expect_namespaces(w, 1);

    observe_deleted(w, "web-1"); /* web-0 has its sandbox */
    expect_namespaces(w, 0);
}

static void only_the_current_container_waits(void **state)
{
    struct world *w = *state;
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
    expect_only_image(w, "setup:v1");

    facts.containers[0].phase = PHASE_TERMINATED;
    facts.containers[0].created = true;
    observe_pod(w, &facts);
    expect_only_image(w, "proxy:v1");

    facts.containers[1].phase = PHASE_RUNNING;
    observe_pod(w, &facts);
    expect_only_image(w, IMAGE);
}

static void namespaces_over_the_limit_are_counted(void **state)
{
    struct world *w = *state;
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
        expect_namespaces(w, LIMIT_EVENT_NAMESPACES);
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

static void left_out_namespace_is_counted_before_a_source_asks(void **state)
{
    struct world *w = *state;

    observe_namespaces(w, true);
    for (int i = 0; i < 3; i++)
        assert_int_equal(hits_of(w, LIMIT_HIT_EVENT_NAMESPACES), 1);
}

static void namespace_that_is_left_out_as_time_passes_is_counted(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    char name[16];

    for (unsigned i = 0; i <= LIMIT_EVENT_NAMESPACES; i++) {
        snprintf(name, sizeof(name), "team-%u", i);
        pod_of(w, &facts, name);
        facts.fact.namespace = str_from(name);
        observe_pod(w, &facts);
    }
    observe_sandboxes_end(w);
    world_advance(w, 59 * SEC);
    assert_int_equal(hits_of(w, LIMIT_HIT_EVENT_NAMESPACES), 0);
    world_advance(w, SEC);
    assert_int_equal(hits_of(w, LIMIT_HIT_EVENT_NAMESPACES), 1);
}

static void left_out_image_is_counted_before_a_source_asks(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    char name[32];

    for (unsigned i = 0; i < LIMIT_WANTED_IMAGES + 2; i++) {
        snprintf(name, sizeof(name), "quay.io/team/n%u:1", i);
        pod_of(w, &facts, name);
        facts.containers[0].image = str_from(name);
        observe_pod(w, &facts);
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(hits_of(w, LIMIT_HIT_WANTED_IMAGES), 2);
}

static void running_pod_without_a_sandbox_wants_no_events(void **state)
{
    struct world *w = *state;

    observe_running(w, "web-0");
    observe_sandbox(w, "web-0", false);
    world_advance(w, 2 * MINUTE);
    expect_namespaces(w, 0);
}

/* Whether its image is present is all there is to say about it. */
static void image_of_a_container_that_must_not_pull_is_wanted(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImageNeverPull", NEVER_PULL_TEXT);
    for (int i = 0; i < 4; i++) {
        expect_only_image(w, IMAGE);
        observe_image(w, IMAGE, false);
        world_advance(w, MINUTE);
    }
    world_snapshot(w, &snapshot);
    assert_true(incident_of(&snapshot, "web-0")->image_present_known);
    snapshot_done(&snapshot);
}

static void image_that_has_no_valid_name_is_not_wanted(void **state)
{
    struct world *w = *state;
    struct wanted wanted;

    observe_waiting(w, "web-0", "InvalidImageName", "couldn't parse image name");
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_int_equal(wanted.n_images, 0);
    wanted_done(&wanted);
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
        WORLD_TEST(left_out_namespace_is_counted_before_a_source_asks),
        WORLD_TEST(namespace_that_is_left_out_as_time_passes_is_counted),
        WORLD_TEST(left_out_image_is_counted_before_a_source_asks),
        WORLD_TEST(running_pod_without_a_sandbox_wants_no_events),
        WORLD_TEST(image_of_a_container_that_must_not_pull_is_wanted),
        WORLD_TEST(image_that_has_no_valid_name_is_not_wanted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
