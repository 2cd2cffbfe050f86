/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/connection.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "limit.h"
#include "tests/unit/cri/cri_double.h"
#include "tests/unit/cri/socket_folder.h"

/* VersionResponse: runtime_name (2), runtime_version (3). */
#define CONTAINERD                                                                                 \
    STR("\x12\x0a"                                                                                 \
        "containerd\x1a\x03"                                                                       \
        "1.6")
#define CRIO                                                                                       \
    STR("\x12\x05"                                                                                 \
        "cri-o\x1a\x04"                                                                            \
        "1.37")

struct world {
    char folder[SOCKET_FOLDER_SIZE];
    char first[64], second[64];
    const char *paths[3];
    struct cri_double *runtime, *other;
    struct rude_socket *rude;
    struct sink sink;
    struct connection connection;
    struct arena arena;
    atomic_bool stop;
    struct err err;
    unsigned introduced;
    char runtime_name[64];
};

static void observe(void *self, const struct observation *observation)
{
    struct world *world = self;

    assert_int_equal(observation->kind, OBSERVE_RUNTIME);
    world->introduced++;
    snprintf(world->runtime_name, sizeof(world->runtime_name), "%.*s %.*s",
             STR_ARG(observation->runtime.name), STR_ARG(observation->runtime.version));
}

static int world_new(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    if (!world || socket_folder_new(world->folder) < 0)
        return -1;
    snprintf(world->first, sizeof(world->first), "%s/1", world->folder);
    snprintf(world->second, sizeof(world->second), "%s/2", world->folder);
    world->paths[0] = world->first;
    world->paths[1] = world->second;
    world->sink = (struct sink){ .self = world, .observe = observe };
    arena_init(&world->arena, LIMIT_DECODE_ARENA);
    connection_init(&world->connection, &world->sink, clock_system(), world->paths, &world->stop);
    *state = world;
    return 0;
}

static int world_free(void **state)
{
    struct world *world = *state;

    connection_close(&world->connection);
    double_free(world->runtime);
    double_free(world->other);
    rude_free(world->rude);
    arena_done(&world->arena);
    socket_folder_free(world->folder);
    free(world);
    return 0;
}

static int open_one(struct world *world)
{
    err_clear(&world->err);
    return connection_open(&world->connection, &world->arena, &world->err);
}

static void the_first_socket_that_answers_is_used(void **state)
{
    struct world *world = *state;

    world->runtime = double_new(world->first);
    world->other = double_new(world->second);
    double_answers(world->runtime, "Version", CONTAINERD);
    double_answers(world->other, "Version", CRIO);
    assert_int_equal(open_one(world), 0);
    assert_string_equal(world->runtime_name, "containerd 1.6");
    assert_string_equal(world->connection.path, world->first);
    assert_int_equal(double_calls(world->other, "Version"), 0);
}

static void a_socket_without_cri_is_skipped(void **state)
{
    struct world *world = *state;

    world->runtime = double_new(world->first); /* answers Unimplemented, like Docker's containerd */
    world->other = double_new(world->second);
    double_answers(world->other, "Version", CRIO);
    assert_int_equal(open_one(world), 0);
    assert_string_equal(world->runtime_name, "cri-o 1.37");
}

static void a_dead_socket_is_skipped(void **state)
{
    struct world *world = *state;

    world->rude = rude_new(world->first, RUDE_CLOSES);
    world->other = double_new(world->second);
    double_answers(world->other, "Version", CRIO);
    assert_int_equal(open_one(world), 0);
    assert_string_equal(world->runtime_name, "cri-o 1.37");
}

static void the_error_names_a_well_known_socket_when_none_exists(void **state)
{
    struct world *world = *state;

    assert_int_equal(open_one(world), -ENOENT);
    assert_non_null(strstr(world->err.text, world->first));
    assert_false(connection_is_open(&world->connection));
}

/* A runtime that answers NotFound is not a missing socket. */
static void a_socket_that_answers_not_found_exists(void **state)
{
    const struct double_answer not_found = { .status = 5, .details = "no such thing" };
    struct world *world = *state;

    world->runtime = double_new(world->first);
    double_set(world->runtime, "Version", &not_found);
    assert_int_equal(open_one(world), -EIO);
    assert_non_null(strstr(world->err.text, "NotFound: no such thing"));
}

