/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/attempts.h"

#include "agent/classify/image_ref.h"
#include "util.h"

#define WAIT_FOR_CAUSE_US (30 * SEC)

void attempts_book(struct attempts *attempts, const struct pull *pull,
                   struct registries *registries, const struct verdict *verdict, struct instant now)
{
    uint64_t n = attempts->unbooked;

    attempts->unbooked = 0;
    if (!attempts->books || n == 0)
        return;
    registry_count_failures(registries, pull, verdict->cause, n, now);
    if (!registries->counters->reasons[verdict->reason])
        registries->counters->since.reasons_us[verdict->reason] = now.wall_us;
    registries->counters->reasons[verdict->reason] += n;
    if (!namespaces_failed(&registries->counters->namespaces, pull->namespace, pull->registry,
                           verdict->cause, n, now))
        counters_limit_hit(registries->counters, LIMIT_HIT_NAMESPACES);
}

/* An event about a volume's image names no container. An event about a container can be about an
 * image that it had before. */
static bool counts_for(const struct event_object *object, const struct pull *pull)
{
    const char *container = pull->kind == CONTAINER_IMAGE_VOLUME ? "" : pull->container;

    return strcmp(object->container, container) == 0 &&
           image_same(str_from(object->image), str_from(pull->image));
}

static uint64_t event_growth(const struct event_objects *events, const struct pull *pull)
{
    uint64_t growth = 0;

    for (size_t i = 0; i < events->n; i++)
        if (counts_for(&events->list[i], pull))
            growth += events->list[i].count - events->list[i].before;
    return growth;
}

static uint64_t count_since_kubelet_start(const struct event_objects *events,
                                          const struct pull *pull)
{
    int64_t started_us = 0;
    uint64_t count = 0;

    for (size_t i = 0; i < events->n; i++)
        if (events->list[i].counts_anew && counts_for(&events->list[i], pull) &&
            events->list[i].first_us > started_us)
            started_us = events->list[i].first_us;
    for (size_t i = 0; started_us && i < events->n; i++)
        if (counts_for(&events->list[i], pull) && events->list[i].first_us >= started_us)
            count += events->list[i].count;
    return count;
}

/* Whether the events count the attempt: one of them is as new. The status tells its time only
 * roughly. */
static bool is_reported(const struct pull *pull, const struct event_objects *events,
                        int64_t since_us)
{
    for (size_t i = 0; i < events->n; i++)
        if (counts_for(&events->list[i], pull) && events->list[i].last_us >= since_us)
            return true;
    return false;
}

bool attempts_is_old(const struct attempts *attempts, const struct pull *pull,
                     const struct event_objects *events, int64_t failed_us)
{
    if (attempts->events > attempts->status)
        return false; /* an event after the start has reported it */
    /* It can have failed 5 s earlier. */
    if (!failed_us || failed_us - 5 * SEC <= attempts->since_us)
        return true;
    return attempts->events == 0 && is_reported(pull, events, failed_us - 8 * SEC);
}

void attempts_old_try(struct attempts *attempts, int64_t failed_us)
{
    /* The events were read, and have neither this one nor the one before it. */
    if (attempts->old > 0 && attempts->old_unreported)
        attempts->old++;
    attempts->old_try_us = failed_us;
    attempts->old_try_found = false;
}

/* The kubelet's spam filter holds events back only when the back-off is longer than this. */
#define NEWER_US (40 * SEC)

static int64_t newest_event_us(const struct event_objects *events, const struct pull *pull)
{
    int64_t newest_us = 0;

    for (size_t i = 0; i < events->n; i++)
        if (counts_for(&events->list[i], pull) && events->list[i].last_us > newest_us)
            newest_us = events->list[i].last_us;
    return newest_us;
}

/* How many attempts that the status reported are newer than all events. */
static uint64_t newer_than_events(const struct attempts *attempts, const struct pull *pull,
                                  const struct event_objects *events)
{
    const int64_t newest_us = newest_event_us(events, pull);
    uint64_t n = 0;

    for (size_t i = 0; newest_us && i < ATTEMPTS_TRIES; i++)
        n += attempts->tries_us[i] > newest_us + NEWER_US;
    return n;
}

void attempts_status(struct attempts *attempts, const struct pull *pull,
                     const struct event_objects *events, int64_t failed_us)
{
    attempts->status++;
    if (failed_us)
        attempts->tries_us[attempts->n_tries++ % ATTEMPTS_TRIES] = failed_us;
    attempts->ahead = newer_than_events(attempts, pull, events);
}

bool attempts_count(struct attempts *attempts, const struct pull *pull,
                    const struct event_objects *events, struct instant now)
{
    uint64_t growth = event_growth(events, pull);

    attempts->events = growth;
    attempts->old_unreported =
        attempts->old_try_us && !is_reported(pull, events, attempts->old_try_us - 15 * SEC);
    attempts->since_kubelet_start = count_since_kubelet_start(events, pull);
    attempts->ahead = newer_than_events(attempts, pull, events);
    growth += attempts->ahead;
    if (growth < attempts->status)
        growth = attempts->status;
    if (growth <= attempts->grown)
        return false;
    if (attempts->unbooked == 0)
        attempts->book_by_us = now.mono_us + WAIT_FOR_CAUSE_US;
    attempts->unbooked += growth - attempts->grown;
    attempts->grown = growth;
    return true;
}

