/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The incident table, put together. Each part uses only parts above it in this list. For the
 * files that take observations or read the whole: witness_*, snapshot, wanted.
 */

#include <stdint.h>

#include "agent/incidents/correlate.h"
#include "agent/incidents/counters.h"
#include "agent/incidents/fetched.h"
#include "agent/incidents/images.h"
#include "agent/incidents/incidents.h"
#include "agent/incidents/ingests.h"
#include "agent/incidents/pods.h"
#include "agent/incidents/recent.h"
#include "agent/incidents/registries.h"
#include "agent/incidents/runtime.h"
#include "agent/incidents/stalls.h"
#include "agent/incidents/tenants.h"

struct correlate {
    struct counters counters;
    struct tenants tenants;
    struct pods pods;
    struct registries registries;
    struct incidents incidents;
    struct ingests ingests;
    struct images images;
    struct fetched fetched;
    struct stalls stalls;
    struct recent recent;
    struct runtime runtime;
    int64_t next_sweep_us; /* mono */
};

/* Counts again which containers wait for which image, and what is left out of the questions, if a
 * pod or an image has changed. This looks at all pods: so it is done before the counts are read,
 * not for each change. */
void table_settle(struct correlate *c, struct instant now);
