/* SPDX-License-Identifier: Apache-2.0 */

/* Containers that wait behind the stall of another one. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/stall_story.h"
#include "tests/unit/incidents/world.h"

static void containers_that_share_the_layer_wait_behind_the_stall(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *incident;
    struct snapshot snapshot;
    const struct str repositories[] = { STR(REPOSITORY), STR("docker.io/library/other") };

    observe_pulling(w, "web-0");
    observe_waiting_for(w, "web-1", OTHER_IMAGE);
    observe_image(w, OTHER_IMAGE, false);
    observe_sandbox(w, "web-0", true);
    observe_polled(w, "web-1");
    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    stand_still(w, 2 * MINUTE, 400, 0);
    observe_blob_owners(w, LAYER, repositories, 2);

    world_snapshot(w, &snapshot);
    incident = incident_of(&snapshot, "web-0");
    assert_int_equal(incident->state, INCIDENT_STALLED);
    assert_int_equal(incident->stall->n_waiting_behind, 1);
    assert_string_equal(incident->stall->waiting_behind[0].pod, "web-1");
    assert_string_equal(incident_of(&snapshot, "web-1")->stall->waiting_behind[0].pod, "web-0");
    assert_string_equal(incident_of(&snapshot, "web-1")->stall->waiting_behind[0].container, "app");
    snapshot_done(&snapshot);
}

/* Another image waits for the stalled layer, while a third pull moves. */
static void later_container_waits_behind_the_stall_while_others_move(void **state)
{
    struct world *w = *state;
    const struct str repositories[] = { STR(REPOSITORY), STR("docker.io/library/other") };

    observe_pulling(w, "web-0");
    for (int64_t idle = 0; idle <= 6 * MINUTE; idle += POLL) {
        if (idle == 2 * MINUTE)
            observe_waiting_for(w, "web-1", OTHER_IMAGE);
        observe_image(w, IMAGE, false);
        if (idle >= 2 * MINUTE)
            observe_image(w, OTHER_IMAGE, false);
        observe_sandbox(w, "web-0", true);
        observe_sandbox(w, "web-1", true);
        observe_sandboxes_end(w);
        OBSERVE_BLOBS(w, { LAYER, 400, idle }, { OTHER_LAYER, (uint64_t)(idle / SEC), 0 });
        observe_blob_owners(w, LAYER, repositories, 2);
        world_advance(w, POLL);
    }
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    assert_int_equal(count_incidents(w, "web-1"), 1); /* STALLED */
}

/* A large pull of one tag moves, while a layer of another tag stands still. */
static void moving_pull_of_the_same_repository_is_not_a_stall(void **state)
{
    struct world *w = *state;

    observe_waiting_for(w, "big", OTHER_TAG);
    for (int64_t t = 0; t <= 8 * MINUTE; t += POLL) {
        int64_t idle = t - 2 * MINUTE;

        if (t == MINUTE)
            observe_waiting(w, "web-0", "ContainerCreating", "");
        observe_image(w, OTHER_TAG, false);
        if (t >= MINUTE) {
            observe_image(w, IMAGE, false);
            observe_sandbox(w, "web-0", true);
        }
        observe_polled(w, "big");
        if (t < 2 * MINUTE)
            OBSERVE_BLOBS(w, { OTHER_LAYER, (uint64_t)(t / SEC), 0 });
        else
            OBSERVE_BLOBS(w, { OTHER_LAYER, (uint64_t)(t / SEC), 0 }, { LAYER, 400, idle });
        observe_blob_owner(w, LAYER, REPOSITORY);
        observe_blob_owner(w, OTHER_LAYER, REPOSITORY);
        world_advance(w, POLL);
    }
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    assert_int_equal(count_incidents(w, "big"), 0);
}

static void tags_that_began_together_can_both_stall(void **state)
{
    struct world *w = *state;
    int64_t began_us = w->now.wall_us;

    observe_waiting_for(w, "web-0", IMAGE);
    observe_waiting_for(w, "web-1", OTHER_TAG);
    observe_image(w, IMAGE, false);
    observe_image(w, OTHER_TAG, false);
    observe_sandbox(w, "web-1", true);
    observe_polled(w, "web-0");
    world_advance(w, STALL_AFTER);
    list_blobs(w,
               (const struct blob[]){ { LAYER, 400, began_us, began_us },
                                      { OTHER_LAYER, 1, began_us, w->now.wall_us } },
               2);
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    assert_int_equal(state_of(w, "web-1"), INCIDENT_STALLED);
}

