/* SPDX-License-Identifier: Apache-2.0 */
#include "observation.h"

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

const char *container_kind_name(enum container_kind kind)
{
    static const char *const names[] = {
#define X(name, text) [CONTAINER_##name] = (text),
        CONTAINER_KIND_TABLE(X)
#undef X
    };

    return names[kind];
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
    case OBSERVE_REPOSITORY:
        return "repository";
    case OBSERVE_NO_BLOBS:
        return "no_blobs";
    case OBSERVE_IMAGE_FS:
        return "image_fs";
    }
    return "?";
}
