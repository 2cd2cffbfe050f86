/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whether the loop of kube.c makes progress. It turns when bytes arrive or something is due, and at
 * each tick. A loop that turns without end, but hands nothing on, or that leaves undone what is
 * due, is no better than one that hangs: it does not tick, and /-/healthy tells.
 */

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"

struct progress {
    unsigned idle_turns; /* turns since the last tick or call of a handler */
};

/* The loop has turned; `called_back` is what client_run() returned. */
void progress_turned(struct progress *progress, unsigned called_back);

/* At a tick. `due_us`: when the next thing is due (mono). */
bool progress_made(struct progress *progress, int64_t due_us, struct instant now);
