/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The event watches: a stream for each slot that is open (event_slots.h), which rests while its
 * namespace has too many events (event_budget.h). One thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#include "agent/kube/event_budget.h"
#include "agent/kube/event_slots.h"
#include "agent/kube/stream.h"
#include "clock.h"

struct event_streams_config {
    const char *node_name;
    const struct sink *sink;
    struct health *health;
    struct client *client;
    const struct clock *clock;
    uint64_t seed; /* for the jitter */
};

struct event_streams {
    struct event_streams_config config;
    struct event_slots slots;
    struct jitter jitter;
    struct stream streams[LIMIT_EVENT_NAMESPACES]; /* in this struct, so opening cannot fail */
    bool open[LIMIT_EVENT_NAMESPACES];
    struct event_budgets budgets;
    int64_t wanted_us;    /* mono: when the core may be asked again */
    uint64_t wanted_read; /* `pods_read` when the core was last asked */
};

/* Must not move in memory. Everything in `config` must outlive it. */
void event_streams_init(struct event_streams *events, const struct event_streams_config *config);

/* Closes all streams. */
void event_streams_done(struct event_streams *events);

/*
 * Asks the core what it wants, opens and closes streams, and steps each of them. `pods_read`: bytes
 * of pods read so far; new ones may change what is wanted. Returns when to call it again (mono).
 */
int64_t event_streams_step(struct event_streams *events, uint64_t pods_read);

/* Lists the events of each open stream again: events of pods that were not known were skipped. */
void event_streams_list_anew(struct event_streams *events);

/* Of each open stream: stream_take_recovered() and stream_take_stuck(), for any of them;
 * stream_wake(). */
bool event_streams_take_recovered(struct event_streams *events);
bool event_streams_take_stuck(struct event_streams *events);
void event_streams_wake(struct event_streams *events);
