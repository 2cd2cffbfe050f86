/* SPDX-License-Identifier: Apache-2.0 */
#include "backoff.h"

#include <stddef.h>

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
    int64_t delay_us = backoff->first_us;

    for (unsigned i = 0; i < backoff->failures && delay_us < backoff->longest_us; i++)
        delay_us *= 2;
    if (delay_us > backoff->longest_us)
        delay_us = backoff->longest_us;
    backoff->failures++;
    return jitter ? delay_us + jitter_below(jitter, delay_us / 2 + 1) : delay_us;
}

void backoff_reset(struct backoff *backoff)
{
    backoff->failures = 0;
}
