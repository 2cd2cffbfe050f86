/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/calls.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/content.pb-c.h"
#include "tests/unit/cri/cri_double.h"
#include "tests/unit/cri/socket_folder.h"

#define HEX32 "0123456789abcdef0123456789abcdef"
#define LAYER STR("sha256:" HEX32)

struct world {
    char folder[SOCKET_FOLDER_SIZE];
    char path[64];
    struct cri_double *runtime;
    atomic_bool stop;
    struct arena arena;
    struct calls calls;
    struct clock clock;
    _Atomic(int64_t) now_us;
    struct err err;
};

static struct instant world_now(void *self)
{
    struct world *world = self;

    int64_t now_us = atomic_load(&world->now_us);

    return (struct instant){ .mono_us = now_us, .wall_us = HOUR + now_us };
}

static int world_new(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    if (!world || socket_folder_new(world->folder) < 0)
        return -1;
    snprintf(world->path, sizeof(world->path), "%s/s", world->folder);
    arena_init(&world->arena, LIMIT_DECODE_ARENA);
    world->clock = (struct clock){ .self = world, .now = world_now };
    world->calls.clock = &world->clock;
    world->runtime = double_new(world->path);
    *state = world;
    return channel_new(world->path, NEVER_REACHED, &world->stop, &world->calls.channel, NULL);
}

static int world_free(void **state)
{
    struct world *world = *state;

    channel_free(world->calls.channel);
    double_free(world->runtime);
    arena_done(&world->arena);
    socket_folder_free(world->folder);
    free(world);
    return 0;
}

static int ask_version(struct world *world)
{
    struct runtime_fact runtime;

    err_clear(&world->err);
    return calls_version(&world->calls, &world->arena, &runtime, &world->err);
}

static int ask_owners(struct world *world, struct owners *owners)
{
    *owners = (struct owners){ .arena = &world->arena, .digest = LAYER };
    err_clear(&world->err);
    return calls_list_owners(&world->calls, owners, &world->err);
}

/* --- requests ---------------------------------------------------------------------------- */

static void the_content_service_is_asked_for_kubernetes_images(void **state)
{
    struct world *world = *state;
    struct ingests_fact ingests;
    bool more;

    double_answers(world->runtime, "Version", STR(""));
    double_answers(world->runtime, "ListStatuses", STR(""));
    assert_int_equal(calls_list_ingests(&world->calls, &world->arena, &ingests, &more, &world->err),
                     0);
    assert_true(str_eq(double_last_metadata(world->runtime), STR("k8s.io")));
    assert_int_equal(double_last_request(world->runtime).len, 0);
    assert_int_equal(ask_version(world), 0);
    assert_true(str_eq(double_last_metadata(world->runtime), STR("")));
}

static void owners_are_asked_for_by_each_label_that_may_name_the_blob(void **state)
{
    struct world *world = *state;
    Containerd__Content__V1__ListContentRequest *request;
    struct owners owners;
    struct str bytes;

    double_set(world->runtime, "List", &(struct double_answer){ .no_message = true });
    assert_int_equal(ask_owners(world, &owners), 0);
    assert_true(str_eq(double_last_metadata(world->runtime), STR("k8s.io")));
    bytes = double_last_request(world->runtime);
    request = containerd__content__v1__list_content_request__unpack(NULL, bytes.len,
                                                                    (const uint8_t *)bytes.at);
    assert_non_null(request);
    assert_int_equal(request->n_filters, 193);
#define ASSERT_FILTER(i, text)                                                                     \
    assert_int_equal(request->filters[i].len, sizeof(text) - 1);                                   \
    assert_memory_equal(request->filters[i].data, text, sizeof(text) - 1)
    ASSERT_FILTER(0, "labels.\"containerd.io/gc.ref.content.l.0\"==sha256:" HEX32);
    ASSERT_FILTER(127, "labels.\"containerd.io/gc.ref.content.l.127\"==sha256:" HEX32);
    ASSERT_FILTER(128, "labels.\"containerd.io/gc.ref.content.m.0\"==sha256:" HEX32);
    ASSERT_FILTER(191, "labels.\"containerd.io/gc.ref.content.m.63\"==sha256:" HEX32);
    ASSERT_FILTER(192, "labels.\"containerd.io/gc.ref.content.config\"==sha256:" HEX32);
    containerd__content__v1__list_content_request__free_unpacked(request, NULL);
}

