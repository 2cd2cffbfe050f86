/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "exporter/debug/page.h"
#include "exporter/http/http.h"
#include "limit.h"
#include "version.h"

static struct http_response response;

static const char *page(void)
{
    struct err err = ERR_INIT;

    buf_done(&response.body);
    response = (struct http_response){ .status = HTTP_OK };
    buf_init(&response.body, LIMIT_DEBUG_BODY);
    assert_int_equal(page_write(&response, &err), 0);
    assert_int_equal(buf_error(&response.body), 0);
    return response.body.at;
}

static int end(void **state)
{
    (void)state;
    buf_done(&response.body);
    return 0;
}

static unsigned count(const char *part)
{
    unsigned n = 0;

    for (const char *at = response.body.at; (at = strstr(at, part)); at++)
        n++;
    return n;
}

static void the_page_is_complete(void **state)
{
    (void)state;
    page();
    assert_string_equal(response.content_type, HTTP_HTML);
    assert_int_equal(strncmp(response.body.at, "<!DOCTYPE html>\n", 16), 0);
    assert_string_equal(response.body.at + response.body.len - 8, "</html>\n");
    assert_int_equal(count("imagepull-exporter " IMAGEPULL_VERSION), 1);
    assert_int_equal(count("{{NONCE}}") + count("{{VERSION}}"), 0);
}

/* The policy names the nonce, and everything on the page has it. */
static void only_scripts_with_the_nonce_run(void **state)
{
    char attribute[64], source[64];
    const char *nonce;

    (void)state;
    page();
    nonce = strstr(response.content_policy, "script-src 'nonce-");
    assert_non_null(nonce);
    nonce += strlen("script-src 'nonce-");
    snprintf(attribute, sizeof(attribute), " nonce=\"%.32s\"", nonce);
    snprintf(source, sizeof(source), "style-src 'nonce-%.32s';", nonce);
    assert_non_null(strstr(response.content_policy, source));
    assert_int_equal(count("<script"), 1);
    assert_int_equal(count("<style"), 1);
    assert_int_equal(count(attribute), 2);
    assert_int_equal(strncmp(response.content_policy, "default-src 'none'; ", 20), 0);
    assert_true(strlen(response.content_policy) + 1 < sizeof(response.content_policy));
    assert_null(strstr(response.content_policy, "unsafe"));
}

static void each_answer_has_its_own_nonce(void **state)
{
    char before[sizeof(response.content_policy)];

    (void)state;
    page();
    memcpy(before, response.content_policy, sizeof(before));
    page();
    assert_string_not_equal(response.content_policy, before);
    assert_int_equal(strlen(response.content_policy), strlen(before));
}

/* Text from the cluster must never become HTML, and nothing is loaded from elsewhere. */
static void the_page_has_no_unsafe_calls(void **state)
{
    static const char *const unsafe[] = {
        "innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(",   "http://",
        "https://",  "src=",      "style=\"",       "onclick",        "import ", "Function(",
    };

    (void)state;
    page();
    for (size_t i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]); i++)
        if (strstr(response.body.at, unsafe[i]))
            fail_msg("the page contains %s", unsafe[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_page_is_complete, end),
        cmocka_unit_test_teardown(only_scripts_with_the_nonce_run, end),
        cmocka_unit_test_teardown(each_answer_has_its_own_nonce, end),
        cmocka_unit_test_teardown(the_page_has_no_unsafe_calls, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
