/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One container that cannot get one image, from the first failure to its end:
 *
 *            .--- back-off ---.
 *            v                |
 *   open -> FAILING --> BACKING_OFF        the pull fails, the kubelet waits, it tries again
 *            |  ^             |
 *            v  |             |
 *           STALLED           |            no bytes come, and no witness reports an error
 *            |                |
 *            '-------+--------'
 *                    v
 *          RECOVERED or GONE               the image is present; or no pod needs it any more
 *
 * An ended incident stays ended. It is kept for a while for people to read. When the same pull
 * fails again, that is a new incident.
 */

#include "agent/incidents/incidents.h"

#include <assert.h>
#include <errno.h>

#include "agent/classify/image_ref.h"
#include "mem.h"
#include "shared.h"
#include "util.h"

#define KEEP_ENDED_US (10 * MINUTE)

#define MISSING_SECRET_FRESH_US (10 * MINUTE)

#define TO(state) (1u << INCIDENT_##state)

static const unsigned moves[] = {
    [INCIDENT_FAILING] = TO(BACKING_OFF) | TO(STALLED) | TO(RECOVERED) | TO(GONE),
    [INCIDENT_BACKING_OFF] = TO(FAILING) | TO(STALLED) | TO(RECOVERED) | TO(GONE),
    [INCIDENT_STALLED] = TO(FAILING) | TO(BACKING_OFF) | TO(RECOVERED) | TO(GONE),
    [INCIDENT_RECOVERED] = 0,
    [INCIDENT_GONE] = 0,
};
_Static_assert(ARRAY_SIZE(moves) == INCIDENT_STATE_MAX, "a state without its moves");

void incidents_init(struct incidents *incidents, struct counters *counters,
                    struct registries *registries, const struct pods *pods)
{
    incidents->counters = counters;
    incidents->registries = registries;
    incidents->pods = pods;
}

void incident_move(struct incidents *incidents, struct incident *incident, enum incident_state next)
{
    if (incident->state == next)
        return;
    assert(moves[incident->state] & (1u << next));
    incident->state = next;
    incidents->counters->changes.moved++;
}

static void incident_free(struct incident *incident)
{
    if (!incident)
        return;
    tenant_unref(incident->tenant);
    shared_unref(incident->pull);
    shared_unref(incident->message);
    shared_unref(incident->stall.digest);
    shared_unref(incident->owner);
    shared_unref(incident->secrets);
    shared_unref(incident->missing_secrets);
    mem_free(incident);
}

static void incident_freep(struct incident **incident)
{
    incident_free(*incident);
}

/* --- finding --------------------------------------------------------------- */

static struct incident **bucket_of(struct incidents *incidents, uint64_t pod_hash)
{
    return &incidents->buckets[pod_hash % INCIDENT_BUCKETS];
}

static struct incident *next_of_pod(const struct incidents *incidents, const struct pod *pod,
                                    const struct incident *after)
{
    struct incident *i =
        after ? after->next_of_bucket : incidents->buckets[pod->hash % INCIDENT_BUCKETS];

    while (i && (i->pull->pod_hash != pod->hash || strcmp(i->pull->pod_uid, pod->uid) != 0))
        i = i->next_of_bucket;
    return i;
}

struct incident *incident_next_open(const struct incidents *incidents, const struct pod *pod,
                                    const struct incident *after)
{
    struct incident *i = next_of_pod(incidents, pod, after);

    while (i && !incident_state_open(i->state))
        i = next_of_pod(incidents, pod, i);
    return i;
}

struct incident_key incident_key_of(struct pod *pod, const struct container *container)
{
    return (struct incident_key){
        .pod = pod,
        .container = str_from(container->name),
        .kind = container->kind,
        .image = str_from(container->image),
        .image_hash = container->image_hash,
    };
}

static bool is_of_image(const struct pull *pull, const struct incident_key *key)
{
    return pull->image_hash == key->image_hash && image_same(str_from(pull->image), key->image);
}

