/* SPDX-License-Identifier: Apache-2.0 */

/*
 * containerd 2.1 lists a blob before it has one of the node's three download slots. A blob that
 * only waits for its slot is not a stall, and a pull that waits for slots that others hold is named
 * with those others.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/stall_story.h"
#include "tests/unit/incidents/world.h"

#define N_LAYERS 6
#define OTHER_REPOSITORY "docker.io/library/other"
#define OTHER_CANONICAL "docker.io/library/other:2"
#define MANIFEST "sha256:3333"

static const char *const layers[N_LAYERS] = { "sha256:a0", "sha256:a1", "sha256:a2",
                                              "sha256:a3", "sha256:a4", "sha256:a5" };

/* web-0 pulls IMAGE from a registry whose six layers come one MiB in `step_us`, three at a time. */
static void pull_six_layers(struct world *w, int64_t step_us, int64_t opened_us)
{
    uint64_t bytes[N_LAYERS] = { 0 };
    int64_t moved_us[N_LAYERS];
    const uint64_t whole = 5;

    for (size_t i = 0; i < N_LAYERS; i++)
        moved_us[i] = opened_us;
    for (bool more = true; more;) {
        struct blob blobs[N_LAYERS];
        size_t n = 0, in_slot = 0;

        world_advance(w, step_us);
        more = false;
        for (size_t i = 0; i < N_LAYERS && in_slot < 3; i++) {
            if (bytes[i] == whole)
                continue;
            in_slot++;
            bytes[i]++;
            moved_us[i] = w->now.wall_us;
        }
        for (size_t i = 0; i < N_LAYERS; i++)
            if (bytes[i] < whole)
                blobs[n++] = (struct blob){ layers[i], bytes[i], opened_us, moved_us[i] };
        more = n > 0;
        observe_image(w, IMAGE, false);
        observe_polled(w, "web-0");
        list_blobs(w, blobs, n);
        for (size_t i = 0; i < N_LAYERS; i++)
            observe_blob_owner(w, layers[i], REPOSITORY);
        assert_int_equal(count_incidents(w, "web-0"), 0);
    }
}

/* Each layer takes 2.5 times STALL_AFTER. */
static void layer_that_waits_for_its_slot_is_not_a_stall(void **state)
{
    struct world *w = *state;

    w->before_slot = true;
    observe_pulling(w, "web-0");
    pull_six_layers(w, MINUTE, w->now.wall_us);
}

/* The first three layers end, and the next three get their first MiB only a while later. */
static void layer_that_has_just_got_its_slot_is_not_a_stall(void **state)
{
    struct world *w = *state;

    w->before_slot = true;
    observe_pulling(w, "web-0");
    pull_six_layers(w, STALL_AFTER - SEC, w->now.wall_us);
}

/* Before 2.1 a listed blob has a slot. */
static void layer_without_a_byte_is_a_stall_where_blobs_are_listed_with_their_slot(void **state)
{
    struct world *w = *state;
    int64_t began_us = w->now.wall_us;

    observe_pulling(w, "web-0");
    world_advance(w, STALL_AFTER);
    list_blobs(w,
               (const struct blob[]){ { LAYER, 0, began_us, began_us },
                                      { OTHER_LAYER, 9, began_us, w->now.wall_us } },
               2);
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
}

static void layer_that_lost_its_bytes_had_a_slot(void **state)
{
    struct world *w = *state;
    int64_t began_us = w->now.wall_us;

    w->before_slot = true;
    observe_pulling(w, "web-0");
    world_advance(w, MINUTE);
    list_blobs(w,
               (const struct blob[]){ { LAYER, 0, began_us, began_us + MINUTE },
                                      { OTHER_LAYER, 9, began_us, w->now.wall_us } },
               2);
    world_advance(w, STALL_AFTER);
    list_blobs(w,
               (const struct blob[]){ { LAYER, 0, began_us, began_us + MINUTE },
                                      { OTHER_LAYER, 10, began_us, w->now.wall_us } },
               2);
    observe_blob_owner(w, LAYER, REPOSITORY);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
}

