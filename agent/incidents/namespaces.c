/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/namespaces.h"

#include <string.h>

#include "shared.h"
#include "util.h"

#define KEEP_US HOUR

/* An RFC 1123 label. The API server refuses others, so they need no row, and no escapes as labels.
 */
static bool is_name(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

    return len > 0 && name[len] == '\0';
}

static struct namespace *find(struct namespaces *namespaces, const char *name)
{
    for (size_t i = 0; i < namespaces->n; i++)
        if (strcmp(namespaces->list[i].name, name) == 0)
            return &namespaces->list[i];
    return NULL;
}

/* NAMESPACE_OTHER: no place is free, or no memory. */
static struct namespace *find_or_add(struct namespaces *namespaces, const char *name)
{
    struct namespace *found = find(namespaces, name), *other = &namespaces->list[LIMIT_NAMESPACES];

    if (found || namespaces->n == LIMIT_NAMESPACES || !is_name(name))
        return found ? found : other;
    found = &namespaces->list[namespaces->n];
    *found = (struct namespace){ .name = shared_str(str_from(name)) };
    if (!found->name)
        return other;
    namespaces->n++;
    return found;
}

static struct namespace_row *other_of(struct namespace *namespace)
{
    return &namespace->rows[LIMIT_NAMESPACE_REGISTRIES];
}

static struct namespace_row *row_find(struct namespace *namespace, const char *registry)
{
    for (size_t i = 0; i < namespace->n; i++)
        if (strcmp(namespace->rows[i].registry, registry) == 0)
            return &namespace->rows[i];
    return NULL;
}

/* The row "other": no row is free, or no memory. */
static struct namespace_row *row_find_or_add(struct namespace *namespace, const char *registry)
{
    struct namespace_row *row = row_find(namespace, registry);

    if (row || namespace->n == LIMIT_NAMESPACE_REGISTRIES || !namespace->name)
        return row ? row : other_of(namespace);
    row = &namespace->rows[namespace->n];
    *row = (struct namespace_row){ .registry = shared_str(str_from(registry)) };
    if (!row->registry)
        return other_of(namespace);
    namespace->n++;
    return row;
}

bool namespaces_failed(struct namespaces *namespaces, const char *name, const char *registry,
                       enum cause cause, uint64_t n, struct instant now)
{
    struct namespace *namespace = find_or_add(namespaces, name);
    struct namespace_row *row = row_find_or_add(namespace, registry);

    if (!row->began_us)
        row->began_us = now.wall_us;
    if (!row->failures[cause])
        row->since_us[cause] = now.wall_us;
    row->failures[cause] += n;
    row->attempts += n;
    row->used_us = now.mono_us;
    return row->registry != NULL;
}

void namespaces_pulled(struct namespaces *namespaces, const char *name, const char *registry)
{
    struct namespace *namespace = find(namespaces, name);
    struct namespace_row *row = namespace ? row_find(namespace, registry) : NULL;

    if (row)
        row->attempts++;
}

static bool row_is_old(const struct namespace_row *row, struct instant now)
{
    return now.mono_us - row->used_us > KEEP_US;
}

/* The counters of "_other" never fall: it has no name, and its row stays. */
static void forget_rows(struct namespace *namespace, struct instant now)
{
    size_t kept = 0;

    for (size_t i = 0; i < namespace->n; i++) {
        if (row_is_old(&namespace->rows[i], now))
            shared_unref(namespace->rows[i].registry);
        else
        namespace->rows[kept++] = namespace->rows[i];
    }
    namespace->n = kept;
    if (row_is_old(other_of(namespace), now))
        *other_of(namespace) = (struct namespace_row){ .registry = NULL };
}

void namespaces_forget(struct namespaces *namespaces, struct instant now)
{
    size_t kept = 0;

    for (size_t i = 0; i < namespaces->n; i++) {
        struct namespace *namespace = &namespaces->list[i];

        forget_rows(namespace, now);
        if (namespace->n == 0 && !other_of(namespace)->began_us)
            shared_unref(namespace->name);
        else
            namespaces->list[kept++] = *namespace;
    }
    namespaces->n = kept;
}

void namespaces_done(struct namespaces *namespaces)
{
    for (size_t i = 0; i < namespaces->n; i++) {
        struct namespace *namespace = &namespaces->list[i];

        for (size_t row = 0; row < namespace->n; row++)
            shared_unref(namespace->rows[row].registry);
        shared_unref(namespace->name);
    }
    namespaces->n = 0;
}
