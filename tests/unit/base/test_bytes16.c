/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bytes16.h"

/* Each byte value at each place, among bytes that do not match. */
static void a_match_is_found_at_its_place(void **state)
{
    (void)state;
    for (unsigned value = 0; value < 256; value++) {
        for (size_t place = 0; place < 16; place++) {
            const char other = (char)(value == 'x' ? 'y' : 'x');
            char text[16];
            bytes16 bytes;

            memset(text, other, sizeof(text));
            text[place] = (char)value;
            bytes = bytes16_load(text);
            assert_int_equal(bytes16_mask(bytes16_equal(bytes, (char)value)), 1u << place);
            assert_int_equal(bytes16_first(bytes16_mask(bytes16_equal(bytes, (char)value))), place);
            assert_int_equal(bytes16_mask(bytes16_between(bytes, (uint8_t)value, (uint8_t)value)),
                             1u << place);
        }
    }
}

static void a_range_includes_both_ends(void **state)
{
    const bytes16 bytes = bytes16_load("/09:`az{@AZ[\x7f\x80\xff ");

    (void)state;
    assert_int_equal(bytes16_mask(bytes16_between(bytes, '0', '9')), 0x0006);
    assert_int_equal(bytes16_mask(bytes16_between(bytes, 'a', 'z')), 0x0060);
    assert_int_equal(bytes16_mask(bytes16_between(bytes, 'A', 'Z')), 0x0600);
    assert_int_equal(bytes16_mask(bytes16_between(bytes, 0x80, 0xff)), 0x6000);
    assert_int_equal(bytes16_mask(bytes16_between(bytes, 0, 0xff)), 0xffff);
}

static void each_byte_is_compared_on_its_own(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        for (unsigned at = 0; at < 16; at++) {
            char text[16] = { 0 };
            bytes16 bytes;

            text[at] = (char)c;
            bytes = bytes16_load(text);
            assert_int_equal(bytes16_mask(bytes16_between(bytes, 'a', 'z')),
                             c >= 'a' && c <= 'z' ? 1u << at : 0);
            assert_int_equal(bytes16_mask((bytes16)(bytes > 0)), c > 0 ? 1u << at : 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_match_is_found_at_its_place),
        cmocka_unit_test(a_range_includes_both_ends),
        cmocka_unit_test(each_byte_is_compared_on_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
