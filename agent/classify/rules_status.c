/* SPDX-License-Identifier: Apache-2.0 */

/* Rules without a phrase: by the HTTP status, and by wrappers and gRPC codes alone. */
#include "agent/classify/rules.h"

#include "agent/classify/wrappers.h"
#include "util.h"

const struct status_rule status_rules[] = {
    { "status-signature", 400, 499, REASON_SIGNATURE_REJECTED, W_SIGNATURES },
    { "status-401-anonymous", 401, 401, REASON_NO_CREDENTIALS, W_ANONYMOUS },
    { "status-401-no-header", 401, 401, REASON_NO_CREDENTIALS, W_NO_HEADER },
    { "status-401", 401, 401, REASON_BAD_CREDENTIALS, 0 },
    { "status-402", 402, 402, REASON_FORBIDDEN, 0 }, /* an unpaid account */
    { "status-403-anonymous", 403, 403, REASON_NO_CREDENTIALS, W_ANONYMOUS },
    { "status-403", 403, 403, REASON_FORBIDDEN, 0 },
    { "status-404-manifest", 404, 404, REASON_MANIFEST_UNKNOWN, W_MANIFEST },
    { "status-404-blob", 404, 404, REASON_BLOB_UNKNOWN, W_BLOB },
    /* Whatever answered is no registry. */
    { "status-404-ping", 404, 405, REASON_MALFORMED_RESPONSE, W_PING },
    { "status-404-page", 404, 404, REASON_MALFORMED_RESPONSE, W_PAGE },
    { "status-404", 404, 404, REASON_IMAGE_NOT_FOUND, 0 },
    { "status-407", 407, 407, REASON_PROXY_FAILED, 0 },
    { "status-408", 408, 408, REASON_RESPONSE_TIMEOUT, 0 },
    { "status-410", 410, 410, REASON_IMAGE_NOT_FOUND, 0 },
    { "status-429", 429, 429, REASON_TOO_MANY_REQUESTS, 0 },
    { "status-451", 451, 451, REASON_FORBIDDEN, 0 },
    { "status-token-400", 400, 400, REASON_BAD_CREDENTIALS, W_AUTH },
    { "status-4xx", 400, 499, REASON_UNEXPECTED_STATUS, 0 },
    { "status-502", 502, 502, REASON_BAD_GATEWAY, 0 },
    { "status-503", 503, 503, REASON_SERVICE_UNAVAILABLE, 0 },
    { "status-504", 504, 504, REASON_GATEWAY_TIMEOUT, 0 },
    { "status-507", 507, 507, REASON_STORAGE_QUOTA, 0 },
    { "status-5xx", 500, 599, REASON_SERVER_ERROR, 0 },
    { "status-other", 100, 399, REASON_UNEXPECTED_STATUS, 0 },
};

const size_t n_status_rules = ARRAY_SIZE(status_rules);

const struct fallback_rule fallback_rules[] = {
    { "wrapper-reference", -1, W_REFERENCE, REASON_INVALID_REFERENCE },
    { "wrapper-credentials", -1, W_CREDENTIALS, REASON_CREDENTIAL_PROVIDER_FAILED },
    { "wrapper-socket", -1, W_SOCKET, REASON_RUNTIME_UNAVAILABLE },
    { "wrapper-unpack", -1, W_UNPACK, REASON_UNPACK_FAILED },
    { "wrapper-create", -1, W_CREATE, REASON_NOT_A_PULL },
    { "wrapper-proxy", -1, W_PROXY, REASON_PROXY_FAILED },
    { "wrapper-lookup", -1, W_LOOKUP, REASON_DNS_FAILURE },
    { "wrapper-page", -1, W_PAGE, REASON_MALFORMED_RESPONSE },
    { "wrapper-inspect", -1, W_INSPECT, REASON_RUNTIME_ERROR },
    { "grpc-deadline-request", 4, W_REQUEST, REASON_DEADLINE }, /* a text that was cut */
    { "wrapper-dial", -1, W_DIAL, REASON_UNREACHABLE },
    { "wrapper-request", -1, W_REQUEST, REASON_UNREACHABLE },
    { "wrapper-signatures", -1, W_SIGNATURES, REASON_SIGNATURE_REJECTED },
    { "wrapper-lazy", -1, W_LAZY, REASON_UNPACK_FAILED },
    { "grpc-canceled", 1, 0, REASON_PULL_CANCELLED },
    { "grpc-deadline", 4, 0, REASON_DEADLINE },
    { "grpc-not-found", 5, 0, REASON_IMAGE_NOT_FOUND },
    { "grpc-permission", 7, 0, REASON_FORBIDDEN },
    { "grpc-exhausted", 8, 0, REASON_RUNTIME_ERROR },
    /* containerd: core/content/local/writer.go, Commit(): only a wrong size or digest */
    { "grpc-precondition", 9, W_COMMIT, REASON_DIGEST_MISMATCH },
    { "grpc-unimplemented", 12, 0, REASON_RUNTIME_ERROR },
    { "grpc-internal", 13, 0, REASON_RUNTIME_ERROR },
    { "grpc-unavailable", 14, 0, REASON_RUNTIME_UNAVAILABLE },
    { "grpc-unauthenticated", 16, 0, REASON_BAD_CREDENTIALS },
};

const size_t n_fallback_rules = ARRAY_SIZE(fallback_rules);
