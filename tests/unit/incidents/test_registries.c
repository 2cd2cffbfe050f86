/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

static void registry_has_a_row_when_a_pod_names_it(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_running(w, "web-0");
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.n_registries, 1);
    assert_string_equal(snapshot.registries[0].registry, REGISTRY);
    assert_int_equal(attempts_of(&snapshot, REGISTRY), 0);
    snapshot_done(&snapshot);
}

static void all_spellings_of_a_registry_share_a_row(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting_for(w, "a", "busybox");
    observe_waiting_for(w, "b", "docker.io/library/busybox:1.36");
    observe_waiting_for(w, "c", "index.docker.io/team/app");
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.n_registries, 1);
    assert_string_equal(snapshot.registries[0].registry, "docker.io");
    snapshot_done(&snapshot);
}

static void registries_over_the_limit_are_counted_as_other(void **state)
{
    struct world *w = *state; /* 4 rows */
    struct snapshot snapshot;
    char image[64];
    char name[16];

    for (unsigned i = 0; i < 30; i++) { /* each status is repeated */
        snprintf(name, sizeof(name), "web-%u", i % 10);
        snprintf(image, sizeof(image), "r%u.example.com/app:v1", i % 10);
        observe_waiting_for(w, name, image);
        observe_image(w, image, i % 2 == 0);
    }
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.n_registries, 5);
    assert_string_equal(snapshot.registries[4].registry, "other");
    assert_int_equal(snapshot.limit_hits[LIMIT_HIT_REGISTRIES], 6);
    snapshot_done(&snapshot);
}

static void row_is_free_an_hour_after_the_last_pod(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_running(w, "web-0");
    world_advance(w, 2 * HOUR); /* it continues to run, and no status changes */
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.n_registries, 1);
    snapshot_done(&snapshot);

    observe_deleted(w, "web-0");
    world_advance(w, 50 * MINUTE);
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.n_registries, 1);
    snapshot_done(&snapshot);

    world_advance(w, 11 * MINUTE);
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.n_registries, 0);
    snapshot_done(&snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(registry_has_a_row_when_a_pod_names_it),
        WORLD_TEST(all_spellings_of_a_registry_share_a_row),
        WORLD_TEST(registries_over_the_limit_are_counted_as_other),
        WORLD_TEST(row_is_free_an_hour_after_the_last_pod),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