static bool is_about(const struct incident *incident, const struct incident_key *key)
{
    return str_eq(str_from(incident->pull->container), key->container) &&
           incident->pull->kind == key->kind && is_of_image(incident->pull, key);
}

struct incident *incident_find_open(const struct incidents *incidents,
                                    const struct incident_key *key)
{
    struct incident *i = NULL;

    do
        i = incident_next_open(incidents, key->pod, i);
    while (i && !is_about(i, key));
    return i;
}

struct incident *incident_find_ended(const struct incidents *incidents,
                                     const struct incident_key *key)
{
    struct incident *newest = NULL;

    for (struct incident *i = next_of_pod(incidents, key->pod, NULL); i;
         i = next_of_pod(incidents, key->pod, i))
        if (!incident_state_open(i->state) && is_about(i, key))
            newest = i;
    return newest;
}

bool incidents_failed_on(const struct incidents *incidents, struct str image)
{
    const struct incident_key key = { .image = image, .image_hash = image_hash(image) };

    for (const struct incident *i = incidents->first; i; i = i->next)
        if (incident_state_open(i->state) && !i->stalled_only && is_of_image(i->pull, &key))
            return true;
    return false;
}

bool incidents_never_pull(const struct incidents *incidents, struct str image)
{
    const struct incident_key key = { .image = image, .image_hash = image_hash(image) };

    for (const struct incident *i = incidents->first; i; i = i->next)
        if (incident_state_open(i->state) && i->verdict.reason == REASON_NEVER_PULL &&
            is_of_image(i->pull, &key))
            return true;
    return false;
}

/* Another open incident of the same image volume of the same pod. */
static struct incident *other_of_volume(const struct incidents *incidents,
                                        const struct incident_key *key,
                                        const struct incident *incident)
{
    for (struct incident *i = incident_next_open(incidents, key->pod, NULL); i;
         i = incident_next_open(incidents, key->pod, i))
        if (i != incident && i->pull->kind == CONTAINER_IMAGE_VOLUME && is_of_image(i->pull, key))
            return i;
    return NULL;
}

/* --- evidence -------------------------------------------------------------- */

static size_t text_bytes(const struct evidence *evidence)
{
    return evidence ? evidence->text_bytes : 0;
}

void incident_replace_evidence(struct incidents *incidents, struct incident *incident,
                               const struct evidence *evidence)
{
    size_t added = text_bytes(evidence), removed = text_bytes(incident->evidence);

    incidents->evidence_bytes = incidents->evidence_bytes + added - removed;
    incident->tenant->evidence_bytes = incident->tenant->evidence_bytes + added - removed;
    shared_unref(incident->evidence);
    incident->evidence = evidence;
}

/* --- adding and removing --------------------------------------------------- */

static void incident_insert(struct incidents *incidents, struct incident *incident)
{
    struct incident **tail = bucket_of(incidents, incident->pull->pod_hash);

    while (*tail)
        tail = &(*tail)->next_of_bucket;
    *tail = incident;
    incident->previous = incidents->last;
    if (incidents->last)
        incidents->last->next = incident;
    else
        incidents->first = incident;
    incidents->last = incident;
    incidents->n++;
    incident->tenant->incidents++;
    incident->tenant->open_incidents++;
}

static void incident_remove(struct incidents *incidents, struct incident *incident,
                            struct instant now)
{
    struct incident **link = bucket_of(incidents, incident->pull->pod_hash);

    /* Book all attempts, also if no cause is known. */
    attempts_book_overdue(&incident->attempts, incident->pull, incidents->registries, true, now);
    while (*link != incident)
        link = &(*link)->next_of_bucket;
    *link = incident->next_of_bucket;
    if (incident->previous)
        incident->previous->next = incident->next;
    else
        incidents->first = incident->next;
    if (incident->next)
        incident->next->previous = incident->previous;
    else
        incidents->last = incident->previous;
    incidents->n--;
    incident->tenant->incidents--;
    incident_replace_evidence(incidents, incident, NULL);
    incident_free(incident);
}

/* Its container fails without an incident from now on. The next report about it is the next chance
 * to get one. */
