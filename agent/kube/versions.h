/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which version of each object was read last, so that one that comes late or twice is known as
 * old news: taken for a change it would be a pull that never was. One thread at a time.
 *
 * Versions are compared as numbers, which is what they are wherever they can be compared at all
 * (KEP-5504); others are never old. What is forgotten is never old either: the memory is small,
 * and the objects whose last version is the oldest leave it first.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "str.h"

struct version_row {
    uint64_t object; /* hash of its uid */
    uint64_t version;
};

struct versions {
    struct version_row *rows; /* NULL before the first */
    size_t n;
};

void versions_init(struct versions *versions);
void versions_done(struct versions *versions);

/* Forgets everything: versions may begin anew, as after a restored backup. */
void versions_reset(struct versions *versions);

/*
 * 1: `version` of the object `uid` is new and now the last one; 0: it is not newer than the last
 * one. -ENOMEM.
 */
int versions_take(struct versions *versions, struct str uid, struct str version);
