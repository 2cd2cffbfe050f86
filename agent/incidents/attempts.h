/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How often a pull was tried, counted once even if several witnesses saw it.
 *
 * Two witnesses count. E: the counts of the Event objects that say "Failed to
 * pull image". They are exact while the objects exist, but the kubelet's spam
 * filter and their TTL of an hour lose them, and the agent may not read events
 * at all. S: entries of the container into a pull-error reason. The kubelet's
 * status can skip one when a back-off is short. So the growth since the
 * incident began is max(E, S).
 *
 *   attempts = old + max(dE, dS)      old: E from before this process started
 *
 * Growth is booked in the metrics under the cause that the witness named who
 * reported it. A status without a cause waits for an event to name one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "agent/classify/message.h"
#include "agent/incidents/event_objects.h"
#include "agent/incidents/pull.h"
#include "agent/incidents/registries.h"
#include "clock.h"

struct attempts {
    bool fresh;         /* the incident began while this process watched: `old` stays 0 */
    bool books;         /* counts in metrics; false for the second container of one image volume */
    uint64_t old;       /* known only from events older than this process */
    uint64_t status;    /* S: entries into a pull-error reason */
    uint64_t grown;     /* max(dE, dS) so far: booked + unbooked */
    uint64_t unbooked;  /* of these, not yet under any cause */
    int64_t book_by_us; /* mono; when `unbooked` is booked as unknown */
    int64_t since_us;   /* wall; earlier event times are not about this incident */
};

/* An incident begins: divides what Event objects counted so far, because an event can come before
 * the status that opens the incident. */
void attempts_start(struct attempts *attempts, const struct pull *pull,
                    struct event_objects *events);

/* The incident ends: all that was counted so far is its own, and not of the next one. */
void attempts_end(const struct attempts *attempts, const struct pull *pull,
                  struct event_objects *events);

/* Divides the count of one new Event object. */
void attempts_divide(struct attempts *attempts, struct event_object *object);

/* Counts again after a witness reported. Returns whether there is growth. */
bool attempts_count(struct attempts *attempts, const struct pull *pull,
                    const struct event_objects *events, struct instant now);

/* Books all that is unbooked under the verdict. */
void attempts_book(struct attempts *attempts, const struct pull *pull,
                   struct registries *registries, const struct verdict *verdict,
                   struct instant now);

/* Books what waited too long for a cause (`all`: also what could still wait). */
void attempts_book_overdue(struct attempts *attempts, const struct pull *pull,
                           struct registries *registries, bool all, struct instant now);

/* What people are shown: at least 1, because an incident begins with a failed attempt. */
uint64_t attempts_shown(const struct attempts *attempts);
