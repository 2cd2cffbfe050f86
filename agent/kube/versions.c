/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/versions.h"

#include <errno.h>

#include "mem.h"

/* Twice what a node of the largest kind has; 16 KiB. */
#define ROWS 1024u

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

/* FNV-1a. Nobody but the API server makes uids. */
static uint64_t hash(struct str text)
{
    uint64_t value = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < text.len; i++)
        value = (value ^ (unsigned char)text.at[i]) * UINT64_C(0x100000001b3);
    return value;
}

static bool parse(struct str text, uint64_t *ret)
{
    uint64_t value = 0;

    if (text.len == 0)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        const unsigned digit = (unsigned)(unsigned char)text.at[i] - '0';

        if (digit > 9 || value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *ret = value;
    return true;
}

/* The object's row, or where it may have one: a free one, or that of the oldest version. */
static struct version_row *find(struct versions *versions, uint64_t object, bool *ret_known)
{
    struct version_row *oldest = versions->rows;

    for (size_t i = 0; i < versions->n; i++) {
        struct version_row *row = &versions->rows[i];

        if (row->object == object) {
            *ret_known = true;
            return row;
        }
        if (row->version < oldest->version)
            oldest = row;
    }
    *ret_known = false;
    return versions->n < ROWS ? &versions->rows[versions->n++] : oldest;
}

int versions_take(struct versions *versions, struct str uid, struct str version)
{
    const uint64_t object = hash(uid);
    struct version_row *row;
    uint64_t number;
    bool known;

    if (!parse(version, &number))
        return 1;
    if (!versions->rows) {
        versions->rows = mem_alloc(ROWS * sizeof(*versions->rows));
        if (!versions->rows)
            return -ENOMEM;
    }
    row = find(versions, object, &known);
    if (known && number <= row->version)
        return 0;
    *row = (struct version_row){ .object = object, .version = number };
    return 1;
}
