/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/kube/wire/refusal.h"
#include "tests/unit/kube/kube_story.h"

static void assert_text(struct str body, const char *expected)
{
    char text[REFUSAL_TEXT_SIZE];

    memset(text, 'x', sizeof(text));
    refusal_text(body, text);
    assert_string_equal(text, expected);
}

static void errors_of_the_api_server_are_read(void **state)
{
    struct buf forbidden, unauthorized, not_found;

    (void)state;
    recording_read("answers/anonymous-403.http", &forbidden);
    recording_read("answers/stranger-401.http", &unauthorized);
    recording_read("answers/no-such-resource-404.http", &not_found);
    assert_text(recording_body(&forbidden), "pods is forbidden: User \"system:anonymous\" cannot "
                                            "list resource \"pods\" in API group \"\" at the "
                                            "cluster scope");
    assert_text(recording_body(&unauthorized), "Unauthorized");
    assert_text(recording_body(&not_found), "the server could not find the requested resource");
    buf_done(&not_found);
    buf_done(&unauthorized);
    buf_done(&forbidden);
}

static void status_in_protobuf_is_read(void **state)
{
    (void)state;
    assert_text(STR("k8s\0\x0a\x08\x12\x06Status\x12\x0c\x12\x07"
                    "Failure\x1a\x01z"),
                "z");
    assert_text(STR("k8s\0\x0a\x08\x12\x06Status\x12\x06\x22\x04"
                    "Gone"),
                "Gone");
    assert_text(STR("k8s\0\x0a\x08\x12\x06Status\x12\x06\x22\x05"
                    "Gone"),
                "");
    assert_text(STR("k8s\0\x0a\x05\x12\x03Pod"), "");
    assert_text(STR("k8s\0\x0a"), "");
}

static void message_is_found_in_json(void **state)
{
    (void)state;
    assert_text(STR(" { \"a\" : [1,{\"message\":\"no\"},\"]\"] , \"message\" : \"yes\" }"), "yes");
    assert_text(STR("{\"a\":\"\\\"message\\\":\",\"message\":\"q\\\"b\\\\s\\/\"}"), "q\"b\\s/");
    assert_text(STR("{\"message\":\"a\\u003cb\\u003E\\n\\tc\\u00e9\\ud83d\\ude00\"}"),
                "a<b>  c???");
    assert_text(STR("{\"message\":\"caf\xc3\xa9\"}"), "caf??");
    assert_text(STR("{\"message\":\"\\u12\"}"), " 12");
    assert_text(STR("{\"message\":\"\"}"), "");
}

/* For example the page of a proxy. */
static void other_bodies_are_shown_by_their_first_line(void **state)
{
    (void)state;
    assert_text(STR(""), "");
    assert_text(STR("\r\n404 page not found\r\nmore"), "404 page not found ");
    assert_text(STR("{\"message\":7}"), "{\"message\":7}");
    assert_text(STR("{\"message\":\"no end"), "{\"message\":\"no end");
    assert_text(STR("{\"message\":\"\\"), "{\"message\":\"\\");
    assert_text(STR("{\"a\":{\"message\":\"no\"}}"), "{\"a\":{\"message\":\"no\"}}");
    assert_text(STR("{\"a\":[[[[[[\"message\""), "{\"a\":[[[[[[\"message\"");
    assert_text(STR("{\"a\"}"), "{\"a\"}");
    assert_text(STR("{,}"), "{,}");
    assert_text(STR("\x1b[31mred\x7f\xff\0x"), " [31mred ? x");
}

static void long_text_is_cut_with_a_mark(void **state)
{
    char body[2000], text[REFUSAL_TEXT_SIZE];

    (void)state;
    memset(body, 'a', sizeof(body));
    refusal_text((struct str){ .at = body, .len = sizeof(body) }, text);
    assert_int_equal(strlen(text), REFUSAL_TEXT_SIZE - 1);
    assert_string_equal(text + REFUSAL_TEXT_SIZE - 5, "a...");
    refusal_text((struct str){ .at = body, .len = REFUSAL_TEXT_SIZE - 1 }, text);
    assert_string_equal(text + REFUSAL_TEXT_SIZE - 5, "aaaa");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_of_the_api_server_are_read),
        cmocka_unit_test(status_in_protobuf_is_read),
        cmocka_unit_test(message_is_found_in_json),
        cmocka_unit_test(other_bodies_are_shown_by_their_first_line),
        cmocka_unit_test(long_text_is_cut_with_a_mark),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
