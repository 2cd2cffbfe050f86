/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What was heard lately and what it did, for people who ask why. A ring; what the
 * runtime repeats at each look without effect is left out, else nothing else would
 * be in it.
 */

#include <errno.h>

#include "agent/classify/redact.h"
#include "agent/incidents/correlate.h"
#include "agent/incidents/state.h"
#include "mem.h"
#include "util.h"

/* The four texts of an entry, back to back in one piece of memory. */
enum part { PART_NAMESPACE, PART_POD, PART_CONTAINER, PART_TEXT, PART_MAX };

static bool is_polled(enum observation_kind kind)
{
    return kind == OBSERVE_IMAGE || kind == OBSERVE_SANDBOX || kind == OBSERVE_SANDBOXES_END ||
           kind == OBSERVE_CREATED || kind == OBSERVE_INGESTS || kind == OBSERVE_BLOB ||
           kind == OBSERVE_IMAGE_FS;
}

static enum source_id source_of(enum observation_kind kind)
{
    if (kind == OBSERVE_EVENT)
        return SOURCE_EVENTS;
    return is_polled(kind) || kind == OBSERVE_RUNTIME ? SOURCE_CRI : SOURCE_PODS;
}

static void name_pod(const struct correlate *c, struct str uid, struct str *parts)
{
    const struct pod *pod = pod_find_named(c, uid);

    if (!pod)
        return;
    parts[PART_NAMESPACE] = str_from(pod->namespace);
    parts[PART_POD] = str_from(pod->name);
}

/* The first container that has something to say, or the first one. */
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

static void name_parts(const struct correlate *c, const struct observation *o, struct str *parts)
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
        parts[PART_CONTAINER] = event_container(o->event.field_path);
        parts[PART_TEXT] = o->event.reason;
        return;
    case OBSERVE_CREATED:
        name_pod(c, o->created.pod_uid, parts);
        parts[PART_CONTAINER] = o->created.container;
        return;
    case OBSERVE_SANDBOX:
        name_pod(c, o->sandbox.pod_uid, parts);
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
    case OBSERVE_PODS_BEGIN:
    case OBSERVE_PODS_END:
    case OBSERVE_SANDBOXES_END:
    case OBSERVE_INGESTS:
    case OBSERVE_IMAGE_FS:
        return;
    }
}

static char *join(const struct str *parts)
{
    size_t len = 0;
    char *text;

    for (enum part i = 0; i < PART_MAX; i++)
        len += str_head(parts[i], LIMIT_NAME_TEXT).len + 1;
    text = mem_zalloc(len);
    if (!text)
        return NULL;
    len = 0;
    for (enum part i = 0; i < PART_MAX; i++) {
        struct str part = str_head(parts[i], LIMIT_NAME_TEXT);

        if (part.len)
            memcpy(text + len, part.at, part.len);
        for (size_t j = 0; j < part.len; j++)
            if (text[len + j] == '\0')
                text[len + j] = ' '; /* the end of a part is no tenant's to choose */
        if (i == PART_TEXT)          /* the last one: what gets shorter leaves no gap */
            text[len + redact(text + len, part.len)] = '\0';
        len += part.len + 1;
    }
    return text;
}

static enum effect effect_since(const struct correlate *c, const struct changes *before)
{
    if (c->changes.opened != before->opened)
        return EFFECT_OPENED;
    if (c->changes.ended != before->ended)
        return EFFECT_ENDED;
    return c->changes.moved != before->moved ? EFFECT_MOVED : EFFECT_NONE;
}

void heard_note(struct correlate *c, const struct observation *observation,
                const struct changes *before, struct instant now)
{
    enum effect effect = effect_since(c, before);
    struct str parts[PART_MAX] = { { .len = 0 } };
    struct heard *place = &c->heard[c->heard_next];
    char *texts;

    c->n_recent++;
    if (effect == EFFECT_NONE && is_polled(observation->kind))
        return;
    name_parts(c, observation, parts);
    texts = join(parts);
    if (!texts)
        return;
    mem_free(place->texts);
    *place = (struct heard){
        .number = c->n_recent,
        .at_us = now.wall_us,
        .source = source_of(observation->kind),
        .kind = observation->kind,
        .texts = texts,
        .effect = effect,
    };
    c->heard_next = (c->heard_next + 1) % LIMIT_RECENT;
}

void heard_free(struct correlate *c)
{
    for (size_t i = 0; i < LIMIT_RECENT; i++)
        mem_free(c->heard[i].texts);
}

static int view_one(const struct heard *from, struct arena *arena, struct snapshot_observation *to)
{
    const char *texts[PART_MAX];
    const char *at = from->texts;

    for (enum part i = 0; i < PART_MAX; i++) {
        texts[i] = arena_str(arena, str_from(at));
        if (!texts[i])
            return -ENOMEM;
        at += strlen(at) + 1;
    }
    *to = (struct snapshot_observation){
        .number = from->number,
        .at_us = from->at_us,
        .source = from->source,
        .kind = from->kind,
        .namespace = texts[PART_NAMESPACE],
        .pod = texts[PART_POD],
        .container = texts[PART_CONTAINER],
        .text = texts[PART_TEXT],
        .effect = from->effect,
    };
    return 0;
}

int view_heard(const struct correlate *c, struct snapshot *ret)
{
    struct snapshot_observation *list = arena_alloc(&ret->arena, LIMIT_RECENT * sizeof(*list));
    size_t n = 0;

    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < LIMIT_RECENT; i++) {
        const struct heard *from = &c->heard[(c->heard_next + i) % LIMIT_RECENT];

        if (from->texts && view_one(from, &ret->arena, &list[n++]) < 0)
            return -ENOMEM;
    }
    ret->recent = list;
    ret->n_recent = n;
    return 0;
}
