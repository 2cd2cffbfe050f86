/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/classify/wordings.h"
#include "util.h"

static void missing_credentials_are_recognised(void **state)
{
    static const struct wording wordings[] = {
        { "Error response from daemon: Head \"https://r.example.com/v2/a/manifests/v1\": no basic "
          "auth credentials",
          REASON_NO_CREDENTIALS },
        { "{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"authentication required\"}]}",
          REASON_NO_CREDENTIALS },
        { "level=warning msg=\"error authorizing context: authorization token required\"",
          REASON_NO_CREDENTIALS },
        { "unable to retrieve auth token: invalid username/password: unauthorized: Invalid "
          "Username or Password",
          REASON_BAD_CREDENTIALS },
        { "denied: The security token included in the request is invalid", REASON_BAD_CREDENTIALS },
        { "denied: Your authorization token has expired. Reauthenticate and try again.",
          REASON_TOKEN_EXPIRED },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

static void denied_access_is_recognised(void **state)
{
    static const struct wording wordings[] = {
        { "unknown: current image with 86 vulnerabilities cannot be pulled due to configured "
          "policy in 'Prevent images'",
          REASON_FORBIDDEN },
        { "{\"errors\":[{\"code\":\"PROJECTPOLICYVIOLATION\",\"message\":\"no\"}]}",
          REASON_FORBIDDEN },
        { "initializing source docker://r.example.com/a:v1: reading manifest v1 in "
          "r.example.com/a: errors: denied: requested access to the resource is denied "
          "unauthorized: authentication required",
          REASON_DENIED_OR_MISSING },
        { "Error ((HTTP code 500) server error - Head "
          "\"https://r.example.com/v2/a/manifests/latest\": denied: access forbidden)",
          REASON_FORBIDDEN },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

static void missing_images_are_recognised(void **state)
{
    static const struct wording wordings[] = {
        { "initializing source docker://r.example.com/a:v1: reading manifest v1 in "
          "r.example.com/a: manifest unknown",
          REASON_MANIFEST_UNKNOWN },
        { "initializing source docker://r.example.com/a:v1: reading manifest v1 in "
          "r.example.com/a: unsupported: This repository does not use the \"latest\" tag to track "
          "the most recent image",
          REASON_MANIFEST_UNKNOWN },
        { "initializing source docker://r.example.com/a:v1: reading manifest v1 in "
          "r.example.com/a: name unknown: The repository with name 'a' does not exist in the "
          "registry with id '1'",
          REASON_REPOSITORY_UNKNOWN },
        { "Download failed, retrying: unknown blob", REASON_BLOB_UNKNOWN },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

static void registry_errors_are_recognised(void **state)
{
    static const struct wording wordings[] = {
        { "initializing source docker://r.example.com/a:v1: reading manifest v1 in "
          "r.example.com/a: toomanyrequests: You have reached your unauthenticated pull rate "
          "limit.",
          REASON_TOO_MANY_REQUESTS },
        { "adding 1 MiB of storage resource, which when updated to current usage of 10 GiB will "
          "exceed the configured upper limit of 10 GiB.",
          REASON_STORAGE_QUOTA },
        { "error unmarshalling content: invalid character '<' looking for beginning of value",
          REASON_MALFORMED_RESPONSE },
        { "initializing source docker://r.example.com/a:v1: reading manifest v1 in "
          "r.example.com/a: received unexpected HTTP status: 503 Service Unavailable",
          REASON_SERVICE_UNAVAILABLE },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_credentials_are_recognised),
        cmocka_unit_test(denied_access_is_recognised),
        cmocka_unit_test(missing_images_are_recognised),
        cmocka_unit_test(registry_errors_are_recognised),
    };

    return cmocka_run_group_tests_name("rules_registry", tests, NULL, NULL);
}
