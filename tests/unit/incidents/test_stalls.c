/* SPDX-License-Identifier: Apache-2.0 */

/* A pull whose bytes stop is a stall; it ends when they come again. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/stall_story.h"
#include "tests/unit/incidents/world.h"
#include "tests/unit/support/fault_heap.h"

static void pull_without_new_bytes_is_a_stall(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *incident;
    struct snapshot snapshot;

    observe_pulling(w, "web-0");
    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    stand_still(w, 115 * SEC, 400, 0);
    assert_false(wants_owner(w, LAYER));
    stand_still(w, 5 * SEC, 400, 115 * SEC);
    assert_true(wants_owner(w, LAYER));
    assert_int_equal(count_incidents(w, "web-0"), 0); /* its owner is unknown */
    observe_blob_owner(w, LAYER, REPOSITORY);

    world_snapshot(w, &snapshot);
    incident = incident_of(&snapshot, "web-0");
    assert_int_equal(incident->state, INCIDENT_STALLED);
    assert_int_equal(incident->verdict.cause, CAUSE_NETWORK);
    assert_int_equal(incident->verdict.reason, REASON_PULL_STALLED);
    assert_string_equal(incident->stall->layer, LAYER);
    assert_int_equal(incident->stall->bytes, 400);
    assert_int_equal(incident->stall->total, 1000);
    assert_int_equal(incident->stall->last_progress_us, w->now.wall_us - 120 * SEC);
    assert_int_equal(incident->first_failure_us, w->now.wall_us - 120 * SEC);
    assert_int_equal(incident->next_retry_us, 0);
    assert_int_equal(failures_of(&snapshot, CAUSE_NETWORK), 0); /* no attempt has failed */
    snapshot_done(&snapshot);
}

static void stall_is_one_attempt(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    stalled(w, "web-0");
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_STALLED);
    assert_int_equal(incident_of(&snapshot, "web-0")->attempts, 1);
    assert_int_equal(incident_of(&snapshot, "web-0")->stall->last_progress_us,
                     w->now.wall_us - STALL_AFTER);
    snapshot_done(&snapshot);
}

static void stall_ends_when_bytes_come_again(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    stalled(w, "web-0");
    world_advance(w, POLL);
    OBSERVE_BLOBS(w, { LAYER, 401, 0 });

    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_RECOVERED);
    assert_int_equal(snapshot.recoveries[CAUSE_NETWORK].count, 1);
    snapshot_done(&snapshot);
}

static void complete_blob_ends_the_stall(void **state)
{
    struct world *w = *state;

    stalled(w, "web-0");
    observe_ingests(w, NULL, 0);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_RECOVERED);
}

/* The runtime has the bytes and writes them to a slow disk, or checks them. The network is done. */
static void blob_with_all_its_bytes_is_not_a_stall(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    OBSERVE_BLOBS(w, { LAYER, 1000, 0 });
    observe_blob_owner(w, LAYER, REPOSITORY);
    stand_still(w, HOUR, 1000, 0);
    assert_int_equal(count_incidents(w, "web-0"), 0);
    assert_false(wants_owner(w, LAYER));
}

static void slow_pull_is_not_a_stall(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    for (uint64_t bytes = 0; bytes < 10; bytes++) {
        OBSERVE_BLOBS(w, { LAYER, bytes, 0 });
        observe_blob_owner(w, LAYER, REPOSITORY);
        stand_still(w, 100 * SEC, bytes, 0);
    }
    assert_int_equal(count_incidents(w, "web-0"), 0);
}

static void queued_or_unpacking_pull_is_not_a_stall(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    stand_still(w, HOUR, 400, 0);
    observe_blob_owner(w, LAYER, REGISTRY "/team/another"); /* this layer moves */
    assert_int_equal(count_incidents(w, "web-0"), 0);
    observe_ingests(w, NULL, 0);
    world_advance(w, HOUR);
    assert_int_equal(count_incidents(w, "web-0"), 0);
}