static void lose_place(struct incidents *incidents, struct incident *incident, struct instant now)
{
    struct pod *pod = pod_find_hashed(incidents->pods, str_from(incident->pull->pod_uid),
                                      incident->pull->pod_hash);
    struct container *container =
        pod ? pod_container(pod, str_from(incident->pull->container)) : NULL;

    if (container) {
        container->incident_left_out = true;
        container->status = 0;
    }
    if (pod) /* what was counted is not counted again */
        incident_end(incidents, incident, pod, INCIDENT_GONE, now);
    incident_remove(incidents, incident, now);
}

static bool make_room(struct incidents *incidents, const struct pod *newcomer, struct instant now)
{
    struct incident *incident = places_incident(incidents, newcomer);

    if (!incident)
        return false;
    if (incident_state_open(incident->state))
        lose_place(incidents, incident, now);
    else
        incident_remove(incidents, incident, now);
    return true;
}

/*
 * Events count for the incident from this time on. If a pod was watched from its creation and fails
 * for the first time, all its events count. If its image was replaced, those since then count: the
 * status can report the first attempt when the second one has failed, too. Else those count that
 * are not older than the attempt that the status reports. The attempts of an incident that was
 * found at the start are from before it.
 */
static int64_t since(const struct incidents *incidents, const struct incident_key *key, bool fresh,
                     struct instant now)
{
    const struct container *container = pod_container(key->pod, key->container);
    const struct incident *before = incident_find_ended(incidents, key);
    int64_t reported_us = now.wall_us - STATUS_LATEST_US;

    if (before && before->ended_us > reported_us)
        reported_us = before->ended_us;
    if (!fresh)
        return now.wall_us;
    if (key->pod->fresh && !key->pod->failed)
        return 0;
    if (container && container->replaced_us)
        reported_us = container->replaced_us;
    return reported_us - SAME_MOMENT_US;
}

static const struct pull *pull_of(const struct incident_key *key)
{
    return pull_new(&(struct pull_parts){
        .namespace = str_from(key->pod->namespace),
        .pod = str_from(key->pod->name),
        .pod_uid = str_from(key->pod->uid),
        .container = key->container,
        .kind = key->kind,
        .image = key->image,
        .image_hash = key->image_hash,
        .asked = key->asked,
    });
}

int incident_open(struct incidents *incidents, const struct incident_key *key, bool fresh,
                  struct instant now, struct incident **ret)
{
    CLEANUP(incident_freep) struct incident *incident = NULL;
    struct container *container;

    if (incidents->n >= LIMIT_INCIDENTS) {
        counters_limit_hit(incidents->counters, LIMIT_HIT_INCIDENTS);
        if (!make_room(incidents, key->pod, now))
            return -ENOSPC;
    }
    incident = mem_zalloc(sizeof(*incident));
    if (!incident)
        return -ENOMEM;
    incident->pull = pull_of(key);
    if (!incident->pull)
        return -ENOMEM;
    incident->tenant = tenant_ref(key->pod->tenant);

    incident->state = INCIDENT_FAILING;
    incident->verdict = (struct verdict){
        .cause = CAUSE_UNKNOWN, .reason = REASON_BACK_OFF_ONLY, .stage = STAGE_MAX, .rule = "none"
    };
    /* Several containers can mount one volume: its pulls are counted once for all of them. */
    incident->attempts.books =
        key->kind != CONTAINER_IMAGE_VOLUME || !other_of_volume(incidents, key, NULL);
    incident->attempts.fresh = fresh;
    incident->attempts.since_us = since(incidents, key, fresh, now);
    incident->opened_us = now.mono_us;
    incident->opened_wall_us = now.wall_us;
    incident->first_failure_us = now.wall_us;
    incident->first_failure_exact = fresh && !incidents->pods->listing;
    incident->last_failure_us = now.wall_us;
    incident->last_failure_mono_us = now.mono_us;
    attempts_start(&incident->attempts, incident->pull, &key->pod->events);

