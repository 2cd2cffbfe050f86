/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/event_streams.h"

#include <stdio.h>

#include "log.h"

/* Ask the core at most this often: events are not urgent, and pods may change often. */
#define WANTED_EVERY SEC

void event_streams_init(struct event_streams *events, const struct event_streams_config *config)
{
    *events = (struct event_streams){ .config = *config, .jitter = { .state = config->seed } };
    event_slots_init(&events->slots, config->seed + 1);
}

static void open_stream(struct event_streams *events, size_t i)
{
    const struct event_streams_config *config = &events->config;
    const char *namespace = events->slots.at[i].namespace;
    const struct reflector_config settings = {
        .resource = KUBE_EVENTS,
        .node_name = config->node_name,
        .namespace = namespace,
        .budget = event_budget_take(&events->budgets, str_from(namespace),
                                    clock_now(config->clock).mono_us),
        .sink = config->sink,
        .health = config->health,
        .seed = (uint64_t)jitter_below(&events->jitter, INT64_MAX),
    };
    struct stream *stream = &events->streams[i];
    char subject[sizeof(stream->subject)];

    snprintf(subject, sizeof(subject), "events of namespace %s", settings.namespace);
    stream_init(stream, &settings, config->client, config->clock, subject);
    events->open[i] = true;
    log_debug("events", "open %s", subject);
}

static void close_stream(struct event_streams *events, size_t i)
{
    if (!events->open[i])
        return;
    log_debug("events", "close %s", events->streams[i].subject);
    event_budget_release(events->streams[i].reflector.config.budget);
    stream_done(&events->streams[i]);
    events->open[i] = false;
}

void event_streams_done(struct event_streams *events)
{
    for (size_t i = 0; i < LIMIT_EVENT_NAMESPACES; i++)
        close_stream(events, i);
}

/* Returns when to come back (mono). */
static int64_t ask_wanted(struct event_streams *events, uint64_t pods_read, int64_t now_us)
{
    const struct sink *sink = events->config.sink;
    struct wanted wanted;

    if (now_us < events->wanted_us)
        return events->wanted_read == pods_read ? INT64_MAX : events->wanted_us;
    events->wanted_us = now_us + WANTED_EVERY;
    events->wanted_read = pods_read;
    sink->wanted(sink->self, &wanted);
    event_slots_want(&events->slots, &wanted, now_us);
    wanted_done(&wanted);
    return INT64_MAX;
}

static void open_and_close(struct event_streams *events, int64_t now_us)
{
    for (size_t i = 0; i < LIMIT_EVENT_NAMESPACES; i++) {
        switch (event_slots_step(&events->slots, i, now_us)) {
        case SLOT_STEP_OPEN:
            open_stream(events, i);
            break;
        case SLOT_STEP_CLOSE:
            close_stream(events, i);
            break;
        case SLOT_STEP_NONE:
            break;
        }
    }
}

static size_t count_resting(const struct event_streams *events, int64_t now_us)
{
    size_t n = 0;

    for (size_t i = 0; i < LIMIT_EVENT_NAMESPACES; i++)
        n += events->open[i] &&
             event_budget_rests_us(events->streams[i].reflector.config.budget, now_us) > 0;
    return n;
}

int64_t event_streams_step(struct event_streams *events, uint64_t pods_read)
{
    const int64_t now_us = clock_now(events->config.clock).mono_us;
    int64_t soonest = ask_wanted(events, pods_read, now_us);

    open_and_close(events, now_us);
    soonest = sooner_us(soonest, event_slots_deadline_us(&events->slots));
    for (size_t i = 0; i < LIMIT_EVENT_NAMESPACES; i++)
        if (events->open[i])
            soonest = sooner_us(soonest, stream_step(&events->streams[i]));
    health_resting(events->config.health, count_resting(events, now_us));
    return soonest;
}

bool event_streams_take_recovered(struct event_streams *events)
{
    bool recovered = false;

    for (size_t i = 0; i < LIMIT_EVENT_NAMESPACES; i++)
        recovered |= events->open[i] && stream_take_recovered(&events->streams[i]);
    return recovered;
}

bool event_streams_take_stuck(struct event_streams *events)
{
    bool stuck = false;

    for (size_t i = 0; i < LIMIT_EVENT_NAMESPACES; i++)
        stuck |= events->open[i] && stream_take_stuck(&events->streams[i]);
    return stuck;
}

void event_streams_wake(struct event_streams *events)
{
    for (size_t i = 0; i < LIMIT_EVENT_NAMESPACES; i++)
        if (events->open[i])
            stream_wake(&events->streams[i]);
}

void event_streams_list_anew(struct event_streams *events)
{
    for (size_t i = 0; i < LIMIT_EVENT_NAMESPACES; i++) {
        if (!events->open[i])
            continue;
        close_stream(events, i);
        open_stream(events, i);
    }
}
