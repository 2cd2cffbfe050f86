/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "err.h"

static void the_first_error_is_kept(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(err_set(&err, -EPROTO, "frame of %d bytes", 7), -EPROTO);
    assert_int_equal(err_set(&err, -EIO, "later"), -EIO);
    assert_int_equal(err.code, -EPROTO);
    assert_string_equal(err.text, "frame of 7 bytes");
}

static void wrapping_adds_text_in_front(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    err_set_errno(&err, -EACCES, "open '%s'", "/token");
    assert_int_equal(err_wrap(&err, "watch pods of %s", "node-1"), -EACCES);
    assert_string_equal(err.text, "watch pods of node-1: open '/token': Permission denied");
}

static void long_texts_are_cut_and_terminated(void **state)
{
    struct err err = ERR_INIT;
    char text[2 * ERR_TEXT_MAX];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    err_set(&err, -EIO, "%s", text);
    assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
    err_wrap(&err, "outer");
    assert_int_equal(strncmp(err.text, "outer: xxx", 10), 0);
    assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
}

static void err_may_be_null(void **state)
{
    (void)state;
    assert_int_equal(err_set(NULL, -EIO, "x"), -EIO);
    assert_int_equal(err_set_errno(NULL, -EIO, "x"), -EIO);
    assert_int_equal(err_wrap(NULL, "x"), -EIO);
}

static void a_cleared_error_can_be_set_again(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    err_set(&err, -EIO, "first");
    err_clear(&err);
    assert_string_equal(err.text, "");
    err_set(&err, -EPROTO, "second");
    assert_string_equal(err.text, "second");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_error_is_kept),
        cmocka_unit_test(wrapping_adds_text_in_front),
        cmocka_unit_test(long_texts_are_cut_and_terminated),
        cmocka_unit_test(err_may_be_null),
        cmocka_unit_test(a_cleared_error_can_be_set_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
