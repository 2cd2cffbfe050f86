/* SPDX-License-Identifier: Apache-2.0 */

/* One namespace ("junk") takes all that it can get. Another one ("company") must still be seen. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

#define REGISTRIES 4u /* rows of the world's table */

static void in_namespace(struct world *w, struct pod_facts *facts, const char *namespace,
                         const char *name)
{
    pod_of(w, facts, name);
    facts->fact.namespace = str_from(namespace);
}

static void observe_failing(struct world *w, const char *namespace, const char *name,
                            const char *image)
{
    struct pod_facts facts;

    in_namespace(w, &facts, namespace, name);
    facts.containers[0].image = str_from(image);
    facts.containers[0].waiting_reason = STR("ErrImagePull");
    facts.containers[0].waiting_message = STR(NOT_FOUND_TEXT);
    observe_pod(w, &facts);
}

static void observe_runs(struct world *w, const char *namespace, const char *name)
{
    struct pod_facts facts;

    in_namespace(w, &facts, namespace, name);
    facts.fact.phase = STR("Running");
    facts.containers[0].phase = PHASE_RUNNING;
    facts.containers[0].waiting_reason = STR("");
    observe_pod(w, &facts);
}

/* A pod with as many containers as the agent reads; the kubelet refuses all of their images. */
static void observe_refused(struct world *w, const char *namespace, const char *name)
{
    struct container_fact *containers = test_calloc(LIMIT_CONTAINERS_PER_POD, sizeof(*containers));
    char names[LIMIT_CONTAINERS_PER_POD][8];
    struct pod_facts facts;
    struct observation observation = { .kind = OBSERVE_POD };

    in_namespace(w, &facts, namespace, name);
    for (size_t i = 0; i < LIMIT_CONTAINERS_PER_POD; i++) {
        snprintf(names[i], sizeof(names[i]), "c%zu", i);
        containers[i] = facts.containers[0];
        containers[i].name = str_from(names[i]);
        containers[i].waiting_reason = STR("InvalidImageName");
        containers[i].waiting_message = STR("couldn't parse image name");
    }
    observation.pod = facts.fact;
    observation.pod.containers = containers;
    observation.pod.n_containers = LIMIT_CONTAINERS_PER_POD;
    assert_int_equal(correlate_observe(w->correlate, &observation, w->now), 0);
    test_free(containers);
}

static size_t left_out(struct world *w, enum limit limit)
{
    struct snapshot snapshot;
    size_t n;

    world_snapshot(w, &snapshot);
    n = snapshot.left_out[limit];
    snapshot_done(&snapshot);
    return n;
}

static size_t count_failing(struct world *w, const char *name)
{
    struct snapshot snapshot;
    size_t n = 0;

    world_snapshot(w, &snapshot);
    for (size_t i = 0; i < snapshot.n_incidents; i++)
        n += strcmp(snapshot.incidents[i].pod, name) == 0 &&
             incident_state_open(snapshot.incidents[i].state);
    snapshot_done(&snapshot);
    return n;
}

static void fill_pods(struct world *w, void (*observe)(struct world *w, unsigned number))
{
    for (unsigned i = 0; i < LIMIT_PODS; i++)
        observe(w, i);
}

static void junk_starts(struct world *w, unsigned number)
{
    struct pod_facts facts;
    char name[24];

    snprintf(name, sizeof(name), "junk-%u", number);
    in_namespace(w, &facts, "junk", name);
    observe_pod(w, &facts);
}

static void company_runs(struct world *w, unsigned number)
{
    char name[24];

    snprintf(name, sizeof(name), "web-%u", number);
    observe_runs(w, "company", name);
}

/* --- pods ------------------------------------------------------------------ */

static void failing_pod_of_another_namespace_gets_a_place(void **state)
{
    struct world *w = *state;

    fill_pods(w, junk_starts);
    observe_failing(w, "company", "broken", IMAGE);
    assert_int_equal(count_failing(w, "broken"), 1);
    assert_int_equal(left_out(w, LIMIT_HIT_PODS), 1);
    assert_int_equal(hits_of(w, LIMIT_HIT_PODS), 1);

    for (unsigned i = 0; i < 100; i++) /* those without a place come back, again and again */
        junk_starts(w, LIMIT_PODS + i);
    for (unsigned i = 0; i < 100; i++)
        junk_starts(w, LIMIT_PODS - 1 - i);
    assert_int_equal(count_failing(w, "broken"), 1);
    assert_int_equal(left_out(w, LIMIT_HIT_PODS), 101);
}

