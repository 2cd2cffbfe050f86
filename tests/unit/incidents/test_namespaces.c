/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

/* A pod of this namespace fails once, and is replaced. */
static void fail_in(struct world *w, const char *namespace, unsigned number)
{
    struct pod_facts facts;
    char name[32];

    snprintf(name, sizeof(name), "job-%u", number);
    pod_of(w, &facts, name);
    facts.fact.namespace = str_from(namespace);
    facts.containers[0].waiting_reason = STR("ErrImagePull");
    facts.containers[0].waiting_message = STR(NOT_FOUND_TEXT);
    observe_pod(w, &facts);
    world_advance(w, MINUTE);
    observe_deleted(w, name);
}

static uint64_t failures_in(struct world *w, const char *namespace, enum cause cause)
{
    struct snapshot snapshot;
    uint64_t n = 0;

    world_snapshot(w, &snapshot);
    for (size_t i = 0; i < snapshot.n_namespaces; i++)
        if (strcmp(snapshot.namespaces[i].namespace, namespace) == 0)
            n += snapshot.namespaces[i].failures[cause];
    snapshot_done(&snapshot);
    return n;
}

/* The row of a namespace and registry; fails the test if it is missing. */
static struct snapshot_namespace row_of(struct world *w, const char *namespace,
                                        const char *registry)
{
    struct snapshot_namespace found = { .namespace = NULL };
    struct snapshot snapshot;

    world_snapshot(w, &snapshot);
    for (size_t i = 0; i < snapshot.n_namespaces; i++) {
        const struct snapshot_namespace *row = &snapshot.namespaces[i];

        if (strcmp(row->namespace, namespace) == 0 && strcmp(row->registry, registry) == 0)
            found = *row;
    }
    snapshot_done(&snapshot);
    if (!found.namespace)
        fail_msg("no row of %s at %s", namespace, registry);
    return found;
}

/* A pod of this namespace fails at a registry of its own. */
static void fail_at(struct world *w, const char *namespace, unsigned number)
{
    struct pod_facts facts;
    char name[32], image[64];

    snprintf(name, sizeof(name), "at-%u", number);
    snprintf(image, sizeof(image), "reg-%u.example/app:v1", number);
    pod_of(w, &facts, name);
    facts.fact.namespace = str_from(namespace);
    facts.containers[0].image = str_from(image);
    facts.containers[0].waiting_reason = STR("ErrImagePull");
    facts.containers[0].waiting_message = STR("manifest unknown");
    observe_pod(w, &facts);
    world_advance(w, SEC);
    observe_deleted(w, name);
}

static void pull_in(struct world *w, const char *namespace, const char *name)
{
    struct pod_facts facts;

    pod_of(w, &facts, name);
    facts.fact.namespace = str_from(namespace);
    observe_pod(w, &facts);
    observe_image(w, IMAGE, false);
    observe_polled(w, name);
    world_advance(w, 9 * SEC);
    observe_image(w, IMAGE, true);
    observe_deleted(w, name);
}

static void failures_are_counted_by_registry(void **state)
{
    struct world *w = *state;

    fail_in(w, "shop", 1);
    fail_at(w, "shop", 2);
    fail_at(w, "shop", 2);
    assert_int_equal(row_of(w, "shop", REGISTRY).failures[CAUSE_NOT_FOUND], 1);
    assert_int_equal(row_of(w, "shop", "reg-2.example").failures[CAUSE_NOT_FOUND], 2);
}

/* A namespace takes no row of another one. */
static void further_registries_of_a_namespace_are_counted_together(void **state)
{
    struct world *w = *state;

    for (unsigned i = 0; i < 100; i++)
        fail_at(w, "many", i);
    fail_at(w, "shop", 7);
    assert_int_equal(row_of(w, "many", "reg-2.example").failures[CAUSE_NOT_FOUND], 1);
    assert_int_equal(row_of(w, "many", "other").failures[CAUSE_NOT_FOUND], 97);
    assert_int_equal(row_of(w, "many", "other").attempts, 0); /* unknown: see namespaces_pulled() */
    assert_int_equal(row_of(w, "shop", "reg-7.example").failures[CAUSE_NOT_FOUND], 1);
    assert_int_equal(failures_in(w, "_other", CAUSE_NOT_FOUND), 0);
}

static void good_pulls_count_as_attempts_where_a_pull_has_failed(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    pull_in(w, "shop", "good-0");
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.n_namespaces, 0);
    snapshot_done(&snapshot);

    fail_in(w, "shop", 1);
    fail_in(w, "bank", 2);
    pull_in(w, "shop", "good-1");
    pull_in(w, "shop", "good-2");
    assert_int_equal(row_of(w, "shop", REGISTRY).attempts, 3);
    assert_int_equal(row_of(w, "shop", REGISTRY).failures[CAUSE_NOT_FOUND], 1);
    assert_int_equal(row_of(w, "bank", REGISTRY).attempts, 1);
}

static void failures_of_pods_that_come_and_go_add_up(void **state)
{
    struct world *w = *state;

    for (unsigned i = 0; i < 5; i++)
        fail_in(w, "nightly", i);
    assert_int_equal(failures_in(w, "nightly", CAUSE_NOT_FOUND), 5);
    assert_int_equal(failures_in(w, "nightly", CAUSE_NETWORK), 0);
    assert_int_equal(failures_in(w, "default", CAUSE_NOT_FOUND), 0);
}

static void namespaces_over_the_limit_are_counted_together(void **state)
{
    struct world *w = *state;
    char namespace[32];

    for (unsigned i = 0; i < LIMIT_NAMESPACES + 3; i++) {
        snprintf(namespace, sizeof(namespace), "team-%u", i);
        fail_in(w, namespace, i);
    }
    fail_in(w, "team-0", 1000); /* has a row already */
    assert_int_equal(failures_in(w, "team-0", CAUSE_NOT_FOUND), 2);
    assert_int_equal(failures_in(w, "_other", CAUSE_NOT_FOUND), 3);
    assert_int_equal(failures_in(w, "team-17", CAUSE_NOT_FOUND), 0);
    assert_int_equal(hits_of(w, LIMIT_HIT_NAMESPACES), 3);
}

static void row_is_free_an_hour_after_the_last_failure(void **state)
{
    struct world *w = *state;
    char namespace[32];

    for (unsigned i = 0; i < LIMIT_NAMESPACES; i++) {
        snprintf(namespace, sizeof(namespace), "team-%u", i);
        fail_in(w, namespace, i);
    }
    for (unsigned i = 0; i < 65; i++)
        fail_in(w, "team-3", 100 + i);
    fail_in(w, "late", 1000);
    assert_int_equal(failures_in(w, "late", CAUSE_NOT_FOUND), 1);
    assert_int_equal(failures_in(w, "team-3", CAUSE_NOT_FOUND), 66);
    assert_int_equal(failures_in(w, "team-4", CAUSE_NOT_FOUND), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(failures_of_pods_that_come_and_go_add_up),
        WORLD_TEST(namespaces_over_the_limit_are_counted_together),
        WORLD_TEST(failures_are_counted_by_registry),
        WORLD_TEST(further_registries_of_a_namespace_are_counted_together),
        WORLD_TEST(good_pulls_count_as_attempts_where_a_pull_has_failed),
        WORLD_TEST(row_is_free_an_hour_after_the_last_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
