/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The health of the CRI source and its log lines. A warning when polls begin to fail and when the
 * reason changes, a line when they work again; retries that fail for the same reason are logged at
 * debug level only. One thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "backoff.h"
#include "clock.h"
#include "err.h"
#include "health.h"
#include "limit.h"
#include "sink.h"

struct runtime_health {
    struct health source;
    struct backoff backoff;
    bool failing;                               /* the last poll failed, and not only by silence */
    int64_t silent_since_us;                    /* mono: the first of the polls in a row that got no
                                                   answer; 0: the last one got one */
    char reason[ERR_TEXT_MAX];                  /* why the last poll failed; "": it did not fail */
    char complaint[LIMIT_RUNTIME_TROUBLE_TEXT]; /* the last text of runtime_health_complain(); "":
                                                   none */
};

/* Starts as up since `now`. `sink` is borrowed. */
void runtime_health_init(struct runtime_health *health, const struct sink *sink,
                         struct instant now);

/* Every call of a poll was answered. `received_bytes`: so far, on all connections. */
void runtime_health_succeeded(struct runtime_health *health, uint64_t received_bytes,
                              struct instant now);

/*
 * A poll failed. Returns the delay before the next one: 1 s, doubling up to 15 s. On a busy node an
 * answer can come too late, so the source stays up if the runtime only does not answer
 * (-ETIMEDOUT): it has failed when at least two polls in a row, over at least 10 s, got no answer.
 * Every other error counts at once.
 */
int64_t runtime_health_failed(struct runtime_health *health, const struct err *err,
                              struct instant now);

/* The runtime reports a problem of its own; NULL: it reports none. Logged when it appears, changes
 * or disappears. The source stays up. */
void runtime_health_complain(struct runtime_health *health, const char *text, struct instant now);