    registry_busy(incidents->registries, incident->pull->registry, incident->tenant, now);
    container = pod_container(key->pod, key->container);
    if (container)
        container->incident_left_out = false;
    *ret = incident;
    incident_insert(incidents, TAKE_PTR(incident));
    incidents->counters->changes.opened++;
    return 0;
}

int64_t incident_failure_time(const struct pod *pod, enum pull_class pull, struct instant now)
{
    int64_t written_us = pod->status_us < now.wall_us ? pod->status_us : now.wall_us;

    if (!written_us)
        return 0;
    if (pull == PULL_BACK_OFF)
        return written_us - 2 * STATUS_SOON_US;
    return pull == PULL_ERROR ? written_us - STATUS_SOON_US : written_us;
}

void incident_found(struct incident *incident, int64_t failed_us, struct instant now)
{
    incident->last_failure_us = incident->found_failure_us = failed_us;
    if (failed_us)
        incident->first_failure_us = failed_us;
    incident->last_failure_mono_us = now.mono_us - (now.wall_us - incident->first_failure_us);
}

bool incident_just_found(const struct incident *incident, struct instant now)
{
    return !incident->attempts.fresh && now.mono_us - incident->opened_us < STATUS_LATEST_US;
}

/* --- verdict --------------------------------------------------------------- */

/*
 * The kubelet reports a missing Secret at each pull, but its spam filter lets one event through in
 * 300 s. If pulls go on failing without such an event, somebody has created the Secret.
 */
size_t incident_missing_secrets(const struct incident *incident, const struct pod *pod)
{
    bool fresh = incident->last_failure_us - pod->missing_at_us <= MISSING_SECRET_FRESH_US;
    /* Compares the events' own times: after a start, old events are read again. */
    bool newest = pod->newest_event_us - pod->missing_event_us <= MISSING_SECRET_FRESH_US;

    return fresh && newest && pod->secrets_read_us < pod->missing_event_us
               ? names_count(pod->missing_secrets)
               : 0;
}

/* If there are several, only one of them may have been read. */
static void note_secret_read(struct pod *pod, struct instant now)
{
    if (names_count(pod->secrets) == 1)
        pod->secrets_read_us = now.wall_us;
}

void incident_attempted(const struct incident *incident, struct pod *pod, struct instant now)
{
    const struct verdict *verdict = &incident->verdict;

    if (incident->had_no_login &&
        (verdict->reason == REASON_BAD_CREDENTIALS || verdict->reason == REASON_TOKEN_EXPIRED))
        note_secret_read(pod, now);
}

/*
 * Whether the registry refused a login, so that a missing Secret is not the reason: the message
 * proves it, or an earlier message proved that there was none, or another Secret of the pod can be
 * what was sent.
 */
static bool is_about_a_login(const struct incident *incident, const struct pod *pod)
{
    const struct verdict *verdict = &incident->verdict;

    if (verdict->reason != REASON_BAD_CREDENTIALS)
        return verdict->reason == REASON_TOKEN_EXPIRED;
    return !verdict->sent_unknown || incident->had_no_login ||
           names_count(pod->secrets) > names_count(pod->missing_secrets);
}

static struct verdict verdict_of_stall(const struct stall *stall)
{
    bool no_answer = stall->waits_for == STALL_ANSWER;

    return (struct verdict){ .cause = CAUSE_NETWORK,
                             .reason = no_answer ? REASON_RESPONSE_TIMEOUT : REASON_PULL_STALLED,
                             .stage = no_answer ? STAGE_RESOLVE : STAGE_BLOB,
                             .rule = "stall" };
}

struct verdict incident_verdict(const struct incident *incident, const struct pod *pod)
{
    struct verdict verdict = incident->verdict;

    /* A message of an earlier attempt is not about this one. */
    if (incident->state == INCIDENT_STALLED)
        return verdict_of_stall(&incident->stall);
    if (!pod)
        return verdict;
    if (verdict.sent_unknown)
        verdict.reason = names_count(pod->secrets) ? REASON_BAD_CREDENTIALS : REASON_NO_CREDENTIALS;
    if (verdict.cause == CAUSE_UNAUTHORIZED && incident_missing_secrets(incident, pod) &&
        !is_about_a_login(incident, pod))
        verdict.reason = REASON_PULL_SECRET_MISSING;
    return verdict;
}