static void layers_without_a_byte_are_a_stall_when_nothing_moves(void **state)
{
    struct world *w = *state;
    int64_t began_us = w->now.wall_us;
    struct snapshot snapshot;

    w->before_slot = true;
    observe_pulling(w, "web-0");
    for (int64_t t = 0; t <= STALL_AFTER + POLL; t += POLL) {
        observe_image(w, IMAGE, false);
        observe_polled(w, "web-0");
        list_layer(w, 0, began_us, began_us);
        observe_blob_owner(w, LAYER, REPOSITORY);
        world_advance(w, POLL);
    }
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_STALLED);
    assert_int_equal(incident_of(&snapshot, "web-0")->stall->waits_for, STALL_BYTES);
    assert_string_equal(incident_of(&snapshot, "web-0")->stall->layer, LAYER);
    snapshot_done(&snapshot);
}

/* --- all slots are held by layers that stand still ------------------------- */

/* web-0: six layers, the first three stop after a MiB. web-1: another image of another registry,
 * whose manifest is listed but never gets a slot. */
static void jam(struct world *w, int64_t for_us, bool manifest_came)
{
    int64_t began_us = w->now.wall_us;

    for (int64_t t = 0; t <= for_us; t += POLL) {
        struct blob blobs[N_LAYERS + 1];

        for (size_t i = 0; i < N_LAYERS; i++)
            blobs[i] = (struct blob){ layers[i], i < 3, began_us, began_us + (i < 3 ? SEC : 0) };
        blobs[N_LAYERS] = (struct blob){ MANIFEST, 0, began_us + 4 * SEC, began_us + 4 * SEC };
        if (t == POLL)
            observe_waiting_for(w, "web-1", OTHER_IMAGE);
        observe_image(w, IMAGE, false);
        if (t >= POLL) {
            observe_image(w, OTHER_IMAGE, false);
            observe_sandbox(w, "web-1", true);
        }
        observe_polled(w, "web-0");
        list_blobs(w, blobs, t >= POLL ? N_LAYERS + 1 : N_LAYERS);
        for (size_t i = 0; i < N_LAYERS; i++)
            observe_blob_owner(w, layers[i], REPOSITORY);
        if (manifest_came)
            observe_blob_owner(w, MANIFEST, OTHER_REPOSITORY);
        else
            observe_blob_owners(w, MANIFEST, NULL, 0);
        world_advance(w, POLL);
    }
}

static void check_jam(struct world *w)
{
    const struct snapshot_incident *holder, *waiter;
    struct snapshot snapshot;

    world_snapshot(w, &snapshot);
    assert_int_equal(correlate_complete(SNAPSHOT_DETAIL, &snapshot), 0);
    holder = incident_of(&snapshot, "web-0");
    assert_int_equal(holder->state, INCIDENT_STALLED);
    assert_int_equal(holder->stall->waits_for, STALL_BYTES);
    assert_int_equal(holder->stall->bytes, 1);
    assert_int_equal(holder->stall->n_waiting_behind, 1);
    assert_string_equal(holder->stall->waiting_behind[0].pod, "web-1");
    assert_string_equal(holder->stall->waiting_behind[0].container, "app");
    assert_int_equal(holder->stall->n_held_by, 0);
    assert_non_null(strstr(holder->advice, "hold 3 download slots"));
    assert_non_null(strstr(holder->advice, "default/web-1 (" OTHER_IMAGE ")"));

    waiter = incident_of(&snapshot, "web-1");
    assert_int_equal(waiter->state, INCIDENT_STALLED);
    assert_int_equal(waiter->verdict.reason, REASON_PULL_STALLED);
    assert_int_equal(waiter->stall->waits_for, STALL_SLOT);
    assert_int_equal(waiter->stall->n_held_by, 1);
    assert_string_equal(waiter->stall->held_by[0].pod, "web-0");
    assert_string_equal(waiter->stall->held_by[0].image, IMAGE);
    assert_int_equal(waiter->stall->n_waiting_behind, 0);
    assert_non_null(strstr(waiter->advice, "the node's 3 download slots are held by default/web-0 "
                                           "(" IMAGE ")"));
    assert_non_null(strstr(waiter->message, "waits for a download slot since "));
    snapshot_done(&snapshot);
}

