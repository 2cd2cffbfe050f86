/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/versions.h"

#include <errno.h>

#include "hash.h"
#include "limit.h"
#include "mem.h"
#include "number.h"

void versions_init(struct versions *versions)
{
    *versions = (struct versions){ 0 };
}

void versions_done(struct versions *versions)
{
    mem_free(versions->rows);
    versions_init(versions);
}

void versions_reset(struct versions *versions)
{
    versions->n = 0;
}

static bool is_dropped_before(const struct version_row *a, const struct version_row *b)
{
    return a->gone != b->gone ? a->gone : a->version < b->version;
}

/* Returns the row of the object. If it has none: a free row, else the row that is dropped first. */
static struct version_row *find(struct versions *versions, uint64_t object, bool *ret_known)
{
    struct version_row *first = versions->rows;

    for (size_t i = 0; i < versions->n; i++) {
        struct version_row *row = &versions->rows[i];

        if (row->object == object) {
            *ret_known = true;
            return row;
        }
        if (is_dropped_before(row, first))
            first = row;
    }
    *ret_known = false;
    if (versions->n < LIMIT_POD_VERSIONS)
        return &versions->rows[versions->n++];
    versions->dropped += !first->gone;
    return first;
}

int versions_take(struct versions *versions, struct str uid, struct str version, bool gone)
{
    struct version_row *row;
    uint64_t number;
    bool known;

    if (!number_parse(version, UINT64_MAX, &number))
        return 1;
    if (!versions->rows) {
        versions->rows = mem_alloc(LIMIT_POD_VERSIONS * sizeof(*versions->rows));
        if (!versions->rows)
            return -ENOMEM;
    }
    row = find(versions, hash_str(uid), &known);
    if (known && number <= row->version) {
        row->gone |= gone;
        return 0;
    }
    *row = (struct version_row){ .object = hash_str(uid), .version = number, .gone = gone };
    return 1;
}

bool versions_is_gone(const struct versions *versions, struct str uid)
{
    const uint64_t object = hash_str(uid);

    for (size_t i = 0; i < versions->n; i++)
        if (versions->rows[i].object == object)
            return versions->rows[i].gone;
    return false;
}
