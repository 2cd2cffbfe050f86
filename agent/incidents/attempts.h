/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How often a pull was tried. An attempt counts once, even if several witnesses
 * report it.
 *
 * Two witnesses count:
 *   E  the counts of the Event objects that say "Failed to pull image". They
 *      are exact while the objects exist. But the kubelet's spam filter and
 *      the TTL of an hour lose some, and the agent may not read events at all.
 *   S  how often the status of the container changed to a pull-error reason.
 *      The status can skip an attempt when a back-off is short.
 * Each of them can miss what the other one has. So the growth since the incident began is the
 * greater of S, and E with the part of S that is newer than the newest event.
 *
 *   attempts = old + max(dE + ahead, dS)   old: the part of E from before this process started
 *
 * Growth is booked in the metrics under the cause that the witness named. If a
 * status names no cause, its growth waits for an event that names one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "agent/classify/message.h"
#include "agent/incidents/event_objects.h"
#include "agent/incidents/pull.h"
#include "agent/incidents/registries.h"
#include "clock.h"

#define ATTEMPTS_TRIES 8u

struct attempts {
    bool fresh;          /* the incident began while this process watched: `old` stays 0 */
    bool books;          /* counts in metrics; false for the second container of one image volume */
    uint64_t old;        /* attempts before this process started, known only from events */
    int64_t old_try_us;  /* wall; another one, which only the status reports; 0: none */
    bool old_try_found;  /* ... that was found at the start */
    bool old_unreported; /* ... and no event reports it */
    uint64_t status;     /* S: entries into a pull-error reason */
    int64_t tries_us[ATTEMPTS_TRIES]; /* wall; the latest of S, as far as known: a ring */
    uint64_t n_tries;
    uint64_t ahead;               /* how many of them are newer than all events */
    uint64_t events;              /* dE at the last count */
    uint64_t grown;               /* max(dE + ahead, dS) so far: booked + unbooked */
    uint64_t unbooked;            /* part of `grown` that is not booked under a cause yet */
    int64_t book_by_us;           /* mono; when `unbooked` is booked as unknown */
    int64_t since_us;             /* wall; earlier event times are not about this incident */
    uint64_t since_kubelet_start; /* as events count them; 0: it has not started again */
};

/* Call it when an incident begins. Divides the counts of the Event objects: what happened before
 * the incident, and what belongs to it. An event can come before the status that opens the
 * incident. */
void attempts_start(struct attempts *attempts, const struct pull *pull,
                    struct event_objects *events);

/*
 * For an incident from before this process started: whether an attempt that the status reports now,
 * and that failed at `failed_us` (0: not known) or a little earlier, was before the start, too.
 */
bool attempts_is_old(const struct attempts *attempts, const struct pull *pull,
                     const struct event_objects *events, int64_t failed_us);

/* The status reports an attempt, which failed at `failed_us` (0: not known). Call attempts_count()
 * then. */
void attempts_status(struct attempts *attempts, const struct pull *pull,
                     const struct event_objects *events, int64_t failed_us);

/* Notes it. */
void attempts_old_try(struct attempts *attempts, int64_t failed_us);

/* Call it when the incident ends: all that was counted so far does not belong to the next
 * incident. */
void attempts_end(const struct attempts *attempts, const struct pull *pull,
                  struct event_objects *events);

/* Divides the count of one new Event object, which is in `events`, in the same way. */
void attempts_divide(struct attempts *attempts, const struct pull *pull,
                     struct event_objects *events, struct event_object *object);

/* Counts again after a witness reported. Returns whether there is growth. */
bool attempts_count(struct attempts *attempts, const struct pull *pull,
                    const struct event_objects *events, struct instant now);

/* Whether events report each attempt that the status reports. Then their times are right: the
 * kubelet writes an event at once, and the status 10 to 15 s later, with its next look at the pod.
 */
bool attempts_events_report_all(const struct attempts *attempts);

/* Books all that is unbooked under the verdict. */
void attempts_book(struct attempts *attempts, const struct pull *pull,
                   struct registries *registries, const struct verdict *verdict,
                   struct instant now);

/* Books what waited too long for a cause. `all`: books the rest, too. */
void attempts_book_overdue(struct attempts *attempts, const struct pull *pull,
                           struct registries *registries, bool all, struct instant now);

/* The number of attempts to show. At least 1, because an incident begins with a failed attempt. */
uint64_t attempts_shown(const struct attempts *attempts);

/* Whether it is known how many there were: not if some were before this process started, and no
 * event counted them. */
bool attempts_known(const struct attempts *attempts);

/* How many of them the kubelet's back-off is about: one that has started again has forgotten it. */
uint64_t attempts_in_back_off(const struct attempts *attempts);