bool attempts_events_report_all(const struct attempts *attempts)
{
    return attempts->events >= attempts->status && attempts->ahead == 0;
}

void attempts_book_overdue(struct attempts *attempts, const struct pull *pull,
                           struct registries *registries, bool all, struct instant now)
{
    const struct verdict unknown = { .cause = CAUSE_UNKNOWN, .reason = REASON_BACK_OFF_ONLY };

    if (attempts->unbooked && (all || now.mono_us >= attempts->book_by_us))
        attempts_book(attempts, pull, registries, &unknown, now);
}

uint64_t attempts_shown(const struct attempts *attempts)
{
    /* The container already failed when this process started: there was at least one attempt. */
    bool first = attempts->old_unreported && attempts->old_try_found;
    uint64_t old = attempts->old == 0 && !attempts->fresh && !first ? 1 : attempts->old;
    uint64_t shown = old + attempts->old_unreported + attempts->grown;

    return shown ? shown : 1;
}

bool attempts_known(const struct attempts *attempts)
{
    return attempts->fresh || attempts->old > 0;
}

uint64_t attempts_in_back_off(const struct attempts *attempts)
{
    const uint64_t shown = attempts_shown(attempts), since = attempts->since_kubelet_start;

    return since && since < shown ? since : shown;
}

/* How much of the count of an Event object happened before the incident. */
static uint64_t count_before(const struct event_object *object, int64_t since_us)
{
    if (object->first_us >= since_us)
        return 0;
    if (object->last_us >= since_us)
        return object->count - 1; /* the kubelet continues to count in an older object */
    return object->count;
}

/* The time of a status tells that of the attempt roughly, and clocks differ. */
#define SURELY_OLDER_US (15 * SEC)

/* How many attempts since the start of the incident the events must have counted: the newest one,
 * and those that the status told before it. */
static uint64_t counted_at_least(const struct attempts *attempts, int64_t newest_us)
{
    uint64_t n = 1;

    for (size_t i = 0; i < ATTEMPTS_TRIES; i++)
        n += attempts->tries_us[i] && attempts->tries_us[i] + SURELY_OLDER_US < newest_us;
    return n < attempts->status ? n : attempts->status;
}

static void move_before(struct attempts *attempts, struct event_object *object, uint64_t n)
{
    object->before += n;
    object->assumed -= n;
    if (!attempts->fresh)
        attempts->old += n;
}

/* `n` attempts are counted by another object: so they are not in those for which it was assumed. */
static void take_back(struct attempts *attempts, const struct pull *pull,
                      struct event_objects *events, uint64_t n)
{
    for (size_t i = 0; i < events->n && n > 0; i++) {
        struct event_object *object = &events->list[i];
        const uint64_t moved = object->assumed < n ? object->assumed : n;

        if (!counts_for(object, pull))
            continue;
        move_before(attempts, object, moved);
        n -= moved;
    }
}

/*
 * After a gap in the events, an object that began before the incident can have more of its attempts
 * than the newest one. The status told them meanwhile: without this they would count twice, here as
 * attempts from before.
 */
static void assume(struct attempts *attempts, const struct pull *pull,
                   const struct event_objects *events, struct event_object *object)
{
    const uint64_t least = counted_at_least(attempts, newest_event_us(events, pull));
    const uint64_t growth = event_growth(events, pull);
    uint64_t n = least > growth ? least - growth : 0;

    if (n > object->before)
        n = object->before;
    if (!attempts->fresh && n > attempts->old)
        n = attempts->old;
    object->before -= n;
    object->assumed += n;
    if (!attempts->fresh)
        attempts->old -= n;
}

void attempts_divide(struct attempts *attempts, const struct pull *pull,
                     struct event_objects *events, struct event_object *object)
{
    uint64_t before = count_before(object, attempts->since_us);

    if (before > object->before)
        object->before = before;
    if (!attempts->fresh)
        attempts->old += object->before;
    if (object->before == object->count || !counts_for(object, pull))
        return;
    take_back(attempts, pull, events, object->count - object->before);
    if (object->before > 0)
        assume(attempts, pull, events, object);
}

void attempts_start(struct attempts *attempts, const struct pull *pull,
                    struct event_objects *events)
{
    if (!attempts->books)
        return; /* only the incident that books counts the volume's events */
    for (size_t i = 0; i < events->n; i++)
        if (counts_for(&events->list[i], pull))
            attempts_divide(attempts, pull, events, &events->list[i]);
}

static void end_object(struct event_object *object)
{
    object->before = object->count;
    object->assumed = 0;
}

void attempts_end(const struct attempts *attempts, const struct pull *pull,
                  struct event_objects *events)
{
    if (!attempts->books)
        return;
    for (size_t i = 0; i < events->n; i++)
        if (counts_for(&events->list[i], pull))
            end_object(&events->list[i]);
}