static void a_repository_is_asked_for_by_the_label_of_its_host(void **state)
{
    struct world *world = *state;
    Containerd__Content__V1__ListContentRequest *request;
    struct stored_blob blobs[LIMIT_REPOSITORY_BLOBS];
    struct holdings holdings = { .repository = STR("docker.io/library/busybox"), .blobs = blobs };
    struct str bytes;

    double_set(world->runtime, "List", &(struct double_answer){ .no_message = true });
    assert_int_equal(calls_list_holdings(&world->calls, &holdings, &world->err), 0);
    assert_int_equal(holdings.updated_us, 0);
    assert_true(str_eq(double_last_metadata(world->runtime), STR("k8s.io")));
    bytes = double_last_request(world->runtime);
    request = containerd__content__v1__list_content_request__unpack(NULL, bytes.len,
                                                                    (const uint8_t *)bytes.at);
    assert_non_null(request);
    assert_int_equal(request->n_filters, 1);
    ASSERT_FILTER(0, "labels.\"containerd.io/distribution.source.docker.io\"~=\"library/busybox\"");
    containerd__content__v1__list_content_request__free_unpacked(request, NULL);
}

/* ListContentResponse: "h"/"r" has a manifest that names LAYER. */
#define OWNER(repository)                                                                          \
    STR("\x0a\x79\x2a\x4d\x0a\x22"                                                                 \
        "containerd.io/gc.ref.content.l.000"                                                       \
        "\x12\x27sha256:" HEX32 "\x2a\x28\x0a\x23"                                                 \
        "containerd.io/distribution.source.h\x12\x01" repository)

static void owners_are_collected_from_all_messages(void **state)
{
    static const struct str messages[] = { OWNER("r"), STR(""), OWNER("s"), OWNER("r") };
    struct world *world = *state;
    struct owners owners;

    double_set(world->runtime, "List",
               &(struct double_answer){ .messages = messages, .n_messages = 4 });
    assert_int_equal(ask_owners(world, &owners), 0);
    assert_int_equal(owners.n, 2);
    assert_true(str_eq(owners.repositories[0], STR("h/r")));
    assert_true(str_eq(owners.repositories[1], STR("h/s")));
}

static void an_undecodable_message_ends_the_stream(void **state)
{
    static const struct str messages[] = { OWNER("r"), STR("<html>"), OWNER("s") };
    struct world *world = *state;
    struct owners owners;

    double_set(world->runtime, "List",
               &(struct double_answer){ .messages = messages, .n_messages = 3, .endless = true });
    assert_int_equal(ask_owners(world, &owners), -EPROTO);
    assert_int_equal(owners.n, 1);
    assert_string_equal(world->err.text, "/containerd.services.content.v1.Content/List: "
                                         "6 bytes are not a valid ListContentResponse");
    assert_int_equal(world->calls.counted.errors[METHOD_LIST_CONTENT][13], 1);
}

static void the_first_image_file_system_is_taken(void **state)
{
    static const struct {
        struct str answer;
        int code;
        struct image_fs_fact expected;
    } rows[] = {
        { STR("\x0a\x0e\x12\x04\x0a\x02/i\x1a\x02\x08\x07\x22\x02\x08\x09\x0a\x06\x12\x04\x0a\x02/"
              "j"),
          0,
          { STR("/i"), 7, 9 } },
        { STR("\x0a\x00"), 0, { STR(""), 0, 0 } },
        { STR(""), -ENODATA, { STR("before"), 1, 1 } },
        { STR("\x0a\x05"), -EPROTO, { STR("before"), 1, 1 } },
    };
    struct world *world = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct image_fs_fact fact = { STR("before"), 1, 1 };

        double_answers(world->runtime, "ImageFsInfo", rows[i].answer);
        err_clear(&world->err);
        assert_int_equal(calls_image_fs_info(&world->calls, &world->arena, &fact, &world->err),
                         rows[i].code);
        assert_true(str_eq(fact.mountpoint, rows[i].expected.mountpoint));
        assert_int_equal(fact.used_bytes, rows[i].expected.used_bytes);
        assert_int_equal(fact.used_inodes, rows[i].expected.used_inodes);
        if (rows[i].code < 0)
            assert_non_null(strstr(world->err.text, "/runtime.v1.ImageService/ImageFsInfo: "));
    }
}

