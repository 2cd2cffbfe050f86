/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/channel.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "limit.h"
#include "tests/unit/cri/cri_double.h"
#include "tests/unit/cri/socket_folder.h"
#include "tests/unit/support/fault_heap.h"

#define METHOD "/runtime.v1.RuntimeService/Version"

struct world {
    char folder[SOCKET_FOLDER_SIZE];
    char path[96];
    struct cri_double *runtime;
    struct rude_socket *rude;
    atomic_bool stop;
    struct channel *channel;
    struct arena arena;
    struct str answer;
    struct err err;
};

static int world_new(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    if (!world || socket_folder_new(world->folder) < 0)
        return -1;
    snprintf(world->path, sizeof(world->path), "%s/s", world->folder);
    arena_init(&world->arena, 2 * LIMIT_CRI_MESSAGE);
    *state = world;
    return 0;
}

static int world_free(void **state)
{
    struct world *world = *state;

    channel_free(world->channel);
    double_free(world->runtime);
    rude_free(world->rude);
    arena_done(&world->arena);
    socket_folder_free(world->folder);
    free(world);
    return 0;
}

static int call(struct world *world, int64_t timeout_us)
{
    const struct channel_request request = { .method = METHOD, .timeout_us = timeout_us };

    if (!world->channel)
        assert_int_equal(
            channel_new(world->path, NEVER_REACHED, &world->stop, &world->channel, NULL), 0);
    arena_reset(&world->arena);
    err_clear(&world->err);
    return channel_call(world->channel, &request, &world->arena, &world->answer, &world->err);
}

static void call_anew(struct world *world)
{
    channel_free(world->channel);
    world->channel = NULL;
}

static void assert_told(const struct world *world, const char *text)
{
    if (!strstr(world->err.text, text) || !strstr(world->err.text, METHOD))
        fail_msg("expected the method and \"%s\" in \"%s\"", text, world->err.text);
}

/* --- success ----------------------------------------------------------------------------- */

static void request_and_answer_keep_every_byte(void **state)
{
    struct world *world = *state;
    const struct channel_request request = {
        .method = METHOD,
        .message = STR("ask\0me"),
        .timeout_us = NEVER_REACHED,
        .metadata_key = "containerd-namespace",
        .metadata_value = "k8s.io",
    };

    world->runtime = double_new(world->path);
    double_answers(world->runtime, "Version", STR("tell\0you"));
    assert_int_equal(
        channel_new(world->path, NEVER_REACHED, &world->stop, &world->channel, &world->err), 0);
    assert_int_equal(
        channel_call(world->channel, &request, &world->arena, &world->answer, &world->err), 0);
    assert_true(str_eq(world->answer, STR("tell\0you")));
    assert_true(str_eq(double_last_request(world->runtime), STR("ask\0me")));
    assert_true(str_eq(double_last_metadata(world->runtime), STR("k8s.io")));
    assert_int_equal(channel_received_bytes(world->channel), 8);
}

static void an_empty_answer_is_valid(void **state)
{
    struct world *world = *state;

    world->runtime = double_new(world->path);
    double_answers(world->runtime, "Version", STR(""));
    assert_int_equal(call(world, NEVER_REACHED), 0);
    assert_int_equal(world->answer.len, 0);
    assert_true(str_eq(double_last_metadata(world->runtime), STR("")));
}

static void one_channel_serves_many_calls(void **state)
{
    struct world *world = *state;

    world->runtime = double_new(world->path);
    double_answers(world->runtime, "Version", STR("x"));
    for (int i = 0; i < 50; i++)
        assert_int_equal(call(world, NEVER_REACHED), 0);
    assert_int_equal(double_calls(world->runtime, "Version"), 50);
}

static void special_bytes_in_a_path_are_escaped(void **state)
{
    struct world *world = *state;
    char strange[sizeof(world->path)];

    snprintf(strange, sizeof(strange), "%s/a b%%41?c#d:e", world->folder);
    world->runtime = double_new(world->path);
    double_answers(world->runtime, "Version", STR("x"));
    assert_int_equal(rename(world->path, strange), 0);
    snprintf(world->path, sizeof(world->path), "%s", strange);
    assert_int_equal(call(world, NEVER_REACHED), 0);
    unlink(strange);
}

/*
 * gRPC is not built with TSan, which then looks for a suppression for each byte buffer: minutes for
 * LIMIT_CRI_MESSAGE. Smaller messages use the same code.
 */
static void skip_big_messages_under_tsan(void)
{
#if defined(__SANITIZE_THREAD__)
    skip();
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
    skip();
#endif
#endif
}

static void an_answer_of_exactly_the_limit_arrives(void **state)
{
    struct world *world = *state;
    char *bytes;

    skip_big_messages_under_tsan();
    bytes = calloc(1, LIMIT_CRI_MESSAGE);
    assert_non_null(bytes);
    world->runtime = double_new(world->path);
    double_answers(world->runtime, "Version",
                   (struct str){ .at = bytes, .len = LIMIT_CRI_MESSAGE });
    assert_int_equal(call(world, NEVER_REACHED), 0);
    assert_int_equal(world->answer.len, LIMIT_CRI_MESSAGE);
    free(bytes);
}

