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
        WORLD_TEST(row_is_free_an_hour_after_the_last_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