static void agent_that_starts_during_a_stall_finds_it(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    stand_still(w, 2 * MINUTE, 400, HOUR);
    assert_true(wants_owner(w, LAYER));
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
}

static void stall_is_not_older_than_its_container_waits(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;
    int64_t began_us;

    observe_pulling(w, "web-0"); /* and continues with a blob of the day before */
    began_us = w->now.wall_us;
    stand_still(w, 2 * MINUTE, 400, 24 * HOUR);
    observe_blob_owner(w, LAYER, REPOSITORY);
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_STALLED);
    assert_int_equal(incident_of(&snapshot, "web-0")->first_failure_us, began_us);
    assert_int_equal(incident_of(&snapshot, "web-0")->stall->last_progress_us,
                     began_us - 24 * HOUR);
    snapshot_done(&snapshot);
}

static int64_t first_failure_of(struct world *w, const char *pod)
{
    struct snapshot snapshot;
    int64_t at_us;

    world_snapshot(w, &snapshot);
    at_us = incident_of(&snapshot, pod)->first_failure_us;
    snapshot_done(&snapshot);
    return at_us;
}

static void stall_found_at_our_start_began_with_its_last_byte(void **state)
{
    struct world *w = *state;
    int64_t moved_us = w->now.wall_us - HOUR;
    struct pod_facts facts;

    observe_list_begin(w);
    pod_of(w, &facts, "web-0");
    facts.fact.created_us = w->now.wall_us - 2 * HOUR;
    observe_pod(w, &facts);
    observe_list_end(w);
    observe_image(w, IMAGE, false);
    observe_polled(w, "web-0");
    world_advance(w, STALL_AFTER);
    list_layer(w, 400, moved_us, moved_us);
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    assert_int_equal(first_failure_of(w, "web-0"), moved_us);
}

static void clock_that_jumps_makes_no_stall(void **state)
{
    struct world *w = *state;

    observe_pulling(w, "web-0");
    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    observe_blob_owner(w, LAYER, REPOSITORY);
    w->now.wall_us += HOUR;
    OBSERVE_BLOBS(w, { LAYER, 400, HOUR });
    assert_int_equal(count_incidents(w, "web-0"), 0);
    w->now.wall_us -= 2 * HOUR;
    OBSERVE_BLOBS(w, { LAYER, 400, -HOUR });
    assert_int_equal(count_incidents(w, "web-0"), 0);
}

/* A stall begins, and the clock is set back by an hour (NTP after boot) in the middle. */
static void clock_set_back_hides_no_stall(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;
    int64_t idle;

    observe_pulling(w, "web-0");
    w->now.wall_us -= HOUR;
    for (idle = 0; idle <= 5 * MINUTE; idle += POLL) {
        observe_image(w, IMAGE, false);
        observe_polled(w, "web-0");
        OBSERVE_BLOBS(w, { LAYER, 400, idle }, { OTHER_LAYER, (uint64_t)idle, 0 });
        observe_blob_owner(w, LAYER, REPOSITORY);
        world_advance(w, POLL);
    }
    world_snapshot(w, &snapshot);
    assert_int_equal(incidents_of_pod(&snapshot, "web-0"), 1);
    snapshot_done(&snapshot);
}

static void byte_with_a_time_in_the_future_counts_as_now(void **state)
{
    struct world *w = *state;
    int64_t moved_us = w->now.wall_us + HOUR;

    observe_pulling(w, "web-0");
    list_layer(w, 400, moved_us, moved_us);
    world_advance(w, STALL_AFTER);
    list_layer(w, 400, moved_us, moved_us);
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    assert_int_equal(first_failure_of(w, "web-0"), w->now.wall_us);
}

static void new_bytes_count_as_progress_even_if_the_clock_jumps(void **state)
{
    struct world *w = *state;
    int64_t began_us = w->now.wall_us;

    observe_pulling(w, "web-0");
    world_advance(w, STALL_AFTER);
    list_layer(w, 400, began_us, w->now.wall_us);
    world_advance(w, 5 * SEC);
    list_layer(w, 500, began_us, w->now.wall_us - HOUR);
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(count_incidents(w, "web-0"), 0);
}

