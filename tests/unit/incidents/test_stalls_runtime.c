/* SPDX-License-Identifier: Apache-2.0 */

/* Stalls while the runtime hangs, changes, or lists no blobs. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/stall_story.h"
#include "tests/unit/incidents/world.h"

/* The runtime does not answer for 61 s: the stall must stay. */
static void stall_outlives_a_hanging_runtime(void **state)
{
    struct world *w = *state;
    int64_t idle = poll_a_stall(w, "web-0");
    struct snapshot snapshot;

    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    for (int i = 0; i < 8; i++) { /* the source continues to tick */
        world_advance(w, 10 * SEC);
        idle += 10 * SEC;
    }
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    poll_pod(w, "web-0", 400, idle);
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.recoveries[CAUSE_NETWORK].count, 0);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_STALLED);
    snapshot_done(&snapshot);
}

/* Nobody lists blobs while no container waits: an old list must not make a stall. */
static void blobs_of_an_old_list_make_no_stall(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    observe_blob_owner(w, LAYER, REPOSITORY);
    observe_image(w, IMAGE, true);
    observe_running(w, "web-0");
    observe_polled(w, "web-0");
    world_advance(w, HOUR);

    observe_waiting_for(w, "web-1", OTHER_TAG); /* the content service does not answer */
    for (int i = 0; i < 30; i++) {
        observe_image(w, OTHER_TAG, false);
        observe_polled(w, "web-1");
        world_advance(w, POLL);
    }
    observe_polled(w, "web-1");
    assert_int_equal(count_incidents(w, "web-1"), 0);
}

/* The content service stops answering while a blob stalls. */
static void stall_ends_when_the_runtime_lists_no_blobs(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    poll_a_stall(w, "web-0");
    for (int64_t t = 0; t <= 5 * MINUTE; t += POLL) {
        observe_image(w, IMAGE, false);
        observe_polled(w, "web-0");
        world_advance(w, POLL);
    }
    world_snapshot(w, &snapshot);
    assert_int_not_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_STALLED);
    snapshot_done(&snapshot);
}

static void list_is_used_for_24_silent_polls(void **state)
{
    struct world *w = *state;

    stalled(w, "web-0");
    for (int i = 0; i < 24; i++)
        observe_polled(w, "web-0");
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    observe_polled(w, "web-0");
    assert_int_equal(state_of(w, "web-0"), INCIDENT_GONE);
}

/* Another runtime answers, which lists no blobs. */
static void blobs_of_the_last_runtime_are_forgotten(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    correlate_observe(
        w->correlate,
        &(struct observation){ .kind = OBSERVE_RUNTIME,
                               .runtime = { .name = STR("cri-o"), .version = STR("1.33") } },
        w->now);
    world_snapshot(w, &snapshot);
    assert_false(snapshot.bytes_known);
    snapshot_done(&snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(stall_outlives_a_hanging_runtime),
        WORLD_TEST(blobs_of_an_old_list_make_no_stall),
        WORLD_TEST(stall_ends_when_the_runtime_lists_no_blobs),
        WORLD_TEST(list_is_used_for_24_silent_polls),
        WORLD_TEST(blobs_of_the_last_runtime_are_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
