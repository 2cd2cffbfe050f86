/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/correlate.h"

#include "agent/incidents/table.h"
#include "agent/incidents/wanted.h"
#include "agent/incidents/witness_cri.h"
#include "agent/incidents/witness_event.h"
#include "agent/incidents/witness_pod.h"
#include "mem.h"
#include "util.h"

#define SWEEP_US (10 * SEC)

struct correlate *correlate_new(const struct correlate_config *config, struct instant now)
{
    struct correlate *c = mem_zalloc(sizeof(*c));

    if (!c)
        return NULL;
    if (registries_init(&c->registries, &c->counters, &c->tenants, config->max_registries) < 0) {
        mem_free(c);
        return NULL;
    }
    pods_init(&c->pods, &c->counters, &c->tenants, now);
    incidents_init(&c->incidents, &c->counters, &c->registries, &c->pods);
    ingests_init(&c->ingests, &c->counters, config->stall_after_us);
    images_init(&c->images, &c->registries, &c->incidents, &c->ingests, &c->pods);
    c->fetched.images = &c->images;
    c->stalls = (struct stalls){
        .pods = &c->pods, .incidents = &c->incidents, .ingests = &c->ingests, .images = &c->images
    };
    return c;
}

void correlate_free(struct correlate *c)
{
    if (!c)
        return;
    incidents_done(&c->incidents);
    pods_done(&c->pods);
    images_done(&c->images);
    ingests_done(&c->ingests);
    recent_done(&c->recent);
    runtime_done(&c->runtime);
    registries_done(&c->registries);
    namespaces_done(&c->counters.namespaces);
    mem_free(c);
}

void correlate_limit_hit(struct correlate *c, enum limit limit)
{
    counters_limit_hit(&c->counters, limit);
}

static int take_runtime(struct correlate *c, const struct runtime_fact *fact, struct instant now)
{
    bool changed;
    int r = runtime_take(&c->runtime, fact, &changed);

    c->fetched.known = fact->lists_blobs;
    ingests_connected(&c->ingests, now);
    if (r == 0 && changed)
        stalls_clear(&c->stalls, now);
    return r;
}

static int take(struct correlate *c, const struct observation *observation, struct instant now)
{
    switch (observation->kind) {
    case OBSERVE_PODS_BEGIN:
        witness_pods_begin(c);
        return 0;
    case OBSERVE_PODS_END:
        witness_pods_end(c, now);
        return 0;
    case OBSERVE_POD:
        return witness_pod(c, &observation->pod, now);
    case OBSERVE_POD_DELETED:
        witness_pod_deleted(c, observation->pod.uid, now);
        return 0;
    case OBSERVE_EVENT:
        return witness_event(c, &observation->event, now);
    case OBSERVE_IMAGE:
        return images_take(&c->images, &observation->image, now);
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
        return take_runtime(c, &observation->runtime, now);
    case OBSERVE_INGESTS:
        return stalls_take_ingests(&c->stalls, &observation->ingests, now);
    case OBSERVE_BLOB:
        return stalls_take_owner(&c->stalls, &observation->blob, now);
    case OBSERVE_NO_BLOBS:
        c->fetched.known = false;
        return 0;
    case OBSERVE_REPOSITORY:
        fetched_take(&c->fetched, &observation->repository, now);
        return stalls_take_repository(&c->stalls, &observation->repository, now);
    case OBSERVE_IMAGE_FS:
        return runtime_take_image_fs(&c->runtime, &observation->image_fs);
    }
    return 0;
}

/* A fact about images. Taking it reads how many containers wait for an image, and changes it. There
 * are a few in each poll, while pods can change by the hundred. */
static bool of_runtime(enum observation_kind kind)
{
    return kind == OBSERVE_IMAGE || kind == OBSERVE_SANDBOXES_END || kind == OBSERVE_INGESTS ||
           kind == OBSERVE_BLOB || kind == OBSERVE_REPOSITORY;
}

void table_settle(struct correlate *c, struct instant now)
{
    if (!c->pods.changed && !c->images.changed)
        return;
    images_count(&c->images);
    wanted_count_left_out(c, now);
    c->pods.changed = c->images.changed = false;
}

static enum effect effect_since(const struct changes *before, const struct changes *after)
{
    if (after->opened != before->opened)
        return EFFECT_OPENED;
    if (after->ended != before->ended)
        return EFFECT_ENDED;
    return after->moved != before->moved ? EFFECT_MOVED : EFFECT_NONE;
}

int correlate_observe(struct correlate *c, const struct observation *observation,
                      struct instant now)
{
    const struct changes before = c->counters.changes;
    int r;

    c->counters.wall_us = now.wall_us;
    /* A node may boot with a wrong clock: compute the wall time of our start from the time that
     * has passed. */
    c->pods.started.wall_us = now.wall_us - (now.mono_us - c->pods.started.mono_us);
    if (of_runtime(observation->kind))
        table_settle(c, now);
    r = take(c, observation, now);
    if (of_runtime(observation->kind))
        table_settle(c, now);
    recent_note(&c->recent, &c->pods, observation, effect_since(&before, &c->counters.changes),
                now);
    return r;
}

void correlate_tick(struct correlate *c, struct instant now)
{
    c->counters.wall_us = now.wall_us;
    incidents_tick(&c->incidents, now);
    if (now.mono_us >= c->next_sweep_us) {
        c->next_sweep_us = now.mono_us + SWEEP_US;
        images_forget(&c->images, now);
        registries_forget(&c->registries, &c->pods, now);
        namespaces_forget(&c->counters.namespaces, now);
    }
    table_settle(c, now);
    wanted_count_left_out(c, now); /* a pod can need events because time has passed */
}

size_t correlate_waiting(const struct correlate *c)
{
    return c->pods.waiting;
}

bool correlate_listed(const struct correlate *c)
{
    return c->pods.listed;
}