static void the_error_is_of_the_first_socket_that_exists(void **state)
{
    struct world *world = *state;

    world->other = double_new(world->second);
    assert_int_equal(open_one(world), -ENOSYS);
    assert_non_null(strstr(world->err.text, world->second));
    assert_non_null(strstr(world->err.text, "CRI plugin is off"));
    assert_false(connection_is_open(&world->connection));
}

static void stop_ends_the_search_for_a_socket(void **state)
{
    struct world *world = *state;

    world->runtime = double_new(world->first);
    world->other = double_new(world->second);
    atomic_store(&world->stop, true);
    assert_int_equal(open_one(world), -ECANCELED);
    assert_int_equal(double_calls(world->other, "Version"), 0);
}

static void only_a_new_version_is_observed(void **state)
{
    struct world *world = *state;

    world->runtime = double_new(world->first);
    double_answers(world->runtime, "Version", CONTAINERD);
    assert_int_equal(open_one(world), 0);
    assert_int_equal(connection_check(&world->connection, &world->arena, NULL), 0);
    assert_int_equal(world->introduced, 1);
    double_answers(world->runtime, "Version", CRIO);
    assert_int_equal(connection_check(&world->connection, &world->arena, NULL), 0);
    assert_int_equal(world->introduced, 2);
    connection_close(&world->connection);
    assert_int_equal(open_one(world), 0);
    assert_int_equal(world->introduced, 3);
    assert_int_equal(connection_received_bytes(&world->connection),
                     CONTAINERD.len * 2 + CRIO.len * 2);
}

static void a_cut_version_is_not_new_each_time(void **state)
{
    /* 2: "x", 3: 100 times "v" */
    char bytes[105] = "\x12\x01x\x1a\x64";
    struct world *world = *state;

    memset(bytes + 5, 'v', 100);
    world->runtime = double_new(world->first);
    double_answers(world->runtime, "Version", (struct str){ .at = bytes, .len = sizeof(bytes) });
    assert_int_equal(open_one(world), 0);
    assert_int_equal(connection_check(&world->connection, &world->arena, NULL), 0);
    assert_int_equal(world->introduced, 1);
}

static void only_conditions_that_keep_pods_from_starting_are_trouble(void **state)
{
    static const struct {
        struct str status;
        const char *trouble;
    } rows[] = {
        { STR(""), "" },
        { STR("\x0a\x12\x0a\x10\x0a\x0cRuntimeReady\x10\x01"), "" },
        { STR("\x0a\x0c\x0a\x0a\x0a\x06"
              "Oddity\x10\x00"),
          "" },
        { STR("\x0a\x19\x0a\x17\x0a\x0cRuntimeReady\x10\x00\x1a\x01R\x22\x02no"),
          "the container runtime reports RuntimeReady=false: R: no" },
        { STR("\x0a\x10\x0a\x0e\x0a\x0cNetworkReady"),
          "the container runtime reports NetworkReady=false" },
    };
    struct world *world = *state;
    char trouble[LIMIT_RUNTIME_TROUBLE_TEXT];

    world->runtime = double_new(world->first);
    double_answers(world->runtime, "Version", CONTAINERD);
    assert_int_equal(open_one(world), 0);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        double_answers(world->runtime, "Status", rows[i].status);
        err_clear(&world->err);
        if (connection_trouble(&world->connection, &world->arena, trouble, &world->err) < 0)
            fail_msg("row %zu: %s", i, world->err.text);
        assert_string_equal(trouble, rows[i].trouble);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_new, world_free)
    const struct CMUnitTest tests[] = {
        TEST(the_first_socket_that_answers_is_used),
        TEST(a_socket_without_cri_is_skipped),
        TEST(a_dead_socket_is_skipped),
        TEST(the_error_names_a_well_known_socket_when_none_exists),
        TEST(a_socket_that_answers_not_found_exists),
        TEST(the_error_is_of_the_first_socket_that_exists),
        TEST(stop_ends_the_search_for_a_socket),
        TEST(only_a_new_version_is_observed),
        TEST(a_cut_version_is_not_new_each_time),
        TEST(only_conditions_that_keep_pods_from_starting_are_trouble),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