static void pull_behind_three_stalled_layers_is_named_with_who_holds_the_slots(void **state)
{
    struct world *w = *state;

    w->before_slot = true;
    observe_pulling(w, "web-0");
    jam(w, STALL_AFTER + 3 * POLL, false);
    check_jam(w);
}

static void pull_that_knows_its_layers_waits_for_a_slot_too(void **state)
{
    struct world *w = *state;

    w->before_slot = true;
    observe_pulling(w, "web-0");
    jam(w, STALL_AFTER + 3 * POLL, true);
    check_jam(w);
}

/* An image that is waited for in the jam is in the queue for slots, behind the other. */
static void image_in_the_queue_for_slots_names_the_image_ahead(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;
    const struct snapshot_image *image = NULL;

    w->before_slot = true;
    observe_pulling(w, "web-0");
    jam(w, 4 * POLL, false);
    world_snapshot(w, &snapshot);
    for (size_t i = 0; i < snapshot.n_images; i++)
        if (strcmp(snapshot.images[i].image, OTHER_CANONICAL) == 0)
            image = &snapshot.images[i];
    assert_non_null(image);
    assert_int_equal(image->phase, PULL_PHASE_SLOT_QUEUE);
    assert_int_equal(image->pulling, 1); /* the runtime has the pull */
    assert_int_equal(image->n_waiting_behind, 1);
    assert_string_equal(image->waiting_behind[0], IMAGE);
    assert_int_equal(snapshot.n_incidents, 0);
    snapshot_done(&snapshot);
}

/* Somebody deletes the pod that stands still. Its pull goes on standing still in the runtime. */
static void pull_of_a_deleted_pod_still_holds_the_slots(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *waiter;
    struct snapshot snapshot;
    int64_t began_us = w->now.wall_us;

    w->before_slot = true;
    observe_pulling(w, "web-0");
    jam(w, 2 * POLL, false);
    observe_deleted(w, "web-0");
    for (int64_t t = 0; t <= STALL_AFTER; t += POLL) {
        struct blob blobs[4];

        for (size_t i = 0; i < 3; i++)
            blobs[i] = (struct blob){ layers[i], 1, began_us, began_us + SEC };
        blobs[3] = (struct blob){ MANIFEST, 0, began_us + 4 * SEC, began_us + 4 * SEC };
        observe_image(w, OTHER_IMAGE, false);
        observe_polled(w, "web-1");
        list_blobs(w, blobs, 4);
        observe_blob_owners(w, MANIFEST, NULL, 0);
        world_advance(w, POLL);
    }
    world_snapshot(w, &snapshot);
    waiter = incident_of(&snapshot, "web-1");
    assert_int_equal(waiter->stall->waits_for, STALL_SLOT);
    assert_int_equal(waiter->stall->n_held_by, 0);
    assert_non_null(strstr(waiter->advice, "3 download slots are held by other pulls"));
    snapshot_done(&snapshot);
}

