/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/registries.h"

#include <errno.h>

#include "agent/classify/image_ref.h"
#include "mem.h"
#include "shared.h"
#include "util.h"

#define KEEP_US HOUR

int registries_init(struct registries *registries, struct counters *counters,
                    struct tenants *tenants, size_t max)
{
    struct registry *rows = mem_zalloc((max + 1) * sizeof(*rows));

    if (!rows)
        return -ENOMEM;
    *registries =
        (struct registries){ .counters = counters, .tenants = tenants, .rows = rows, .max = max };
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

/* --- rows ------------------------------------------------------------------ */

static void set_owner(struct registry *row, struct tenant *tenant)
{
    if (row->owner)
        row->owner->registries--;
    tenant_unref(row->owner);
    row->owner = tenant ? tenant_ref(tenant) : NULL;
    if (tenant)
        tenant->registries++;
}

static void registry_done(struct registry *row)
{
    set_owner(row, NULL);
    shared_unref(row->name);
    for (enum cause cause = 0; cause < CAUSE_MAX; cause++)
        shared_unref(row->newest[cause].pull);
}

static void use(struct registry *row, struct instant now)
{
    if (!row->since_us)
        row->since_us = now.wall_us;
    row->used_us = now.mono_us;
}

static size_t rows_of(const struct tenant *tenant)
{
    return tenant ? tenant->registries : 0;
}

/* Whether it is better to end `row` than `other`. */
static bool ends_before(const struct registry *row, const struct registry *other)
{
    if (row->busy != other->busy)
        return !row->busy;
    return rows_of(row->owner) >= rows_of(other->owner); /* and the newer one of two */
}

/* Which row gives up its place for a registry of `tenant`. NULL: none does. */
static struct registry *row_to_end(const struct registries *registries, const struct tenant *tenant,
                                   bool busy)
{
    struct registry *found = NULL;

    for (size_t i = 0; i < registries->n; i++) {
        struct registry *row = &registries->rows[i];
        bool surplus = tenant && rows_of(row->owner) >= rows_of(tenant) + 2;
        bool needed = busy || rows_of(tenant) == 0;

        if (row->busy ? !(needed && surplus) : !(busy || surplus))
            continue;
        if (!found || ends_before(row, found))
            found = row;
    }
    return found;
}

/* What goes on at its registry is shown as "other" from now on. */
static void end_row(struct registries *registries, struct registry *row, struct instant now)
{
    size_t after = registries->n - (size_t)(row - registries->rows) - 1;

    registry_done(row);
    memmove(row, row + 1, after * sizeof(*row));
    registries->n--;
    use(registry_other(registries), now);
}

/* Adds a row for `name`. NULL: there is no place for it, or no memory. */
static struct registry *add(struct registries *registries, const char *name, struct tenant *tenant,
                            bool busy, struct instant now)
{
    const char *kept;
    struct registry *row;

    if (registries->n == registries->max && !row_to_end(registries, tenant, busy))
        return NULL;
    kept = shared_str(str_from(name));
    if (!kept)
        return NULL;
    if (registries->n == registries->max)
        end_row(registries, row_to_end(registries, tenant, busy), now);
    row = &registries->rows[registries->n++];
    *row = (struct registry){ .name = kept };
    set_owner(row, tenant);
    return row;
}

/* `tenant`: the namespace that names the registry; NULL: unknown. */
static struct registry *row_of(struct registries *registries, const char *name,
                               struct tenant *tenant, bool busy, struct instant now)
{
    struct registry *row = find(registries, name);

    if (!row)
        row = add(registries, name, tenant, busy, now);
    if (!row)
        row = registry_other(registries);
    else if (tenant && rows_of(row->owner) >= rows_of(tenant) + 2)
        set_owner(row, tenant); /* so that it does not end with the surplus of its owner */
    row->busy |= busy;
    use(row, now);
    return row;
}

struct registry *registry_of(struct registries *registries, struct str image, struct instant now)
{
    char name[LIMIT_NAME_TEXT];

    image_registry(image, name);
    return row_of(registries, name, NULL, true, now);
}

void registry_busy(struct registries *registries, const char *registry, struct tenant *tenant,
                   struct instant now)
{
    row_of(registries, registry, tenant, true, now);
}

void registry_named(struct registries *registries, struct str image, struct tenant *tenant,
                    bool *left_out, struct instant now)
{
    char name[LIMIT_NAME_TEXT];
    bool before = *left_out;

    image_registry(image, name);
    *left_out = row_of(registries, name, tenant, false, now) == registry_other(registries);
    if (*left_out && !before)
        counters_limit_hit(registries->counters, LIMIT_HIT_REGISTRIES);
}

void registry_count_failures(struct registries *registries, const struct pull *pull,
                             enum cause cause, uint64_t n, struct instant now)
{
    struct tenant *tenant = tenant_find(registries->tenants, str_from(pull->namespace));
    struct registry *registry = row_of(registries, pull->registry, tenant, true, now);
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
