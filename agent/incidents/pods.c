/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/pods.h"

#include <errno.h>

#include "agent/incidents/pull.h"
#include "hash.h"
#include "mem.h"
#include "shared.h"
#include "util.h"

void pods_init(struct pods *pods, struct counters *counters, struct tenants *tenants,
               struct instant now)
{
    pods->counters = counters;
    pods->tenants = tenants;
    pods->started = now;
    pods->poll = 1;
}

static struct pod **bucket_of(struct pods *pods, uint64_t hash)
{
    return &pods->buckets[hash % POD_BUCKETS];
}

struct pod *pod_find_hashed(const struct pods *pods, struct str uid, uint64_t hash)
{
    for (struct pod *pod = pods->buckets[hash % POD_BUCKETS]; pod; pod = pod->next_of_bucket)
        if (pod->hash == hash && str_eq(str_from(pod->uid), uid))
            return pod;
    return NULL;
}

struct pod *pod_find(const struct pods *pods, struct str uid)
{
    return pod_find_hashed(pods, uid, hash_str(uid));
}

struct pod *pod_find_named(const struct pods *pods, struct str uid)
{
    struct pod *found = pod_find(pods, uid);

    /* Events and CRI name a static pod by the hash of its manifest. While its mirror pod is
     * replaced, two pods have this hash. */
    for (struct pod *pod = pods->first; pod && !(found && !found->terminal); pod = pod->next)
        if (pod->mirror_uid && str_eq(str_from(pod->mirror_uid), uid))
            found = pod;
    return found;
}

static void container_done(struct container *container)
{
    mem_free(container->name);
    mem_free(container->image);
    mem_free(container->waiting_reason);
}

static void containers_free(struct container *containers, size_t n)
{
    for (size_t i = 0; i < n; i++)
        container_done(&containers[i]);
    mem_free(containers);
}

static void volumes_free(struct image_volume *volumes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        mem_free(volumes[i].reference);
    mem_free(volumes);
}

static void pod_free(struct pod *pod)
{
    if (!pod)
        return;
    tenant_unref(pod->tenant);
    mem_free(pod->namespace);
    mem_free(pod->name);
    mem_free(pod->uid);
    mem_free(pod->mirror_uid);
    containers_free(pod->containers, pod->n_containers);
    volumes_free(pod->volumes, pod->n_volumes);
    shared_unref(pod->owner);
    shared_unref(pod->secrets);
    shared_unref(pod->missing_secrets);
    event_objects_done(&pod->events);
    mem_free(pod);
}

static void pod_freep(struct pod **pod)
{
    pod_free(*pod);
}

struct container *pod_container(const struct pod *pod, struct str name)
{
    for (size_t i = 0; i < pod->n_containers; i++)
        if (str_eq(str_from(pod->containers[i].name), name))
            return &pod->containers[i];
    return NULL;
}

struct str field_path_container(struct str field_path)
{
    const char *open = str_find(field_path, STR("{"));

    if (!open || !str_ends(field_path, STR("}")))
        return (struct str){ .len = 0 };
    return str_span(open + 1, field_path.at + field_path.len - 1);
}

struct str image_kept(struct str image)
{
    return str_head(image, LIMIT_IMAGE_TEXT - 1);
}

static bool same_containers(const struct pod *pod, const struct pod_fact *fact, size_t n)
{
    if (pod->n_containers != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        const struct container *known = &pod->containers[i];

        if (known->kind != fact->containers[i].kind ||
            !str_eq(str_from(known->name), fact->containers[i].name) ||
            !str_eq(str_from(known->image), image_kept(fact->containers[i].image)))
            return false;
    }
    return true;
}

static void keep_known(struct container *to, struct container *known)
{
    to->preexisting = known->preexisting;
    to->failed_start = known->failed_start;
    if (known->image_hash == to->image_hash) {
        to->begun_us = known->begun_us;
        to->begun_wall_us = known->begun_wall_us;
        to->tried_us = known->tried_us;
        to->created = known->created;
        to->image_left_out = known->image_left_out;
        to->registry_left_out = known->registry_left_out;
        to->incident_left_out = known->incident_left_out;
    }
    to->phase = known->phase;
    to->pull = known->pull;
    to->status = known->status;
    to->replaced_status = known->replaced_status;
    memcpy(to->replaced_images, known->replaced_images, sizeof(to->replaced_images));
    to->n_replaced_images = known->n_replaced_images;
    to->replaced_us = known->replaced_us;
    to->waiting_reason = TAKE_PTR(known->waiting_reason);
}