/* The same layers, but they are what is left of the time before the runtime was restarted. */
static void layers_that_a_restart_left_behind_hold_no_slots(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;
    int64_t old_us = w->now.wall_us - HOUR;

    w->before_slot = true;
    correlate_observe(
        w->correlate,
        &(struct observation){ .kind = OBSERVE_RUNTIME,
                               .runtime = { .name = STR("containerd"), .version = STR("2.1") } },
        w->now);
    observe_pulling(w, "web-0");
    for (int64_t t = 0; t <= STALL_AFTER + POLL; t += POLL) {
        int64_t began_us = w->now.wall_us - t;

        observe_image(w, IMAGE, false);
        observe_polled(w, "web-0");
        list_blobs(w,
                   (const struct blob[]){ { layers[0], 1, old_us, old_us },
                                          { layers[1], 1, old_us, old_us },
                                          { layers[2], 1, old_us, old_us },
                                          { MANIFEST, 0, began_us, began_us } },
                   4);
        for (size_t i = 0; i < 3; i++)
            observe_blob_owner(w, layers[i], "quay.io/nobody");
        observe_blob_owners(w, MANIFEST, NULL, 0);
        answer_nothing_came(w);
        world_advance(w, POLL);
    }
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->stall->waits_for, STALL_ANSWER);
    snapshot_done(&snapshot);
}

static void both_stalls_end_when_the_bytes_come_again(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    w->before_slot = true;
    observe_pulling(w, "web-0");
    jam(w, STALL_AFTER + 3 * POLL, false);
    observe_image(w, IMAGE, false);
    list_blobs(w,
               (const struct blob[]){ { layers[0], 2, w->now.wall_us, w->now.wall_us },
                                      { MANIFEST, 0, w->now.wall_us, w->now.wall_us } },
               2);
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_RECOVERED);
    assert_int_equal(incident_of(&snapshot, "web-1")->state, INCIDENT_RECOVERED);
    assert_int_equal(snapshot.recoveries[CAUSE_NETWORK].count, 2);
    snapshot_done(&snapshot);
}

/* The first layers stopped before their first MiB: nothing shows that they hold the slots, but they
 * were opened first. */
static void layers_that_stopped_before_their_first_mebibyte_hold_the_slots(void **state)
{
    struct world *w = *state;
    int64_t began_us = w->now.wall_us;
    const struct snapshot_incident *waiter;
    struct snapshot snapshot;

    w->before_slot = true;
    observe_pulling(w, "web-0");
    for (int64_t t = 0; t <= STALL_AFTER + 3 * POLL; t += POLL) {
        struct blob blobs[4];

        for (size_t i = 0; i < 3; i++)
            blobs[i] = (struct blob){ layers[i], 0, began_us, began_us };
        blobs[3] = (struct blob){ OTHER_LAYER, 0, began_us + 2 * SEC, began_us + 2 * SEC };
        if (t == POLL)
            observe_waiting_for(w, "web-1", OTHER_IMAGE);
        observe_image(w, IMAGE, false);
        observe_image(w, OTHER_IMAGE, false);
        observe_sandbox(w, "web-1", t >= POLL);
        observe_polled(w, "web-0");
        list_blobs(w, blobs, 4);
        for (size_t i = 0; i < 3; i++)
            observe_blob_owner(w, layers[i], REPOSITORY);
        observe_blob_owner(w, OTHER_LAYER, OTHER_REPOSITORY);
        world_advance(w, POLL);
    }
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->stall->waits_for, STALL_BYTES);
    waiter = incident_of(&snapshot, "web-1");
    assert_int_equal(waiter->stall->waits_for, STALL_SLOT);
    assert_int_equal(waiter->stall->n_held_by, 1);
    assert_string_equal(waiter->stall->held_by[0].pod, "web-0");
    snapshot_done(&snapshot);
}

/* Whoever asks for a layer opens its blob, also while nothing moves. */
static void newly_queued_layers_do_not_hide_an_old_stall(void **state)
{
    struct world *w = *state;
    int64_t old_us = w->now.wall_us - HOUR;

    w->before_slot = true;
    observe_pulling(w, "web-0");
    for (int64_t t = 0; t <= STALL_AFTER; t += POLL) {
        struct blob blobs[1 + N_LAYERS] = { { LAYER, 400, old_us, old_us } };
        size_t n = 1;

        for (int64_t opened = 0; opened <= t; opened += 24 * SEC, n++) {
            int64_t at_us = w->now.wall_us - t + opened;

            blobs[n] = (struct blob){ layers[n - 1], 0, at_us, at_us };
        }
        observe_image(w, IMAGE, false);
        observe_polled(w, "web-0");
        list_blobs(w, blobs, n);
        observe_blob_owner(w, LAYER, REPOSITORY);
        world_advance(w, POLL);
    }
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
}

