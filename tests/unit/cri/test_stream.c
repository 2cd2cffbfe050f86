/* SPDX-License-Identifier: Apache-2.0 */
/* channel_stream(): one call with many messages. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "buf.h"
#include "cri/channel.h"
#include "limit.h"
#include "tests/unit/cri/cri_double.h"
#include "tests/unit/cri/socket_folder.h"

#define METHOD "/containerd.services.content.v1.Content/List"

struct world {
    char folder[SOCKET_FOLDER_SIZE];
    char path[96];
    struct cri_double *runtime;
    struct rude_socket *rude;
    atomic_bool stop;
    struct channel *channel;
    struct buf received; /* the messages, each in brackets */
    size_t n_taken;
    size_t refuse_at; /* the message that the reader refuses; 0: none */
    struct err err;
};

static int world_new(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    if (!world || socket_folder_new(world->folder) < 0)
        return -1;
    snprintf(world->path, sizeof(world->path), "%s/s", world->folder);
    buf_init(&world->received, 1 << 16);
    *state = world;
    return 0;
}

static int world_free(void **state)
{
    struct world *world = *state;

    channel_free(world->channel);
    double_free(world->runtime);
    rude_free(world->rude);
    buf_done(&world->received);
    socket_folder_free(world->folder);
    free(world);
    return 0;
}

static int take(void *self, struct str message, struct err *err)
{
    struct world *world = self;

    world->n_taken++;
    if (message.len < 100)
        buf_printf(&world->received, "[%.*s]", STR_ARG(message));
    if (world->n_taken == world->refuse_at)
        return err_set(err, -EPROTO, "%s: the reader does not like it", METHOD);
    return 0;
}

static void answer(struct world *world, const struct double_answer *how)
{
    if (!world->runtime)
        world->runtime = double_new(world->path);
    double_set(world->runtime, "List", how);
}

static int stream(struct world *world, int64_t timeout_us)
{
    const struct channel_request request = { .method = METHOD, .timeout_us = timeout_us };
    const struct channel_reader reader = { .self = world, .take = take };

    if (!world->channel)
        assert_int_equal(
            channel_new(world->path, NEVER_REACHED, &world->stop, &world->channel, NULL), 0);
    buf_reset(&world->received);
    world->n_taken = 0;
    err_clear(&world->err);
    return channel_stream(world->channel, &request, &reader, &world->err);
}

static void assert_told(const struct world *world, const char *messages)
{
    assert_string_equal(world->received.at && world->received.len ? world->received.at : "",
                        messages);
}

static void assert_error(const struct world *world, const char *text)
{
    if (!strstr(world->err.text, text) || !strstr(world->err.text, METHOD))
        fail_msg("expected the method and \"%s\" in \"%s\"", text, world->err.text);
}

static const struct str three[] = { STR("a"), STR(""), STR("ccc") };

static void messages_are_passed_one_by_one(void **state)
{
    struct world *world = *state;

    answer(world, &(struct double_answer){ .messages = three, .n_messages = 3 });
    assert_int_equal(stream(world, NEVER_REACHED), 0);
    assert_told(world, "[a][][ccc]");
    assert_int_equal(channel_status(world->channel), 0);
    assert_int_equal(channel_received_bytes(world->channel), 4);
}

static void a_stream_without_messages_is_valid(void **state)
{
    struct world *world = *state;

    answer(world, &(struct double_answer){ .no_message = true });
    assert_int_equal(stream(world, NEVER_REACHED), 0);
    assert_told(world, "");
}

static void a_stream_that_breaks_off_is_an_error_after_its_messages(void **state)
{
    struct world *world = *state;

    answer(world, &(struct double_answer){
                      .messages = three, .n_messages = 3, .status = 13, .details = "why" });
    assert_int_equal(stream(world, NEVER_REACHED), -EIO);
    assert_told(world, "[a][][ccc]");
    assert_error(world, "Internal: why");
    assert_int_equal(channel_status(world->channel), 13);
}

static void a_silent_stream_ends_at_the_deadline(void **state)
{
    struct world *world = *state;
    int64_t timeout_us;
    char error[64];

    /* A slow machine needs longer than the first of these deadlines for three messages. */
    for (timeout_us = 120 * MSEC; world->n_taken < 3 && timeout_us < NEVER_REACHED;
         timeout_us *= 2) {
        answer(world, &(struct double_answer){ .messages = three, .n_messages = 3, .hangs = true });
        assert_int_equal(stream(world, timeout_us), -ETIMEDOUT);
        snprintf(error, sizeof(error), "no answer within %d ms", (int)(timeout_us / MSEC));
        assert_error(world, error);
    }
    assert_told(world, "[a][][ccc]");
    assert_int_equal(channel_status(world->channel), 4);

    /* The channel still works. */
    answer(world, &(struct double_answer){ .messages = three, .n_messages = 1 });
    assert_int_equal(stream(world, NEVER_REACHED), 0);
    assert_told(world, "[a]");
}

