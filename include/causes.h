/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Why an image cannot be pulled. `cause` is a metric label; the set of causes is fixed. `reason` is
 * finer; each reason belongs to one cause. Metrics, JSON, alert rules and runbooks use the names in
 * these tables.
 */

#include <stdbool.h>
#include <stdint.h>

#define CAUSE_TABLE(X)                                                                             \
    X(UNAUTHORIZED, "unauthorized")     /* refused by the registry: wrong or no credentials */     \
    X(NOT_FOUND, "not_found")           /* the registry answered: no such image */                 \
    X(NETWORK, "network")               /* no usable answer came from the registry */              \
    X(RATE_LIMITED, "rate_limited")     /* 429, a pull quota of the account or address */          \
    X(REGISTRY_ERROR, "registry_error") /* the registry answered with an error of its own */       \
    X(BAD_IMAGE, "bad_image")           /* the image itself cannot be used here */                 \
    X(NODE, "node")                     /* this node failed */                                     \
    X(CONFIG, "config")                 /* the pod or the node is configured wrongly */            \
    X(UNKNOWN, "unknown")               /* no rule matched; please report the message */

enum cause {
#define X(name, text) CAUSE_##name,
    CAUSE_TABLE(X)
#undef X
        CAUSE_MAX,
};

#define REASON_TABLE(X)                                                                            \
    X(NO_CREDENTIALS, "no_credentials", UNAUTHORIZED)                                              \
    X(BAD_CREDENTIALS, "bad_credentials", UNAUTHORIZED)                                            \
    X(TOKEN_EXPIRED, "token_expired", UNAUTHORIZED)                                                \
    X(FORBIDDEN, "forbidden", UNAUTHORIZED)                                                        \
    X(INSUFFICIENT_SCOPE, "insufficient_scope", UNAUTHORIZED)                                      \
    X(DENIED_OR_MISSING, "denied_or_missing", UNAUTHORIZED) /* the text also fits not_found */     \
    X(PULL_SECRET_MISSING, "pull_secret_missing", UNAUTHORIZED)                                    \
    X(CREDENTIAL_PROVIDER_FAILED, "credential_provider_failed", UNAUTHORIZED)                      \
    X(MANIFEST_UNKNOWN, "manifest_unknown", NOT_FOUND)                                             \
    X(REPOSITORY_UNKNOWN, "repository_unknown", NOT_FOUND)                                         \
    X(IMAGE_NOT_FOUND, "image_not_found", NOT_FOUND) /* a 404 without details */                   \
    X(DIGEST_UNKNOWN, "digest_unknown", NOT_FOUND)                                                 \
    X(BLOB_UNKNOWN, "blob_unknown", NOT_FOUND)                                                     \
    X(DNS_NOT_FOUND, "dns_not_found", NETWORK)                                                     \
    X(DNS_FAILURE, "dns_failure", NETWORK)                                                         \
    X(CONNECT_REFUSED, "connect_refused", NETWORK)                                                 \
    X(CONNECT_TIMEOUT, "connect_timeout", NETWORK)                                                 \
    X(UNREACHABLE, "unreachable", NETWORK)                                                         \
    X(CONNECTION_RESET, "connection_reset", NETWORK)                                               \
    X(UNEXPECTED_EOF, "unexpected_eof", NETWORK)                                                   \
    X(TLS_UNKNOWN_AUTHORITY, "tls_unknown_authority", NETWORK)                                     \
    X(TLS_EXPIRED, "tls_expired", NETWORK)                                                         \
    X(TLS_HOSTNAME, "tls_hostname", NETWORK)                                                       \
    X(TLS_HANDSHAKE_TIMEOUT, "tls_handshake_timeout", NETWORK)                                     \
    X(TLS_HANDSHAKE_FAILED, "tls_handshake_failed", NETWORK)                                       \
    X(HTTP_TO_HTTPS, "http_to_https", NETWORK)                                                     \
    X(PROXY_FAILED, "proxy_failed", NETWORK)                                                       \
    X(RESPONSE_TIMEOUT, "response_timeout", NETWORK)                                               \
    X(DEADLINE, "deadline", NETWORK)                                                               \
    X(PULL_STALLED, "pull_stalled", NETWORK)                                                       \
    X(PULL_CANCELLED, "pull_cancelled", NETWORK)                                                   \
    X(TOO_MANY_REQUESTS, "too_many_requests", RATE_LIMITED)                                        \
    X(SERVER_ERROR, "server_error", REGISTRY_ERROR)                                                \
    X(BAD_GATEWAY, "bad_gateway", REGISTRY_ERROR)                                                  \
    X(SERVICE_UNAVAILABLE, "service_unavailable", REGISTRY_ERROR)                                  \
    X(GATEWAY_TIMEOUT, "gateway_timeout", REGISTRY_ERROR)                                          \
    X(MALFORMED_RESPONSE, "malformed_response", REGISTRY_ERROR)                                    \
    X(STORAGE_QUOTA, "storage_quota", REGISTRY_ERROR)                                              \
    X(UNEXPECTED_STATUS, "unexpected_status", REGISTRY_ERROR)                                      \
    X(PLATFORM_MISMATCH, "platform_mismatch", BAD_IMAGE)                                           \
    X(UNSUPPORTED_MANIFEST, "unsupported_manifest", BAD_IMAGE)                                     \
    X(DIGEST_MISMATCH, "digest_mismatch", BAD_IMAGE)                                               \
    X(CORRUPT_LAYER, "corrupt_layer", BAD_IMAGE)                                                   \
    X(DISK_FULL, "disk_full", NODE)                                                                \
    X(UNPACK_FAILED, "unpack_failed", NODE)                                                        \
    X(IMAGE_LOST, "image_lost", NODE) /* pulled, but not there */                                  \
    X(DECRYPTION_KEY_MISSING, "decryption_key_missing", NODE)                                      \
    X(RUNTIME_UNAVAILABLE, "runtime_unavailable", NODE)                                            \
    X(RUNTIME_ERROR, "runtime_error", NODE)                                                        \
    X(PULL_QPS_EXCEEDED, "pull_qps_exceeded", NODE)                                                \
    X(INVALID_REFERENCE, "invalid_reference", CONFIG)                                              \
    X(NEVER_PULL, "never_pull", CONFIG)                                                            \
    X(SHORT_NAME_AMBIGUOUS, "short_name_ambiguous", CONFIG)                                        \
    X(SIGNATURE_REJECTED, "signature_rejected", CONFIG)                                            \
    X(REGISTRY_BLOCKED, "registry_blocked", CONFIG)                                                \
    X(PULL_SECRET_MALFORMED, "pull_secret_malformed", CONFIG)                                      \
    X(RUNTIME_CONFIG_INVALID, "runtime_config_invalid", CONFIG)                                    \
    X(UNCLASSIFIED, "unclassified", UNKNOWN)                                                       \
    X(BACK_OFF_ONLY, "back_off_only", UNKNOWN) /* "Back-off pulling image" without a cause */      \
    X(NOT_A_PULL, "not_a_pull", UNKNOWN)       /* the `classify` command alone */

