/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Waiting that grows, and chance, so that thousands of nodes do not come back in one moment. */

#include <stdint.h>

/* Good enough to spread nodes; not for secrets. */
struct jitter {
    uint64_t state;
};

/* 0 up to, not including, `span` (at least 1). */
int64_t jitter_below(struct jitter *jitter, int64_t span);

struct backoff {
    unsigned failures; /* since the last backoff_reset() */
};

/* How long to wait now: 1 to 1.5 s, then twice that, at most 30 s. */
int64_t backoff_next_us(struct backoff *backoff, struct jitter *jitter);

void backoff_reset(struct backoff *backoff);