#define OTHER_PORT REGISTRY ":5000/team/app:v1"

/* The labels of the runtime have no port. */
static void layer_of_two_ports_is_said_to_be_of_one_of_them(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *incident;
    struct snapshot snapshot;
    int64_t began_us = w->now.wall_us;

    observe_waiting_for(w, "web-0", IMAGE);
    observe_waiting_for(w, "web-1", OTHER_PORT);
    observe_image(w, IMAGE, false);
    observe_image(w, OTHER_PORT, false);
    observe_sandbox(w, "web-1", true);
    observe_polled(w, "web-0");
    world_advance(w, STALL_AFTER);
    list_layer(w, 400, began_us, began_us);
    observe_blob_owner(w, LAYER, REPOSITORY);

    world_snapshot(w, &snapshot);
    incident = incident_of(&snapshot, "web-0");
    assert_int_equal(incident->state, INCIDENT_STALLED);
    assert_int_equal(incident->stall->n_ambiguous_with, 1);
    assert_string_equal(incident->stall->ambiguous_with[0], OTHER_PORT);
    assert_non_null(strstr(incident->advice, "of this image or of " OTHER_PORT));
    assert_string_equal(incident_of(&snapshot, "web-1")->stall->ambiguous_with[0], IMAGE);
    snapshot_done(&snapshot);

    observe_ingests(w, NULL, 0); /* only one of them had stalled */
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_RECOVERED);
    assert_int_equal(snapshot.recoveries[CAUSE_NETWORK].count, 0);
    snapshot_done(&snapshot);
}

/* Another port of the host starts to pull while a layer of the first one stands still. */
static void pull_from_another_port_that_moves_is_not_a_stall(void **state)
{
    struct world *w = *state;
    int64_t idle = 0;

    observe_pulling(w, "web-0");
    for (int64_t t = 0; t <= 3 * STALL_AFTER; t += POLL, idle += POLL) {
        bool both = t > STALL_AFTER + POLL;

        if (both)
            observe_waiting_for(w, "web-1", OTHER_PORT);
        observe_image(w, IMAGE, false);
        observe_image(w, OTHER_PORT, false);
        observe_sandbox(w, "web-1", both);
        observe_polled(w, "web-0");
        if (both)
            OBSERVE_BLOBS(w, { LAYER, 400, idle }, { OTHER_LAYER, (uint64_t)t, 0 });
        else
            OBSERVE_BLOBS(w, { LAYER, 400, idle });
        observe_blob_owner(w, LAYER, REPOSITORY);
        observe_blob_owner(w, OTHER_LAYER, REPOSITORY);
        assert_int_equal(count_incidents(w, "web-1"), 0);
        world_advance(w, POLL);
    }
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
}

/* Nothing of its repository moves: it shares the layer with the tag that began it. */
static void later_tag_of_the_repository_waits_behind_the_stall(void **state)
{
    struct world *w = *state;
    int64_t idle = 0;

    observe_pulling(w, "web-0");
    for (int64_t t = 0; t <= 3 * STALL_AFTER; t += POLL, idle += POLL) {
        bool both = t > STALL_AFTER + POLL;

        if (both)
            observe_waiting_for(w, "web-1", OTHER_TAG);
        observe_image(w, IMAGE, false);
        observe_image(w, OTHER_TAG, false);
        observe_sandbox(w, "web-1", both);
        observe_polled(w, "web-0");
        OBSERVE_BLOBS(w, { LAYER, 400, idle }, { OTHER_LAYER, (uint64_t)t, 0 });
        observe_blob_owner(w, LAYER, REPOSITORY);
        observe_blob_owner(w, OTHER_LAYER, "docker.io/library/other");
        if (t < 2 * STALL_AFTER)
            assert_int_equal(count_incidents(w, "web-1"), 0);
        world_advance(w, POLL);
    }
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
    assert_int_equal(state_of(w, "web-1"), INCIDENT_STALLED);
}

static void layer_of_two_repositories_is_of_both(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;
    const struct str repositories[] = { STR(REPOSITORY), STR("docker.io/library/other") };

    observe_pulling(w, "web-0");
    observe_waiting_for(w, "web-1", OTHER_IMAGE);
    observe_image(w, OTHER_IMAGE, false);
    observe_sandbox(w, "web-0", true);
    observe_polled(w, "web-1");
    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    stand_still(w, 2 * MINUTE, 400, 0);
    observe_blob_owners(w, LAYER, repositories, 2);
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->stall->n_ambiguous_with, 0);
    assert_non_null(strstr(incident_of(&snapshot, "web-0")->advice, "behind it also wait "
                                                                    "default/web-1"));
    snapshot_done(&snapshot);
}

