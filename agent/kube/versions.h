/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The last version that was read of each pod. A version that arrives late or twice must not be
 * taken for a change: it would count as another pull. One thread at a time.
 *
 * Versions are compared as numbers (KEP-5504); a version that is not a number is always new. A
 * version of a forgotten pod is new, too: the table holds LIMIT_POD_VERSIONS pods and drops deleted
 * pods first, then those with the oldest version.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "str.h"

struct version_row {
    uint64_t object; /* hash of the uid */
    uint64_t version;
    bool gone; /* the pod was deleted */
};

struct versions {
    struct version_row *rows; /* NULL before the first version */
    size_t n;
    uint64_t dropped; /* existing pods that were dropped from the full table, so far */
};

void versions_init(struct versions *versions);
void versions_done(struct versions *versions);

/* Forgets everything: after a restored backup, versions may start again from a lower number. */
void versions_reset(struct versions *versions);

/*
 * Returns 1 if `version` of the pod `uid` is newer than the last one, and remembers it; 0 if it is
 * not; -ENOMEM. `gone`: the pod was deleted with this version.
 */
int versions_take(struct versions *versions, struct str uid, struct str version, bool gone);

/* Whether the last version of the pod was its end. */
bool versions_is_gone(const struct versions *versions, struct str uid);
