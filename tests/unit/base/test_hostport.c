/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hostport.h"
#include "util.h"

static void hosts_and_ports_are_split(void **state)
{
    static const struct {
        const char *text, *host, *port;
        bool in_brackets, has_port;
    } rows[] = {
        { "", "", "", false, false },
        { ":", "", "", false, true },
        { ":9917", "", "9917", false, true },
        { "example.com", "example.com", "", false, false },
        { "example.com:", "example.com", "", false, true },
        { "example.com:5000", "example.com", "5000", false, true },
        { "example.com:five", "example.com", "five", false, true },
        { "127.0.0.1:80", "127.0.0.1", "80", false, true },
        { "[::1]", "::1", "", true, false },
        { "[::1]:", "::1", "", true, true },
        { "[::1]:9917", "::1", "9917", true, true },
        { "[fe80::1%eth0]:9917", "fe80::1%eth0", "9917", true, true },
        { "[127.0.0.1]:80", "127.0.0.1", "80", true, true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct hostport found;

        assert_true(hostport_split(str_from(rows[i].text), &found));
        assert_true(str_eq(found.host, str_from(rows[i].host)));
        assert_true(str_eq(found.port, str_from(rows[i].port)));
        assert_int_equal(found.in_brackets, rows[i].in_brackets);
        assert_int_equal(found.has_port, rows[i].has_port);
    }
}

static void an_absent_text_is_an_empty_host(void **state)
{
    struct hostport found;

    (void)state;
    assert_true(hostport_split((struct str){ .at = NULL }, &found));
    assert_int_equal(found.host.len, 0);
    assert_false(found.has_port);
}

static void ambiguous_texts_are_refused(void **state)
{
    static const char *const texts[] = {
        "::1",        "::1:9917", "fe80::1", "a:1:2",     "[",      "[]",   "[]:80",
        "[::1",       "[::1:80",  "[::1]80", "[::1]]",    "[::1] ", "::1]", "::1]:5",
        "[::1]:80:1", "[::1]:[",  "a]:80",   "a[::1]:80", "a:80]",  "x[",   "[a]b:1",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct hostport found = { .host = STR("untouched") };

        assert_false(hostport_split(str_from(texts[i]), &found));
        assert_true(str_eq(found.host, STR("untouched")));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_and_ports_are_split),
        cmocka_unit_test(an_absent_text_is_an_empty_host),
        cmocka_unit_test(ambiguous_texts_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