/* Nobody knows when the last slot became free. */
static void layer_that_was_queued_before_the_first_list_has_its_own_time(void **state)
{
    struct world *w = *state;
    int64_t began_us = w->now.wall_us;

    w->before_slot = true;
    observe_pulling(w, "web-0");
    world_advance(w, 2 * STALL_AFTER);
    for (int64_t t = 0; t < STALL_AFTER; t += POLL) {
        list_layer(w, 0, began_us, began_us);
        observe_blob_owner(w, LAYER, REPOSITORY);
        assert_int_equal(count_incidents(w, "web-0"), 0);
        world_advance(w, POLL);
    }
    list_layer(w, 0, began_us, began_us);
    assert_int_equal(state_of(w, "web-0"), INCIDENT_STALLED);
}

/* Two stalled layers leave a slot, so the third pull has a slot of its own. */
static void two_stalled_layers_hold_up_no_other_pull(void **state)
{
    struct world *w = *state;
    int64_t began_us = w->now.wall_us;
    struct snapshot snapshot;

    w->before_slot = true;
    observe_pulling(w, "web-0");
    observe_waiting_for(w, "web-1", OTHER_IMAGE);
    for (int64_t t = 0; t <= STALL_AFTER + 2 * POLL; t += POLL) {
        observe_image(w, IMAGE, false);
        observe_image(w, OTHER_IMAGE, false);
        observe_sandbox(w, "web-1", true);
        observe_polled(w, "web-0");
        list_blobs(w,
                   (const struct blob[]){ { layers[0], 1, began_us, began_us + SEC },
                                          { layers[1], 1, began_us, began_us + SEC },
                                          { OTHER_LAYER, 0, began_us, began_us } },
                   3);
        observe_blob_owner(w, layers[0], REPOSITORY);
        observe_blob_owner(w, layers[1], REPOSITORY);
        observe_blob_owner(w, OTHER_LAYER, OTHER_REPOSITORY);
        world_advance(w, POLL);
    }
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-1")->stall->waits_for, STALL_BYTES);
    assert_int_equal(incident_of(&snapshot, "web-1")->stall->n_held_by, 0);
    assert_int_equal(incident_of(&snapshot, "web-0")->stall->n_waiting_behind, 0);
    snapshot_done(&snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(layer_that_waits_for_its_slot_is_not_a_stall),
        WORLD_TEST(layer_that_has_just_got_its_slot_is_not_a_stall),
        WORLD_TEST(layer_without_a_byte_is_a_stall_where_blobs_are_listed_with_their_slot),
        WORLD_TEST(layer_that_lost_its_bytes_had_a_slot),
        WORLD_TEST(layers_without_a_byte_are_a_stall_when_nothing_moves),
        WORLD_TEST(pull_behind_three_stalled_layers_is_named_with_who_holds_the_slots),
        WORLD_TEST(pull_that_knows_its_layers_waits_for_a_slot_too),
        WORLD_TEST(image_in_the_queue_for_slots_names_the_image_ahead),
        WORLD_TEST(pull_of_a_deleted_pod_still_holds_the_slots),
        WORLD_TEST(layers_that_a_restart_left_behind_hold_no_slots),
        WORLD_TEST(both_stalls_end_when_the_bytes_come_again),
        WORLD_TEST(layers_that_stopped_before_their_first_mebibyte_hold_the_slots),
        WORLD_TEST(newly_queued_layers_do_not_hide_an_old_stall),
        WORLD_TEST(layer_that_was_queued_before_the_first_list_has_its_own_time),
        WORLD_TEST(two_stalled_layers_hold_up_no_other_pull),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