enum reason {
#define X(name, text, cause) REASON_##name,
    REASON_TABLE(X)
#undef X
        REASON_MAX,
};

/* How far the pull got before it failed. */
#define STAGE_TABLE(X)                                                                             \
    X(LOCAL, "local")       /* no request was sent to a registry */                                \
    X(RESOLVE, "resolve")   /* finding the registry and connecting to it */                        \
    X(AUTH, "auth")         /* fetching a token, or the credentials are rejected */                \
    X(MANIFEST, "manifest") /* the tag or the manifest */                                          \
    X(BLOB, "blob")         /* a layer or the config */                                            \
    X(UNPACK, "unpack")     /* everything is downloaded; unpacking it failed */

enum stage {
#define X(name, text) STAGE_##name,
    STAGE_TABLE(X)
#undef X
        STAGE_MAX, /* also: not known */
};

/* Whose host failed: not always that of the registry which the image names. */
#define ROLE_TABLE(X)                                                                              \
    X(REGISTRY, "registry")                                                                        \
    X(MIRROR, "mirror")             /* of the runtime's configuration */                           \
    X(TOKEN_SERVER, "token_server") /* where the registry sends the runtime for a token */         \
    X(BLOB_HOST, "blob_host")       /* where it sends the runtime for layers: a bucket, a CDN */   \
    X(PROXY, "proxy")               /* the HTTP proxy of the runtime */                            \
    X(DNS, "dns")                   /* the node's name server */

enum role {
#define X(name, text) ROLE_##name,
    ROLE_TABLE(X)
#undef X
        ROLE_MAX, /* also: not known */
};

const char *cause_name(enum cause cause);
const char *reason_name(enum reason reason);
enum cause reason_cause(enum reason reason);

/* NULL for STAGE_MAX. */
const char *stage_name(enum stage stage);

/* NULL for ROLE_MAX. */
const char *role_name(enum role role);
