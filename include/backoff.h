/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Delays between retries: each is twice the last one. Random jitter keeps thousands of nodes from
 * retrying at the same moment. */

#include <stdint.h>

/* Good enough to spread nodes; not for secrets. */
struct jitter {
    uint64_t state; /* the seed at first */
};

/* A random number from 0 to `span` - 1. `span` is at least 1. */
int64_t jitter_below(struct jitter *jitter, int64_t span);

struct backoff {
    int64_t first_us;
    int64_t longest_us; /* without jitter */
    unsigned failures;  /* since the last backoff_reset() */
};

/* The delay before the next try. `jitter` makes it longer by up to a half; NULL: exact delays. */
int64_t backoff_next_us(struct backoff *backoff, struct jitter *jitter);

/* It works again: the next delay is first_us. */
void backoff_reset(struct backoff *backoff);
