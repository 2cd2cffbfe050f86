/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whose events are read now. When more namespaces want it than LIMIT_EVENT_NAMESPACES, they take
 * turns in the order in which they began to wait. A turn begins with a list, and that has the
 * events of the last hour: so a namespace that waits misses nothing, it only learns it later. (Not
 * if it has more events than may be read: agent/kube/event_budget.h.)
 */

#include <stddef.h>

#include "clock.h"

struct correlate;

/* Begins and ends turns. Counts each pod whose namespace begins to wait. */
void event_turns_update(struct correlate *c, struct instant now);

/* How many namespaces wait for their turn. */
size_t event_turns_waiting(const struct correlate *c);