static void stall_many(struct world *w, int n)
{
    char name[16];

    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        observe_waiting_for(w, name, IMAGE);
        observe_sandbox(w, name, true);
    }
    stalled(w, "web-0");
}

static void containers_behind_a_stall_are_shown_up_to_the_limit(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    stall_many(w, LIMIT_WAITING_BEHIND);
    assert_int_equal(hits_of(w, LIMIT_HIT_WAITING_BEHIND), 0);
    world_snapshot(w, &snapshot);
    for (size_t i = 0; i <= LIMIT_WAITING_BEHIND; i++) {
        const struct snapshot_stall *stall = snapshot.incidents[i].stall;

        assert_int_equal(stall->n_waiting_behind, LIMIT_WAITING_BEHIND);
        for (size_t k = 0; k < stall->n_waiting_behind; k++)
            assert_string_not_equal(stall->waiting_behind[k].pod, snapshot.incidents[i].pod);
    }
    snapshot_done(&snapshot);
}

static void each_container_behind_a_stall_over_the_limit_counts_once(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    stall_many(w, LIMIT_WAITING_BEHIND + 1);
    observe_blob_owner(w, LAYER, REPOSITORY); /* all stalls are judged again */
    assert_int_equal(hits_of(w, LIMIT_HIT_WAITING_BEHIND), LIMIT_WAITING_BEHIND + 2);
    world_snapshot(w, &snapshot);
    for (size_t i = 0; i < LIMIT_WAITING_BEHIND + 2; i++)
        assert_int_equal(snapshot.incidents[i].stall->n_waiting_behind, LIMIT_WAITING_BEHIND);
    snapshot_done(&snapshot);
}

/* A thousand containers wait behind one layer. */
static void snapshot_of_a_thousand_stalls_fits(void **state)
{
    struct world *w = *state;
    static char names[1000][16];
    struct snapshot snapshot = { .taken = w->now };

    for (int i = 0; i < 1000; i++) {
        snprintf(names[i], sizeof(names[i]), "p%d", i);
        observe_waiting(w, names[i], "ContainerCreating", "");
    }
    for (int64_t idle = 0; idle <= 3 * MINUTE; idle += 30 * SEC) {
        observe_image(w, IMAGE, false);
        for (int i = 0; i < 1000; i++)
            observe_sandbox(w, names[i], true);
        observe_sandboxes_end(w);
        OBSERVE_BLOBS(w, { LAYER, 400, idle });
        world_advance(w, 30 * SEC);
    }
    OBSERVE_BLOBS(w, { LAYER, 400, 3 * MINUTE });
    observe_blob_owner(w, LAYER, REPOSITORY);
    for (int i = 0; i < 3; i++) {
        arena_init(&snapshot.arena, LIMIT_SNAPSHOT);
        assert_int_equal(correlate_snapshot(w->correlate, SNAPSHOT_DETAIL, &snapshot), 0);
        assert_int_equal(snapshot.n_incidents, 1000);
        snapshot_done(&snapshot);
    }
    assert_in_range(snapshot.limit_hits[LIMIT_HIT_WAITING_BEHIND], 1,
                    1000); /* once for each of them */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(containers_that_share_the_layer_wait_behind_the_stall),
        WORLD_TEST(later_container_waits_behind_the_stall_while_others_move),
        WORLD_TEST(moving_pull_of_the_same_repository_is_not_a_stall),
        WORLD_TEST(tags_that_began_together_can_both_stall),
        WORLD_TEST(layer_of_two_ports_is_said_to_be_of_one_of_them),
        WORLD_TEST(pull_from_another_port_that_moves_is_not_a_stall),
        WORLD_TEST(later_tag_of_the_repository_waits_behind_the_stall),
        WORLD_TEST(layer_of_two_repositories_is_of_both),
        WORLD_TEST(containers_behind_a_stall_are_shown_up_to_the_limit),
        WORLD_TEST(each_container_behind_a_stall_over_the_limit_counts_once),
        WORLD_TEST(snapshot_of_a_thousand_stalls_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
