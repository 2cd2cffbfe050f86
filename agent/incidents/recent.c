/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/recent.h"

#include <errno.h>

#include "agent/classify/redact.h"
#include "shared.h"

enum part { PART_NAMESPACE, PART_POD, PART_CONTAINER, PART_TEXT, PART_MAX };

static bool is_polled(enum observation_kind kind)
{
    return kind == OBSERVE_IMAGE || kind == OBSERVE_SANDBOX || kind == OBSERVE_SANDBOXES_END ||
           kind == OBSERVE_CREATED || kind == OBSERVE_INGESTS || kind == OBSERVE_BLOB ||
           kind == OBSERVE_REPOSITORY || kind == OBSERVE_NO_BLOBS || kind == OBSERVE_IMAGE_FS;
}

static enum source_id source_of(enum observation_kind kind)
{
    if (kind == OBSERVE_EVENT)
        return SOURCE_EVENTS;
    return is_polled(kind) || kind == OBSERVE_RUNTIME ? SOURCE_CRI : SOURCE_PODS;
}

static void name_pod(const struct pods *pods, struct str uid, struct str *parts)
{
    const struct pod *pod = pod_find_named(pods, uid);

    if (!pod)
        return;
    parts[PART_NAMESPACE] = str_from(pod->namespace);
    parts[PART_POD] = str_from(pod->name);
}

/* The first container that waits with a message; else the first that waits with a reason. */
static void name_container(const struct pod_fact *pod, struct str *parts)
{
    for (size_t i = 0; i < pod->n_containers; i++) {
        const struct container_fact *container = &pod->containers[i];

        if (container->phase != PHASE_WAITING || container->waiting_reason.len == 0)
            continue;
        if (parts[PART_TEXT].len && container->waiting_message.len == 0)
            continue;
        parts[PART_CONTAINER] = container->name;
        parts[PART_TEXT] = container->waiting_reason;
        if (container->waiting_message.len)
            return;
    }
    if (!parts[PART_TEXT].len)
        parts[PART_TEXT] = pod->phase;
}

static void name_parts(const struct pods *pods, const struct observation *o, struct str *parts)
{
    switch (o->kind) {
    case OBSERVE_POD:
        parts[PART_NAMESPACE] = o->pod.namespace;
        parts[PART_POD] = o->pod.name;
        name_container(&o->pod, parts);
        return;
    case OBSERVE_POD_DELETED:
        parts[PART_NAMESPACE] = o->pod.namespace;
        parts[PART_POD] = o->pod.name;
        return;
    case OBSERVE_EVENT:
        parts[PART_NAMESPACE] = o->event.namespace;
        parts[PART_POD] = o->event.pod_name;
        parts[PART_CONTAINER] = field_path_container(o->event.field_path);
        parts[PART_TEXT] = o->event.reason;
        return;
    case OBSERVE_CREATED:
        name_pod(pods, o->created.pod_uid, parts);
        parts[PART_CONTAINER] = o->created.container;
        return;
    case OBSERVE_SANDBOX:
        name_pod(pods, o->sandbox.pod_uid, parts);
        parts[PART_TEXT] = o->sandbox.ready ? STR("ready") : STR("not ready");
        return;
    case OBSERVE_IMAGE:
        parts[PART_TEXT] = o->image.image;
        return;
    case OBSERVE_RUNTIME:
        parts[PART_TEXT] = o->runtime.version;
        return;
    case OBSERVE_BLOB:
        parts[PART_TEXT] = o->blob.digest;
        return;
    case OBSERVE_REPOSITORY:
        parts[PART_TEXT] = o->repository.repository;
        return;
    case OBSERVE_PODS_BEGIN:
    case OBSERVE_PODS_END:
    case OBSERVE_SANDBOXES_END:
    case OBSERVE_INGESTS:
    case OBSERVE_NO_BLOBS:
    case OBSERVE_IMAGE_FS:
        return;
    }
}

/* A tenant chooses the bytes: a NUL must not end a text early. */
static char *pack(char **at, struct str part)
{
    char *text = *at;

    shared_pack(at, part);
    for (size_t i = 0; i < part.len; i++)
        if (text[i] == '\0')
            text[i] = ' ';
    return text;
}

void recent_note(struct recent *recent, const struct pods *pods,
                 const struct observation *observation, enum effect effect, struct instant now)
{
    struct str parts[PART_MAX] = { { .len = 0 } };
    struct snapshot_observation *entry;
    size_t bytes = sizeof(*entry);
    char *at, *text;

    recent->n++;
    if (effect == EFFECT_NONE && is_polled(observation->kind))
        return;
    name_parts(pods, observation, parts);
    for (enum part i = 0; i < PART_MAX; i++) {
        parts[i] = str_head(parts[i], LIMIT_NAME_TEXT);
        bytes += parts[i].len + 1;
    }
    entry = shared_alloc(bytes);
    if (!entry)
        return;
    at = (char *)(entry + 1);
    *entry = (struct snapshot_observation){
        .number = recent->n,
        .at_us = now.wall_us,
        .source = source_of(observation->kind),
        .kind = observation->kind,
        .effect = effect,
    };
    entry->namespace = pack(&at, parts[PART_NAMESPACE]);
    entry->pod = pack(&at, parts[PART_POD]);
    entry->container = pack(&at, parts[PART_CONTAINER]);
    text = pack(&at, parts[PART_TEXT]);
    entry->text = text;
    text[redact(text, parts[PART_TEXT].len)] = '\0';
    shared_unref(recent->ring[recent->next]);
    recent->ring[recent->next] = entry;
    recent->next = (recent->next + 1) % LIMIT_RECENT;
}

void recent_done(struct recent *recent)
{
    for (size_t i = 0; i < LIMIT_RECENT; i++)
        shared_unref(recent->ring[i]);
}
