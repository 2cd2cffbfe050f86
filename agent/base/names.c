/* SPDX-License-Identifier: Apache-2.0 */

/* The words for the vocabulary's enums, made from the tables in include/. */

#include "observation.h"
#include "snapshot.h"
#include "util.h"

const char *source_name(enum source_id source)
{
    static const char *const names[] = {
        [SOURCE_PODS] = "pods",
        [SOURCE_EVENTS] = "events",
        [SOURCE_CRI] = "cri",
    };

    _Static_assert(ARRAY_SIZE(names) == SOURCE_MAX, "a source without a name");
    return names[source];
}

const char *observation_kind_name(enum observation_kind kind)
{
    switch (kind) { /* no default: the compiler finds a kind without a name */
    case OBSERVE_PODS_BEGIN:
        return "pods_begin";
    case OBSERVE_PODS_END:
        return "pods_end";
    case OBSERVE_POD:
        return "pod";
    case OBSERVE_POD_DELETED:
        return "pod_deleted";
    case OBSERVE_EVENT:
        return "event";
    case OBSERVE_IMAGE:
        return "image";
    case OBSERVE_SANDBOX:
        return "sandbox";
    case OBSERVE_SANDBOXES_END:
        return "sandboxes_end";
    case OBSERVE_CREATED:
        return "created";
    case OBSERVE_RUNTIME:
        return "runtime";
    case OBSERVE_INGESTS:
        return "ingests";
    case OBSERVE_BLOB:
        return "blob";
    case OBSERVE_IMAGE_FS:
        return "image_fs";
    }
    return "?";
}

const char *effect_name(enum effect effect)
{
    static const char *const names[] = {
#define X(name, text) [EFFECT_##name] = (text),
        EFFECT_TABLE(X)
#undef X
    };

    return names[effect];
}

const char *container_kind_name(enum container_kind kind)
{
    static const char *const names[] = {
#define X(name, text) [CONTAINER_##name] = (text),
        CONTAINER_KIND_TABLE(X)
#undef X
    };

    return names[kind];
}

const char *incident_state_name(enum incident_state state)
{
    static const char *const names[] = {
#define X(name, text) [INCIDENT_##name] = (text),
        INCIDENT_STATE_TABLE(X)
#undef X
    };

    return names[state];
}

const char *witness_name(enum witness witness)
{
    static const char *const names[] = {
        [WITNESS_POD_STATUS] = "pod_status",
        [WITNESS_EVENT] = "event",
        [WITNESS_CRI] = "cri",
    };

    _Static_assert(ARRAY_SIZE(names) == WITNESS_MAX, "a witness without a name");
    return names[witness];
}

const char *reconnect_name(enum reconnect reconnect)
{
    static const char *const names[] = {
#define X(name, text) [RECONNECT_##name] = (text),
        RECONNECT_TABLE(X)
#undef X
    };

    return names[reconnect];
}

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

const char *limit_name(enum limit limit)
{
    static const char *const names[] = {
#define X(name, text) [LIMIT_HIT_##name] = (text),
        LIMIT_TABLE(X)
#undef X
    };

    return names[limit];
}

void snapshot_done(struct snapshot *snapshot)
{
    arena_done(&snapshot->arena);
}
