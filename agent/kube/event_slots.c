/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/event_slots.h"

#include <string.h>

#include "util.h"

#define OPEN_WITHIN (10 * SEC)
#define KEEP_OPEN (60 * SEC)

void event_slots_init(struct event_slots *slots, uint64_t seed)
{
    *slots = (struct event_slots){ .jitter = { .state = seed } };
}

static bool is_wanted(const struct wanted *wanted, const char *namespace)
{
    for (size_t i = 0; i < wanted->n_namespaces; i++)
        if (str_eq(wanted->namespaces[i], str_from(namespace)))
            return true;
    return false;
}

static struct event_slot *find(struct event_slots *slots, struct str namespace)
{
    for (size_t i = 0; i < LIMIT_EVENT_NAMESPACES; i++) {
        struct event_slot *slot = &slots->at[i];

        if (slot->state != SLOT_FREE && slot->state != SLOT_CLOSING &&
            str_eq(str_from(slot->namespace), namespace))
            return slot;
    }
    return NULL;
}

static struct event_slot *find_free(struct event_slots *slots)
{
    for (size_t i = 0; i < LIMIT_EVENT_NAMESPACES; i++)
        if (slots->at[i].state == SLOT_FREE)
            return &slots->at[i];
    return NULL;
}

/* The slot is free at the next step. */
static void close_longest_unwanted(struct event_slots *slots)
{
    struct event_slot *oldest = NULL;

    for (size_t i = 0; i < LIMIT_EVENT_NAMESPACES; i++) {
        struct event_slot *slot = &slots->at[i];

        if (slot->state == SLOT_CLOSING)
            return;
        if (slot->state == SLOT_OPEN && slot->unwanted_us &&
            (!oldest || slot->unwanted_us < oldest->unwanted_us))
            oldest = slot;
    }
    if (oldest)
        oldest->state = SLOT_CLOSING;
}

static void add(struct event_slots *slots, struct str namespace, int64_t now_us)
{
    struct event_slot *slot = find_free(slots);

    if (!slot) {
        close_longest_unwanted(slots);
        return;
    }
    *slot = (struct event_slot){ .state = SLOT_PENDING,
                                 .opens_us = now_us + jitter_below(&slots->jitter, OPEN_WITHIN) };
    memcpy(slot->namespace, namespace.at, namespace.len);
}

void event_slots_want(struct event_slots *slots, const struct wanted *wanted, int64_t now_us)
{
    for (size_t i = 0; i < LIMIT_EVENT_NAMESPACES; i++) {
        struct event_slot *slot = &slots->at[i];

        if (slot->state == SLOT_FREE || slot->state == SLOT_CLOSING)
            continue;
        if (is_wanted(wanted, slot->namespace))
            slot->unwanted_us = 0;
        else if (slot->state == SLOT_PENDING)
            slot->state = SLOT_FREE;
        else if (!slot->unwanted_us)
            slot->unwanted_us = now_us;
    }
    for (size_t i = 0; i < wanted->n_namespaces; i++) {
        const struct str namespace = wanted->namespaces[i];

        /* Not a valid namespace; a longer name would not fit. */
        if (namespace.len == 0 || namespace.len >= NAMESPACE_SIZE)
            continue;
        if (!find(slots, namespace))
            add(slots, namespace, now_us);
    }
}

enum event_slot_step event_slots_step(struct event_slots *slots, size_t i, int64_t now_us)
{
    struct event_slot *slot = &slots->at[i];

    if (slot->state == SLOT_PENDING && now_us >= slot->opens_us) {
        slot->state = SLOT_OPEN;
        return SLOT_STEP_OPEN;
    }
    if (slot->state == SLOT_CLOSING || (slot->state == SLOT_OPEN && slot->unwanted_us &&
                                        now_us >= slot->unwanted_us + KEEP_OPEN)) {
        slot->state = SLOT_FREE;
        return SLOT_STEP_CLOSE;
    }
    return SLOT_STEP_NONE;
}

int64_t event_slots_deadline_us(const struct event_slots *slots)
{
    int64_t soonest = INT64_MAX;

    for (size_t i = 0; i < LIMIT_EVENT_NAMESPACES; i++) {
        const struct event_slot *slot = &slots->at[i];
        int64_t at = INT64_MAX;

        if (slot->state == SLOT_PENDING)
            at = slot->opens_us;
        else if (slot->state == SLOT_CLOSING)
            at = 0;
        else if (slot->state == SLOT_OPEN && slot->unwanted_us)
            at = slot->unwanted_us + KEEP_OPEN;
        if (at < soonest)
            soonest = at;
    }
    return soonest;
}