static void failing_pod_gets_the_place_of_a_running_one(void **state)
{
    struct world *w = *state;

    fill_pods(w, company_runs);
    observe_failing(w, "company", "broken", IMAGE);
    assert_int_equal(count_failing(w, "broken"), 1);
    assert_int_equal(left_out(w, LIMIT_HIT_PODS), 1);

    company_runs(w, LIMIT_PODS); /* one that runs takes no place of others */
    assert_int_equal(count_failing(w, "broken"), 1);
    assert_int_equal(left_out(w, LIMIT_HIT_PODS), 2);
}

/* The events of world.h are in this namespace. */
static void default_runs(struct world *w, unsigned number)
{
    char name[24];

    snprintf(name, sizeof(name), "web-%u", number);
    observe_runs(w, "default", name);
}

static void pod_that_lost_its_place_gets_one_when_it_fails(void **state)
{
    struct world *w = *state;
    int64_t failed_us = w->now.wall_us;
    struct snapshot snapshot;

    for (unsigned i = 1; i <= LIMIT_PODS; i++)
        default_runs(w, i % LIMIT_PODS);
    observe_failing(w, "default", "web-0", IMAGE); /* it has a place */
    observe_failed_at(w, "e1", 3, failed_us, failed_us);
    default_runs(w, 0);
    world_advance(w, MINUTE);
    observe_failing(w, "default", "first", IMAGE); /* takes the place of web-0, the newest */
    observe_failing(w, "default", "web-0", IMAGE);
    observe_failed_at(w, "e1", 3, failed_us, failed_us); /* it is read again */
    assert_int_equal(count_failing(w, "web-0"), 1);

    world_snapshot(w, &snapshot); /* 3 before, then "first" once and web-0 once more */
    assert_int_equal(failures_of(&snapshot, CAUSE_NOT_FOUND), 5);
    snapshot_done(&snapshot);
}

static void pods_without_a_place_are_counted_while_they_exist(void **state)
{
    struct world *w = *state;

    fill_pods(w, company_runs);
    for (int i = 0; i < 3; i++) /* each report of one pod */
        company_runs(w, LIMIT_PODS);
    company_runs(w, LIMIT_PODS + 1);
    assert_int_equal(left_out(w, LIMIT_HIT_PODS), 2);
    observe_deleted(w, "web-4096");
    assert_int_equal(left_out(w, LIMIT_HIT_PODS), 1);

    observe_list_begin(w); /* a list that breaks off tells nothing */
    assert_int_equal(left_out(w, LIMIT_HIT_PODS), 1);
    observe_list_begin(w);
    company_runs(w, 0);
    observe_list_end(w);
    assert_int_equal(left_out(w, LIMIT_HIT_PODS), 0);
}

/* --- incidents ------------------------------------------------------------- */

static void fill_incidents(struct world *w)
{
    char name[16];

    for (unsigned i = 0; i < LIMIT_INCIDENTS / LIMIT_CONTAINERS_PER_POD; i++) {
        snprintf(name, sizeof(name), "junk-%u", i);
        observe_refused(w, "junk", name);
    }
    assert_int_equal(left_out(w, LIMIT_HIT_INCIDENTS), 0);
}

static void incidents_of_one_namespace_hide_no_other(void **state)
{
    struct world *w = *state;
    char name[16];

    fill_incidents(w);
    for (unsigned i = 0; i < 50; i++) {
        snprintf(name, sizeof(name), "web-%u", i);
        observe_failing(w, i % 2 ? "company" : "other-company", name, IMAGE);
        assert_int_equal(count_failing(w, name), 1);
    }
    assert_int_equal(left_out(w, LIMIT_HIT_INCIDENTS), 50);

    for (unsigned i = 0; i < LIMIT_INCIDENTS / LIMIT_CONTAINERS_PER_POD; i++) {
        snprintf(name, sizeof(name), "junk-%u", i);
        observe_refused(w, "junk", name); /* the dropped ones come back */
        assert_true(count_failing(w, name) > 0);
    }
    for (unsigned i = 0; i < 50; i++) {
        snprintf(name, sizeof(name), "web-%u", i);
        assert_int_equal(count_failing(w, name), 1);
    }
    assert_int_equal(left_out(w, LIMIT_HIT_INCIDENTS), 50);
}