/* --- counting ------------------------------------------------------------------------ */

static void half_a_second_passes(void *arg)
{
    struct world *world = arg;

    atomic_fetch_add(&world->now_us, 500 * MSEC);
}

static void each_call_is_timed_and_each_failure_counted_by_its_code(void **state)
{
    struct world *world = *state;
    const struct runtime_calls *counted = &world->calls.counted;

    double_on_call(world->runtime, half_a_second_passes, world);
    double_answers(world->runtime, "Version", STR(""));
    assert_int_equal(ask_version(world), 0);
    double_set(world->runtime, "Version", &(struct double_answer){ .status = 7 });
    assert_int_equal(ask_version(world), -EACCES);
    double_set(world->runtime, "Version", &(struct double_answer){ .status = 77 });
    assert_int_equal(ask_version(world), -EIO);
    double_answers(world->runtime, "Version", STR("<html>"));
    assert_int_equal(ask_version(world), -EPROTO);
    double_set(world->runtime, "Version", &(struct double_answer){ .no_message = true });
    assert_int_equal(ask_version(world), -EPROTO);

    assert_int_equal(counted->durations[METHOD_VERSION].count, 5);
    assert_int_equal(counted->durations[METHOD_VERSION].sum_us, 2500 * MSEC);
    assert_true(counted->durations[METHOD_VERSION].since_us > 0);
    for (unsigned code = 0; code < RUNTIME_CODES; code++)
        assert_int_equal(counted->errors[METHOD_VERSION][code],
                         code == 7 || code == 2 ? 1 : (code == 13 ? 2 : 0));
    for (size_t method = METHOD_VERSION + 1; method < METHOD_MAX; method++)
        assert_int_equal(counted->durations[method].count, 0);
}

static void each_method_is_counted_by_its_name(void **state)
{
    struct world *world = *state;
    const struct cri_condition *conditions;
    const struct cri_sandbox *sandboxes;
    const struct cri_container *containers;
    struct image_fact image;
    struct image_fs_fact image_fs;
    struct ingests_fact ingests;
    struct owners owners;
    bool more;
    size_t n;

    /* Unimplemented (12), all of them. */
    ask_version(world);
    calls_status(&world->calls, &world->arena, &conditions, &n, NULL);
    calls_image_status(&world->calls, &world->arena, STR("x"), &image, NULL);
    calls_image_fs_info(&world->calls, &world->arena, &image_fs, NULL);
    calls_list_sandboxes(&world->calls, &world->arena, &sandboxes, &n, NULL);
    calls_list_containers(&world->calls, &world->arena, &containers, &n, NULL);
    calls_list_ingests(&world->calls, &world->arena, &ingests, &more, NULL);
    ask_owners(world, &owners);
    for (size_t method = 0; method < METHOD_MAX; method++) {
        assert_int_equal(world->calls.counted.durations[method].count, 1);
        assert_int_equal(world->calls.counted.errors[method][12], 1);
    }
    assert_int_equal(double_unknown_calls(world->runtime), METHOD_MAX);
}

static void a_cancelled_call_is_not_counted(void **state)
{
    struct world *world = *state;

    atomic_store(&world->stop, true);
    assert_int_equal(ask_version(world), -ECANCELED);
    assert_int_equal(world->calls.counted.durations[METHOD_VERSION].count, 0);
    for (unsigned code = 0; code < RUNTIME_CODES; code++)
        assert_int_equal(world->calls.counted.errors[METHOD_VERSION][code], 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_new, world_free)
    const struct CMUnitTest tests[] = {
        TEST(the_content_service_is_asked_for_kubernetes_images),
        TEST(owners_are_asked_for_by_each_label_that_may_name_the_blob),
        TEST(a_repository_is_asked_for_by_the_label_of_its_host),
        TEST(owners_are_collected_from_all_messages),
        TEST(an_undecodable_message_ends_the_stream),
        TEST(the_first_image_file_system_is_taken),
        TEST(each_call_is_timed_and_each_failure_counted_by_its_code),
        TEST(each_method_is_counted_by_its_name),
        TEST(a_cancelled_call_is_not_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
