/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/backoff.h"

#include "util.h"

#define LONGEST_US (20 * SEC) /* with its half of chance: 30 s */

/* splitmix64 */
static uint64_t next(struct jitter *jitter)
{
    uint64_t z = jitter->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

int64_t jitter_below(struct jitter *jitter, int64_t span)
{
    return (int64_t)(next(jitter) % (uint64_t)span);
}

int64_t backoff_next_us(struct backoff *backoff, struct jitter *jitter)
{
    const unsigned doublings = backoff->failures < 5 ? backoff->failures : 5;
    int64_t base_us = SEC << doublings;

    if (base_us > LONGEST_US)
        base_us = LONGEST_US;
    backoff->failures++;
    return base_us + jitter_below(jitter, base_us / 2 + 1);
}

void backoff_reset(struct backoff *backoff)
{
    backoff->failures = 0;
}
