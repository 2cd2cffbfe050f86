/* SPDX-License-Identifier: Apache-2.0 */

/* When a counter began: a server that knows it counts from 0, and does not miss the first one. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

static struct snapshot snapshot_of(struct world *w)
{
    struct snapshot snapshot;

    world_snapshot(w, &snapshot);
    return snapshot;
}

static void a_counter_begins_with_its_first_failure(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot = snapshot_of(w);
    int64_t first_us;

    assert_int_equal(snapshot.since.reasons_us[REASON_IMAGE_NOT_FOUND], 0);
    snapshot_done(&snapshot);

    world_advance(w, HOUR);
    first_us = w->now.wall_us;
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    world_advance(w, MINUTE);
    observe_waiting(w, "web-1", "ErrImagePull", NOT_FOUND_TEXT);
    snapshot = snapshot_of(w);
    assert_int_equal(snapshot.reasons[REASON_IMAGE_NOT_FOUND], 2);
    assert_int_equal(snapshot.since.reasons_us[REASON_IMAGE_NOT_FOUND], first_us);
    assert_int_equal(snapshot.namespaces[0].since_us[CAUSE_NOT_FOUND], first_us);
    assert_int_equal(snapshot.namespaces[0].since_us[CAUSE_NETWORK], 0);
    assert_int_equal(snapshot.namespaces[0].began_us, first_us);
    assert_int_equal(snapshot.since.recoveries_us[CAUSE_NOT_FOUND], 0);
    snapshot_done(&snapshot);
}

static void a_registry_begins_when_a_pod_names_it(void **state)
{
    struct world *w = *state;
    int64_t named_us = w->now.wall_us;
    struct snapshot snapshot;

    observe_pulling(w, "web-0");
    world_advance(w, 9 * SEC);
    observe_image(w, IMAGE, true);
    snapshot = snapshot_of(w);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->pulls.count, 1);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->since_us, named_us);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->pulls_since_us, w->now.wall_us);
    snapshot_done(&snapshot);
}

static void a_row_that_begins_again_begins_anew(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_deleted(w, "web-0");
    for (unsigned minutes = 0; minutes < 70; minutes++)
        world_advance(w, MINUTE);
    observe_waiting(w, "web-1", "ErrImagePull", NOT_FOUND_TEXT);
    snapshot = snapshot_of(w);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->failures[CAUSE_NOT_FOUND], 1);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->since_us, w->now.wall_us);
    assert_int_equal(snapshot.namespaces[0].since_us[CAUSE_NOT_FOUND], w->now.wall_us);
    snapshot_done(&snapshot);
}

static void a_recovery_and_a_limit_begin_when_they_happen(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;
    char name[32], image[64];

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    world_advance(w, MINUTE);
    observe_running(w, "web-0");
    for (unsigned i = 0; i < 5; i++) { /* the world has room for 4 registries */
        snprintf(name, sizeof(name), "many-%u", i);
        snprintf(image, sizeof(image), "reg-%u.example.com/app:v1", i);
        observe_waiting_for(w, name, image);
    }
    snapshot = snapshot_of(w);
    assert_int_equal(snapshot.since.recoveries_us[CAUSE_NOT_FOUND], w->now.wall_us);
    assert_true(snapshot.limit_hits[LIMIT_HIT_REGISTRIES] > 0);
    assert_int_equal(snapshot.since.limit_hits_us[LIMIT_HIT_REGISTRIES], w->now.wall_us);
    assert_int_equal(registry_row(&snapshot, "other")->since_us, w->now.wall_us);
    snapshot_done(&snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_counter_begins_with_its_first_failure),
        WORLD_TEST(a_registry_begins_when_a_pod_names_it),
        WORLD_TEST(a_row_that_begins_again_begins_anew),
        WORLD_TEST(a_recovery_and_a_limit_begin_when_they_happen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
