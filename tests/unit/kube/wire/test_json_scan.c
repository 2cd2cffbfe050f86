/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/kube/wire/json_scan.h"
#include "util.h"

/* Writes the values of an object or list as "key=value;" or "value;". Returns the last result;
 * -EEXIST if text follows the closing bracket. */
static int scan(const char *text, char *ret, size_t size)
{
    struct str rest = str_from(text), key = { 0 }, value;
    const bool is_object = json_scan_byte(&rest, '{');
    bool first = true;
    size_t len = 0;
    int r;

    assert_true(is_object || json_scan_byte(&rest, '['));
    ret[0] = '\0';
    while ((r = json_scan_next(&rest, &first, is_object ? &key : NULL, &value)) > 0)
        len += (size_t)snprintf(ret + len, size - len, "%.*s%s%.*s;", STR_ARG(key),
                                is_object ? "=" : "", STR_ARG(value));
    return r == 0 && !json_scan_is_over(rest) ? -EEXIST : r;
}

static void values_with_any_content_are_found(void **state)
{
    static const char *const good[][2] = {
        { "{}", "" },
        { " [ ] \r\n\t", "" },
        { "[1,-2.5e+3 , true,null]", "1;-2.5e+3;true;null;" },
        { "{\"a\":\"b\" , \"c\":{\"d\":[{}]}}", "a=\"b\";c={\"d\":[{}]};" },
        { "[\"]\\\"\",\"\\\\\",\"}{\"]", "\"]\\\"\";\"\\\\\";\"}{\";" },
        { "[{\"]\":\"}\\\"}\"},[[],[]]]", "{\"]\":\"}\\\"}\"};[[],[]];" },
        { "{\"a\":1,\"a\":2}", "a=1;a=2;" },
    };
    char values[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        assert_int_equal(scan(good[i][0], values, sizeof(values)), 0);
        assert_string_equal(values, good[i][1]);
    }
}

static void cut_or_damaged_text_is_refused(void **state)
{
    static const char *const bad[] = {
        "{",
        "[",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":}",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "{,}",
        "{\"a\" 1}",
        "[1 2]",
        "[,1]",
        "[1,]",
        "[1,,2]",
        "[\"a]",
        "[\"a\\\"]",
        "[\"a\\",
        "[{]",
        "[[1]",
        "[<]",
        "[{\"a\"]",
        "{\"a\":{\"b\":1}",
        "[\"a\"\"b\"]",
    };
    char values[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (scan(bad[i], values, sizeof(values)) != -EPROTO)
            fail_msg("'%s' is accepted", bad[i]);
    assert_int_equal(scan("{} x", values, sizeof(values)), -EEXIST);
    assert_int_equal(scan("[1]]", values, sizeof(values)), -EEXIST);
}

/* The sender chooses the depth. */
static void deep_nesting_uses_no_stack(void **state)
{
    static char deep[(2u << 20) + 3];
    struct str rest = { .at = deep, .len = sizeof(deep) - 1 }, value;

    (void)state;
    memset(deep, '[', 1u << 20);
    memset(deep + (1u << 20), ']', 1u << 20);
    rest.len = 2u << 20;
    assert_true(json_scan_value(&rest, &value));
    assert_int_equal(value.len, 2u << 20);
    assert_int_equal(rest.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_with_any_content_are_found),
        cmocka_unit_test(cut_or_damaged_text_is_refused),
        cmocka_unit_test(deep_nesting_uses_no_stack),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
