/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/decode.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "limit.h"
#include "proto/cri.pb-c.h"
#include "tests/unit/cri/decode_world.h"
#include "tests/unit/support/fault_heap.h"

/* --- recorded bytes
 * ------------------------------------------------------------------------------- */

static void version_of_containerd_is_decoded(void **state)
{
    struct world *world = *state;
    struct runtime_fact runtime;

    assert_int_equal(decode_version(recorded(world, RECORDED_1_6 "version.pb"), &world->arena,
                                    &runtime, &world->err),
                     0);
    assert_text(runtime.name, "containerd");
    assert_text(runtime.version, "1.6.20~ds1");
}

static void version_of_newer_containerd_is_decoded(void **state)
{
    static const struct {
        const char *path, *version;
    } rows[] = {
        { RECORDED_1_7 "version.pb", "1.7.24~ds1" },
        { RECORDED_2_1 "version.pb", "2.1.9+unknown" },
    };
    struct world *world = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct runtime_fact runtime;

        assert_int_equal(
            decode_version(recorded(world, rows[i].path), &world->arena, &runtime, &world->err), 0);
        assert_text(runtime.name, "containerd");
        assert_text(runtime.version, rows[i].version);
    }
}

static void conditions_of_containerd_are_decoded(void **state)
{
    struct world *world = *state;
    const struct cri_condition *conditions;
    size_t n;

    assert_int_equal(decode_status(recorded(world, RECORDED_1_6 "status.pb"), &world->arena,
                                   &conditions, &n, &world->err),
                     0);
    assert_int_equal(n, 2);
    assert_text(conditions[0].type, "RuntimeReady");
    assert_true(conditions[0].status);
    assert_text(conditions[1].type, "NetworkReady");
    assert_false(conditions[1].status);
    assert_text(conditions[1].reason, "NetworkPluginNotReady");
    assert_text(conditions[1].message, "Network plugin returns error: cni plugin not initialized");
}

/* ContainerdHasNoDeprecationWarnings, which says nothing about pods. */
static void conditions_of_newer_containerd_are_decoded(void **state)
{
    static const char *const paths[] = { RECORDED_1_7 "status.pb", RECORDED_2_1 "status.pb" };
    struct world *world = *state;

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        const struct cri_condition *conditions;
        size_t n;

        assert_int_equal(
            decode_status(recorded(world, paths[i]), &world->arena, &conditions, &n, &world->err),
            0);
        assert_int_equal(n, 3);
        assert_text(conditions[0].type, "RuntimeReady");
        assert_text(conditions[1].type, "NetworkReady");
        assert_text(conditions[2].type, "ContainerdHasNoDeprecationWarnings");
    }
}

static void an_image_that_was_pulled_has_a_digest(void **state)
{
    static const char *const paths[] = { RECORDED_1_6 "image-pulled.pb",
                                         RECORDED_1_7 "image-pulled.pb",
                                         RECORDED_2_1 "image-pulled.pb" };
    struct world *world = *state;

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        struct image_fact image = { .size = 1 };

        assert_int_equal(
            decode_image_status(recorded(world, paths[i]), &world->arena, &image, &world->err), 0);
        assert_true(image.present);
        assert_int_equal(image.size, 6309222);
        assert_text(image.digest,
                    "sha256:"
                    "24a21339a614b297747d585adfdcc8b87b9bcf1e201f6ccf492e1b36aa6bd94b");
    }
}

static void the_first_of_several_digests_is_taken(void **state)
{
    /* Image: repo_digests "a@b", "c@d"; and one without a digest. */
    static const struct {
        struct str bytes;
        const char *digest;
    } rows[] = {
        { { "\x0a\x0a\x1a\x03"
            "a@b"
            "\x1a\x03"
            "c@d",
            12 },
          "b" },
        { { "\x0a\x05\x1a\x03"
            "abc",
            7 },
          "" },
        { { "\x0a\x02\x1a\x00", 4 }, "" },
        { { "\x0a\x03\x1a\x01"
            "@",
            5 },
          "" },
    };
    struct world *world = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct image_fact image;

        assert_int_equal(decode_image_status(rows[i].bytes, &world->arena, &image, &world->err), 0);
        assert_text(image.digest, rows[i].digest);
    }
}

