/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Failed attempts by namespace. They outlive the pods: a CronJob can replace each failing pod
 * before any alert sees it. The row behind the last one counts for all namespaces without a row. A
 * row is free again an hour after its last failure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "causes.h"
#include "clock.h"
#include "limit.h"

/* No namespace can have this name: it is not an RFC 1123 label. */
#define NAMESPACE_OTHER "_other"

struct namespace_row {
    const char *name; /* shared */
    uint64_t failures[CAUSE_MAX];
    int64_t since_us[CAUSE_MAX]; /* wall; of the first one; 0: none */
    int64_t used_us;             /* mono; of the last failure */
};

struct namespaces {
    struct namespace_row rows[LIMIT_NAMESPACES + 1]; /* the last one: NAMESPACE_OTHER */
    size_t n;
};

/* False: every row is in use, so NAMESPACE_OTHER counts them. */
bool namespaces_count(struct namespaces *namespaces, const char *name, enum cause cause, uint64_t n,
                      struct instant now);
void namespaces_forget(struct namespaces *namespaces, struct instant now);
void namespaces_done(struct namespaces *namespaces);
