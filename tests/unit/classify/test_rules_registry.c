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
        { "rpc error: image not found", REASON_IMAGE_NOT_FOUND },
        { "Failed to pull image \"r.example.com/k8s/a:1\": rpc error: code = Unknown desc = Error "
          "response from daemon: unauthorized: project not found, name: k8s: project not found",
          REASON_REPOSITORY_UNKNOWN },
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
        /* the error code "unknown", not the "unknown service" of gRPC */
        { "Error response from daemon: Head \"https://r.example.com/v2/a/manifests/v1\": unknown: "
          "Service Unavailable",
          REASON_SERVICE_UNAVAILABLE },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

static void an_answer_that_no_registry_gives_is_malformed(void **state)
{
    static const struct wording wordings[] = {
        { "error parsing HTTP 404 response body: invalid character 'p' after top-level value: "
          "\"404 page not found\"",
          REASON_MALFORMED_RESPONSE },
        { "error parsing HTTP 404 response body: invalid character '<' looking for beginning of "
          "value: \"<!DOCTYPE html><title>404</title>\"",
          REASON_MALFORMED_RESPONSE },
        { "pinging container registry r.example.com: StatusCode: 404, 404 page not found",
          REASON_MALFORMED_RESPONSE },
        { "reading manifest v1 in r.example.com/a: error parsing HTTP 404 response body: invalid "
          "character '<' looking for beginning of value: \"<html>\"",
          REASON_MANIFEST_UNKNOWN },
        { "error parsing HTTP 404 response body: unexpected end of JSON input: \"\"",
          REASON_IMAGE_NOT_FOUND },
        { "artifact err: get manifest: parse manifest: invalid character '<' looking for beginning "
          "of value",
          REASON_MALFORMED_RESPONSE },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

static void refusals_in_other_words_are_recognised(void **state)
{
    static const struct wording wordings[] = {
        { "Could not find repository on any of the indexed registries.",
          REASON_REPOSITORY_UNKNOWN },
        { "You have reached your monthly bandwidth limit", REASON_TOO_MANY_REQUESTS },
        { "denied: Quota has been exceeded on namespace team", REASON_STORAGE_QUOTA },
        { "denied: Anonymous users are only allowed read access on public repos",
          REASON_NO_CREDENTIALS },
        { "failed to authorize: failed to fetch anonymous token: unexpected status: 403 Forbidden",
          REASON_NO_CREDENTIALS },
        { "unknown: The severity of vulnerability of the image: \"high\" is equal or higher than "
          "the threshold",
          REASON_FORBIDDEN },
        { "denied: Encountered a billing-related error. Please verify the billing status for this "
          "account.",
          REASON_FORBIDDEN },
        { "Error reading signature from https://sigs.example.com/a/signature-2: status 403",
          REASON_SIGNATURE_REJECTED },
        { "unknown: Service 'containerregistry.googleapis.com' is not enabled for consumer "
          "'project:p'.",
          REASON_FORBIDDEN },
        { "denied: Artifact Registry API has not been used in project p before or it is disabled.",
          REASON_FORBIDDEN },
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
        cmocka_unit_test(an_answer_that_no_registry_gives_is_malformed),
        cmocka_unit_test(refusals_in_other_words_are_recognised),
    };

    return cmocka_run_group_tests_name("rules_registry", tests, NULL, NULL);
}
