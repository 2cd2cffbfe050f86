/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The ring of recent observations and what each of them changed, for people who ask why. What the
 * runtime repeats at each poll without an effect is left out; else it would fill the ring.
 */

#include <stddef.h>
#include <stdint.h>

#include "agent/incidents/pods.h"
#include "clock.h"
#include "limits.h"
#include "observation.h"
#include "snapshot.h"

struct recent {
    const struct snapshot_observation *ring[LIMIT_RECENT]; /* shared; NULL: an empty place */
    size_t next;
    uint64_t n; /* observations so far */
};

void recent_done(struct recent *recent);

/* After the observation was taken. Without memory it is left out. */
void recent_note(struct recent *recent, const struct pods *pods,
                 const struct observation *observation, enum effect effect, struct instant now);
