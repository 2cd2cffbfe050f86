/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/classify/message.h"
#include "agent/classify/rules.h"
#include "tests/unit/classify/wordings.h"
#include "util.h"

#define FROM "unexpected status from HEAD request to https://r.example.com/v2/a/manifests/v1: "

static void an_http_status_decides_by_its_number(void **state)
{
    static const struct wording wordings[] = {
        { FROM "401 Unauthorized", REASON_BAD_CREDENTIALS },
        { FROM "403 Forbidden", REASON_FORBIDDEN },
        { FROM "404 Not Found", REASON_MANIFEST_UNKNOWN },
        { FROM "402 Payment Required", REASON_FORBIDDEN },
        { FROM "418 I'm a teapot", REASON_UNEXPECTED_STATUS },
        { FROM "429 Too Many Requests", REASON_TOO_MANY_REQUESTS },
        { FROM "500 Internal Server Error", REASON_SERVER_ERROR },
        { FROM "502 Bad Gateway", REASON_BAD_GATEWAY },
        { FROM "503 Service Unavailable", REASON_SERVICE_UNAVAILABLE },
        { FROM "504 Gateway Timeout", REASON_GATEWAY_TIMEOUT },
        { FROM "507 Insufficient Storage", REASON_STORAGE_QUOTA },
        { FROM "301 Moved Permanently", REASON_UNEXPECTED_STATUS },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

static void wrappers_refine_an_http_status(void **state)
{
    static const struct wording wordings[] = {
        { "failed to fetch anonymous token: unexpected status: 401 Unauthorized",
          REASON_NO_CREDENTIALS },
        { "unexpected status code [manifests v1]: 401 Unauthorized", REASON_NO_CREDENTIALS },
        { "failed to fetch oauth token: unexpected status: 400 Bad Request",
          REASON_BAD_CREDENTIALS },
        { "failed to copy: httpReadSeeker: failed open: unexpected status code "
          "https://r.example.com/v2/a/blobs/sha256:1: 404 Not Found",
          REASON_BLOB_UNKNOWN },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

static void wrappers_and_grpc_codes_decide_without_a_phrase(void **state)
{
    static const struct wording wordings[] = {
        { "failed to extract layer sha256:1: something nobody knows", REASON_UNPACK_FAILED },
        { "Failed to pull image \"r.example.com/a:v1\": rpc error: code = PermissionDenied desc = "
          "something nobody knows",
          REASON_FORBIDDEN },
        { "Failed to pull image \"r.example.com/a:v1\": rpc error: code = NotFound desc = "
          "something "
          "nobody knows",
          REASON_IMAGE_NOT_FOUND },
        { "failed to authorize: something nobody knows", REASON_UNCLASSIFIED },
        { "failed to do request: something nobody knows", REASON_UNREACHABLE },
        { "reading signatures: something nobody knows", REASON_SIGNATURE_REJECTED },
        { "something nobody knows", REASON_UNCLASSIFIED },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

/* The first row that fits wins, so a row without needs hides later ones for its statuses. */
static void no_status_rule_hides_another(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_status_rules; i++)
        for (size_t k = 0; k < i; k++)
            if (status_rules[k].needs == 0 && status_rules[k].first <= status_rules[i].first &&
                status_rules[k].last >= status_rules[i].last)
                fail_msg("%s is never reached", status_rules[i].name);
    for (size_t i = 0; i < n_fallback_rules; i++)
        for (size_t k = 0; k < i; k++)
            if (fallback_rules[k].grpc_code < 0 && fallback_rules[k].needs == 0)
                fail_msg("%s is never reached", fallback_rules[i].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_http_status_decides_by_its_number),
        cmocka_unit_test(wrappers_refine_an_http_status),
        cmocka_unit_test(wrappers_and_grpc_codes_decide_without_a_phrase),
        cmocka_unit_test(no_status_rule_hides_another),
    };

    return cmocka_run_group_tests_name("rules_status", tests, NULL, NULL);
}
