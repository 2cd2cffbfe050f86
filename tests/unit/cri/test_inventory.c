/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/inventory.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "buf.h"
#include "limit.h"

/* Writes each observation as a line. */
struct world {
    struct arena arena;
    struct buf seen;
    struct sink sink;
};

static void write_down(void *self, const struct observation *observation)
{
    struct world *world = self;

    if (observation->kind == OBSERVE_SANDBOX)
        buf_printf(&world->seen, "sandbox %.*s %s\n", STR_ARG(observation->sandbox.pod_uid),
                   observation->sandbox.ready ? "ready" : "not ready");
    else if (observation->kind == OBSERVE_CREATED)
        buf_printf(&world->seen, "created %.*s/%.*s at %lld\n",
                   STR_ARG(observation->created.pod_uid), STR_ARG(observation->created.container),
                   (long long)observation->created.created_us);
    else
        fail_msg("observation of kind %d", (int)observation->kind);
}

static int world_new(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    if (!world)
        return -1;
    arena_init(&world->arena, LIMIT_DECODE_ARENA);
    buf_init(&world->seen, 1 << 20);
    world->sink = (struct sink){ .self = world, .observe = write_down };
    *state = world;
    return 0;
}

static int world_free(void **state)
{
    struct world *world = *state;

    arena_done(&world->arena);
    buf_done(&world->seen);
    free(world);
    return 0;
}

static void assert_seen(struct world *world, const struct inventory *inventory,
                        const char *expected)
{
    assert_int_equal(inventory_observe(inventory, &world->sink, &world->arena, NULL), 0);
    assert_string_equal(world->seen.at ? world->seen.at : "", expected);
}

static void an_empty_node_has_no_observations(void **state)
{
    const struct inventory nothing = { .n_sandboxes = 0 };

    assert_seen(*state, &nothing, "");
}

static void a_pod_is_ready_if_any_of_its_sandboxes_is(void **state)
{
    static const struct cri_sandbox sandboxes[] = {
        { .id = STR("s4"), .pod_uid = STR("b"), .ready = false },
        { .id = STR("s1"), .pod_uid = STR("a"), .ready = false },
        { .id = STR("s2"), .pod_uid = STR("a"), .ready = true },
        { .id = STR("s3"), .pod_uid = STR("b"), .ready = false },
        { .id = STR("s5"), .pod_uid = STR("ab"), .ready = true },
        { .id = STR("s0"), .pod_uid = STR("a"), .ready = false },
    };
    const struct inventory inventory = { .sandboxes = sandboxes,
                                         .n_sandboxes = ARRAY_SIZE(sandboxes) };

    assert_seen(*state, &inventory, "sandbox a ready\nsandbox ab ready\nsandbox b not ready\n");
}

static void only_the_newest_container_of_a_name_is_observed(void **state)
{
    static const struct cri_sandbox sandboxes[] = {
        { .id = STR("old"), .pod_uid = STR("a") },
        { .id = STR("new"), .pod_uid = STR("a"), .ready = true },
        { .id = STR("x"), .pod_uid = STR("b"), .ready = true },
    };
    static const struct cri_container containers[] = {
        { .sandbox_id = STR("new"), .name = STR("app"), .created_us = 20 },
        { .sandbox_id = STR("old"), .name = STR("app"), .created_us = 10 },
        { .sandbox_id = STR("new"), .name = STR("init"), .created_us = 15 },
        { .sandbox_id = STR("x"), .name = STR("app"), .created_us = 5 },
        { .sandbox_id = STR("x"), .name = STR("app"), .created_us = 5 },
        { .sandbox_id = STR("new"), .name = STR("app"), .created_us = 12 },
    };
    const struct inventory inventory = {
        .sandboxes = sandboxes,
        .n_sandboxes = ARRAY_SIZE(sandboxes),
        .containers = containers,
        .n_containers = ARRAY_SIZE(containers),
    };

    assert_seen(*state, &inventory,
                "sandbox a ready\n"
                "sandbox b ready\n"
                "created a/app at 20\n"
                "created a/init at 15\n"
                "created b/app at 5\n");
}

static void sandboxes_and_containers_without_a_pod_are_left_out(void **state)
{
    static const struct cri_sandbox sandboxes[] = {
        { .id = STR("by-hand"), .ready = true }, /* without a uid */
        { .id = STR("s"), .pod_uid = STR("a"), .ready = true },
    };
    static const struct cri_container containers[] = {
        { .sandbox_id = STR("by-hand"), .name = STR("app") },
        { .sandbox_id = STR("vanished"), .name = STR("app") },
        { .sandbox_id = STR("s"), .name = STR("app") },
        { .name = STR("app") },
    };
    const struct inventory inventory = {
        .sandboxes = sandboxes,
        .n_sandboxes = ARRAY_SIZE(sandboxes),
        .containers = containers,
        .n_containers = ARRAY_SIZE(containers),
    };

    assert_seen(*state, &inventory, "sandbox a ready\ncreated a/app at 0\n");
}

static void without_memory_nothing_is_observed(void **state)
{
    static const struct cri_sandbox sandboxes[] = { { .id = STR("s"), .pod_uid = STR("a") } };
    const struct inventory inventory = { .sandboxes = sandboxes, .n_sandboxes = 1 };
    struct world *world = *state;
    struct err err = ERR_INIT;

    world->arena.limit = 4;
    assert_int_equal(inventory_observe(&inventory, &world->sink, &world->arena, &err), -ENOMEM);
    assert_non_null(strstr(err.text, "1 sandboxes"));
    assert_int_equal(world->seen.len, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_new, world_free)
    const struct CMUnitTest tests[] = {
        TEST(an_empty_node_has_no_observations),
        TEST(a_pod_is_ready_if_any_of_its_sandboxes_is),
        TEST(only_the_newest_container_of_a_name_is_observed),
        TEST(sandboxes_and_containers_without_a_pod_are_left_out),
        TEST(without_memory_nothing_is_observed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
