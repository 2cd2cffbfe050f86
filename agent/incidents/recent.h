/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The ring of recent observations and what each of them changed, for people who ask why. Repeated
 * answers of the runtime that change nothing are left out: they would fill the ring.
 */

#include <stddef.h>
#include <stdint.h>

#include "agent/incidents/pods.h"
#include "clock.h"
#include "limit.h"
#include "observation.h"
#include "snapshot.h"

struct recent {
    const struct snapshot_observation *ring[LIMIT_RECENT]; /* shared; NULL: an empty place */
    size_t next;
    uint64_t n; /* observations so far */
};

void recent_done(struct recent *recent);

/* Notes an observation that the table has taken. Without memory, the observation is left out. */
void recent_note(struct recent *recent, const struct pods *pods,
                 const struct observation *observation, enum effect effect, struct instant now);
