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

/* NULL: no row is free, or no memory. */
static struct namespace_row *row_of(struct namespaces *namespaces, const char *name)
{
    struct namespace_row *row;

    for (size_t i = 0; i < namespaces->n; i++)
        if (strcmp(namespaces->rows[i].name, name) == 0)
            return &namespaces->rows[i];
    if (namespaces->n == LIMIT_NAMESPACES || !is_name(name))
        return NULL;
    row = &namespaces->rows[namespaces->n];
    *row = (struct namespace_row){ .name = shared_str(str_from(name)) };
    if (!row->name)
        return NULL;
    namespaces->n++;
    return row;
}

bool namespaces_count(struct namespaces *namespaces, const char *name, enum cause cause, uint64_t n,
                      struct instant now)
{
    struct namespace_row *row = row_of(namespaces, name);
    bool found = row != NULL;

    if (!row)
        row = &namespaces->rows[LIMIT_NAMESPACES];
    if (!row->failures[cause])
        row->since_us[cause] = now.wall_us;
    row->failures[cause] += n;
    row->used_us = now.mono_us;
    return found;
}

void namespaces_forget(struct namespaces *namespaces, struct instant now)
{
    size_t kept = 0;

    for (size_t i = 0; i < namespaces->n; i++) {
        struct namespace_row *row = &namespaces->rows[i];

        if (now.mono_us - row->used_us > KEEP_US)
            shared_unref(row->name);
        else
            namespaces->rows[kept++] = *row;
    }
    namespaces->n = kept;
}

void namespaces_done(struct namespaces *namespaces)
{
    for (size_t i = 0; i < namespaces->n; i++)
        shared_unref(namespaces->rows[i].name);
    namespaces->n = 0;
}
