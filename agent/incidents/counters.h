/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The counters that do not belong to one registry. */

#include <stdint.h>

#include "agent/incidents/namespaces.h"
#include "causes.h"
#include "histogram.h"
#include "limit.h"
#include "snapshot.h"

/* How often incidents changed so far. */
struct changes {
    uint64_t opened;
    uint64_t moved; /* state, verdict, attempts or evidence */
    uint64_t ended;
};

struct counters {
    uint64_t reasons[REASON_MAX]; /* failed attempts */
    uint64_t limit_hits[LIMIT_HIT_MAX];
    struct histogram recoveries[CAUSE_MAX]; /* histogram_recovery_bounds */
    uint64_t phases_us[PULL_PHASE_MAX];     /* see phases.h */
    struct pulls_of_size pulls_of_size[SIZE_CLASS_MAX];
    struct counted_since since;
    int64_t wall_us; /* of the present step */
    struct namespaces namespaces;
    struct changes changes;
};

static inline void counters_limit_hit(struct counters *counters, enum limit limit)
{
    if (!counters->limit_hits[limit]++)
        counters->since.limit_hits_us[limit] = counters->wall_us;
}
