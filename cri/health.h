/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How the source does, as its status for the agent and as log lines: one when it
 * begins to fail, one when it works again, none per try. One thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "err.h"
#include "sink.h"

struct health {
    const struct sink *sink;
    struct source_status status;
    int64_t retry_us;    /* the last wait after a failure; 0 while all is well */
    char complaint[256]; /* what health_complain() said last; "" where nothing */
};

/* Up, since now, and said so to `sink`, which is borrowed. */
void health_init(struct health *health, const struct sink *sink, struct instant now);

/* All questions of a round were answered. `received_bytes` so far, on all connections. */
void health_succeeded(struct health *health, uint64_t received_bytes, struct instant now);

/* A round failed. Returns how long to wait for the next: 1 s, doubling up to 15 s. */
int64_t health_failed(struct health *health, const struct err *err, struct instant now);

/* The connection was lost or given up for `why`, and another follows. */
void health_reconnects(struct health *health, enum reconnect why);

/*
 * The connection is fine, but what came through it is bad news: kept as
 * last_error, `up` stays. health_complain() is for the runtime's own condition, which it logs when
 * it begins, changes and ends (NULL).
 */
void health_remark(struct health *health, const char *text, struct instant now);
void health_complain(struct health *health, const char *text, struct instant now);
