/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hash.h"

/* The published test vectors of FNV-1a, 64 bits. */
static void texts_have_their_published_hashes(void **state)
{
    (void)state;
    assert_int_equal(hash_str(STR("")), UINT64_C(0xcbf29ce484222325));
    assert_int_equal(hash_str(STR("a")), UINT64_C(0xaf63dc4c8601ec8c));
    assert_int_equal(hash_str(STR("foobar")), UINT64_C(0x85944171f73967e8));
}

static void bytes_over_127_are_not_negative(void **state)
{
    (void)state;
    assert_int_equal(hash_str(STR("\xff")),
                     (UINT64_C(0xcbf29ce484222325) ^ 0xff) * UINT64_C(0x100000001b3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_have_their_published_hashes),
        cmocka_unit_test(bytes_over_127_are_not_negative),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