/* --- error statuses
 * --------------------------------------------------------------------------------- */

static void errors_name_the_grpc_status(void **state)
{
    static const struct {
        int status;
        int code;
        const char *text;
    } rows[] = {
        { 1, -EIO, "Canceled: why" },
        { 2, -EIO, "Unknown: why" },
        { 3, -EINVAL, "InvalidArgument: why" },
        { 4, -ETIMEDOUT, "DeadlineExceeded: why" },
        { 5, -EIO, "NotFound: why" },
        { 6, -EIO, "AlreadyExists: why" },
        { 7, -EACCES, "PermissionDenied: why" },
        { 8, -EIO, "ResourceExhausted: why" },
        { 9, -EIO, "FailedPrecondition: why" },
        { 10, -EIO, "Aborted: why" },
        { 11, -EIO, "OutOfRange: why" },
        { 12, -ENOSYS, "Unimplemented: why" },
        { 13, -EIO, "Internal: why" },
        { 14, -ECONNREFUSED, "Unavailable: why" },
        { 15, -EIO, "DataLoss: why" },
        { 16, -EACCES, "Unauthenticated: why" },
        { 77, -EIO, "status 77: why" },
    };
    struct world *world = *state;

    world->runtime = double_new(world->path);
    world->answer = STR("before");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct double_answer answer = { .status = rows[i].status, .details = "why" };

        double_set(world->runtime, "Version", &answer);
        assert_int_equal(call(world, NEVER_REACHED), rows[i].code);
        assert_told(world, rows[i].text);
        assert_int_equal(channel_status(world->channel), rows[i].status);
    }
    assert_true(str_eq(world->answer, STR("before"))); /* untouched on failure */
}

static void an_unknown_method_is_unimplemented(void **state)
{
    struct world *world = *state;

    world->runtime = double_new(world->path);
    assert_int_equal(call(world, NEVER_REACHED), -ENOSYS);
    assert_told(world, "Unimplemented");
}

static void an_answer_over_the_limit_is_refused(void **state)
{
    struct world *world = *state;
    char *bytes;

    skip_big_messages_under_tsan();
    bytes = calloc(1, LIMIT_CRI_MESSAGE + 1);
    assert_non_null(bytes);
    world->runtime = double_new(world->path);
    double_answers(world->runtime, "Version",
                   (struct str){ .at = bytes, .len = LIMIT_CRI_MESSAGE + 1 });
    assert_int_equal(call(world, NEVER_REACHED), -EMSGSIZE);
    assert_told(world, "ResourceExhausted");
    free(bytes);
}

static void a_runtime_that_refuses_to_send_a_large_answer_is_the_same_error(void **state)
{
    struct world *world = *state;
    const struct double_answer answer = {
        .status = 8,
        .details = "grpc: trying to send message larger than max (17 vs. 16)",
    };

    world->runtime = double_new(world->path);
    double_set(world->runtime, "Version", &answer);
    assert_int_equal(call(world, NEVER_REACHED), -EMSGSIZE);
}

static void ok_without_a_message_is_an_error(void **state)
{
    struct world *world = *state;
    const struct double_answer answer = { .no_message = true };

    world->runtime = double_new(world->path);
    double_set(world->runtime, "Version", &answer);
    assert_int_equal(call(world, NEVER_REACHED), -EPROTO);
    assert_told(world, "OK without a message");
}

static void an_answer_that_does_not_fit_the_arena_is_an_error(void **state)
{
    struct world *world = *state;

    world->runtime = double_new(world->path);
    double_answers(world->runtime, "Version", STR("more than ten bytes"));
    world->arena.limit = 10;
    assert_int_equal(call(world, NEVER_REACHED), -ENOMEM);
    assert_told(world, "19 bytes");
}

/* --- no runtime, or something else --------------------------------------------------------- */

static void a_missing_socket_is_unavailable(void **state)
{
    struct world *world = *state;

    assert_int_equal(call(world, NEVER_REACHED), -ECONNREFUSED);
    assert_told(world, "No such file or directory");
}

static void a_runtime_that_hangs_ends_at_the_deadline(void **state)
{
    struct world *world = *state;
    const struct double_answer answer = { .hangs = true };

    world->runtime = double_new(world->path);
    double_set(world->runtime, "Version", &answer);
    assert_int_equal(call(world, 120 * MSEC), -ETIMEDOUT);
    assert_told(world, "DeadlineExceeded: no answer within 120 ms");

    /* The channel still works. */
    double_answers(world->runtime, "Version", STR("x"));
    assert_int_equal(call(world, NEVER_REACHED), 0);
}

static void a_connection_that_is_not_answered_in_time_is_a_timeout(void **state)
{
    struct world *world = *state;

    world->rude = rude_new(world->path, RUDE_SILENT);
    assert_int_equal(channel_new(world->path, 100 * MSEC, &world->stop, &world->channel, NULL), 0);
    assert_int_equal(call(world, NEVER_REACHED), -ETIMEDOUT);
    assert_told(world, "timed out before receiving SETTINGS");
}

