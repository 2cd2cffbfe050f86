/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

#include "tests/unit/support/fault_heap.h"

/* A short history that calls every file of the table. */
static int observe_history(struct correlate *c, struct instant now)
{
    const struct container_fact app = { .name = STR("app"),
                                        .image = STR(IMAGE),
                                        .phase = PHASE_WAITING,
                                        .waiting_reason = STR("ErrImagePull"),
                                        .waiting_message = STR(UNAUTHORIZED_TEXT) };
    const struct image_volume_fact volume = { .reference = STR("model:v1") };
    const struct str secret = STR("regcred");
    const struct observation history[] = {
        { .kind = OBSERVE_RUNTIME, .runtime = { .name = STR("containerd"), .version = STR("1") } },
        { .kind = OBSERVE_POD,
          .pod = { .namespace = STR("default"),
                   .name = STR("web-0"),
                   .uid = STR("u"),
                   .mirror_uid = STR("m"),
                   .pull_secrets = &secret,
                   .n_pull_secrets = 1,
                   .containers = &app,
                   .n_containers = 1,
                   .image_volumes = &volume,
                   .n_image_volumes = 1 } },
        { .kind = OBSERVE_EVENT,
          .event = { .event_uid = STR("e1"),
                     .pod_uid = STR("u"),
                     .reason = STR("FailedToRetrieveImagePullSecret"),
                     .message = STR("Unable to retrieve some image pull secrets (regcred); x"),
                     .count = 1 } },
        { .kind = OBSERVE_EVENT,
          .event = { .event_uid = STR("e2"),
                     .pod_uid = STR("u"),
                     .field_path = STR(APP_PATH),
                     .reason = STR("Failed"),
                     .message = STR("Failed to pull image \"" IMAGE "\": manifest unknown"),
                     .count = 2 } },
        { .kind = OBSERVE_IMAGE, .image = { .image = STR(IMAGE) } },
        { .kind = OBSERVE_POD_DELETED, .pod = { .uid = STR("u") } },
    };
    struct snapshot snapshot = { .taken = now };
    struct wanted wanted;
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(history); i++) {
        int one = correlate_observe(c, &history[i], now);

        correlate_wanted(c, now, &wanted);
        wanted_done(&wanted);
        r = one < 0 ? one : r;
    }
    arena_init(&snapshot.arena, LIMIT_SNAPSHOT);
    if (correlate_snapshot(c, SNAPSHOT_DETAIL, &snapshot) < 0 ||
        correlate_complete(SNAPSHOT_DETAIL, &snapshot) < 0)
        r = -1;
    else /* whole, or not at all */
        for (size_t i = 0; i < snapshot.n_incidents; i++)
            assert_true(snapshot.incidents[i].advice[0]);
    snapshot_done(&snapshot);
    return r;
}

static void table_survives_every_failed_allocation(void **state)
{
    const struct instant now = { .mono_us = HOUR, .wall_us = 1000 * HOUR };

    (void)state;
    for (size_t n = 0;; n++) {
        struct correlate *c;

        fault_heap_fail_at(n);
        c = correlate_new(
            &(struct correlate_config){ .max_registries = 2, .stall_after_us = 2 * MINUTE }, now);
        if (c)
            observe_history(c, now);
        correlate_free(c);
        assert_int_equal(fault_heap_live(), 0);
        if (!fault_heap_fired())
            break;
    }
}

static void lost_observation_is_reported(void **state)
{
    const struct instant now = { .mono_us = HOUR, .wall_us = 1000 * HOUR };
    struct correlate *c = correlate_new(
        &(struct correlate_config){ .max_registries = 2, .stall_after_us = 2 * MINUTE }, now);

    (void)state;
    fault_heap_fail_at(0);
    assert_true(observe_history(c, now) < 0);
    assert_true(fault_heap_fired());
    correlate_free(c);
}

static void observations_of_unknown_objects_are_ignored(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_event(w, "nobody", APP_PATH, "e", "Failed", "Failed to pull image", 1);
    observe_created(w, "nobody", "app");
    observe_deleted(w, "nobody");
    observe_list_end(w);
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.n_incidents, 0);
    snapshot_done(&snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_survives_every_failed_allocation),
        cmocka_unit_test(lost_observation_is_reported),
        WORLD_TEST(observations_of_unknown_objects_are_ignored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
