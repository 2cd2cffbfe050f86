/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "shared.h"

static void text_lives_until_its_last_owner_drops_it(void **state)
{
    const char *text = shared_str(STR("web-0"));
    const char *second = shared_ref(text);

    (void)state;
    assert_ptr_equal(second, text);
    shared_unref(text);
    assert_string_equal(second, "web-0");
    shared_unref(second); /* valgrind and ASan see a leak or a second free */
}

static void null_has_no_owners(void **state)
{
    (void)state;
    assert_null(shared_ref(NULL));
    shared_unref(NULL);
}

static void empty_text_is_terminated(void **state)
{
    const char *text = shared_str((struct str){ .len = 0 });

    (void)state;
    assert_string_equal(text, "");
    shared_unref(text);
}

static void packed_texts_stand_one_behind_the_other(void **state)
{
    char *memory = shared_alloc(10);
    char *at = memory;
    const char *first = shared_pack(&at, STR("abc"));
    const char *second = shared_pack(&at, (struct str){ .len = 0 });
    const char *third = shared_pack(&at, STR("defg"));

    (void)state;
    assert_string_equal(first, "abc");
    assert_string_equal(second, "");
    assert_string_equal(third, "defg");
    assert_ptr_equal(at, memory + 10);
    shared_unref(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_lives_until_its_last_owner_drops_it),
        cmocka_unit_test(null_has_no_owners),
        cmocka_unit_test(empty_text_is_terminated),
        cmocka_unit_test(packed_texts_stand_one_behind_the_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
