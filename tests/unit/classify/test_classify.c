/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "agent/classify/message.h"
#include "util.h"

/*
 * One test for each difficult case. The ordinary messages of all components are in tests/corpus/;
 * `make check-corpus` checks them.
 */

#define IMAGE "registry.example.com/team/app:v1"
#define CONTAINERD "failed to pull and unpack image \"" IMAGE "\": "
#define RESOLVE CONTAINERD "failed to resolve reference \"" IMAGE "\": "
#define HEAD                                                                                       \
    "failed to do request: Head \"https://registry.example.com/v2/team/app/manifests/v1\": "
#define SOURCE "initializing source docker://" IMAGE ": "
#define DAEMON "rpc error: code = Unknown desc = Error response from daemon: "

static struct verdict judge(const char *waiting_reason, const char *text)
{
    static struct message message;

    normalise(str_from(waiting_reason), str_from(text), &message);
    return classify(&message);
}

static void says_with(const char *waiting_reason, const char *text, enum reason reason,
                      enum stage stage)
{
    struct verdict v = judge(waiting_reason, text);

    if (v.reason != reason || v.stage != stage)
        fail_msg("%s, stage %s, by rule %s, for: %s", reason_name(v.reason),
                 stage_name(v.stage) ? stage_name(v.stage) : "-", v.rule, text);
    assert_int_equal(v.cause, reason_cause(reason));
}

static void says(const char *text, enum reason reason, enum stage stage)
{
    says_with("", text, reason, stage);
}

static void words_and_numbers_in_names_are_ignored(void **state)
{
    (void)state;
    says("failed to pull and unpack image \"docker.io/library/webserver:404\": failed to resolve "
         "reference "
         "\"docker.io/library/webserver:404\": failed to do request: Head "
         "\"https://registry-1.docker.io/v2/library/webserver/manifests/404\": dial tcp "
         "192.0.2.1:443: connect: "
         "connection refused",
         REASON_CONNECT_REFUSED, STAGE_RESOLVE);
    says("Failed to pull image \"602401143452.dkr.ecr.us-west-2.amazonaws.com/a@sha256:"
         "4290000000000000000000000000000000000000000000000000000000000429\": no basic auth "
         "credentials",
         REASON_NO_CREDENTIALS, STAGE_AUTH);
    says("failed to resolve reference \"docker.io/not-found/unauthorized-401:timeout\": "
         "docker.io/not-found/unauthorized-401:timeout: not found",
         REASON_IMAGE_NOT_FOUND, STAGE_MANIFEST);
    says("reading manifest timeout in registry.example.com/denied: manifest unknown",
         REASON_MANIFEST_UNKNOWN, STAGE_MANIFEST);
    says("pulling from host registry.example.com failed with status code [manifests 404]: 401 "
         "Unauthorized",
         REASON_NO_CREDENTIALS, STAGE_AUTH);
    says(DAEMON "manifest for unauthorized:429 not found: manifest unknown: manifest unknown",
         REASON_MANIFEST_UNKNOWN, STAGE_MANIFEST);
}