static void pod_with_too_many_containers_is_told(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;

    pod_of(w, &facts, "web-0");
    facts.fact.containers_cut = true;
    observe_pod(w, &facts);
    assert_int_equal(left_out(w, LIMIT_HIT_CONTAINERS), 1);
    assert_int_equal(left_out(w, LIMIT_HIT_IMAGE_VOLUMES), 0);
    observe_deleted(w, "web-0");
    assert_int_equal(left_out(w, LIMIT_HIT_CONTAINERS), 0);
}

static void new_pod_of_the_same_namespace_takes_the_place_of_a_duplicate(void **state)
{
    struct world *w = *state;

    fill_incidents(w);
    observe_failing(w, "junk", "broken", IMAGE);
    assert_int_equal(count_failing(w, "broken"), 1);
    assert_int_equal(left_out(w, LIMIT_HIT_INCIDENTS), 1);
    observe_refused(w, "junk", "junk-15"); /* it does not take it back */
    assert_int_equal(count_failing(w, "broken"), 1);
}

static void failure_without_a_place_is_told_until_it_is_over(void **state)
{
    struct world *w = *state;

    fill_incidents(w);
    observe_failing(w, "company", "broken", IMAGE);
    assert_int_equal(left_out(w, LIMIT_HIT_INCIDENTS), 1);
    observe_deleted(w, "junk-15"); /* it has the one that was left out */
    assert_int_equal(left_out(w, LIMIT_HIT_INCIDENTS), 0);
}

static void failure_that_lost_its_place_is_counted_once(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;
    char name[16];

    for (unsigned i = 0; i < LIMIT_INCIDENTS; i++) {
        snprintf(name, sizeof(name), "junk-%u", i);
        observe_failing(w, "default", name, IMAGE);
        observe_event(w, name, APP_PATH, name, "Failed", PULL_FAILED(NOT_FOUND_TEXT), 1);
    }
    observe_failing(w, "company", "broken", IMAGE);
    assert_int_equal(count_failing(w, "junk-2047"), 0);
    world_snapshot(w, &snapshot);
    assert_int_equal(failures_of(&snapshot, CAUSE_NOT_FOUND), LIMIT_INCIDENTS + 1);
    snapshot_done(&snapshot);

    observe_deleted(w, "junk-0");
    observe_failing(w, "default", "junk-2047", IMAGE); /* the same status again: it gets a place */
    observe_event(w, "junk-2047", APP_PATH, "junk-2047", "Failed", PULL_FAILED(NOT_FOUND_TEXT), 1);
    assert_int_equal(count_failing(w, "junk-2047"), 1);
    world_snapshot(w, &snapshot);
    assert_int_equal(failures_of(&snapshot, CAUSE_NOT_FOUND), LIMIT_INCIDENTS + 1);
    snapshot_done(&snapshot);
}

static void ended_incidents_of_one_namespace_push_out_no_other(void **state)
{
    struct world *w = *state;
    char name[24];

    observe_failing(w, "company", "broken", IMAGE);
    observe_runs(w, "company", "broken");
    for (unsigned i = 0; i < 2 * LIMIT_INCIDENTS; i++) {
        snprintf(name, sizeof(name), "junk-%u", i);
        observe_failing(w, "junk", name, IMAGE);
        observe_deleted(w, name);
    }
    assert_int_equal(count_incidents(w, "broken"), 1);
}

/* --- registries ------------------------------------------------------------ */

/* One pod names this many registries. */
static void name_junk(struct world *w, unsigned n, bool failing)
{
    char name[24], image[48];

    for (unsigned i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "junk-%u", i);
        snprintf(image, sizeof(image), "junk%u.example/app:v1", i);
        if (failing) {
            observe_failing(w, "junk", name, image);
        } else {
            struct pod_facts facts;

            in_namespace(w, &facts, "junk", name);
            facts.containers[0].image = str_from(image);
            observe_pod(w, &facts);
        }
    }
}

static uint64_t failures_at(struct world *w, const char *registry)
{
    struct snapshot snapshot;
    uint64_t n = UINT64_MAX; /* no row */

    world_snapshot(w, &snapshot);
    for (size_t i = 0; i < snapshot.n_registries; i++)
        if (strcmp(snapshot.registries[i].registry, registry) == 0)
            n = snapshot.registries[i].failures[CAUSE_NOT_FOUND];
    snapshot_done(&snapshot);
    return n;
}

