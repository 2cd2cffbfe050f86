/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/classify/wordings.h"
#include "util.h"

static void local_refusals_of_the_kubelet_are_recognised(void **state)
{
    static const struct wording wordings[] = {
        { "Container image \"a:b\" is not present with pull policy of Never", REASON_NEVER_PULL },
        { "Error: ErrImageNeverPull", REASON_NEVER_PULL },
        { "Failed to pull image \"a:b\": pull QPS exceeded", REASON_PULL_QPS_EXCEEDED },
        { "image pull failed for a:b because the signature validation failed: none",
          REASON_SIGNATURE_REJECTED },
        { "Unable to retrieve some image pull secrets (regcred); attempting to pull the image may "
          "not succeed.",
          REASON_PULL_SECRET_MISSING },
        { "Unable to retrieve pull secret team/regcred for team/web due to secret \"regcred\" not "
          "found. The image pull may not succeed.",
          REASON_PULL_SECRET_MISSING },
        { "illegal base64 data at input byte 4", REASON_PULL_SECRET_MALFORMED },
        { "unable to parse auth field, must be formatted as base64(username:password)",
          REASON_PULL_SECRET_MALFORMED },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

static void invalid_names_are_recognised(void **state)
{
    static const struct wording wordings[] = {
        { "Failed to apply default image tag \"nginx::1\": couldn't parse image name \"nginx::1\": "
          "invalid reference format",
          REASON_INVALID_REFERENCE },
        { "failed to parse image reference \"r.example.com/a b\": invalid reference format",
          REASON_INVALID_REFERENCE },
        { "failed to do request: Head \"https://r.example.com:99999/v2/a/manifests/v1\": dial tcp: "
          "address 99999: invalid port",
          REASON_INVALID_REFERENCE },
        { "parse \"https://r.example.com:x\": invalid port \":x\" after host",
          REASON_INVALID_REFERENCE },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

/* containers/image, CRI-O, image-rs, containerd's verifiers */
static void policies_of_the_node_are_recognised(void **state)
{
    static const struct wording wordings[] = {
        { "short-name \"app:v1\" did not resolve to an alias and no unqualified-search registries "
          "are defined in \"/etc/containers/registries.conf\"",
          REASON_SHORT_NAME_AMBIGUOUS },
        { "short name mode is enforcing, but image name nginx:latest returns ambiguous list",
          REASON_SHORT_NAME_AMBIGUOUS },
        { "registry r.example.com is blocked in /etc/containers/registries.conf",
          REASON_REGISTRY_BLOCKED },
        { "Source image rejected: A signature was required, but no signature exists",
          REASON_SIGNATURE_REJECTED },
        { "rpc error: code = Internal desc = Security validate failed: Validate image failed: The "
          "signatures do not satisfied!",
          REASON_SIGNATURE_REJECTED },
        { "image verifier bindir blocked pull of r.example.com/a@sha256:12 for reason \"verifier "
          "exited with 1\"",
          REASON_SIGNATURE_REJECTED },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

static void credential_provider_failures_are_recognised(void **state)
{
    static const struct wording wordings[] = {
        { "error getting credentials - err: exec: \"docker-credential-desktop\": executable file "
          "not found in $PATH, out: ``",
          REASON_CREDENTIAL_PROVIDER_FAILED },
        { "Failed getting credential from external registry credential provider: error execing "
          "credential provider plugin ecr-credential-provider for image r.example.com/a: fork/exec "
          "/usr/local/bin/ecr-credential-provider: no such file or directory",
          REASON_CREDENTIAL_PROVIDER_FAILED },
        { "Error parsing the serverURL", REASON_CREDENTIAL_PROVIDER_FAILED },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

static void a_broken_configuration_of_the_runtime_is_recognised(void **state)
{
    static const struct wording wordings[] = {
        { "failed to decode hosts.toml: toml: line 3: expected value",
          REASON_RUNTIME_CONFIG_INVALID },
        { "Error: open /etc/containers/policy.json: no such file or directory",
          REASON_RUNTIME_CONFIG_INVALID },
        { "no policy.json file found", REASON_RUNTIME_CONFIG_INVALID },
        { "unable to pull image: loading registries configuration "
          "\"/etc/containers/registries.conf\": toml: line 4: expected",
          REASON_RUNTIME_CONFIG_INVALID },
        { "open /etc/containers/certs.d/r.example.com/client.cert: permission denied",
          REASON_RUNTIME_CONFIG_INVALID },
        { "missing key /etc/docker/certs.d/r.example.com/client.key for client certificate "
          "client.cert. Note that CA certificates should use the extension .crt",
          REASON_RUNTIME_CONFIG_INVALID },
        { "failed to do request: Head \"htps://r.example.com/v2/a/manifests/v1\": unsupported "
          "protocol scheme \"htps\"",
          REASON_RUNTIME_CONFIG_INVALID },
        { "Failed to pull image \"r.example.com/a:v1\": open /var/lib/x/layer: no such file or "
          "directory",
          REASON_RUNTIME_ERROR },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

static void words_of_the_kubelets_validation_are_not_a_registrys(void **state)
{
    static const struct wording wordings[] = {
        { "\"Failed to register CRI auth plugins\" err=\"failed to validate credential provider "
          "config: [providers.tokenAttributes: Forbidden: tokenAttributes is only supported for "
          "v1]\"",
          REASON_CREDENTIAL_PROVIDER_FAILED },
        { "exec: \"docker-credential-ecr-login\": executable file not found in $PATH",
          REASON_CREDENTIAL_PROVIDER_FAILED },
        { "Failed to pull image \"a\": exec: \"unpigz\": executable file not found in $PATH",
          REASON_RUNTIME_ERROR },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(local_refusals_of_the_kubelet_are_recognised),
        cmocka_unit_test(invalid_names_are_recognised),
        cmocka_unit_test(policies_of_the_node_are_recognised),
        cmocka_unit_test(credential_provider_failures_are_recognised),
        cmocka_unit_test(a_broken_configuration_of_the_runtime_is_recognised),
        cmocka_unit_test(words_of_the_kubelets_validation_are_not_a_registrys),
    };

    return cmocka_run_group_tests_name("rules_local", tests, NULL, NULL);
}
