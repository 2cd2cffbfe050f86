/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The namespaces of this node, and how many places each has in the limited tables. When a table is
 * full, the namespace with the most places gives one up (places.h): none can take all of them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "str.h"

struct tenant {
    struct tenant *next;
    struct tenants *tenants;
    const char *name;
    size_t references; /* pods, incidents and registries */
    size_t pods;
    size_t incidents;
    size_t open_incidents;
    size_t evidence_bytes; /* of the texts of its incidents */
    size_t registries;     /* rows of registries.h that are its own */

    /* See event_turns.h. */
    bool wants_events, wanted_events; /* now, and at the last update */
    bool has_turn, had_turn;
    int64_t turn_us; /* mono; when its turn began, or when it began to wait for one */
};

struct tenants {
    struct tenant *first;
};

/* Adds a reference. NULL: no memory. */
struct tenant *tenant_of(struct tenants *tenants, struct str name);
struct tenant *tenant_ref(struct tenant *tenant);

/* Frees the tenant after its last reference. NULL is allowed. */
void tenant_unref(struct tenant *tenant);

/* Without a reference. NULL: no pod and no incident of this node is in the namespace. */
struct tenant *tenant_find(const struct tenants *tenants, struct str name);