static void registry_that_fails_takes_the_row_of_one_that_is_only_named(void **state)
{
    struct world *w = *state;

    name_junk(w, REGISTRIES, false);
    observe_failing(w, "junk", "broken", IMAGE); /* also within one namespace */
    assert_int_equal(failures_at(w, REGISTRY), 1);
    name_junk(w, 3 * REGISTRIES, false);
    assert_int_equal(failures_at(w, REGISTRY), 1);
}

static void busy_registries_of_one_namespace_hide_no_other(void **state)
{
    struct world *w = *state;
    uint64_t other;

    name_junk(w, 4 * REGISTRIES, true);
    assert_int_equal(failures_at(w, "junk0.example"), 1);
    other = failures_at(w, "other");
    observe_failing(w, "company", "broken", IMAGE);
    assert_int_equal(failures_at(w, REGISTRY), 1);
    assert_int_equal(failures_at(w, "other"), other); /* what ends is counted nowhere again */

    for (int i = 0; i < 3; i++) {
        name_junk(w, 4 * REGISTRIES, true);
        assert_int_equal(failures_at(w, REGISTRY), 1);
    }
}

static void registry_that_both_use_does_not_end_with_the_surplus(void **state)
{
    struct world *w = *state;

    observe_failing(w, "junk", "junk-first", IMAGE); /* the row is junk's */
    name_junk(w, REGISTRIES - 1, true);
    observe_failing(w, "company", "broken", IMAGE);
    observe_failing(w, "company", "broken-too", "second.example/app:v1");
    observe_failing(w, "company", "broken-three", "third.example/app:v1");
    assert_int_equal(failures_at(w, REGISTRY), 2);
}

static void named_registries_of_one_namespace_leave_some_for_another(void **state)
{
    struct world *w = *state;

    name_junk(w, 4 * REGISTRIES, false);
    observe_runs(w, "company", "web-0");
    assert_int_equal(failures_at(w, REGISTRY), 0);
}

static void each_namespace_has_a_row_for_its_first_registry(void **state)
{
    struct world *w = *state;

    name_junk(w, 4 * REGISTRIES, true);
    observe_runs(w, "company", "web-0");
    assert_int_equal(failures_at(w, REGISTRY), 0);
}

/* --- evidence -------------------------------------------------------------- */

static void evidence_of_one_namespace_leaves_some_for_another(void **state)
{
    static char text[LIMIT_MESSAGE_TEXT];
    struct world *w = *state;
    struct pod_facts facts;
    struct snapshot snapshot;
    char name[32];

    memset(text, 'x', sizeof(text) - 1);
    for (unsigned i = 0; i < 1500; i++) {
        snprintf(name, sizeof(name), "%s-%u", i % 2 ? "junk" : "trash", i);
        in_namespace(w, &facts, i % 2 ? "junk" : "trash", name);
        for (unsigned j = 0; j < LIMIT_EVIDENCE_PER_INCIDENT; j++) {
            snprintf(text, 16, "words %9u", j);
            text[15] = ' ';
            facts.containers[0].waiting_reason = STR("ErrImagePull");
            facts.containers[0].waiting_message = str_from(text);
            observe_pod(w, &facts);
        }
    }
    observe_failing(w, "company", "broken", IMAGE);
    world_snapshot(w, &snapshot);
    assert_true(strlen(incident_of(&snapshot, "broken")->evidence[0].text) > 0);
    assert_string_equal(incident_of(&snapshot, "junk-1499")->evidence[0].text, "");
    snapshot_done(&snapshot);
}

/* --- what is read next ----------------------------------------------------- */

static bool watches(struct world *w, const char *namespace)
{
    struct wanted wanted;
    bool found = false;

    correlate_wanted(w->correlate, w->now, &wanted);
    assert_true(wanted.n_namespaces <= LIMIT_EVENT_NAMESPACES);
    for (size_t i = 0; i < wanted.n_namespaces; i++)
        found |= str_eq(wanted.namespaces[i], str_from(namespace));
    wanted_done(&wanted);
    return found;
}

#define FAILING_NAMESPACES (4 * LIMIT_EVENT_NAMESPACES)

