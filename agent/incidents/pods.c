/* SPDX-License-Identifier: Apache-2.0 */

/* The pods of this node and their containers, as last reported. */

#include <errno.h>

#include "agent/classify/image_ref.h"
#include "agent/incidents/correlate.h"
#include "agent/incidents/state.h"
#include "mem.h"
#include "util.h"

void texts_free(char **list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        mem_free(list[i]);
    mem_free(list);
}

int texts_replace(char ***list, size_t *n, const struct str *texts, size_t n_texts)
{
    char **fresh = NULL;

    if (n_texts) {
        fresh = mem_zalloc(n_texts * sizeof(*fresh));
        if (!fresh)
            return -ENOMEM;
    }
    for (size_t i = 0; i < n_texts; i++) {
        fresh[i] = mem_str(str_head(texts[i], LIMIT_NAME_TEXT));
        if (!fresh[i]) {
            texts_free(fresh, i);
            return -ENOMEM;
        }
    }
    texts_free(*list, *n);
    *list = fresh;
    *n = n_texts;
    return 0;
}

static struct pod **bucket_of(struct correlate *c, struct str uid)
{
    return &c->pods[hash_str(uid) % POD_BUCKETS];
}

struct pod *pod_find(const struct correlate *c, struct str uid)
{
    for (struct pod *pod = c->pods[hash_str(uid) % POD_BUCKETS]; pod; pod = pod->next)
        if (str_eq(str_from(pod->uid), uid))
            return pod;
    return NULL;
}

struct pod *pod_find_named(const struct correlate *c, struct str uid)
{
    struct pod *found = pod_find(c, uid);

    /* Events and CRI know a static pod by the hash of its manifest; while its mirror is replaced
     * there are two. */
    for (size_t i = 0; i < POD_BUCKETS && !(found && !found->terminal); i++)
        for (struct pod *pod = c->pods[i]; pod; pod = pod->next)
            if (pod->mirror_uid && str_eq(str_from(pod->mirror_uid), uid) &&
                (!found || found->terminal))
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

void event_seen_done(struct event_seen *seen)
{
    mem_free(seen->container);
    mem_free(seen->image);
}

static void pod_free(struct pod *pod)
{
    if (!pod)
        return;
    mem_free(pod->namespace);
    mem_free(pod->name);
    mem_free(pod->uid);
    mem_free(pod->mirror_uid);
    containers_free(pod->containers, pod->n_containers);
    volumes_free(pod->volumes, pod->n_volumes);
    texts_free(pod->secrets, pod->n_secrets);
    texts_free(pod->missing_secrets, pod->n_missing_secrets);
    for (size_t i = 0; i < pod->n_events; i++)
        event_seen_done(&pod->events[i]);
    mem_free(pod->events);
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

static struct str image_kept(struct str image)
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

/* Ephemeral containers are added and images change: build the list anew, keep what is known. */
static int replace_containers(struct pod *pod, const struct pod_fact *fact, size_t n)
{
    struct container *fresh = mem_zalloc((n ? n : 1) * sizeof(*fresh));

    if (!fresh)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const struct container_fact *from = &fact->containers[i];

        fresh[i].kind = from->kind;
        fresh[i].name = mem_str(str_head(from->name, LIMIT_NAME_TEXT));
        fresh[i].image = mem_str(image_kept(from->image));
        fresh[i].image_hash = image_hash(image_kept(from->image));
        fresh[i].always = str_eq(from->pull_policy, STR("Always"));
        if (!fresh[i].name || !fresh[i].image) {
            containers_free(fresh, i + 1);
            return -ENOMEM;
        }
    }
    for (size_t i = 0; i < n; i++) {
        struct container *known = pod_container(pod, str_from(fresh[i].name));

        fresh[i].found_so = known ? known->found_so : !pod->fresh && pod->n_containers == 0;
        if (!known)
            continue;
        fresh[i].failed_start = known->failed_start;
        if (known->image_hash == fresh[i].image_hash) {
            fresh[i].begun_us = known->begun_us;
            fresh[i].begun_wall_us = known->begun_wall_us;
            fresh[i].tried_us = known->tried_us;
            fresh[i].unasked = known->unasked;
            fresh[i].unlisted = known->unlisted;
        }
        fresh[i].phase = known->phase;
        fresh[i].pull = known->pull;
        fresh[i].said = known->said;
        fresh[i].replaced = known->replaced;
        fresh[i].waiting_reason = TAKE_PTR(known->waiting_reason);
    }
    containers_free(pod->containers, pod->n_containers);
    pod->containers = fresh;
    pod->n_containers = n;
    return 0;
}

static int replace_volumes(struct pod *pod, const struct pod_fact *fact)
{
    size_t n = fact->n_image_volumes;
    struct image_volume *fresh;

    /* A pod's volumes never change. */
    if (pod->n_volumes == n)
        return 0;
    fresh = mem_zalloc((n ? n : 1) * sizeof(*fresh));
    if (!fresh)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        fresh[i].reference = mem_str(image_kept(fact->image_volumes[i].reference));
        if (!fresh[i].reference) {
            volumes_free(fresh, i);
            return -ENOMEM;
        }
    }
    volumes_free(pod->volumes, pod->n_volumes);
    pod->volumes = fresh;
    pod->n_volumes = n;
    return 0;
}