/* --- the end --------------------------------------------------------------- */

static int64_t duration(const struct incident *incident, struct instant now)
{
    int64_t before_us = incident->opened_wall_us - incident->first_failure_us;

    return now.mono_us - incident->opened_us + (before_us > 0 ? before_us : 0);
}

/* One incident counts a volume's pulls. When it ends, another one continues to count. */
static struct incident *successor_of(const struct incidents *incidents, struct pod *pod,
                                     const struct incident *incident)
{
    const struct incident_key key = { .pod = pod,
                                      .image = str_from(incident->pull->image),
                                      .image_hash = incident->pull->image_hash };

    if (incident->pull->kind != CONTAINER_IMAGE_VOLUME || !incident->attempts.books)
        return NULL;
    return other_of_volume(incidents, &key, incident);
}

static void count_recovery(struct counters *counters, const struct incident *incident,
                           struct instant now)
{
    enum cause cause = incident->verdict.cause;

    if (!counters->recoveries[cause].count)
        counters->since.recoveries_us[cause] = now.wall_us;
    histogram_add(&counters->recoveries[cause], &histogram_recovery_bounds,
                  duration(incident, now));
}

void incident_end(struct incidents *incidents, struct incident *incident, struct pod *pod,
                  enum incident_state how, struct instant now)
{
    struct incident *successor = successor_of(incidents, pod, incident);
    struct container *container = pod_container(pod, str_from(incident->pull->container));

    if (container)
        container->replaced_us = 0;
    incident->verdict = incident_verdict(incident, pod);
    if (how == INCIDENT_RECOVERED && !(incident->stalled_only && incident->stall.doubtful))
        count_recovery(incidents->counters, incident, now);
    incident->owner = shared_ref(pod->owner);
    incident->secrets = shared_ref(pod->secrets);
    if (incident_missing_secrets(incident, pod))
        incident->missing_secrets = shared_ref(pod->missing_secrets);
    if (how == INCIDENT_RECOVERED && incident->verdict.reason == REASON_PULL_SECRET_MISSING)
        note_secret_read(pod, now);

    if (successor)
        successor->attempts.books = true; /* and keeps the counts of the events */
    else
        attempts_end(&incident->attempts, incident->pull, &pod->events);
    pod->failed = true;
    incident_move(incidents, incident, how);
    incidents->counters->changes.ended++;
    incident->tenant->open_incidents--;
    incident->ended_us = now.wall_us;
    incident->forget_us = now.mono_us + KEEP_ENDED_US;
}

void incidents_end(struct incidents *incidents, struct pod *pod, const char *container,
                   enum incident_state how, struct instant now)
{
    for (struct incident *i = incident_next_open(incidents, pod, NULL); i;
         i = incident_next_open(incidents, pod, i))
        if (!container || strcmp(i->pull->container, container) == 0)
            incident_end(incidents, i, pod, how, now);
}

void incidents_end_of_sandbox(struct incidents *incidents, struct pod *pod, int64_t since_us,
                              struct instant now)
{
    for (struct incident *i = incident_next_open(incidents, pod, NULL); i;
         i = incident_next_open(incidents, pod, i))
        if (i->pull->kind == CONTAINER_SANDBOX && i->last_failure_us < since_us)
            incident_end(incidents, i, pod, INCIDENT_RECOVERED, now);
}

void incidents_tick(struct incidents *incidents, struct instant now)
{
    struct incident *next;

    for (struct incident *i = incidents->first; i; i = next) {
        next = i->next;
        attempts_book_overdue(&i->attempts, i->pull, incidents->registries, false, now);
        if (!incident_state_open(i->state) && now.mono_us >= i->forget_us)
            incident_remove(incidents, i, now);
    }
}

void incidents_done(struct incidents *incidents)
{
    const struct instant never = { .mono_us = 0 };

    while (incidents->first)
        incident_remove(incidents, incidents->first, never);
}
