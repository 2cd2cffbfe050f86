/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Time is an argument. A step of the core gets one `instant` and reads no clock, so no decision
 * mixes two readings.
 */

#include <stdbool.h>
#include <stdint.h>

#include "str.h"

struct instant {
    int64_t mono_us; /* for durations and deadlines; never jumps */
    int64_t wall_us; /* since 1970; for people and timestamps of other machines; may jump */
};

struct clock {
    void *self;
    struct instant (*now)(void *self); /* any thread */
};

/* The machine's clock; static. */
const struct clock *clock_system(void);

static inline struct instant clock_now(const struct clock *clock)
{
    return clock->now(clock->self);
}

/* The earlier of two deadlines. */
static inline int64_t sooner_us(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Writes "2026-11-21T22:40:01Z" (RFC 3339, UTC). `ret` has at least TIME_TEXT_SIZE bytes. */
#define TIME_TEXT_SIZE 32
void time_format(int64_t wall_us, char *ret);

/* Reads what time_format() writes, which is also the Kubernetes type meta/v1 Time. Returns false
 * and leaves `ret_us` alone if `text` is not such a time. */
bool time_parse(struct str text, int64_t *ret_us);
