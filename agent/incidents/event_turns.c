/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/event_turns.h"

#include "agent/incidents/table.h"
#include "limit.h"
#include "util.h"

#define NO_SANDBOX_US (60 * SEC)

/* Each turn is a list and a watch on etcd, and many nodes can fail at once. */
#define TURN_US (5 * MINUTE)
#define TURN_BEFORE_A_FIRST_US MINUTE /* if the next one has not had a turn yet */

/* No event watch for a pod that is only starting: think of a rollout on 5,000 nodes. */
static bool events_would_help(const struct pod *pod, struct instant now)
{
    return pod->failing > 0 ||
           (pod->no_sandbox_since_us && now.mono_us - pod->no_sandbox_since_us >= NO_SANDBOX_US &&
            pod->waiting > 0);
}

static void set_turn(struct tenant *tenant, bool has_turn, struct instant now)
{
    tenant->has_turn = has_turn;
    tenant->had_turn |= has_turn;
    tenant->turn_us = now.mono_us;
}

/* Returns how many have a turn. */
static size_t update_wishes(struct correlate *c, struct instant now)
{
    size_t n = 0;

    for (struct tenant *tenant = c->tenants.first; tenant; tenant = tenant->next) {
        tenant->wanted_events = tenant->wants_events;
        tenant->wants_events = false;
    }
    for (const struct pod *pod = c->pods.first; pod; pod = pod->next)
        if (!pod->tenant->wants_events)
            pod->tenant->wants_events = events_would_help(pod, now);
    for (struct tenant *tenant = c->tenants.first; tenant; tenant = tenant->next) {
        if (tenant->wants_events != tenant->wanted_events)
            set_turn(tenant, false, now);
        n += tenant->has_turn;
    }
    return n;
}

/* The one whose turn or waiting began first. NULL: there is none. */
static struct tenant *first_of(const struct correlate *c, bool has_turn)
{
    struct tenant *first = NULL;

    for (struct tenant *tenant = c->tenants.first; tenant; tenant = tenant->next)
        if (tenant->wants_events && tenant->has_turn == has_turn &&
            (!first || tenant->turn_us <= first->turn_us))
            first = tenant;
    return first;
}

static void count_left_out(struct correlate *c, struct instant now)
{
    for (struct pod *pod = c->pods.first; pod; pod = pod->next) {
        bool left_out = !pod->tenant->has_turn && events_would_help(pod, now);

        if (left_out && !pod->events_left_out)
            counters_limit_hit(&c->counters, LIMIT_HIT_EVENT_NAMESPACES);
        pod->events_left_out = left_out;
    }
}

void event_turns_update(struct correlate *c, struct instant now)
{
    size_t n = update_wishes(c, now);
    struct tenant *next, *longest;

    while ((next = first_of(c, false)) != NULL) {
        longest = n < LIMIT_EVENT_NAMESPACES ? NULL : first_of(c, true);
        if (longest &&
            now.mono_us - longest->turn_us < (next->had_turn ? TURN_US : TURN_BEFORE_A_FIRST_US))
            break;
        if (longest)
            set_turn(longest, false, now);
        else
            n++;
        set_turn(next, true, now);
    }
    count_left_out(c, now);
}

size_t event_turns_waiting(const struct correlate *c)
{
    size_t n = 0;

    for (const struct tenant *tenant = c->tenants.first; tenant; tenant = tenant->next)
        n += tenant->wants_events && !tenant->has_turn;
    return n;
}