/* Ephemeral containers can be added, and images can change. So make the list again, and keep
 * what is known. */
static int replace_containers(struct pod *pod, const struct pod_fact *fact, size_t n)
{
    struct container *made = mem_zalloc((n ? n : 1) * sizeof(*made));

    if (!made)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const struct container_fact *from = &fact->containers[i];

        made[i].kind = from->kind;
        made[i].name = mem_str(str_head(from->name, LIMIT_NAME_TEXT));
        made[i].image = mem_str(image_kept(from->image));
        made[i].image_hash = image_hash(image_kept(from->image));
        made[i].always = str_eq(from->pull_policy, STR("Always"));
        if (!made[i].name || !made[i].image) {
            containers_free(made, i + 1);
            return -ENOMEM;
        }
    }
    for (size_t i = 0; i < n; i++) {
        struct container *known = pod_container(pod, str_from(made[i].name));

        if (known)
            keep_known(&made[i], known);
        else
            made[i].preexisting = !pod->fresh && pod->n_containers == 0;
    }
    containers_free(pod->containers, pod->n_containers);
    pod->containers = made;
    pod->n_containers = n;
    return 0;
}

static int replace_volumes(struct pod *pod, const struct pod_fact *fact)
{
    size_t n = fact->n_image_volumes;
    struct image_volume *made;

    /* A pod's volumes never change. */
    if (pod->n_volumes == n)
        return 0;
    made = mem_zalloc((n ? n : 1) * sizeof(*made));
    if (!made)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        made[i].reference = mem_str(image_kept(fact->image_volumes[i].reference));
        if (!made[i].reference) {
            volumes_free(made, i);
            return -ENOMEM;
        }
    }
    volumes_free(pod->volumes, pod->n_volumes);
    pod->volumes = made;
    pod->n_volumes = n;
    return 0;
}

static struct pod *pod_new(const struct pods *pods, const struct pod_fact *fact)
{
    CLEANUP(pod_freep) struct pod *pod = mem_zalloc(sizeof(*pod));

    if (!pod)
        return NULL;
    pod->namespace = mem_str(str_head(fact->namespace, LIMIT_NAME_TEXT));
    pod->name = mem_str(str_head(fact->name, LIMIT_NAME_TEXT));
    pod->uid = mem_str(fact->uid);
    pod->hash = hash_str(fact->uid);
    pod->tenant = tenant_of(pods->tenants, str_head(fact->namespace, LIMIT_NAME_TEXT));
    if (fact->mirror_uid.len)
        pod->mirror_uid = mem_str(fact->mirror_uid);
    if (!pod->namespace || !pod->name || !pod->uid || !pod->tenant ||
        (fact->mirror_uid.len && !pod->mirror_uid))
        return NULL;

    /* Creation times are whole seconds: a pod of our first second seems to be older than this
     * process. A pod that had lost its place is not fresh: its events were counted before. */
    pod->created_us = fact->created_us;
    pod->fresh =
        !pods->overflowed && (!pods->listing || fact->created_us + SEC > pods->started.wall_us);
    return TAKE_PTR(pod);
}

static void pod_insert(struct pods *pods, struct pod *pod)
{
    struct pod **bucket = bucket_of(pods, pod->hash);

    pod->next_of_bucket = *bucket;
    *bucket = pod;
    pod->previous = pods->last;
    if (pods->last)
        pods->last->next = pod;
    else
        pods->first = pod;
    pods->last = pod;
    pods->n++;
    pod->tenant->pods++;
    places_found(pods, str_from(pod->uid));
}

