/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/commands/status_split.h"
#include "limit.h"
#include "util.h"

static struct status_split split;
static struct buf seen; /* the head, then the members, each in < > */
static int returns;

static int note(void *self, struct str piece, struct err *err)
{
    assert_ptr_equal(self, &seen);
    (void)err;
    buf_add_byte(&seen, '<');
    buf_add(&seen, piece);
    buf_add_byte(&seen, '>');
    return returns;
}

static int begin(void **state)
{
    (void)state;
    returns = 0;
    buf_init(&seen, 1 << 20);
    split =
        (struct status_split){ .list = "failures", .self = &seen, .begin = note, .member = note };
    status_split_begin(&split);
    return 0;
}

static int end(void **state)
{
    (void)state;
    status_split_done(&split);
    buf_done(&seen);
    return 0;
}

/* In parts of each length. */
static void assert_split(const char *text, const char *members, const char *rest)
{
    for (size_t size = 1; size <= strlen(text); size++) {
        struct err err = ERR_INIT;

        status_split_done(&split);
        status_split_begin(&split);
        buf_reset(&seen);
        for (struct str left = str_from(text); left.len; left = str_skip(left, size))
            assert_int_equal(status_split_feed(&split, str_head(left, size), &err), 0);
        assert_string_equal(seen.at ? seen.at : "", members);
        assert_true(str_eq(status_split_rest(&split), str_from(rest)));
    }
}

static void members_are_taken_out_of_the_list(void **state)
{
    (void)state;
    assert_split("{\"node\":\"n\",\"failures\":[\n{\"a\":1},\n{\"b\":[1,{}]}\n]}\n",
                 "<{\"node\":\"n\",\"failures\":[]}><\n{\"a\":1}><\n{\"b\":[1,{}]}>",
                 "{\"node\":\"n\",\"failures\":[]}\n");
    assert_split("{ \"failures\" : [ 1 , null ] , \"z\": [2] }",
                 "<{ \"failures\" : []}>< 1>< null>", "{ \"failures\" : [] , \"z\": [2] }");
    assert_split("{\"failures\":[]}", "<{\"failures\":[]}>", "{\"failures\":[]}");
}

/* A message may have any bytes. */
static void brackets_in_texts_are_no_structure(void **state)
{
    (void)state;
    assert_split("{\"n\":\"\\\"failures\\\":[\",\"failures\":[{\"m\":\"]},\\\\\\\"{[\"},\"a,b]\"]}",
                 "<{\"n\":\"\\\"failures\\\":[\",\"failures\":[]}><{\"m\":\"]},\\\\\\\"{[\"}>"
                 "<\"a,b]\">",
                 "{\"n\":\"\\\"failures\\\":[\",\"failures\":[]}");
}

static void only_the_list_of_the_object_itself_counts(void **state)
{
    static const char *const others[] = {
        "{\"x\":{\"failures\":[1]}}", "{\"xfailures\":[1]}", "[\"failures\",[1]]",
        "{\"failures\":{\"a\":[1]}}", "not JSON ]]]}}}\"",   "[[1],[2]]",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_split(others[i], "", others[i]);
}

static void an_error_ends_the_split(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    returns = -EPROTO;
    assert_int_equal(status_split_feed(&split, STR("{\"failures\":[1]}"), &err), -EPROTO);
}

static void a_piece_over_the_limit_is_an_error(void **state)
{
    static const char *const starts[] = { "{\"failures\":[\"", "{\"x\":\"" };
    static char filler[4096];

    (void)state;
    memset(filler, 'x', sizeof(filler));
    for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
        struct err err = ERR_INIT;
        int r;

        status_split_done(&split);
        status_split_begin(&split);
        r = status_split_feed(&split, str_from(starts[i]), &err);
        for (unsigned n = 0; n < 2 * LIMIT_DEBUG_MEMBER / sizeof(filler) && r == 0; n++)
            r = status_split_feed(&split, (struct str){ filler, sizeof(filler) }, &err);
        assert_int_equal(r, -E2BIG);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(members_are_taken_out_of_the_list),         TEST(brackets_in_texts_are_no_structure),
        TEST(only_the_list_of_the_object_itself_counts), TEST(an_error_ends_the_split),
        TEST(a_piece_over_the_limit_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
