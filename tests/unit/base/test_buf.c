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

#include "buf.h"
#include "tests/unit/support/fault_heap.h"

static void text_is_appended_and_terminated(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 100);
    buf_add_text(&buf, "a=");
    buf_add_uint(&buf, 0);
    buf_add_byte(&buf, ' ');
    buf_add_uint(&buf, UINT64_MAX);
    buf_printf(&buf, " %s", "end");
    assert_string_equal(buf.at, "a=0 18446744073709551615 end");
    assert_int_equal(buf.len, strlen(buf.at));
    assert_int_equal(buf_error(&buf), 0);
    buf_done(&buf);
}

static void a_buffer_grows_up_to_its_maximum(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    for (size_t i = 0; i < 1000; i++)
        buf_add_byte(&buf, 'x');
    assert_int_equal(buf_error(&buf), 0);
    assert_int_equal(buf.len, 1000);
    buf_add_byte(&buf, 'x');
    assert_int_equal(buf_error(&buf), -E2BIG);
    assert_int_equal(buf.len, 1000);
    buf_add(&buf, (struct str){ .len = 0 }); /* the error sticks */
    assert_int_equal(buf_error(&buf), -E2BIG);

    buf_reset(&buf);
    buf_add_text(&buf, "again");
    assert_string_equal(buf.at, "again");
    assert_int_equal(buf_error(&buf), 0);
    buf_done(&buf);
}

static void shrinking_keeps_the_text(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 100000);
    buf_shrink(&buf);
    assert_null(buf.at);
    buf_reserve(&buf, 5000);
    buf_add_text(&buf, "kept");
    buf_shrink(&buf);
    assert_int_equal(buf.size, strlen("kept") + 1);
    buf_add_text(&buf, ", and grows again");
    assert_string_equal(buf.at, "kept, and grows again");
    buf_done(&buf);
}

static void a_failed_allocation_keeps_the_text_and_the_error(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 100000);
    buf_add_text(&buf, "kept");
    fault_heap_fail_at(0);
    buf_printf(&buf, "%5000d", 1);
    assert_true(fault_heap_fired());
    assert_int_equal(buf_error(&buf), -ENOMEM);
    assert_string_equal(buf.at, "kept");
    buf_done(&buf);
    assert_int_equal(fault_heap_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_appended_and_terminated),
        cmocka_unit_test(a_buffer_grows_up_to_its_maximum),
        cmocka_unit_test(shrinking_keeps_the_text),
        cmocka_unit_test(a_failed_allocation_keeps_the_text_and_the_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
