/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Counters by registry. Pods choose registries, so their number is capped: the
 * row behind the last one, "other", counts for all that found no place. A place
 * is free again an hour after the last pod that named its registry.
 */

#include "agent/classify/image_ref.h"
#include "agent/incidents/correlate.h"
#include "agent/incidents/state.h"
#include "mem.h"
#include "util.h"

#define KEEP_US HOUR

static struct registry *other(struct correlate *c)
{
    return &c->registries[c->max_registries];
}

struct registry *registry_of(struct correlate *c, struct str image, struct instant now)
{
    char name[LIMIT_NAME_TEXT];
    struct registry *row;

    image_registry(image, name);
    for (size_t i = 0; i < c->n_registries; i++) {
        row = &c->registries[i];
        if (strcmp(row->name, name) == 0) {
            row->used_us = now.mono_us;
            return row;
        }
    }
    if (c->n_registries == c->max_registries) {
        other(c)->used_us = now.mono_us;
        return other(c);
    }
    row = &c->registries[c->n_registries];
    *row = (struct registry){ .name = mem_strdup(name), .used_us = now.mono_us };
    if (!row->name)
        return other(c);
    c->n_registries++;
    return row;
}

void registry_named(struct correlate *c, struct str image, bool *unlisted, struct instant now)
{
    bool before = *unlisted;

    *unlisted = registry_of(c, image, now) == other(c);
    if (*unlisted && !before)
        correlate_limit_hit(c, LIMIT_HIT_REGISTRIES);
}

static void touch(struct correlate *c, struct str image, struct instant now)
{
    char name[LIMIT_NAME_TEXT];

    image_registry(image, name);
    for (size_t i = 0; i < c->n_registries; i++)
        if (strcmp(c->registries[i].name, name) == 0)
            c->registries[i].used_us = now.mono_us;
}

static void touch_named_by_pods(struct correlate *c, struct instant now)
{
    for (size_t b = 0; b < POD_BUCKETS; b++) {
        for (struct pod *pod = c->pods[b]; pod; pod = pod->next) {
            for (size_t i = 0; i < pod->n_containers; i++)
                touch(c, str_from(pod->containers[i].image), now);
            for (size_t i = 0; i < pod->n_volumes; i++)
                touch(c, str_from(pod->volumes[i].reference), now);
        }
    }
}

static void registry_done(struct registry *row)
{
    mem_free(row->name);
    for (enum cause cause = 0; cause < CAUSE_MAX; cause++)
        newest_done(&row->newest[cause]);
}

void registries_forget(struct correlate *c, struct instant now)
{
    size_t kept = 0;

    touch_named_by_pods(c, now);
    for (size_t i = 0; i < c->n_registries; i++) {
        struct registry *row = &c->registries[i];

        if (now.mono_us - row->used_us > KEEP_US)
            registry_done(row);
        else
            c->registries[kept++] = *row;
    }
    c->n_registries = kept;
}

void registries_free(struct correlate *c)
{
    for (size_t i = 0; i < c->n_registries; i++)
        registry_done(&c->registries[i]);
    registry_done(other(c));
    mem_free(c->registries);
}