static void an_endless_stream_ends_at_the_limit(void **state)
{
    static char bytes[LIMIT_CRI_KEPT];
    const struct str large = { .at = bytes, .len = sizeof(bytes) };
    struct world *world = *state;

    answer(world, &(struct double_answer){ .messages = &large, .n_messages = 1, .endless = true });
    assert_int_equal(stream(world, NEVER_REACHED), -EMSGSIZE);
    assert_error(world, "more than 6291456 bytes");
    assert_int_equal(world->n_taken, LIMIT_CRI_MESSAGE / sizeof(bytes));
    assert_int_equal(channel_status(world->channel), 8);

    answer(world, &(struct double_answer){ .messages = three, .n_messages = 1 });
    assert_int_equal(stream(world, NEVER_REACHED), 0);
}

static void an_endless_stream_of_empty_messages_ends_at_the_deadline(void **state)
{
    static const struct str nothing = STR("");
    struct world *world = *state;

    answer(world,
           &(struct double_answer){ .messages = &nothing, .n_messages = 1, .endless = true });
    assert_int_equal(stream(world, 120 * MSEC), -ETIMEDOUT);
    assert_error(world, "DeadlineExceeded");
}

static void a_message_that_the_reader_refuses_ends_the_call(void **state)
{
    struct world *world = *state;

    world->refuse_at = 2;
    answer(world, &(struct double_answer){ .messages = three, .n_messages = 3, .endless = true });
    assert_int_equal(stream(world, NEVER_REACHED), -EPROTO);
    assert_told(world, "[a][]");
    assert_error(world, "the reader does not like it");
    assert_int_equal(channel_status(world->channel), 13);
}

static void a_missing_method_is_unimplemented(void **state)
{
    struct world *world = *state;

    world->runtime = double_new(world->path);
    assert_int_equal(stream(world, NEVER_REACHED), -ENOSYS);
    assert_int_equal(double_unknown_calls(world->runtime), 1);
}

static void a_connection_that_breaks_within_a_message_is_unavailable(void **state)
{
    struct world *world = *state;

    world->rude = rude_new(world->path, RUDE_REPLY);
    assert_int_equal(stream(world, NEVER_REACHED), -ECONNREFUSED);
    assert_told(world, "");
    assert_error(world, "Unavailable");
}

static void two_messages_are_not_a_unary_answer(void **state)
{
    const struct channel_request request = { .method = METHOD, .timeout_us = NEVER_REACHED };
    struct world *world = *state;
    struct str message = STR("before");
    struct arena arena;

    arena_init(&arena, 1 << 20);
    answer(world, &(struct double_answer){ .messages = three, .n_messages = 2 });
    assert_int_equal(channel_new(world->path, NEVER_REACHED, &world->stop, &world->channel, NULL),
                     0);
    assert_int_equal(channel_call(world->channel, &request, &arena, &message, &world->err),
                     -EPROTO);
    assert_error(world, "more than one message");
    assert_true(str_eq(message, STR("before")));
    arena_done(&arena);
}

/* --- stopping --------------------------------------------------------------------------------- */

static void set_flag(void *flag)
{
    atomic_store((atomic_bool *)flag, true);
}

static void stop_cancels_a_stream_in_progress(void **state)
{
    struct world *world = *state;

    answer(world, &(struct double_answer){ .messages = three, .n_messages = 3, .hangs = true });
    double_on_call(world->runtime, set_flag, &world->stop);
    assert_int_equal(stream(world, NEVER_REACHED), -ECANCELED);
    assert_error(world, "the agent is stopping");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_new, world_free)
    const struct CMUnitTest tests[] = {
        TEST(messages_are_passed_one_by_one),
        TEST(a_stream_without_messages_is_valid),
        TEST(a_stream_that_breaks_off_is_an_error_after_its_messages),
        TEST(a_silent_stream_ends_at_the_deadline),
        TEST(an_endless_stream_ends_at_the_limit),
        TEST(an_endless_stream_of_empty_messages_ends_at_the_deadline),
        TEST(a_message_that_the_reader_refuses_ends_the_call),
        TEST(a_missing_method_is_unimplemented),
        TEST(a_connection_that_breaks_within_a_message_is_unavailable),
        TEST(two_messages_are_not_a_unary_answer),
        TEST(stop_cancels_a_stream_in_progress),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
