/* SPDX-License-Identifier: Apache-2.0 */

/*
 * No request reached the registry: the kubelet or the runtime refused the pull, or could not get
 * credentials for it.
 */
#include "agent/classify/rules_rows.h"
#include "util.h"

static const struct rule rows[] = {
    /* kubelet: pkg/kubelet/images */
    LOCAL("never-pull", "is not present with pull policy of never", NEVER_PULL),
    LOCAL("never-pull-reason", "errimageneverpull", NEVER_PULL),
    LOCAL("pull-qps", "pull qps exceeded", PULL_QPS_EXCEEDED),
    LOCAL("signature-validation", "because the signature validation failed", SIGNATURE_REJECTED),
    LOCAL("signature-validation-reason", "signaturevalidationfailed", SIGNATURE_REJECTED),
    LOCAL("pull-secrets", "unable to retrieve some image pull secrets", PULL_SECRET_MISSING),
    LOCAL("pull-secret", "unable to retrieve pull secret", PULL_SECRET_MISSING),
    /* kubelet: pkg/credentialprovider/config.go, secrets/secrets.go */
    LOCAL("pull-secret-base64", "illegal base64 data at input byte", PULL_SECRET_MALFORMED),
    LOCAL("pull-secret-colon", "unable to parse auth field", PULL_SECRET_MALFORMED),
    /* github.com/distribution/reference */
    LOCAL("reference-format", "invalid reference format", INVALID_REFERENCE),
    LOCAL("reference-format-old", "invalid image reference", INVALID_REFERENCE),
    LOCAL("reference-name", "invalid repository name", INVALID_REFERENCE),
    LOCAL("reference-name-kubelet", "invalidimagename", INVALID_REFERENCE),
    LOCAL("reference-name-short", "invalid image name", INVALID_REFERENCE),
    LOCAL("reference-tag", "invalid tag format", INVALID_REFERENCE),
    LOCAL("reference-uppercase", "repository name must be lowercase", INVALID_REFERENCE),
    LOCAL("reference-component", "repository name must have at least one component",
          INVALID_REFERENCE),
    LOCAL("reference-long", "repository name must not be more than", INVALID_REFERENCE),
    LOCAL("reference-canonical", "repository name must be canonical", INVALID_REFERENCE),
    LOCAL("reference-hex", "cannot specify 64-byte hexadecimal strings", INVALID_REFERENCE),
    LOCAL("reference-hex-old", "invalid repository name * cannot specify", INVALID_REFERENCE),
    LOCAL("digest-length", "invalid checksum digest length", INVALID_REFERENCE),
    LOCAL("digest-format", "invalid checksum digest format", INVALID_REFERENCE),
    LOCAL("digest-algorithm", "unsupported digest algorithm", INVALID_REFERENCE),
    LOCAL("reference-parse", "could not parse reference", INVALID_REFERENCE),
    LOCAL("reference-parse-docker", "error parsing reference", INVALID_REFERENCE),
    LOCAL("reference-parse-code", "error parsing image reference", INVALID_REFERENCE),
    LOCAL("reference-object", "object required", INVALID_REFERENCE),
    LOCAL("reference-docker-url", "is not a valid repository/tag", INVALID_REFERENCE),
    LOCAL("image-name-code", "name invalid", INVALID_REFERENCE),
    LOCAL("image-name-code-raw", "name_invalid", INVALID_REFERENCE),
    LOCAL("tag-code", "tag invalid", INVALID_REFERENCE),
    LOCAL("tag-code-raw", "tag_invalid", INVALID_REFERENCE),
    LOCAL("invalid-port-number", "address * invalid port", INVALID_REFERENCE),
    LOCAL("invalid-port", "invalid port * after host", INVALID_REFERENCE),
    /* github.com/containers/image: pkg/shortnames, pkg/sysregistriesv2, signature; CRI-O */
    LOCAL("short-name-enforcing", "short name mode is enforcing", SHORT_NAME_AMBIGUOUS),
    LOCAL("short-name-tty", "short-name resolution enforced", SHORT_NAME_AMBIGUOUS),
    LOCAL("short-name-alias", "did not resolve to an alias", SHORT_NAME_AMBIGUOUS),
    LOCAL("short-name-list", "returns ambiguous list", SHORT_NAME_AMBIGUOUS),
    LOCAL("short-name-search", "no unqualified-search registries are defined",
          SHORT_NAME_AMBIGUOUS),
    LOCAL("short-name-registries", "no registries configured", SHORT_NAME_AMBIGUOUS),
    LOCAL("registry-blocked", "is blocked in", REGISTRY_BLOCKED),
    LOCAL("registry-blocked-by", "is blocked by configuration", REGISTRY_BLOCKED),
    LOCAL("registry-blocked-old", "cannot pull from blocked registry", REGISTRY_BLOCKED),
    LOCAL("source-rejected", "source image rejected", SIGNATURE_REJECTED),
    LOCAL("policy-rejected", "is rejected by policy", SIGNATURE_REJECTED),
    LOCAL("signature-required", "signature was required but no signature exists",
          SIGNATURE_REJECTED),
    LOCAL("signature-none", "no matching signatures", SIGNATURE_REJECTED),
    LOCAL("signature-none-found", "no signatures found", SIGNATURE_REJECTED),
    LOCAL("signature-signer", "signature is not produced by a trusted signer", SIGNATURE_REJECTED),
    LOCAL("signature-failed", "signature verification failed", SIGNATURE_REJECTED),
    LOCAL("signature-needed", "signature verification needed", SIGNATURE_REJECTED),
    LOCAL("signature-content-trust", "remote trust data does not exist", SIGNATURE_REJECTED),
    LOCAL("signature-harbor", "the image is not signed in", SIGNATURE_REJECTED),
    LOCAL("signature-not-signed", "image not signed by", SIGNATURE_REJECTED),
    LOCAL("signature-no-trust", "does not have trust data", SIGNATURE_REJECTED),
    /* confidential containers: image-rs in the guest */
    LOCAL("signature-guest", "security validate failed", SIGNATURE_REJECTED),
    LOCAL("signature-guest-policy", "image policy rejected", SIGNATURE_REJECTED),
    LOCAL("signature-verifier", "verifier * blocked pull", SIGNATURE_REJECTED),

    /* --- credential helpers, and the kubelet's credential provider plugins --- */
    DETAIL("helper-missing", "executable file not found in", CREDENTIAL_PROVIDER_FAILED),
    DETAIL("helper-failed", "failed to get credentials", CREDENTIAL_PROVIDER_FAILED),
    DETAIL("helper-server", "error parsing the serverurl", CREDENTIAL_PROVIDER_FAILED),
    DETAIL("helper-unmarshal", "unmarshaling json at", CREDENTIAL_PROVIDER_FAILED),
    DETAIL("helper-store", "credentials not found in native keychain", CREDENTIAL_PROVIDER_FAILED),
    DETAIL("helper-chain", "no valid providers in chain", CREDENTIAL_PROVIDER_FAILED),
    DETAIL("helper-no-credentials", "nocredentialproviders", CREDENTIAL_PROVIDER_FAILED),
    DETAIL("helper-imds", "no ec2 imds role found", CREDENTIAL_PROVIDER_FAILED),
    DETAIL("helper-refresh", "failed to refresh cached credentials", CREDENTIAL_PROVIDER_FAILED),
    DETAIL("helper-azure", "failed to get credential from", CREDENTIAL_PROVIDER_FAILED),
    DETAIL("helper-token", "failed to acquire a token", CREDENTIAL_PROVIDER_FAILED),
    DETAIL("helper-google", "could not find default credentials", CREDENTIAL_PROVIDER_FAILED),
};

const struct rule_table rules_local = { rows, ARRAY_SIZE(rows) };
