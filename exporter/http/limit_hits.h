/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* How often exporter/ itself reached a limit. /metrics adds them to those of the snapshot. Any
 * thread. */

#include <stdatomic.h>

#include "clock.h"
#include "limit.h"

struct limit_hits {
    atomic_uint_fast64_t counts[LIMIT_HIT_MAX];
    atomic_int_fast64_t since_us[LIMIT_HIT_MAX]; /* wall; of the first one; 0: none */
};

static inline void limit_hits_add(struct limit_hits *hits, enum limit limit, uint64_t n)
{
    if (atomic_fetch_add(&hits->counts[limit], n) == 0)
        atomic_store(&hits->since_us[limit], clock_now(clock_system()).wall_us);
}
