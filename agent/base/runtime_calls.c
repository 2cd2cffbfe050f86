/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime_calls.h"

#include "util.h"

const char *runtime_method_name(enum runtime_method method)
{
    static const char *const names[] = {
#define X(name, text) [METHOD_##name] = (text),
        RUNTIME_METHOD_TABLE(X)
#undef X
    };

    return names[method];
}

const char *runtime_code_name(unsigned code)
{
    static const char *const names[] = {
        "OK",
        "Canceled",
        "Unknown",
        "InvalidArgument",
        "DeadlineExceeded",
        "NotFound",
        "AlreadyExists",
        "PermissionDenied",
        "ResourceExhausted",
        "FailedPrecondition",
        "Aborted",
        "OutOfRange",
        "Unimplemented",
        "Internal",
        "Unavailable",
        "DataLoss",
        "Unauthenticated",
    };

    _Static_assert(ARRAY_SIZE(names) == RUNTIME_CODES, "a code without a name");
    return names[code < RUNTIME_CODES ? code : 2];
}
