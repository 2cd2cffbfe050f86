/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The calls to the container runtime, with their durations and errors. The names are labels of
 * imagepull_cri_request_duration_seconds and imagepull_cri_request_errors_total. These are all the
 * methods in this program, and all of them only read (make check-binary).
 */

#include <stdint.h>

#define RUNTIME_METHOD_TABLE(X)                                                                    \
    X(VERSION, "Version")                                                                          \
    X(STATUS, "Status")                                                                            \
    X(IMAGE_STATUS, "ImageStatus")                                                                 \
    X(IMAGE_FS_INFO, "ImageFsInfo")                                                                \
    X(LIST_POD_SANDBOX, "ListPodSandbox")                                                          \
    X(LIST_CONTAINERS, "ListContainers")                                                           \
    X(LIST_STATUSES, "ListStatuses") /* containerd's content service */                            \
    X(LIST_CONTENT, "List")          /* containerd's content service, too */

enum runtime_method {
#define X(name, text) METHOD_##name,
    RUNTIME_METHOD_TABLE(X)
#undef X
        METHOD_MAX,
};

const char *runtime_method_name(enum runtime_method method);

/* gRPC's status codes; https://grpc.io/docs/guides/status-codes */
#define RUNTIME_CODES 17u

/* "DeadlineExceeded"; "Unknown" for an undefined number. */
const char *runtime_code_name(unsigned code);

struct call_durations {
    uint64_t count;
    uint64_t sum_us;
    int64_t since_us; /* wall; the first call; 0: none */
};

struct runtime_calls {
    struct call_durations durations[METHOD_MAX];        /* of all calls, including failed ones */
    uint64_t errors[METHOD_MAX][RUNTIME_CODES];         /* [0] (OK) stays 0 */
    int64_t errors_since_us[METHOD_MAX][RUNTIME_CODES]; /* wall; the first of them; 0: none */
};
