/* SPDX-License-Identifier: Apache-2.0 */

/*
 * How often a pull was tried, counted once however many witnesses saw it.
 *
 * Two witnesses count. E: the counts of the Event objects that say "Failed to
 * pull image"; exact while they last, but the kubelet's spam filter and their
 * TTL of an hour lose them, and they may not be read at all. S: entries of the
 * container into a pull-error reason; the kubelet's status can skip one when a
 * back-off is short. So the growth since the incident began is max(E, S).
 *
 *   attempts = old + max(dE, dS)      old: E from before this process looked
 *
 * Growth is booked in metrics under the cause that the witness named who raised
 * it. A status without a cause waits for an event to name it.
 */

#include <errno.h>

#include "agent/classify/image_ref.h"
#include "agent/incidents/correlate.h"
#include "agent/incidents/state.h"
#include "mem.h"
#include "util.h"

#define WAIT_FOR_CAUSE_US (30 * SEC)

/* Without memory the counter is right and has no example. */
static void note_newest(struct newest *newest, const struct incident *incident, struct instant now)
{
    char *namespace = mem_strdup(incident->namespace);
    char *pod = mem_strdup(incident->pod);

    if (!namespace || !pod) {
        mem_free(namespace);
        mem_free(pod);
        return;
    }
    newest_done(newest);
    *newest = (struct newest){ .namespace = namespace, .pod = pod, .at_us = now.wall_us };
}

void newest_done(struct newest *newest)
{
    mem_free(newest->namespace);
    mem_free(newest->pod);
    *newest = (struct newest){ .namespace = NULL };
}

static void book(struct correlate *c, struct incident *incident, const struct verdict *verdict,
                 uint64_t n, struct instant now)
{
    struct registry *registry;

    incident->unbooked -= n;
    if (!incident->books || n == 0)
        return;
    registry = registry_of(c, str_from(incident->image), now);
    registry->attempts += n;
    registry->failures[verdict->cause] += n;
    note_newest(&registry->newest[verdict->cause], incident, now);
    c->reasons[verdict->reason] += n;
}

/* An event about a volume's image has no container; of one about a container, the image may have
 * changed since. */
static bool counts_for(const struct event_seen *seen, const struct incident *incident)
{
    const char *container = incident->kind == CONTAINER_IMAGE_VOLUME ? "" : incident->container;

    return strcmp(seen->container, container) == 0 &&
           image_same(str_from(seen->image), str_from(incident->image));
}

static uint64_t event_growth(const struct pod *pod, const struct incident *incident)
{
    uint64_t growth = 0;

    for (size_t i = 0; i < pod->n_events; i++)
        if (counts_for(&pod->events[i], incident))
            growth += pod->events[i].count - pod->events[i].before;
    return growth;
}

void attempts_update(struct correlate *c, struct incident *incident, const struct pod *pod,
                     const struct verdict *said, struct instant now)
{
    uint64_t growth = event_growth(pod, incident);
    struct verdict verdict;

    if (growth < incident->status_count)
        growth = incident->status_count;
    if (growth > incident->grown) {
        if (incident->unbooked == 0)
            incident->book_by_us = now.mono_us + WAIT_FOR_CAUSE_US;
        c->changes.moved++;
        incident->unbooked += growth - incident->grown;
        incident->grown = growth;
    }
    if (!said || incident->unbooked == 0)
        return;
    verdict = *said;
    if (verdict.cause == incident->verdict.cause)
        verdict = incident_verdict(incident, pod);
    book(c, incident, &verdict, incident->unbooked, now);
}

void attempts_overdue(struct correlate *c, struct incident *incident, bool all, struct instant now)
{
    const struct verdict unknown = { .cause = CAUSE_UNKNOWN, .reason = REASON_BACK_OFF_ONLY };

    if (incident->unbooked && (all || now.mono_us >= incident->book_by_us))
        book(c, incident, &unknown, incident->unbooked, now);
}

void attempts_named(struct correlate *c, struct incident *ended, const struct message *message,
                    const struct verdict *verdict, struct instant now)
{
    if (!ended || !ended->unbooked || !verdict_names_cause(verdict, message))
        return;
    book(c, ended, verdict, ended->unbooked, now);
    if (!ended->caused) {
        ended->verdict = *verdict;
        ended->caused = true;
    }
}

uint64_t attempts_shown(const struct incident *incident)
{
    /* Found failing by a process that has just begun to look: at least one attempt was before it.
     */
    uint64_t old = incident->old == 0 && !incident->fresh ? 1 : incident->old;
    uint64_t attempts = old + incident->grown;

    return attempts ? attempts : 1;
}

