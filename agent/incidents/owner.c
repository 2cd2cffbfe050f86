/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/owner.h"

#include <errno.h>

#include "limit.h"
#include "shared.h"

/* The API server checks neither. Others cannot be the name of an object, so they are left out:
 * what is left needs no copy to be shown, and holds no secret (shown.h). */
static bool is_kind(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!((text.at[i] >= 'a' && text.at[i] <= 'z') ||
              (text.at[i] >= 'A' && text.at[i] <= 'Z') || (text.at[i] >= '0' && text.at[i] <= '9')))
            return false;
    return text.len > 0;
}

static bool is_name(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!((text.at[i] >= 'a' && text.at[i] <= 'z') ||
              (text.at[i] >= '0' && text.at[i] <= '9') || text.at[i] == '-' || text.at[i] == '.'))
            return false;
    return text.len > 0;
}

/* The kind and name of the owner, as they are shown. */
struct named {
    struct str kind, name;
};

/*
 * A Deployment names its ReplicaSets "NAME-HASH", and labels their pods with the hash
 * (pkg/controller/deployment/sync.go). A ReplicaSet that somebody made by hand has no such label.
 * The name of a Job does not show whether a CronJob made it: its number can be part of any name.
 */
static struct named of_pod(const struct pod_fact *pod)
{
    const struct str hash = pod->template_hash;
    struct named owner = { pod->owner_kind, pod->owner_name };

    if (str_eq(owner.kind, STR("ReplicaSet")) && hash.len && owner.name.len > hash.len + 1 &&
        str_ends(owner.name, hash) && owner.name.at[owner.name.len - hash.len - 1] == '-')
        owner = (struct named){ STR("Deployment"),
                                str_head(owner.name, owner.name.len - hash.len - 1) };
    owner.kind = str_head(owner.kind, LIMIT_KIND_TEXT);
    owner.name = str_head(owner.name, LIMIT_NAME_TEXT);
    return owner;
}

int owner_replace(const struct owner **owner, const struct pod_fact *pod)
{
    const struct named now = of_pod(pod);
    const bool none = !is_kind(now.kind) || !is_name(now.name);
    struct owner *made = NULL;
    char *at;

    if (*owner ? !none && str_eq(str_from((*owner)->kind), now.kind) &&
                     str_eq(str_from((*owner)->name), now.name)
               : none)
        return 0;
    if (!none) {
        made = shared_alloc(sizeof(*made) + now.kind.len + now.name.len + 2);
        if (!made)
            return -ENOMEM;
        at = (char *)(made + 1);
        made->kind = shared_pack(&at, now.kind);
        made->name = shared_pack(&at, now.name);
    }
    shared_unref(*owner);
    *owner = made;
    return 0;
}
