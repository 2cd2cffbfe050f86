/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which namespaces' events to watch, and since when. Each such watch is one of etcd's, so a
 * namespace is opened only while the core wants it, after a moment of chance (a bad image rolls
 * out on thousands of nodes at once), and kept for a while after, for the next failure comes soon.
 * Knows no stream: it says what to open and close. One thread at a time.
 *
 *   FREE --wanted--> PENDING --0..10 s--> OPEN --unwanted for 60 s--> CLOSING --> FREE
 *    ^                  |                  '--unwanted, place is needed--^
 *    '----unwanted------'
 */

#include <stdint.h>

#include "backoff.h"
#include "limits.h"
#include "sink.h"

#define NAMESPACE_SIZE 254 /* an RFC 1123 name and its end */

enum event_slot_state { SLOT_FREE, SLOT_PENDING, SLOT_OPEN, SLOT_CLOSING };

struct event_slot {
    enum event_slot_state state;
    char namespace[NAMESPACE_SIZE];
    int64_t opens_us;    /* PENDING; mono */
    int64_t unwanted_us; /* since when; mono; 0: it is wanted */
};

struct event_slots {
    struct event_slot at[LIMIT_EVENT_NAMESPACES];
    struct jitter jitter;
};

void event_slots_init(struct event_slots *slots, uint64_t seed);

/* Takes in what is wanted now, of which only the namespaces are read. */
void event_slots_want(struct event_slots *slots, const struct wanted *wanted, int64_t now_us);

enum event_slot_step { SLOT_STEP_NONE, SLOT_STEP_OPEN, SLOT_STEP_CLOSE };

/* What to do about slot `i` now; it counts as done. */
enum event_slot_step event_slots_step(struct event_slots *slots, size_t i, int64_t now_us);

/* Mono: when event_slots_step() will have something to do; INT64_MAX: not by time alone. */
int64_t event_slots_deadline_us(const struct event_slots *slots);
