/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "agent/classify/message.h"
#include "agent/commands/classify_json.h"
#include "buf.h"
#include "limit.h"
#include "tests/unit/support/fault_heap.h"
#include "util.h"

static struct buf text;

static int begin(void **state)
{
    (void)state;
    buf_init(&text, LIMIT_DEBUG_BODY);
    return 0;
}

static int end(void **state)
{
    (void)state;
    buf_done(&text);
    return fault_heap_live() == 0 ? 0 : -1;
}

static json_t *parsed(void)
{
    json_error_t error;
    json_t *json = json_loadb(text.at, text.len, JSON_REJECT_DUPLICATES, &error);

    if (!json)
        fail_msg("%s in %s", error.text, text.at);
    return json;
}

/* Two credentials were tried; one of the two answers decides, both are shown. */
static void a_message_is_explained(void **state)
{
    const struct str message =
        STR("Failed to pull image \"registry.example.com/team/app:v1\": [rpc error: code = Unknown "
            "desc = failed to resolve reference \"registry.example.com/team/app:v1\": unexpected "
            "status from HEAD request to "
            "https://user:hunter2@registry.example.com/v2/team/app/manifests"
            "/v1: 401 Unauthorized, rpc error: code = Unknown desc = dial tcp: lookup "
            "registry.example.com: no such host]");
    const char *cause, *registry, *first_wrapper, *terminal, *other;
    int attempt, grpc_code, http_status;
    struct err err = ERR_INIT;
    json_t *json;

    (void)state;
    assert_int_equal(classify_json_explain(&text, message, &err), 0);
    assert_null(strstr(text.at, "hunter2"));
    json = parsed();
    assert_int_equal(json_unpack(json, "{s:s, s:s, s:i, s:[{s:[s*], s:s, s:i, s:i}, {}]}", "cause",
                                 &cause, "registry", &registry, "attempt", &attempt, "attempts",
                                 "chain", &first_wrapper, "terminal", &terminal, "grpc_code",
                                 &grpc_code, "http_status", &http_status),
                     0);
    assert_string_equal(cause, "unauthorized");
    assert_string_equal(registry, "registry.example.com");
    assert_int_equal(attempt, 0);
    assert_string_equal(first_wrapper, "Failed to pull image \"registry.example.com/team/app:v1\"");
    assert_true(str_ends(str_from(terminal), STR(": 401 Unauthorized")));
    assert_int_equal(grpc_code, 2);
    assert_int_equal(http_status, 401);
    assert_int_equal(json_unpack(json, "{s:[*]}", "runners_up"), 0);
    other = json_string_value(
        json_object_get(json_array_get(json_object_get(json, "runners_up"), 1), "cause"));
    assert_string_equal(other, "network");
    json_decref(json);
}

static void unknown_values_are_null(void **state)
{
    static const char *const nulls[] = { "stage",       "http_status", "image",   "registry",
                                         "failed_host", "failed_role", "attempt", "message" };
    struct err err = ERR_INIT;
    json_t *json;

    (void)state;
    assert_int_equal(classify_json_explain(&text, STR(""), &err), 0);
    json = parsed();
    assert_int_equal(json_object_size(json), 17);
    for (size_t i = 0; i < ARRAY_SIZE(nulls); i++)
        if (!json_is_null(json_object_get(json, nulls[i])))
            fail_msg("'%s' is not null in %s", nulls[i], text.at);
    assert_string_equal(json_string_value(json_object_get(json, "cause")), "unknown");
    json_decref(json);
}

/* A terminal obeys U+009B as it does ESC [. Bytes that are not UTF-8 must not reach a parser. */
static void an_explanation_is_printable_ascii(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(
        classify_json_explain(
            &text, STR("\x1b[2J\xc2\x9b\xff\xed\xa0\x80 \"\\ \xf0\x9f\x90\xb3 403"), &err),
        0);
    json_decref(parsed());
    for (size_t i = 0; i + 1 < text.len; i++)
        assert_in_range(text.at[i], 0x20, 0x7e);
    assert_non_null(strstr(text.at, "\\uD83D\\uDC33"));
}

static void an_explanation_over_the_limit_is_an_error(void **state)
{
    (void)state;
    for (size_t max = 0; max < 300; max++) {
        struct err err = ERR_INIT;

        buf_done(&text);
        buf_init(&text, max);
        assert_int_equal(classify_json_explain(&text, STR("403 Forbidden"), &err), -E2BIG);
        assert_non_null(strstr(err.text, "bytes"));
    }
}

static int write_explanation(void)
{
    struct err err = ERR_INIT;

    return classify_json_explain(
        &text,
        STR("failed to resolve reference \"a.example/b:1\": a.example/b:1: not found \xff, 429"),
        &err);
}

static int write_line(void)
{
    static struct message message;
    struct classify_json *json = classify_json_new();
    struct verdict verdict;
    int r;

    if (!json)
        return -ENOMEM;
    normalise(STR(""), STR("Failed to pull image \"a.example/b:1\": 403 Forbidden"), &message);
    verdict = classify(&message);
    r = classify_json_line(json, &text, &message, &verdict);
    classify_json_free(json);
    return r;
}

static void fails_wherever_memory_ends(int (*write)(void), size_t least)
{
    for (size_t n = 0;; n++) {
        int r;

        buf_done(&text);
        buf_init(&text, LIMIT_DEBUG_BODY);
        fault_heap_fail_at(n);
        r = write();
        if (!fault_heap_fired()) {
            assert_int_equal(r, 0);
            assert_true(n >= least);
            break;
        }
        assert_int_equal(r, -ENOMEM);
        buf_done(&text);
        assert_int_equal(fault_heap_live(), 0);
    }
}

static void running_out_of_memory_is_an_error(void **state)
{
    (void)state;
    fails_wherever_memory_ends(write_explanation, 3);
    fails_wherever_memory_ends(write_line, 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_message_is_explained),
        TEST(unknown_values_are_null),
        TEST(an_explanation_is_printable_ascii),
        TEST(an_explanation_over_the_limit_is_an_error),
        TEST(running_out_of_memory_is_an_error),
    };

    return cmocka_run_group_tests_name("classify_json", tests, NULL, NULL);
}