static void image_presence_is_decoded(void **state)
{
    struct world *world = *state;
    struct image_fact image = { .size = 1 };

    assert_int_equal(decode_image_status(recorded(world, RECORDED_1_6 "image-present.pb"),
                                         &world->arena, &image, &world->err),
                     0);
    assert_true(image.present);
    assert_int_equal(image.size, 686771);
    assert_text(image.digest, "");
    assert_int_equal(decode_image_status(recorded(world, RECORDED_1_6 "image-absent.pb"),
                                         &world->arena, &image, &world->err),
                     0);
    assert_false(image.present);
    assert_int_equal(image.size, 0);
}

static void sandboxes_of_containerd_are_decoded(void **state)
{
    struct world *world = *state;
    const struct cri_sandbox *sandboxes;
    unsigned ready = 0, of_second_pod = 0;
    size_t n;

    assert_int_equal(decode_sandboxes(recorded(world, RECORDED_1_6 "sandboxes.pb"), &world->arena,
                                      &sandboxes, &n, &world->err),
                     0);
    assert_int_equal(n, 4);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(sandboxes[i].id.len, 64);
        ready += sandboxes[i].ready;
        of_second_pod += str_eq(sandboxes[i].pod_uid, STR("22222222-2222-4222-8222-222222222222"));
    }
    assert_int_equal(ready, 2);
    assert_int_equal(of_second_pod, 2);
}

static void containers_of_containerd_are_decoded(void **state)
{
    struct world *world = *state;
    const struct cri_container *containers, *apps[2];
    size_t n, n_apps = 0;

    assert_int_equal(decode_containers(recorded(world, RECORDED_1_6 "containers.pb"), &world->arena,
                                       &containers, &n, &world->err),
                     0);
    assert_int_equal(n, 3);
    for (size_t i = 0; i < n; i++) {
        assert_true(containers[i].created_us > INT64_C(1700000000) * SEC);
        if (str_eq(containers[i].name, STR("app"))) {
            assert_true(n_apps < ARRAY_SIZE(apps));
            apps[n_apps++] = &containers[i];
        } else {
            assert_text(containers[i].name, "sidecar");
        }
    }
    assert_int_equal(n_apps, 2); /* it was restarted */
    assert_true(str_eq(apps[0]->sandbox_id, apps[1]->sandbox_id));
    assert_int_not_equal(apps[0]->created_us, apps[1]->created_us);
}

/* --- constructed bytes
 * ------------------------------------------------------------------------------- */

static void no_bytes_are_an_empty_answer(void **state)
{
    struct world *world = *state;
    const struct cri_condition *conditions;
    const struct cri_container *containers;
    const struct cri_sandbox *sandboxes;
    struct runtime_fact runtime;
    size_t n = 1;

    assert_int_equal(decode_version(STR(""), &world->arena, &runtime, &world->err), 0);
    assert_text(runtime.name, "");
    assert_int_equal(decode_status(STR(""), &world->arena, &conditions, &n, &world->err), 0);
    assert_int_equal(n, 0);
    n = 1;
    assert_int_equal(decode_sandboxes(STR(""), &world->arena, &sandboxes, &n, &world->err), 0);
    assert_int_equal(n, 0);
    n = 1;
    assert_int_equal(decode_containers(STR(""), &world->arena, &containers, &n, &world->err), 0);
    assert_int_equal(n, 0);
}

static void absent_parts_and_out_of_range_numbers_are_decoded(void **state)
{
    /* Two containers: an empty one; then one with a field that is not decoded, created_at -1. */
    static const struct str containers_bytes = {
        .at = "\x0a\x00"
              "\x0a\x13\x1a\x06\x10\xff\xff\xff\xff\x0f"
              "\x38\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        .len = 2 + 2 + 19,
    };
    /* One sandbox with an undefined state. */
    static const struct str sandbox_bytes = { .at = "\x0a\x02\x18\x63", .len = 4 };
    struct world *world = *state;
    const struct cri_container *containers;
    const struct cri_sandbox *sandboxes;
    size_t n;

    assert_int_equal(
        decode_containers(containers_bytes, &world->arena, &containers, &n, &world->err), 0);
    assert_int_equal(n, 2);
    assert_text(containers[0].name, "");
    assert_int_equal(containers[0].created_us, 0);
    assert_int_equal(containers[1].created_us, 0);

    assert_int_equal(decode_sandboxes(sandbox_bytes, &world->arena, &sandboxes, &n, &world->err),
                     0);
    assert_false(sandboxes[0].ready);
    assert_text(sandboxes[0].pod_uid, "");
}

/* --- bad bytes -------------------------------------------------------------------------------- */