static void whether_a_login_was_sent_is_known_only_where_the_words_differ(void **state)
{
    static const struct {
        const char *text;
        bool unknown;
    } cases[] = {
        { SOURCE "authentication required", true },
        { SOURCE "authentication is required", true },
        { SOURCE "authorization token required", true },
        { SOURCE "authorization header required", true },
        { SOURCE "unauthorized: please login to the registry", true },
        { SOURCE "unauthorized", true },
        { SOURCE "unauthenticated", true },
        { SOURCE "authorization failed", true },
        { SOURCE "rpc error: code = Unauthenticated desc = x", true },
        { RESOLVE
          "unexpected status from HEAD request to https://r.example.com/v2/: 401 Unauthorized",
          true },
        { RESOLVE "pulling from host r.example.com failed with status code [manifests v1]: 401 "
                  "Unauthorized",
          true },
        { RESOLVE "authorization failed: no basic auth credentials", false },
        { RESOLVE "failed to authorize: failed to fetch anonymous token: unexpected status: 401 "
                  "Unauthorized",
          false },
        { RESOLVE "failed to authorize: failed to fetch oauth token: unexpected status: 401 "
                  "Unauthorized",
          false },
        { SOURCE "reading signatures: unexpected status: 401 Unauthorized", false },
        { DAEMON "incorrect username or password", false },
        { SOURCE "manifest unknown", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (judge("ErrImagePull", cases[i].text).sent_unknown != cases[i].unknown)
            fail_msg("%s by rule %s: %s", cases[i].unknown ? "known" : "unknown",
                     judge("ErrImagePull", cases[i].text).rule, cases[i].text);
}

static void an_invalid_image_name_is_ignored(void **state)
{
    (void)state;
    says("Failed to pull image \"no space left on device\": " RESOLVE IMAGE ": not found",
         REASON_IMAGE_NOT_FOUND, STAGE_MANIFEST);
    says("Failed to apply default image tag \"x509 denied: EOF\": couldn't parse image name "
         "\"x509 denied: EOF\": invalid reference format",
         REASON_INVALID_REFERENCE, STAGE_LOCAL);
}

static void log_prefixes_are_ignored(void **state)
{
    (void)state;
    says("E0429 17:39:31.404404   429 remote_image.go:403] \"PullImage from image service failed\" "
         "err=\"rpc error: code = Unknown desc = " HEAD "EOF\" image=\"" IMAGE "\"",
         REASON_UNEXPECTED_EOF, STAGE_RESOLVE);
    says("Jan 07 05:55:22 node-404 kubelet[401]: E0107 05:55:22.523909  1375 x.go:500] pull QPS "
         "exceeded",
         REASON_PULL_QPS_EXCEEDED, STAGE_LOCAL);
}

static void missing_platform_is_bad_image_not_not_found(void **state)
{
    (void)state;
    says("rpc error: code = NotFound desc = " CONTAINERD
         "no match for platform in manifest: not found",
         REASON_PLATFORM_MISMATCH, STAGE_MANIFEST);
}

static void not_found_of_other_components_is_not_the_cause_not_found(void **state)
{
    (void)state;
    says("rpc error: code = NotFound desc = " CONTAINERD
         "failed to unpack image on snapshotter overlayfs: "
         "unexpected media type text/html for sha256:12: not found",
         REASON_MALFORMED_RESPONSE, STAGE_UNPACK);
    says("rpc error: code = NotFound desc = " CONTAINERD "failed to prepare extraction snapshot "
         "\"extract-1 sha256:1\": parent snapshot sha256:2 does not exist: not found",
         REASON_UNPACK_FAILED, STAGE_UNPACK);
    says("rpc error: code = NotFound desc = " CONTAINERD "content digest sha256:3: not found",
         REASON_RUNTIME_ERROR, STAGE_MAX);
}

static void a_page_decides_only_without_other_evidence(void **state)
{
    (void)state;
    says(SOURCE "pinging container registry registry.example.com: StatusCode: 404, "
                "\"<html>nginx 404 unauthorized</html>\"",
         REASON_MALFORMED_RESPONSE, STAGE_RESOLVE);
    says(DAEMON "error parsing HTTP 403 response body: invalid character '<' looking for beginning "
                "of value: "
                "\"<html><title>404 Not Found</title></html>\"",
         REASON_FORBIDDEN, STAGE_AUTH);
    says(DAEMON "toomanyrequests: <!DOCTYPE html> <title>Access denied</title>",
         REASON_TOO_MANY_REQUESTS, STAGE_MAX);
}

static void a_rate_limit_inside_access_denied_is_a_rate_limit(void **state)
{
    (void)state;
    says(RESOLVE "pull access denied, repository does not exist or may require authorization: "
                 "server message: "
                 "toomanyrequests: You have reached your pull rate limit",
         REASON_TOO_MANY_REQUESTS, STAGE_RESOLVE);
}

static void denied_for_a_quota_is_a_registry_error(void **state)
{
    (void)state;
    says(DAEMON "denied: Quota exceeded.", REASON_STORAGE_QUOTA, STAGE_MAX);
    says(DAEMON "toomanyrequests: Quota exceeded for quota metric 'Requests per project'",
         REASON_TOO_MANY_REQUESTS, STAGE_MAX);
}

static void a_token_server_failure_is_not_unauthorized(void **state)
{
    (void)state;
    says(RESOLVE "failed to authorize: failed to fetch anonymous token: Get "
                 "\"https://auth.example.com/token\": "
                 "x509: certificate signed by unknown authority",
         REASON_TLS_UNKNOWN_AUTHORITY, STAGE_AUTH);
    says(RESOLVE
         "failed to authorize: failed to fetch oauth token: unexpected status from POST request to "
         "https://auth.example.com/token: 503 Service Unavailable",
         REASON_SERVICE_UNAVAILABLE, STAGE_AUTH);
    says(RESOLVE "failed to authorize: failed to fetch oauth token: Post "
                 "\"https://auth.example.com/token\": dial "
                 "tcp 192.0.2.1:443: connect: connection refused",
         REASON_CONNECT_REFUSED, STAGE_AUTH);
    says(RESOLVE
         "failed to authorize: failed to fetch oauth token: unexpected status from POST request to "
         "https://auth.example.com/token: 401 Unauthorized",
         REASON_BAD_CREDENTIALS, STAGE_AUTH);
}

static void the_kubelets_guess_about_credentials_is_weak(void **state)
{
    (void)state;
    says("image pull failed for gcr.io/a/b:1, this may be because there are no credentials on this "
         "request.  "
         "details: (Get https://gcr.io/v1/_ping: dial tcp 192.0.2.1:443: i/o timeout)",
         REASON_CONNECT_TIMEOUT, STAGE_RESOLVE);
    says("image pull failed for gcr.io/a/b:1, this may be because there are no credentials on this "
         "request.  "
         "details: (Error: image a/b:1 not found)",
         REASON_NO_CREDENTIALS, STAGE_AUTH);
}

static void a_refused_connection_is_attributed_to_its_peer(void **state)
{
    (void)state;
    says(RESOLVE HEAD "proxyconnect tcp: dial tcp 192.0.2.3:3128: connect: connection refused",
         REASON_PROXY_FAILED, STAGE_RESOLVE);
    says(RESOLVE HEAD
         "dial tcp: lookup registry.example.com on [::1]:53: read udp [::1]:382->[::1]:53: read: "
         "connection refused",
         REASON_DNS_FAILURE, STAGE_RESOLVE);
    says("connection error: desc = \"transport: Error while dialing dial unix "
         "/run/containerd/containerd.sock: connect: connection refused\"",
         REASON_RUNTIME_UNAVAILABLE, STAGE_LOCAL);
    says(RESOLVE HEAD "dial tcp: lookup registry.example.com on 192.0.2.53:53: server misbehaving",
         REASON_DNS_FAILURE, STAGE_RESOLVE);
}

static void canceled_without_details_is_a_cancelled_pull(void **state)
{
    (void)state;
    says("rpc error: code = Canceled desc = " CONTAINERD "context canceled", REASON_PULL_CANCELLED,
         STAGE_RESOLVE);
    says("rpc error: code = Canceled desc = writing blob: storing blob to file \"/var/tmp/1\": "
         "happened "
         "during read: context canceled",
         REASON_PULL_CANCELLED, STAGE_BLOB);
    says("rpc error: code = Canceled desc = " RESOLVE HEAD
         "dial tcp 192.0.2.1:443: i/o timeout: context canceled",
         REASON_CONNECT_TIMEOUT, STAGE_RESOLVE);
}

static void node_failures_are_recognised(void **state)
{
    (void)state;
    says(CONTAINERD
         "failed to extract layer sha256:1: write /usr/not-found/401: no space left on device",
         REASON_DISK_FULL, STAGE_UNPACK);
    says("failed to register layer: ApplyLayer exit status 1 stdout:  stderr: lchown /etc/x: "
         "operation not "
         "permitted",
         REASON_UNPACK_FAILED, STAGE_UNPACK);
    says("failed to extract layer sha256:4: exit status 1: unpigz: skipping: <stdin>: corrupted -- "
         "crc32 mismatch",
         REASON_CORRUPT_LAYER, STAGE_UNPACK);
}

static void a_cut_message_is_classified_by_its_grpc_code_and_wrappers(void **state)
{
    (void)state;
    says("Failed to pull image \"nginx:gone\": rpc error: code = NotFound desc = failed to pull "
         "and unpack image "
         "\"docker.io/library/nginx:go",
         REASON_IMAGE_NOT_FOUND, STAGE_MANIFEST);
    says(RESOLVE "failed to do request: Head \"https://registry.exam", REASON_UNREACHABLE,
         STAGE_RESOLVE);
    says(RESOLVE "failed to authorize: failed to fetch oauth token: unexp", REASON_UNCLASSIFIED,
         STAGE_MAX); /* refused, or no answer: it does not say */
    says("rpc error: code = DeadlineExceeded desc = " CONTAINERD "failed to cop", REASON_DEADLINE,
         STAGE_RESOLVE);
}

static void a_back_off_without_a_cause_is_back_off_only(void **state)
{
    (void)state;
    says("Back-off pulling image \"" IMAGE "\"", REASON_BACK_OFF_ONLY, STAGE_MAX);
    says("Error: ImagePullBackOff", REASON_BACK_OFF_ONLY, STAGE_MAX);
    says_with("ImagePullBackOff", "", REASON_BACK_OFF_ONLY, STAGE_MAX);
    says("Back-off pulling image \"" IMAGE "\": ErrImagePull: " RESOLVE IMAGE ": not found",
         REASON_IMAGE_NOT_FOUND, STAGE_MANIFEST);
}

static void the_waiting_reason_decides_when_the_message_names_no_cause(void **state)
{
    (void)state;
    says_with("ErrImageNeverPull", "", REASON_NEVER_PULL, STAGE_LOCAL);
    says_with("InvalidImageName", "?", REASON_INVALID_REFERENCE, STAGE_LOCAL);
    says_with("SignatureValidationFailed", "", REASON_SIGNATURE_REJECTED, STAGE_LOCAL);
    says_with("RegistryUnavailable", "", REASON_UNREACHABLE, STAGE_MAX);
    says_with("ErrImageNeverPull", "connection refused", REASON_CONNECT_REFUSED, STAGE_RESOLVE);
}

static void the_part_that_got_further_wins(void **state)
{
    (void)state;
    says("[writing blob: storing blob to file \"/var/tmp/1\": happened during read: unexpected "
         "EOF, " SOURCE "reading manifest v1 in registry.example.com/team/app: unauthorized: "
         "authentication required]",
         REASON_UNEXPECTED_EOF, STAGE_BLOB);
    says("[" RESOLVE
         "failed to authorize: failed to fetch oauth token: unexpected status: 401 Unauthorized, "
         "rpc error: code = NotFound desc = " RESOLVE IMAGE ": not found]",
         REASON_IMAGE_NOT_FOUND, STAGE_MANIFEST);
}

static void a_definite_answer_wins(void **state)
{
    (void)state;
    says("[" RESOLVE "unexpected status from HEAD request to "
         "https://r.example.com/v2/a/manifests/1: 500 Internal "
         "Server Error, " RESOLVE HEAD "401 Unauthorized]",
         REASON_BAD_CREDENTIALS, STAGE_AUTH);
    says("[" RESOLVE HEAD "dial tcp 192.0.2.1:443: i/o timeout, " RESOLVE
         "unexpected status from HEAD request to https://r.example.com/v2/a/manifests/1: 502 Bad "
         "Gateway]",
         REASON_BAD_GATEWAY, STAGE_MANIFEST);
}

static void a_mirrors_404_loses_to_the_registrys_answer(void **state)
{
    (void)state;
    says(
        SOURCE
        "(Mirrors also failed: [m.example.com/a:1: reading manifest 1 in m.example.com/a: manifest "
        "unknown]): registry.example.com/team/app:v1: reading manifest v1 in "
        "registry.example.com/team/app: "
        "unauthorized: authentication required",
        REASON_NO_CREDENTIALS, STAGE_AUTH);
    says(
        SOURCE
        "(Mirrors also failed: [m.example.com/a:1: reading manifest 1 in m.example.com/a: manifest "
        "unknown]): registry.example.com/team/app:v1: pinging container registry "
        "registry.example.com: Get "
        "\"https://registry.example.com/v2/\": dial tcp 192.0.2.1:443: i/o timeout",
        REASON_MANIFEST_UNKNOWN, STAGE_MANIFEST);
}

static void denied_or_missing_is_ambiguous(void **state)
{
    struct verdict v;

    (void)state;
    v = judge(
        "", DAEMON
        "pull access denied for app, repository does not exist or may require 'docker login'");
    assert_int_equal(v.reason, REASON_DENIED_OR_MISSING);
    assert_int_equal(v.ambiguous_with, 1u << CAUSE_NOT_FOUND);
    v = judge("",
              RESOLVE "pull access denied, repository does not exist or may require authorization: "
                      "authorization failed: no basic auth credentials");
    assert_int_equal(v.reason, REASON_NO_CREDENTIALS);
    assert_int_equal(v.ambiguous_with, 0);
}

static void a_missing_digest_is_not_a_missing_tag(void **state)
{
    (void)state;
    says("failed to pull and unpack image \"r.example.com/a@sha256:12\": failed to resolve image: "
         "r.example.com/a@sha256:12: not found",
         REASON_DIGEST_UNKNOWN, STAGE_MANIFEST);
    says("failed to pull and unpack image \"r.example.com/a@sha256:12\": failed to copy: "
         "httpReadSeeker: "
         "failed open: content at https://r.example.com/v2/a/blobs/sha256:34 not found: not found",
         REASON_BLOB_UNKNOWN, STAGE_BLOB);
}

static void the_http_status_is_returned(void **state)
{
    (void)state;
    assert_int_equal(
        judge("", RESOLVE
              "unexpected status from HEAD request to https://r.example.com/v2/a: 403 Forbidden")
            .http_status,
        403);
    assert_int_equal(judge("", RESOLVE IMAGE ": not found").http_status, 0);
}

static void an_unknown_message_is_unclassified(void **state)
{
    (void)state;
    says("the quick brown fox", REASON_UNCLASSIFIED, STAGE_MAX);
    says("", REASON_UNCLASSIFIED, STAGE_MAX);
    assert_string_equal(judge("", "the quick brown fox").rule, "unclassified");
}

static void a_status_in_json_is_a_status(void **state)
{
    (void)state;
    says("{\"errors\":[{\"status\":403,\"message\":\"Artifact download request rejected\"}]}",
         REASON_FORBIDDEN, STAGE_AUTH);
    says("{\"level\":\"error\",\"path\":\"/v2/a/manifests/429\",\"status\":500,\"handler\":\"m\"}",
         REASON_SERVER_ERROR, STAGE_MAX);
    says("Failed to pull image \"webserver\":404", REASON_UNCLASSIFIED, STAGE_MAX);
}

static void the_tail_of_a_longer_phrase_does_not_match_again(void **state)
{
    (void)state;
    says(RESOLVE HEAD "read tcp 192.0.2.7:40000->192.0.2.1:443: i/o timeout",
         REASON_RESPONSE_TIMEOUT, STAGE_RESOLVE);
    says(RESOLVE HEAD "dial tcp 192.0.2.1:443: i/o timeout", REASON_CONNECT_TIMEOUT, STAGE_RESOLVE);
}

static void a_page_without_a_known_phrase_is_a_malformed_response(void **state)
{
    (void)state;
    says("error pulling image configuration: download failed after attempts=6: unknown: <?xml "
         "version=\"1.0\"?><Error><Code>InvalidRequest</Code></Error>",
         REASON_MALFORMED_RESPONSE, STAGE_BLOB);
}

static void a_tls_error_through_a_proxy_is_an_error_of_the_proxy(void **state)
{
    (void)state;
    says(RESOLVE HEAD "proxyconnect tcp: tls: first record does not look like a TLS handshake",
         REASON_PROXY_FAILED, STAGE_RESOLVE);
    says(RESOLVE HEAD "tls: first record does not look like a TLS handshake", REASON_HTTP_TO_HTTPS,
         STAGE_RESOLVE);
    says(RESOLVE HEAD "http: error connecting to proxy http://proxy.example.com:3128: dial tcp: "
                      "lookup proxy.example.com: no such host",
         REASON_PROXY_FAILED, STAGE_RESOLVE);
}

static void a_detailed_tls_error_wins_over_a_vague_one(void **state)
{
    (void)state;
    says(RESOLVE HEAD "x509: certificate signed by unknown authority (possibly because of \"x509: "
                      "invalid signature\" while trying to verify candidate authority)",
         REASON_TLS_UNKNOWN_AUTHORITY, STAGE_RESOLVE);
    says(RESOLVE HEAD "tls: failed to verify certificate: x509: certificate is not authorized to "
                      "sign other certificates",
         REASON_TLS_HANDSHAKE_FAILED, STAGE_RESOLVE);
    says(RESOLVE HEAD "x509: a wording of tomorrow", REASON_TLS_HANDSHAKE_FAILED, STAGE_RESOLVE);
    says("received unexpected HTTP status: 502 Bad Gateway: x509: certificate has expired",
         REASON_BAD_GATEWAY, STAGE_MAX);
}

static void windows_errors_are_recognised(void **state)
{
    (void)state;
    says(CONTAINERD "failed to extract layer sha256:12: hcsshim::ImportLayer failed in Win32: The "
                    "system cannot find the path specified. (0x3): unknown",
         REASON_UNPACK_FAILED, STAGE_UNPACK);
    says("error during connect: open //./pipe/docker_engine: The system cannot find the file "
         "specified.",
         REASON_RUNTIME_UNAVAILABLE, STAGE_LOCAL);
}

static void a_400_of_the_token_server_means_bad_credentials(void **state)
{
    (void)state;
    says(RESOLVE "failed to authorize: failed to fetch oauth token: unexpected status: 400 Bad "
                 "Request",
         REASON_BAD_CREDENTIALS, STAGE_AUTH);
    says(CONTAINERD "unexpected status: 400 Bad Request", REASON_UNEXPECTED_STATUS, STAGE_MAX);
}

static void inspecting_an_image_is_local(void **state)
{
    (void)state;
    says("Failed to inspect image \"" IMAGE "\": rpc error: code = Unknown desc = readlink "
         "/var/lib/docker/overlay2: invalid argument",
         REASON_RUNTIME_ERROR, STAGE_LOCAL);
    says("Failed to inspect image \"" IMAGE
         "\": rpc error: code = Unknown desc = unable to inspect "
         "image: reading manifest: unexpected EOF",
         REASON_RUNTIME_ERROR, STAGE_LOCAL);
}

static void a_refusal_may_hide_a_missing_image(void **state)
{
    static const struct {
        const char *text;
        enum reason reason;
        bool may_be_missing;
    } cases[] = {
        { "Failed to pull image \"ghcr.io/a/b:1\": failed to authorize: failed to fetch anonymous "
          "token: unexpected status: 403 Forbidden",
          REASON_NO_CREDENTIALS, true },
        { "Failed to pull image \"r.azurecr.io/a:1\": failed to authorize: failed to fetch "
          "anonymous token: unexpected status: 401 Unauthorized",
          REASON_NO_CREDENTIALS, true },
        { "Failed to pull image \"r.example.com/a:1\": failed to authorize: failed to fetch "
          "anonymous token: unexpected status: 403 Forbidden",
          REASON_NO_CREDENTIALS, false },
        { "denied: Permission \"artifactregistry.repositories.downloadArtifacts\" denied on "
          "resource \"projects/a\" (or it may not exist)",
          REASON_FORBIDDEN, true },
        { "unexpected status: 403 Forbidden", REASON_FORBIDDEN, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct verdict v = judge("", cases[i].text);

        assert_int_equal(v.reason, cases[i].reason);
        assert_int_equal(v.ambiguous_with, cases[i].may_be_missing ? 1u << CAUSE_NOT_FOUND : 0);
    }
}

static void a_text_cut_inside_the_deciding_words_is_unknown(void **state)
{
    static const char *const texts[] = {
        RESOLVE "unexpected sta",
        RESOLVE "pull access den",
        RESOLVE "failed to authorize: failed to fetch anonymous token: unexpected status from GET "
                "request to https://auth.exam",
        SOURCE "pinging container registry registry.example.com: Get "
               "\"https://registry.example.com/v2/\": x5",
        SOURCE "reading manifest v1 in registry.example.com/team/app: unauthor",
        "rpc error: code = Unknown desc = " CONTAINERD "no match for pla",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        says(texts[i], REASON_UNCLASSIFIED, STAGE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_and_numbers_in_names_are_ignored),
        cmocka_unit_test(whether_a_login_was_sent_is_known_only_where_the_words_differ),
        cmocka_unit_test(an_invalid_image_name_is_ignored),
        cmocka_unit_test(log_prefixes_are_ignored),
        cmocka_unit_test(missing_platform_is_bad_image_not_not_found),
        cmocka_unit_test(not_found_of_other_components_is_not_the_cause_not_found),
        cmocka_unit_test(a_page_decides_only_without_other_evidence),
        cmocka_unit_test(a_rate_limit_inside_access_denied_is_a_rate_limit),
        cmocka_unit_test(denied_for_a_quota_is_a_registry_error),
        cmocka_unit_test(a_token_server_failure_is_not_unauthorized),
        cmocka_unit_test(the_kubelets_guess_about_credentials_is_weak),
        cmocka_unit_test(a_refused_connection_is_attributed_to_its_peer),
        cmocka_unit_test(canceled_without_details_is_a_cancelled_pull),
        cmocka_unit_test(node_failures_are_recognised),
        cmocka_unit_test(a_cut_message_is_classified_by_its_grpc_code_and_wrappers),
        cmocka_unit_test(a_back_off_without_a_cause_is_back_off_only),
        cmocka_unit_test(the_waiting_reason_decides_when_the_message_names_no_cause),
        cmocka_unit_test(the_part_that_got_further_wins),
        cmocka_unit_test(a_definite_answer_wins),
        cmocka_unit_test(a_mirrors_404_loses_to_the_registrys_answer),
        cmocka_unit_test(denied_or_missing_is_ambiguous),
        cmocka_unit_test(a_missing_digest_is_not_a_missing_tag),
        cmocka_unit_test(the_http_status_is_returned),
        cmocka_unit_test(an_unknown_message_is_unclassified),
        cmocka_unit_test(a_status_in_json_is_a_status),
        cmocka_unit_test(the_tail_of_a_longer_phrase_does_not_match_again),
        cmocka_unit_test(a_page_without_a_known_phrase_is_a_malformed_response),
        cmocka_unit_test(a_tls_error_through_a_proxy_is_an_error_of_the_proxy),
        cmocka_unit_test(a_detailed_tls_error_wins_over_a_vague_one),
        cmocka_unit_test(windows_errors_are_recognised),
        cmocka_unit_test(a_400_of_the_token_server_means_bad_credentials),
        cmocka_unit_test(inspecting_an_image_is_local),
        cmocka_unit_test(a_refusal_may_hide_a_missing_image),
        cmocka_unit_test(a_text_cut_inside_the_deciding_words_is_unknown),
    };

    return cmocka_run_group_tests_name("classify", tests, NULL, NULL);
}