/* How much of what an Event object counts was before the incident that it speaks of. */
static uint64_t count_before(const struct event_seen *seen, const struct incident *incident)
{
    if (seen->first_us >= incident->since_us)
        return 0;
    if (seen->last_us >= incident->since_us)
        return seen->count - 1; /* an older object that the kubelet goes on counting in */
    return seen->count;
}

static void share_out(struct event_seen *seen, struct incident *incident)
{
    uint64_t before = count_before(seen, incident);

    if (before > seen->before)
        seen->before = before;
    if (!incident->fresh)
        incident->old += seen->before;
}

void attempts_start(struct pod *pod, struct incident *incident)
{
    if (!incident->books)
        return; /* the volume's events are shared out to the one that does */
    for (size_t i = 0; i < pod->n_events; i++)
        if (counts_for(&pod->events[i], incident))
            share_out(&pod->events[i], incident);
}

void attempts_end(struct pod *pod, const struct incident *incident)
{
    if (!incident->books)
        return;
    for (size_t i = 0; i < pod->n_events; i++)
        if (counts_for(&pod->events[i], incident))
            pod->events[i].before = pod->events[i].count;
}

/* A place for one more Event object; the one unseen for longest goes. */
static struct event_seen *event_place(struct correlate *c, struct pod *pod)
{
    struct event_seen *grown;
    struct event_seen *oldest;

    if (pod->n_events < LIMIT_EVENT_OBJECTS_PER_POD) {
        grown = mem_realloc(pod->events, (pod->n_events + 1) * sizeof(*grown));
        if (!grown)
            return NULL;
        pod->events = grown;
        return &pod->events[pod->n_events];
    }
    correlate_limit_hit(c, LIMIT_HIT_EVENT_OBJECTS);
    oldest = &pod->events[0];
    for (size_t i = 1; i < pod->n_events; i++)
        if (pod->events[i].last_us < oldest->last_us)
            oldest = &pod->events[i];
    event_seen_done(oldest);
    *oldest = pod->events[--pod->n_events];
    return &pod->events[pod->n_events];
}

/* Anybody who may write events can claim any count; the kubelet reports each object again and
 * again. */
#define COUNT_STEP_MOST 1000u

static uint64_t believable(int32_t said, uint64_t before)
{
    uint64_t count = (uint64_t)said;

    return count > before + COUNT_STEP_MOST ? before + COUNT_STEP_MOST : count;
}

/*
 * The server forgets an Event after its TTL. What the kubelet then cannot patch it creates anew:
 * another uid, but since when and how often are still those of the first (client-go:
 * tools/record/event.go, recordEvent()).
 */
static bool is_made_anew(const struct event_seen *seen, const struct event_seen *before)
{
    return seen->first_us && seen->first_us == before->first_us &&
           seen->message == before->message && strcmp(seen->container, before->container) == 0 &&
           strcmp(seen->image, before->image) == 0;
}

static void count_on(struct event_seen *seen, const struct event_fact *fact)
{
    if ((uint64_t)fact->count > seen->count)
        seen->count = believable(fact->count, seen->count);
    if (fact->last_us > seen->last_us)
        seen->last_us = fact->last_us;
}

int attempts_event(struct correlate *c, struct pod *pod, struct incident *incident,
                   const struct event_fact *fact, struct str container, struct str image)
{
    uint64_t event = hash_str(fact->event_uid);
    struct event_seen *place;
    struct event_seen seen;

    for (size_t i = 0; i < pod->n_events; i++) {
        if (pod->events[i].event != event)
            continue;
        count_on(&pod->events[i], fact);
        return 0;
    }

    seen = (struct event_seen){
        .event = event,
        .message = hash_str(fact->message),
        .container = mem_str(str_head(container, LIMIT_NAME_TEXT)),
        .image = mem_str(str_head(image, LIMIT_IMAGE_TEXT - 1)),
        .count = believable(fact->count, 0),
        .first_us = fact->first_us,
        .last_us = fact->last_us,
    };
    for (size_t i = 0; i < pod->n_events && seen.container && seen.image; i++) {
        if (!is_made_anew(&seen, &pod->events[i]))
            continue;
        event_seen_done(&seen);
        pod->events[i].event = event;
        count_on(&pod->events[i], fact);
        return 0;
    }
    place = seen.container && seen.image ? event_place(c, pod) : NULL;
    if (!place) {
        event_seen_done(&seen);
        return -ENOMEM;
    }
    if (incident)
        share_out(&seen, incident);
    *place = seen;
    pod->n_events++;
    return 0;
}
