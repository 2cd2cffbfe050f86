/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Time is part of the world and handed in. A step of the core gets one
 * `instant` and uses nothing else, so no decision mixes two readings.
 */

#include <stdbool.h>
#include <stdint.h>

#include "str.h"

struct instant {
    int64_t mono_us; /* for durations and deadlines: never jumps */
    int64_t wall_us; /* since 1970, for people and for other machines' timestamps: may jump */
};

struct clock {
    void *self;
    struct instant (*now)(void *self); /* any thread */
};

/* The machine's clock; lives for ever. */
const struct clock *clock_system(void);

static inline struct instant clock_now(const struct clock *clock)
{
    return clock->now(clock->self);
}

/* "2026-11-21T22:40:01Z" (RFC 3339, whole seconds, UTC) into `ret`, at least TIME_TEXT_SIZE bytes.
 */
#define TIME_TEXT_SIZE 32
void time_format(int64_t wall_us, char *ret);

/* Reads what time_format() writes, which is also the Kubernetes type meta/v1 Time. Returns false
 * and leaves `ret_us` alone if `text` is not such a time. */
bool time_parse(struct str text, int64_t *ret_us);