int pod_upsert(struct pods *pods, const struct pod_fact *fact, struct pod **ret, bool *ret_new)
{
    struct pod *known = pod_find(pods, fact->uid);
    CLEANUP(pod_freep) struct pod *created = NULL;
    struct pod *pod = known;
    size_t n = fact->n_containers;
    int r;

    if (!pod) {
        if (pods->n >= LIMIT_PODS)
            return -ENOSPC;
        pod = created = pod_new(pods, fact);
        if (!pod)
            return -ENOMEM;
    }
    pod->status_us = fact->status_us;
    pod->generation = pods->generation; /* it exists, even if something fails below */
    pod->containers_cut = fact->containers_cut || n > LIMIT_CONTAINERS_PER_POD;
    pod->volumes_cut = fact->image_volumes_cut;
    if (n > LIMIT_CONTAINERS_PER_POD) {
        counters_limit_hit(pods->counters, LIMIT_HIT_CONTAINERS);
        n = LIMIT_CONTAINERS_PER_POD;
    }
    if (!same_containers(pod, fact, n)) {
        r = replace_containers(pod, fact, n);
        if (r < 0)
            return r;
    }
    r = replace_volumes(pod, fact);
    if (r < 0)
        return r;
    r = owner_replace(&pod->owner, fact); /* another one may adopt it */
    if (r < 0)
        return r;
    r = names_replace(&pod->secrets, fact->pull_secrets, fact->n_pull_secrets);
    if (r < 0)
        return r;
    pod->terminal = fact->deleting || str_eq(fact->phase, STR("Succeeded")) ||
                    str_eq(fact->phase, STR("Failed"));

    if (created)
        pod_insert(pods, TAKE_PTR(created));
    *ret = pod;
    *ret_new = !known;
    return 0;
}

void pod_remove(struct pods *pods, struct pod *pod)
{
    struct pod **link = bucket_of(pods, pod->hash);

    while (*link != pod)
        link = &(*link)->next_of_bucket;
    *link = pod->next_of_bucket;
    if (pod->previous)
        pod->previous->next = pod->next;
    else
        pods->first = pod->next;
    if (pod->next)
        pod->next->previous = pod->previous;
    else
        pods->last = pod->previous;
    pods->n--;
    pod->tenant->pods--;
    pods->waiting -= pod->waiting;
    pods->changed |= pod->waiting || pod->failing;
    pod_free(pod);
}

void pods_done(struct pods *pods)
{
    while (pods->first)
        pod_remove(pods, pods->first);
}

bool container_waits(const struct container *container, bool *blocked)
{
    bool has_turn = !*blocked;

    if (container->kind == CONTAINER_INIT &&
        (container->phase != PHASE_TERMINATED || container->failed_start))
        *blocked = true;
    if (container->kind == CONTAINER_SIDECAR && container->phase != PHASE_RUNNING)
        *blocked = true;
    return has_turn && container->pull != PULL_REFUSED && container->pull != PULL_DONE;
}

size_t pods_without_incident(const struct pods *pods)
{
    size_t n = 0;

    for (const struct pod *pod = pods->first; pod; pod = pod->next)
        for (size_t i = 0; i < pod->n_containers && pod->failing; i++)
            n += pod->containers[i].incident_left_out;
    return n;
}

void pod_count_waiting(struct pods *pods, struct pod *pod)
{
    bool counted_before = pod->waiting || pod->failing;
    bool blocked = false;

    pods->waiting -= pod->waiting;
    pod->waiting = pod->failing = 0;
    for (size_t i = 0; i < pod->n_containers && !pod->terminal; i++) {
        struct container *container = &pod->containers[i];
        bool waits = container_waits(container, &blocked);

        pod->waiting += waits;
        pod->failing += container->pull != PULL_SILENT && container->pull != PULL_DONE;
        container->image_left_out = container->image_left_out && waits;
    }
    pods->waiting += pod->waiting;
    pods->changed |= counted_before || pod->waiting || pod->failing;
}

void pod_has_sandbox(struct pods *pods, struct pod *pod)
{
    pods->changed |= pod->no_sandbox_since_us && pod->waiting;
    pod->no_sandbox_since_us = 0;
}

void pod_has_no_sandbox(struct pods *pods, struct pod *pod, struct instant now)
{
    if (pod->no_sandbox_since_us)
        return;
    pod->no_sandbox_since_us = now.mono_us;
    pods->changed |= pod->waiting > 0;
}