static struct pod *pod_new(struct correlate *c, const struct pod_fact *fact)
{
    CLEANUP(pod_freep) struct pod *pod = mem_zalloc(sizeof(*pod));

    if (!pod)
        return NULL;
    pod->namespace = mem_str(str_head(fact->namespace, LIMIT_NAME_TEXT));
    pod->name = mem_str(str_head(fact->name, LIMIT_NAME_TEXT));
    pod->uid = mem_str(fact->uid);
    if (fact->mirror_uid.len)
        pod->mirror_uid = mem_str(fact->mirror_uid);
    if (!pod->namespace || !pod->name || !pod->uid || (fact->mirror_uid.len && !pod->mirror_uid))
        return NULL;

    /* Creation times are whole seconds: one that is up to a second too early still is fresh. */
    pod->fresh = !c->listing || fact->created_us + SEC > c->started.wall_us;
    return TAKE_PTR(pod);
}

int pod_upsert(struct correlate *c, const struct pod_fact *fact, struct pod **ret, bool *ret_new)
{
    struct pod *known = pod_find(c, fact->uid);
    CLEANUP(pod_freep) struct pod *created = NULL;
    struct pod *pod = known;
    size_t n = fact->n_containers;
    int r;

    if (!pod) {
        if (c->n_pods >= LIMIT_PODS) {
            correlate_limit_hit(c, LIMIT_HIT_PODS);
            return -ENOSPC;
        }
        pod = created = pod_new(c, fact);
        if (!pod)
            return -ENOMEM;
    }
    pod->generation = c->generation; /* it exists, whatever fails below */
    if (n > LIMIT_CONTAINERS_PER_POD) {
        correlate_limit_hit(c, LIMIT_HIT_CONTAINERS);
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
    r = texts_replace(&pod->secrets, &pod->n_secrets, fact->pull_secrets, fact->n_pull_secrets);
    if (r < 0)
        return r;
    pod->terminal = fact->deleting || str_eq(fact->phase, STR("Succeeded")) ||
                    str_eq(fact->phase, STR("Failed"));

    if (created) {
        struct pod **bucket = bucket_of(c, fact->uid);

        created->next = *bucket;
        *bucket = TAKE_PTR(created);
        c->n_pods++;
    }
    *ret = pod;
    *ret_new = !known;
    return 0;
}

void pod_remove(struct correlate *c, struct pod *pod)
{
    struct pod **link = bucket_of(c, str_from(pod->uid));

    while (*link != pod)
        link = &(*link)->next;
    *link = pod->next;
    c->n_pods--;
    c->waiting -= pod->waiting;
    pod_free(pod);
}

void pods_free(struct correlate *c)
{
    for (size_t i = 0; i < POD_BUCKETS; i++)
        while (c->pods[i])
            pod_remove(c, c->pods[i]);
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

void pod_count_waiting(struct correlate *c, struct pod *pod)
{
    bool blocked = false;

    c->waiting -= pod->waiting;
    pod->waiting = 0;
    for (size_t i = 0; i < pod->n_containers && !pod->terminal; i++) {
        struct container *container = &pod->containers[i];
        bool waits = container_waits(container, &blocked);

        pod->waiting += waits;
        container->unasked = container->unasked && waits;
    }
    c->waiting += pod->waiting;
}
