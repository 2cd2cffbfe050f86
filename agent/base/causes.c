/* SPDX-License-Identifier: Apache-2.0 */
#include "causes.h"

#include <assert.h>
#include <stddef.h>

static const char *const cause_names[CAUSE_MAX] = {
#define X(name, text) [CAUSE_##name] = (text),
    CAUSE_TABLE(X)
#undef X
};

static const struct {
    const char *name;
    enum cause cause;
} reasons[REASON_MAX] = {
#define X(id, text, its_cause) [REASON_##id] = { .name = (text), .cause = CAUSE_##its_cause },
    REASON_TABLE(X)
#undef X
};

static const char *const stage_names[STAGE_MAX] = {
#define X(name, text) [STAGE_##name] = (text),
    STAGE_TABLE(X)
#undef X
};

static const char *const role_names[ROLE_MAX] = {
#define X(name, text) [ROLE_##name] = (text),
    ROLE_TABLE(X)
#undef X
};

const char *cause_name(enum cause cause)
{
    assert((unsigned)cause < CAUSE_MAX);
    return cause_names[cause];
}

const char *reason_name(enum reason reason)
{
    assert((unsigned)reason < REASON_MAX);
    return reasons[reason].name;
}

enum cause reason_cause(enum reason reason)
{
    assert((unsigned)reason < REASON_MAX);
    return reasons[reason].cause;
}

const char *stage_name(enum stage stage)
{
    return (unsigned)stage < STAGE_MAX ? stage_names[stage] : NULL;
}

const char *role_name(enum role role)
{
    return (unsigned)role < ROLE_MAX ? role_names[role] : NULL;
}
