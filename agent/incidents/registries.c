/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/registries.h"

#include <errno.h>

#include "agent/classify/image_ref.h"
#include "mem.h"
#include "shared.h"
#include "util.h"

#define KEEP_US HOUR

int registries_init(struct registries *registries, struct counters *counters, size_t max)
{
    struct registry *rows = mem_zalloc((max + 1) * sizeof(*rows));

    if (!rows)
        return -ENOMEM;
    *registries = (struct registries){ .counters = counters, .rows = rows, .max = max };
    return 0;
}

struct registry *registry_other(const struct registries *registries)
{
    return &registries->rows[registries->max];
}

static struct registry *find(const struct registries *registries, const char *name)
{
    for (size_t i = 0; i < registries->n; i++)
        if (strcmp(registries->rows[i].name, name) == 0)
            return &registries->rows[i];
    return NULL;
}

/* Adds a row for `name`. NULL: no row is free, or no memory. */
static struct registry *add(struct registries *registries, const char *name)
{
    struct registry *row = &registries->rows[registries->n];

    if (registries->n == registries->max)
        return NULL;
    *row = (struct registry){ .name = shared_str(str_from(name)) };
    if (!row->name)
        return NULL;
    registries->n++;
    return row;
}

static struct registry *row_of(struct registries *registries, const char *name, struct instant now)
{
    struct registry *row = find(registries, name);

    if (!row)
        row = add(registries, name);
    if (!row)
        row = registry_other(registries);
    row->used_us = now.mono_us;
    return row;
}

struct registry *registry_of(struct registries *registries, struct str image, struct instant now)
{
    char name[LIMIT_NAME_TEXT];

    image_registry(image, name);
    return row_of(registries, name, now);
}

void registry_named(struct registries *registries, struct str image, bool *left_out,
                    struct instant now)
{
    bool before = *left_out;

    *left_out = registry_of(registries, image, now) == registry_other(registries);
    if (*left_out && !before)
        counters_limit_hit(registries->counters, LIMIT_HIT_REGISTRIES);
}

void registry_count_failures(struct registries *registries, const struct pull *pull,
                             enum cause cause, uint64_t n, struct instant now)
{
    struct registry *registry = row_of(registries, pull->registry, now);
    struct newest *newest = &registry->newest[cause];

    registry->attempts += n;
    registry->failures[cause] += n;
    shared_ref(pull);
    shared_unref(newest->pull);
    *newest = (struct newest){ .pull = pull, .at_us = now.wall_us };
}

static void touch(struct registries *registries, const char *image, struct instant now)
{
    char name[LIMIT_NAME_TEXT];
    struct registry *row;

    image_registry(str_from(image), name);
    row = find(registries, name);
    if (row)
        row->used_us = now.mono_us;
}

static void registry_done(struct registry *row)
{
    shared_unref(row->name);
    for (enum cause cause = 0; cause < CAUSE_MAX; cause++)
        shared_unref(row->newest[cause].pull);
}

void registries_forget(struct registries *registries, const struct pods *pods, struct instant now)
{
    size_t kept = 0;

    for (const struct pod *pod = pods->first; pod; pod = pod->next) {
        for (size_t i = 0; i < pod->n_containers; i++)
            touch(registries, pod->containers[i].image, now);
        for (size_t i = 0; i < pod->n_volumes; i++)
            touch(registries, pod->volumes[i].reference, now);
    }
    for (size_t i = 0; i < registries->n; i++) {
        struct registry *row = &registries->rows[i];

        if (now.mono_us - row->used_us > KEEP_US)
            registry_done(row);
        else
            registries->rows[kept++] = *row;
    }
    registries->n = kept;
}

void registries_done(struct registries *registries)
{
    if (!registries->rows)
        return;
    for (size_t i = 0; i < registries->n; i++)
        registry_done(&registries->rows[i]);
    registry_done(registry_other(registries));
    mem_free(registries->rows);
}