static void blobs_are_not_asked_for_without_stall_after(void **state)
{
    struct world *w = *state;
    struct wanted wanted;

    correlate_free(w->correlate);
    w->correlate = correlate_new(&(struct correlate_config){ .max_registries = 4 }, w->now);
    observe_pulling(w, "web-0");
    correlate_wanted(w->correlate, w->now, &wanted);
    assert_false(wanted.ingests);
    wanted_done(&wanted);
    stand_still(w, HOUR, 400, 0);
    assert_false(wants_owner(w, LAYER));
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(count_incidents(w, "web-0"), 0);
}

static void deleted_pod_ends_its_stall(void **state)
{
    struct world *w = *state;

    stalled(w, "web-0");
    observe_deleted(w, "web-0");
    assert_int_equal(state_of(w, "web-0"), INCIDENT_GONE);
    OBSERVE_BLOBS(w, { LAYER, 400, 3 * MINUTE });
    assert_int_equal(state_of(w, "web-0"), INCIDENT_GONE);
}

/* The same for a pod that replaces a stalled pod. */
static void new_pod_does_not_begin_as_a_stall(void **state)
{
    struct world *w = *state;

    stalled(w, "old");
    observe_deleted(w, "old");
    stand_still(w, 20 * SEC, 400, 2 * MINUTE);
    observe_pulling(w, "new");
    stand_still(w, POLL, 400, 140 * SEC);
    assert_int_equal(count_incidents(w, "new"), 0);
}

/* There is no memory for the text of one stall, and a snapshot shows another one. */
static void stall_without_memory_for_its_text_does_not_crash(void **state)
{
    struct world *w = *state;

    for (size_t n = 0; n < 60; n++) {
        struct snapshot snapshot;

        observe_pulling(w, "web-0");
        observe_waiting(w, "web-1", "ContainerCreating", "");
        for (int64_t idle = 0; idle <= 3 * MINUTE; idle += POLL) {
            observe_image(w, IMAGE, false);
            observe_sandbox(w, "web-0", true);
            observe_polled(w, "web-1");
            OBSERVE_BLOBS(w, { LAYER, 400, idle });
            world_advance(w, POLL);
        }
        fault_heap_fail_at(n);
        correlate_observe(w->correlate,
                          &(struct observation){
                              .kind = OBSERVE_BLOB,
                              .blob = { .digest = STR(LAYER),
                                        .repositories = (const struct str[]){ STR(REPOSITORY) },
                                        .n = 1 } },
                          w->now);
        fault_heap_fired();
        world_snapshot(w, &snapshot);
        snapshot_done(&snapshot);
        world_end(w);
        world_begin(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(pull_without_new_bytes_is_a_stall),
        WORLD_TEST(stall_is_one_attempt),
        WORLD_TEST(stall_ends_when_bytes_come_again),
        WORLD_TEST(complete_blob_ends_the_stall),
        WORLD_TEST(blob_with_all_its_bytes_is_not_a_stall),
        WORLD_TEST(slow_pull_is_not_a_stall),
        WORLD_TEST(queued_or_unpacking_pull_is_not_a_stall),
        WORLD_TEST(agent_that_starts_during_a_stall_finds_it),
        WORLD_TEST(stall_is_not_older_than_its_container_waits),
        WORLD_TEST(stall_found_at_our_start_began_with_its_last_byte),
        WORLD_TEST(clock_that_jumps_makes_no_stall),
        WORLD_TEST(clock_set_back_hides_no_stall),
        WORLD_TEST(byte_with_a_time_in_the_future_counts_as_now),
        WORLD_TEST(new_bytes_count_as_progress_even_if_the_clock_jumps),
        WORLD_TEST(blobs_are_not_asked_for_without_stall_after),
        WORLD_TEST(deleted_pod_ends_its_stall),
        WORLD_TEST(new_pod_does_not_begin_as_a_stall),
        WORLD_TEST(stall_without_memory_for_its_text_does_not_crash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
