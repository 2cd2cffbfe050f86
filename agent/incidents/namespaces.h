/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Attempts by namespace and registry. They outlive the pods: a CronJob can replace each failing pod
 * before any alert sees it. Each namespace has the same number of rows, so none can take those of
 * others; its last one, "other", counts for the registries without a row. The namespace behind the
 * last one counts for all namespaces without a place. A row begins with a failure, and is free
 * again an hour after its last one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "causes.h"
#include "clock.h"
#include "limit.h"

/* No namespace can have this name: it is not an RFC 1123 label. */
#define NAMESPACE_OTHER "_other"
#define NAMESPACE_REGISTRY_OTHER "other"

struct namespace_row {
    const char *registry; /* shared; NULL in the row "other" */
    uint64_t attempts;    /* since the first failure; good ones only with a registry */
    uint64_t failures[CAUSE_MAX];
    int64_t since_us[CAUSE_MAX]; /* wall; of the first one; 0: none */
    int64_t began_us;            /* wall; of the first of them; 0: the row counts nothing */
    int64_t used_us;             /* mono; of the last failure */
};

struct namespace
{
    const char *name; /* shared; NULL for NAMESPACE_OTHER */
    struct namespace_row rows[LIMIT_NAMESPACE_REGISTRIES + 1]; /* the last one: "other" */
    size_t n;                                                  /* without "other" */
};

struct namespaces {
    struct namespace list[LIMIT_NAMESPACES + 1]; /* the last one: NAMESPACE_OTHER */
    size_t n;                                    /* without NAMESPACE_OTHER */
};

/* `n` failed attempts. False: no row is free, so "other" or NAMESPACE_OTHER counts them. */
bool namespaces_failed(struct namespaces *namespaces, const char *name, const char *registry,
                       enum cause cause, uint64_t n, struct instant now);

/* A good pull. Counts if they have a row of their own. */
void namespaces_pulled(struct namespaces *namespaces, const char *name, const char *registry);
void namespaces_forget(struct namespaces *namespaces, struct instant now);
void namespaces_done(struct namespaces *namespaces);
