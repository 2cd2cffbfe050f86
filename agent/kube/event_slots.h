/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Decides for which namespaces events are watched. Each such watch is a watch on etcd, so a
 * namespace is opened only while the core wants it, after a random delay (a bad image fails on
 * thousands of nodes at once), and kept open for a while: the next failure often follows soon.
 * Knows no stream: it says what to open and close. One thread at a time.
 *
 *   FREE --wanted--> PENDING --0..10 s--> OPEN --not wanted for 60 s--> CLOSING --> FREE
 *    ^                  |                  '--not wanted, slot is needed---^
 *    '----not wanted----'
 */

#include <stdint.h>

#include "backoff.h"
#include "limit.h"
#include "sink.h"

#define NAMESPACE_SIZE 254 /* the longest RFC 1123 name and its NUL */

enum event_slot_state { SLOT_FREE, SLOT_PENDING, SLOT_OPEN, SLOT_CLOSING };

struct event_slot {
    enum event_slot_state state;
    char namespace[NAMESPACE_SIZE];
    int64_t opens_us;    /* PENDING; mono */
    int64_t unwanted_us; /* mono: not wanted since then; 0: wanted */
};

struct event_slots {
    struct event_slot at[LIMIT_EVENT_NAMESPACES];
    struct jitter jitter;
};

void event_slots_init(struct event_slots *slots, uint64_t seed);

/* Updates the slots with what is wanted now. Reads only the namespaces. */
void event_slots_want(struct event_slots *slots, const struct wanted *wanted, int64_t now_us);

enum event_slot_step { SLOT_STEP_NONE, SLOT_STEP_OPEN, SLOT_STEP_CLOSE };

/* What to do with slot `i` now. The caller must do it: the slot changes its state here. */
enum event_slot_step event_slots_step(struct event_slots *slots, size_t i, int64_t now_us);

/* When to call event_slots_step() (mono). INT64_MAX: not before the next event_slots_want(). */
int64_t event_slots_deadline_us(const struct event_slots *slots);
