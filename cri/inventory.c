/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/inventory.h"

#include <errno.h>
#include <stdlib.h>

/* A container and its pod. */
struct member {
    struct str pod_uid;
    const struct cri_container *container;
};

static int str_order(struct str a, struct str b)
{
    size_t shared = a.len < b.len ? a.len : b.len;
    int order = shared ? memcmp(a.at, b.at, shared) : 0;

    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int by_id(const void *left, const void *right)
{
    const struct cri_sandbox *a = left, *b = right;

    return str_order(a->id, b->id);
}

static int by_pod(const void *left, const void *right)
{
    const struct cri_sandbox *a = left, *b = right;

    return str_order(a->pod_uid, b->pod_uid);
}

/* By pod and name, then the newest first. By time, as in the kubelet: the restart count starts
 * again when the kubelet has lost the old containers. */
static int by_pod_name_age(const void *left, const void *right)
{
    const struct member *a = left, *b = right;
    int order = str_order(a->pod_uid, b->pod_uid);

    if (!order)
        order = str_order(a->container->name, b->container->name);
    if (!order)
        order = (a->container->created_us < b->container->created_us) -
                (a->container->created_us > b->container->created_us);
    return order;
}

static struct str pod_of(const struct cri_sandbox *by_ids, size_t n, struct str sandbox_id)
{
    const struct cri_sandbox key = { .id = sandbox_id };
    const struct cri_sandbox *found = n ? bsearch(&key, by_ids, n, sizeof(*by_ids), by_id) : NULL;

    return found ? found->pod_uid : STR("");
}

static void observe_sandboxes(const struct cri_sandbox *sorted, size_t n, const struct sink *sink)
{
    for (size_t i = 0, next; i < n; i = next) {
        struct observation observation = {
            .kind = OBSERVE_SANDBOX,
            .sandbox = { .pod_uid = sorted[i].pod_uid },
        };

        for (next = i; next < n && str_eq(sorted[next].pod_uid, sorted[i].pod_uid); next++)
            observation.sandbox.ready |= sorted[next].ready;
        if (observation.sandbox.pod_uid.len)
            sink->observe(sink->self, &observation);
    }
}

static void observe_containers(const struct member *sorted, size_t n, const struct sink *sink)
{
    for (size_t i = 0; i < n; i++) {
        const struct cri_container *container = sorted[i].container;
        const struct observation observation = {
            .kind = OBSERVE_CREATED,
            .created = {
                .pod_uid = sorted[i].pod_uid,
                .container = container->name,
                .created_us = container->created_us,
            },
        };

        if (i > 0 && str_eq(sorted[i].pod_uid, sorted[i - 1].pod_uid) &&
            str_eq(container->name, sorted[i - 1].container->name))
            continue; /* an older container of the same name */
        if (observation.created.pod_uid.len)
            sink->observe(sink->self, &observation);
    }
}

int inventory_observe(const struct inventory *inventory, const struct sink *sink,
                      struct arena *arena, struct err *err)
{
    size_t n_sandboxes = inventory->n_sandboxes, n_containers = inventory->n_containers;
    struct cri_sandbox *sandboxes = arena_alloc(arena, n_sandboxes * sizeof(*sandboxes));
    struct member *members = arena_alloc(arena, n_containers * sizeof(*members));

    if (!sandboxes || !members)
        return err_set_errno(err, -ENOMEM, "cannot sort %zu sandboxes and %zu containers",
                             n_sandboxes, n_containers);

    for (size_t i = 0; i < n_sandboxes; i++)
        sandboxes[i] = inventory->sandboxes[i];
    qsort(sandboxes, n_sandboxes, sizeof(*sandboxes), by_id);
    for (size_t i = 0; i < n_containers; i++)
        members[i] = (struct member){
            .pod_uid = pod_of(sandboxes, n_sandboxes, inventory->containers[i].sandbox_id),
            .container = &inventory->containers[i],
        };
    qsort(members, n_containers, sizeof(*members), by_pod_name_age);
    qsort(sandboxes, n_sandboxes, sizeof(*sandboxes), by_pod);

    observe_sandboxes(sandboxes, n_sandboxes, sink);
    observe_containers(members, n_containers, sink);
    return 0;
}