static void undecodable_bytes_are_an_error(void **state)
{
    static const struct str rows[] = {
        { .at = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
          .len = 11 }, /* a number without end */
        { .at = "\x0a\x05"
                "ab",
          .len = 4 },                                   /* a text longer than the rest */
        { .at = "\x0a\xff\xff\xff\xff\x0f", .len = 6 }, /* of 4 GiB */
        { .at = "\x0b\x0c", .len = 2 },                 /* groups, which proto3 does not have */
        { .at = "\x10\x05", .len = 2 },                 /* a number in place of a text */
        { .at = "<html>", .len = 6 },
    };
    struct world *world = *state;
    struct runtime_fact runtime = { .name = STR("before") };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        err_clear(&world->err);
        if (decode_version(rows[i], &world->arena, &runtime, &world->err) != -EPROTO)
            fail_msg("row %zu was accepted", i);
        assert_non_null(strstr(world->err.text, "VersionResponse"));
        assert_text(runtime.name, "before");
    }
}

static void a_truncated_answer_is_decoded_or_an_error(void **state)
{
    struct world *world = *state;
    struct str whole = recorded(world, RECORDED_1_6 "containers.pb");
    unsigned refused = 0;

    for (size_t len = 0; len < whole.len; len++) {
        /* A heap block of exactly that size, so that sanitizers detect reading past its end. */
        char *cut = malloc(len ? len : 1);
        const struct cri_container *containers = NULL;
        size_t n = 99;
        int r;

        assert_non_null(cut);
        memcpy(cut, whole.at, len);
        err_clear(&world->err);
        r = decode_containers((struct str){ .at = cut, .len = len }, &world->arena, &containers, &n,
                              &world->err);
        assert_true(r == 0 || r == -EPROTO);
        assert_true(r == 0 ? n < 3 : n == 99 && !containers);
        refused += r < 0;
        free(cut);
    }
    assert_true(refused > whole.len / 2);
}

static void many_empty_items_stop_at_the_limit_of_the_arena(void **state)
{
    struct world *world = *state;
    struct str bytes = { .at = world->file, .len = sizeof(world->file) };
    const struct cri_sandbox *sandboxes;
    size_t n;

    /* "0a 00" is an item of two bytes; decoded, it has two hundred. */
    for (size_t i = 0; i < sizeof(world->file); i++)
        world->file[i] = i % 2 ? 0 : 0x0a;
    world->arena.limit = 100000;
    assert_int_equal(decode_sandboxes(bytes, &world->arena, &sandboxes, &n, &world->err), -ENOMEM);
    assert_true(world->arena.used <= 100000);
}

static void failed_allocations_are_errors_without_leaks(void **state)
{
    struct world *world = *state;
    struct str bytes = recorded(world, RECORDED_1_6 "containers.pb");

    for (size_t n = 0;; n++) {
        const struct cri_container *containers;
        struct arena arena;
        size_t count;
        int r;

        arena_init(&arena, LIMIT_DECODE_ARENA);
        err_clear(&world->err);
        fault_heap_fail_at(n);
        r = decode_containers(bytes, &arena, &containers, &count, &world->err);
        arena_done(&arena);
        assert_int_equal(fault_heap_live(), 0);
        if (!fault_heap_fired()) {
            assert_int_equal(r, 0);
            return;
        }
        assert_int_equal(r, -ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DECODE_TEST(version_of_containerd_is_decoded),
        DECODE_TEST(version_of_newer_containerd_is_decoded),
        DECODE_TEST(conditions_of_containerd_are_decoded),
        DECODE_TEST(conditions_of_newer_containerd_are_decoded),
        DECODE_TEST(an_image_that_was_pulled_has_a_digest),
        DECODE_TEST(the_first_of_several_digests_is_taken),
        DECODE_TEST(image_presence_is_decoded),
        DECODE_TEST(sandboxes_of_containerd_are_decoded),
        DECODE_TEST(containers_of_containerd_are_decoded),
        DECODE_TEST(no_bytes_are_an_empty_answer),
        DECODE_TEST(absent_parts_and_out_of_range_numbers_are_decoded),
        DECODE_TEST(undecodable_bytes_are_an_error),
        DECODE_TEST(a_truncated_answer_is_decoded_or_an_error),
        DECODE_TEST(many_empty_items_stop_at_the_limit_of_the_arena),
        DECODE_TEST(failed_allocations_are_errors_without_leaks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
