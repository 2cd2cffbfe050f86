/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot.h"

#include "shared.h"
#include "util.h"

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

const char *effect_name(enum effect effect)
{
    static const char *const names[] = {
#define X(name, text) [EFFECT_##name] = (text),
        EFFECT_TABLE(X)
#undef X
    };

    return names[effect];
}

const char *stall_kind_name(enum stall_kind kind)
{
    static const char *const names[] = {
#define X(name, text) [STALL_##name] = (text),
        STALL_TABLE(X)
#undef X
    };

    return names[kind];
}

const char *size_class_name(enum size_class size)
{
    static const char *const names[SIZE_CLASS_MAX] = {
#define X(name, text) [SIZE_CLASS_##name] = (text),
        SIZE_CLASS_TABLE(X)
#undef X
    };

    return names[size];
}

enum size_class size_class_of(uint64_t bytes)
{
    if (bytes > 1000000000)
        return SIZE_CLASS_LARGE;
    return bytes > 100000000 ? SIZE_CLASS_MEDIUM : SIZE_CLASS_SMALL;
}

const char *pull_phase_name(enum pull_phase phase)
{
    static const char *const names[] = {
#define X(name, text) [PULL_PHASE_##name] = (text),
        PULL_PHASE_TABLE(X)
#undef X
    };

    return names[phase];
}

void snapshot_done(struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->n_owned; i++)
        shared_unref(snapshot->owned[i]);
    snapshot->n_owned = 0;
    arena_done(&snapshot->arena);
}