/* An overloaded runtime: no try may leave a connection open, on either side. */
static void a_connection_with_a_late_handshake_is_closed(void **state)
{
    struct world *world = *state;

    world->rude = rude_new(world->path, RUDE_LATE);
    assert_int_equal(channel_new(world->path, SEC, &world->stop, &world->channel, NULL), 0);
    assert_true(call(world, 1200 * MSEC) < 0);
    call_anew(world); /* the channel is destroyed before the server preface arrives */
    assert_int_equal(rude_clients_stayed(world->rude), 0);
    rude_free(world->rude);
    world->rude = NULL;
}

static void a_peer_without_grpc_is_an_error_within_the_timeout(void **state)
{
    static const struct {
        enum rude_manner manner;
        int64_t timeout_us;
        int code;
    } rows[] = {
        { RUDE_SILENT, 120 * MSEC, -ETIMEDOUT },      { RUDE_CLOSES, NEVER_REACHED, -ECONNREFUSED },
        { RUDE_HTTP1, NEVER_REACHED, -ECONNREFUSED }, { RUDE_HALF, NEVER_REACHED, -ECONNREFUSED },
        { RUDE_REPLY, NEVER_REACHED, -ECONNREFUSED },
    };
    struct world *world = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        world->rude = rude_new(world->path, rows[i].manner);
        assert_int_equal(call(world, rows[i].timeout_us), rows[i].code);
        assert_told(world, rows[i].code == -ETIMEDOUT ? "DeadlineExceeded" : "Unavailable");
        call_anew(world);
        rude_free(world->rude);
        world->rude = NULL;
    }
}

static void a_new_channel_reaches_a_restarted_runtime(void **state)
{
    struct world *world = *state;

    for (int i = 0; i < 3; i++) {
        world->runtime = double_new(world->path);
        double_answers(world->runtime, "Version", STR("x"));
        assert_int_equal(call(world, NEVER_REACHED), 0);
        double_free(world->runtime);
        world->runtime = NULL;
        assert_int_equal(call(world, NEVER_REACHED), -ECONNREFUSED);
        call_anew(world);
    }
}

/* --- stopping --------------------------------------------------------------------------------- */

static void set_flag(void *flag)
{
    atomic_store((atomic_bool *)flag, true);
}

static void stop_cancels_a_call_in_progress(void **state)
{
    struct world *world = *state;
    const struct double_answer answer = { .hangs = true };

    world->runtime = double_new(world->path);
    double_set(world->runtime, "Version", &answer);
    double_on_call(world->runtime, set_flag, &world->stop);
    assert_int_equal(call(world, NEVER_REACHED), -ECANCELED);
    assert_told(world, "the agent is stopping");
}

static void no_call_starts_after_stop(void **state)
{
    struct world *world = *state;

    world->runtime = double_new(world->path);
    double_answers(world->runtime, "Version", STR("x"));
    atomic_store(&world->stop, true);
    assert_int_equal(call(world, NEVER_REACHED), -ECANCELED);
    assert_int_equal(double_calls(world->runtime, "Version"), 0);
}

static void failed_allocations_are_errors_without_leaks(void **state)
{
    struct world *world = *state;
    size_t before = fault_heap_live();

    for (size_t n = 0;; n++) {
        int r;

        err_clear(&world->err);
        fault_heap_fail_at(n);
        r = channel_new("/run/a.sock", NEVER_REACHED, &world->stop, &world->channel, &world->err);
        channel_free(world->channel);
        world->channel = NULL;
        assert_int_equal(fault_heap_live(), before);
        if (!fault_heap_fired())
            break;
        assert_int_equal(r, -ENOMEM);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_new, world_free)
    const struct CMUnitTest tests[] = {
        TEST(request_and_answer_keep_every_byte),
        TEST(an_empty_answer_is_valid),
        TEST(one_channel_serves_many_calls),
        TEST(special_bytes_in_a_path_are_escaped),
        TEST(an_answer_of_exactly_the_limit_arrives),
        TEST(errors_name_the_grpc_status),
        TEST(an_unknown_method_is_unimplemented),
        TEST(an_answer_over_the_limit_is_refused),
        TEST(a_runtime_that_refuses_to_send_a_large_answer_is_the_same_error),
        TEST(ok_without_a_message_is_an_error),
        TEST(an_answer_that_does_not_fit_the_arena_is_an_error),
        TEST(a_missing_socket_is_unavailable),
        TEST(a_runtime_that_hangs_ends_at_the_deadline),
        TEST(a_connection_that_is_not_answered_in_time_is_a_timeout),
        TEST(a_connection_with_a_late_handshake_is_closed),
        TEST(a_peer_without_grpc_is_an_error_within_the_timeout),
        TEST(a_new_channel_reaches_a_restarted_runtime),
        TEST(stop_cancels_a_call_in_progress),
        TEST(no_call_starts_after_stop),
        TEST(failed_allocations_are_errors_without_leaks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