static void each_failing_namespace_gets_its_turn(void **state)
{
    struct world *w = *state;
    unsigned read[FAILING_NAMESPACES] = { 0 };
    char name[16];

    for (unsigned i = 0; i < FAILING_NAMESPACES; i++) {
        snprintf(name, sizeof(name), "team-%u", i);
        observe_failing(w, name, name, IMAGE);
    }
    assert_int_equal(left_out(w, LIMIT_HIT_EVENT_NAMESPACES),
                     FAILING_NAMESPACES - LIMIT_EVENT_NAMESPACES);
    for (unsigned minute = 0; minute < 60; minute++) {
        for (unsigned i = 0; i < FAILING_NAMESPACES; i++) {
            snprintf(name, sizeof(name), "team-%u", i);
            read[i] += watches(w, name);
        }
        if (minute == 5) /* the first turns are short */
            for (unsigned i = 0; i < FAILING_NAMESPACES; i++)
                assert_true(read[i] > 0);
        for (unsigned i = 0; i < 6; i++)
            world_advance(w, 10 * SEC);
    }
    for (unsigned i = 0; i < FAILING_NAMESPACES; i++)
        assert_in_range(read[i], 10, 20); /* 60 minutes, 8 of 32 at a time: 15 */
}

static void namespaces_within_the_limit_are_read_without_a_break(void **state)
{
    struct world *w = *state;
    char name[16];

    for (unsigned minute = 0; minute < 60; minute++) {
        for (unsigned i = 0; i < LIMIT_EVENT_NAMESPACES; i++) {
            snprintf(name, sizeof(name), "team-%u", i);
            if (minute == 0)
                observe_failing(w, name, name, IMAGE);
            assert_true(watches(w, name));
        }
        world_advance(w, MINUTE);
    }
    assert_int_equal(left_out(w, LIMIT_HIT_EVENT_NAMESPACES), 0);
}

static bool asks_for(struct world *w, const char *image)
{
    struct wanted wanted;
    bool found = false;

    correlate_wanted(w->correlate, w->now, &wanted);
    for (size_t i = 0; i < wanted.n_images; i++)
        found |= str_eq(wanted.images[i], str_from(image));
    for (size_t i = 0; i < wanted.n_images; i++) {
        char asked[64];

        snprintf(asked, sizeof(asked), "%.*s", STR_ARG(wanted.images[i]));
        observe_image(w, asked, false);
    }
    wanted_done(&wanted);
    return found;
}

static void images_of_one_namespace_do_not_delay_another(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;
    char name[24], image[48];

    for (unsigned i = 0; i < 2000; i++) {
        snprintf(name, sizeof(name), "junk-%u", i);
        snprintf(image, sizeof(image), "quay.io/junk/n%u:1", i);
        in_namespace(w, &facts, "junk", name);
        facts.containers[0].image = str_from(image);
        observe_pod(w, &facts);
    }
    for (unsigned i = 0; i < 15; i++) { /* all places of the next polls are junk's */
        asks_for(w, "");
        world_advance(w, SEC);
    }
    in_namespace(w, &facts, "company", "web-0");
    observe_pod(w, &facts);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(asks_for(w, IMAGE));
        world_advance(w, 11 * SEC);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(failing_pod_of_another_namespace_gets_a_place),
        WORLD_TEST(failing_pod_gets_the_place_of_a_running_one),
        WORLD_TEST(pod_that_lost_its_place_gets_one_when_it_fails),
        WORLD_TEST(pods_without_a_place_are_counted_while_they_exist),
        WORLD_TEST(incidents_of_one_namespace_hide_no_other),
        WORLD_TEST(pod_with_too_many_containers_is_told),
        WORLD_TEST(new_pod_of_the_same_namespace_takes_the_place_of_a_duplicate),
        WORLD_TEST(failure_without_a_place_is_told_until_it_is_over),
        WORLD_TEST(failure_that_lost_its_place_is_counted_once),
        WORLD_TEST(ended_incidents_of_one_namespace_push_out_no_other),
        WORLD_TEST(registry_that_fails_takes_the_row_of_one_that_is_only_named),
        WORLD_TEST(busy_registries_of_one_namespace_hide_no_other),
        WORLD_TEST(registry_that_both_use_does_not_end_with_the_surplus),
        WORLD_TEST(named_registries_of_one_namespace_leave_some_for_another),
        WORLD_TEST(each_namespace_has_a_row_for_its_first_registry),
        WORLD_TEST(evidence_of_one_namespace_leaves_some_for_another),
        WORLD_TEST(each_failing_namespace_gets_its_turn),
        WORLD_TEST(namespaces_within_the_limit_are_read_without_a_break),
        WORLD_TEST(images_of_one_namespace_do_not_delay_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
