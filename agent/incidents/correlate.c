/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/correlate.h"

#include <errno.h>

#include "agent/incidents/state.h"
#include "mem.h"
#include "util.h"

#define SWEEP_US (10 * SEC)

struct correlate *correlate_new(const struct correlate_config *config, struct instant now)
{
    struct correlate *c = mem_zalloc(sizeof(*c));

    if (!c)
        return NULL;
    c->started = now;
    c->look = 1;
    c->max_registries = config->max_registries;
    c->stall_after_us = config->stall_after_us;
    c->registries = mem_zalloc((c->max_registries + 1) * sizeof(*c->registries));
    if (!c->registries) {
        mem_free(c);
        return NULL;
    }
    return c;
}

void correlate_free(struct correlate *c)
{
    if (!c)
        return;
    incidents_free(c);
    pods_free(c);
    images_free(c);
    ingests_free(c);
    heard_free(c);
    registries_free(c);
    mem_free(c->runtime_name);
    mem_free(c->runtime_version);
    mem_free(c->fs_mountpoint);
    mem_free(c);
}

void correlate_limit_hit(struct correlate *c, enum limit limit)
{
    c->limit_hits[limit]++;
}

static void pod_deleted(struct correlate *c, struct pod *pod, struct instant now)
{
    incidents_end(c, pod, NULL, INCIDENT_GONE, now);
    pod_remove(c, pod);
}

/* What a complete list does not name was deleted while nobody watched. */
static void list_ended(struct correlate *c, struct instant now)
{
    for (size_t b = 0; b < POD_BUCKETS; b++) {
        struct pod *next;

        for (struct pod *pod = c->pods[b]; pod; pod = next) {
            next = pod->next;
            if (pod->generation != c->generation)
                pod_deleted(c, pod, now);
        }
    }
    c->listing = false;
    c->listed = true;
}

static int witness_runtime(struct correlate *c, const struct runtime_fact *fact, struct instant now)
{
    char *name = mem_str(str_head(fact->name, LIMIT_NAME_TEXT));
    char *version = mem_str(str_head(fact->version, LIMIT_NAME_TEXT));

    if (!name || !version) {
        mem_free(name);
        mem_free(version);
        return -ENOMEM;
    }
    if (!c->runtime_name || strcmp(c->runtime_name, name) != 0)
        ingests_forget(c, now);
    mem_free(c->runtime_name);
    mem_free(c->runtime_version);
    c->runtime_name = name;
    c->runtime_version = version;
    return 0;
}

static int witness_image_fs(struct correlate *c, const struct image_fs_fact *fact)
{
    char *mountpoint = mem_str(str_head(fact->mountpoint, LIMIT_IMAGE_TEXT));

    if (!mountpoint)
        return -ENOMEM;
    mem_free(c->fs_mountpoint);
    c->fs_mountpoint = mountpoint;
    c->fs_used_bytes = fact->used_bytes;
    c->fs_used_inodes = fact->used_inodes;
    return 0;
}

static int take(struct correlate *c, const struct observation *observation, struct instant now)
{
    struct pod *pod;

    switch (observation->kind) {
    case OBSERVE_PODS_BEGIN:
        c->generation++;
        c->listing = true;
        return 0;
    case OBSERVE_PODS_END:
        list_ended(c, now);
        return 0;
    case OBSERVE_POD:
        return witness_pod(c, &observation->pod, now);
    case OBSERVE_POD_DELETED:
        pod = pod_find(c, observation->pod.uid);
        if (pod)
            pod_deleted(c, pod, now);
        return 0;
    case OBSERVE_EVENT:
        return witness_event(c, &observation->event, now);
    case OBSERVE_IMAGE:
        return witness_image(c, &observation->image, now);
    case OBSERVE_SANDBOX:
        witness_sandbox(c, &observation->sandbox, now);
        return 0;
    case OBSERVE_SANDBOXES_END:
        witness_sandboxes_end(c, now);
        return 0;
    case OBSERVE_CREATED:
        witness_created(c, &observation->created, now);
        return 0;
    case OBSERVE_RUNTIME:
        return witness_runtime(c, &observation->runtime, now);
    case OBSERVE_INGESTS:
        return witness_ingests(c, &observation->ingests, now);
    case OBSERVE_BLOB:
        return witness_blob(c, &observation->blob, now);
    case OBSERVE_IMAGE_FS:
        return witness_image_fs(c, &observation->image_fs);
    }
    return 0;
}

int correlate_observe(struct correlate *c, const struct observation *observation,
                      struct instant now)
{
    const struct changes before = c->changes;
    int r;

    /* A node may boot without a clock that is right: what was before us is told by time that
     * passed. */
    c->started.wall_us = now.wall_us - (now.mono_us - c->started.mono_us);
    r = take(c, observation, now);
    heard_note(c, observation, &before, now);
    return r;
}

void correlate_tick(struct correlate *c, struct instant now)
{
    incidents_forget(c, now);
    if (now.mono_us < c->next_sweep_us)
        return;
    c->next_sweep_us = now.mono_us + SWEEP_US;
    images_forget(c, now.mono_us);
    registries_forget(c, now);
}

bool correlate_listed(const struct correlate *c)
{
    return c->listed;
}
