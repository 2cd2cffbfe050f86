/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One container that cannot get one image, from the first failure to its end:
 *
 *            .--- back-off ---.
 *            v                |
 *   open -> FAILING --> BACKING_OFF        the pull fails, the kubelet waits, it tries again
 *            |  ^             |
 *            v  |             |
 *           STALLED           |            bytes stopped coming and nobody says so
 *            |                |
 *            '-------+--------'
 *                    v
 *          RECOVERED or GONE               the image is there; or nobody wants it any more
 *
 * An ended incident stays ended and is kept for a while for people to look at;
 * when the same pull fails again, that is a new one.
 */

#include <assert.h>
#include <errno.h>

#include "agent/classify/image_ref.h"
#include "agent/incidents/correlate.h"
#include "agent/incidents/state.h"
#include "mem.h"
#include "util.h"

#define KEEP_ENDED_US (10 * MINUTE)

/* A witness' wall time may be cut to the second; so much older still is the same moment. */
#define SAME_MOMENT_US (2 * SEC)

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

void incident_move(struct correlate *c, struct incident *incident, enum incident_state next)
{
    if (incident->state == next)
        return;
    assert(moves[incident->state] & (1u << next));
    incident->state = next;
    c->changes.moved++;
}

static void evidence_drop(struct correlate *c, struct evidence *evidence)
{
    c->evidence_bytes -= strlen(evidence->text);
    mem_free(evidence->reason);
    mem_free(evidence->text);
}

static void incident_free(struct incident *incident)
{
    if (!incident)
        return;
    mem_free(incident->namespace);
    mem_free(incident->pod);
    mem_free(incident->pod_uid);
    mem_free(incident->container);
    mem_free(incident->image);
    mem_free(incident->registry);
    mem_free(incident->message);
    stall_done(&incident->stall);
    texts_free(incident->secrets, incident->n_secrets);
    texts_free(incident->missing_secrets, incident->n_missing_secrets);
    mem_free(incident);
}

static void incident_freep(struct incident **incident)
{
    incident_free(*incident);
}

static bool is_about(const struct incident *incident, const struct incident_key *key)
{
    return strcmp(incident->pod_uid, key->pod->uid) == 0 &&
           str_eq(str_from(incident->container), key->container) && incident->kind == key->kind &&
           image_same(str_from(incident->image), key->image);
}

struct incident *incident_find_open(struct correlate *c, const struct incident_key *key)
{
    for (struct incident *i = c->incidents; i; i = i->next)
        if (incident_state_open(i->state) && is_about(i, key))
            return i;
    return NULL;
}

struct incident *incident_find_ended(struct correlate *c, const struct incident_key *key)
{
    struct incident *newest = NULL;

    for (struct incident *i = c->incidents; i; i = i->next)
        if (!incident_state_open(i->state) && is_about(i, key))
            newest = i;
    return newest;
}

/* One volume can be mounted by several containers: its pulls are counted once for all of them. */
static bool is_first_of_volume(const struct correlate *c, const struct incident_key *key)
{
    for (const struct incident *i = c->incidents; i; i = i->next)
        if (incident_state_open(i->state) && i->kind == CONTAINER_IMAGE_VOLUME &&
            strcmp(i->pod_uid, key->pod->uid) == 0 && image_same(str_from(i->image), key->image))
            return false;
    return true;
}

static void incident_unlink(struct correlate *c, struct incident **link, struct instant now)
{
    struct incident *incident = *link;

    attempts_overdue(c, incident, true, now); /* nothing that was seen goes uncounted */
    *link = incident->next;
    c->n_incidents--;
    for (size_t i = 0; i < incident->n_evidence; i++)
        evidence_drop(c, &incident->evidence[i]);
    incident_free(incident);
}

/* Makes room for one more. */
static bool forget_oldest_ended(struct correlate *c, struct instant now)
{
    for (struct incident **link = &c->incidents; *link; link = &(*link)->next) {
        if (!incident_state_open((*link)->state)) {
            incident_unlink(c, link, now);
            return true;
        }
    }
    return false;
}

/*
 * What failed for the first time in a pod's life that was watched from its beginning: all that
 * events ever said of it counts. Else only what is not older than the incident.
 */
static int64_t since(const struct pod *pod, bool fresh, struct instant now)
{
    if (!fresh)
        return now.wall_us;
    return pod->fresh && !pod->failed ? 0 : now.wall_us - SAME_MOMENT_US;
}

int incident_open(struct correlate *c, const struct incident_key *key, bool fresh,
                  struct instant now, struct incident **ret)
{
    CLEANUP(incident_freep) struct incident *incident = NULL;
    char registry[LIMIT_NAME_TEXT];
    struct incident **tail = &c->incidents;

    if (c->n_incidents >= LIMIT_INCIDENTS) {
        correlate_limit_hit(c, LIMIT_HIT_INCIDENTS);
        if (!forget_oldest_ended(c, now))
            return -ENOSPC;
    }
    incident = mem_zalloc(sizeof(*incident));
    if (!incident)
        return -ENOMEM;
    image_registry(key->image, registry);
    incident->namespace = mem_strdup(key->pod->namespace);
    incident->pod = mem_strdup(key->pod->name);
    incident->pod_uid = mem_strdup(key->pod->uid);
    incident->container = mem_str(key->container);
    incident->image = mem_str(str_head(key->image, LIMIT_IMAGE_TEXT - 1));
    incident->registry = mem_strdup(registry);
    incident->message = mem_strdup("");
    if (!incident->namespace || !incident->pod || !incident->pod_uid || !incident->container ||
        !incident->image || !incident->registry || !incident->message)
        return -ENOMEM;

    incident->kind = key->kind;
    incident->state = INCIDENT_FAILING;
    incident->verdict = (struct verdict){
        .cause = CAUSE_UNKNOWN, .reason = REASON_BACK_OFF_ONLY, .stage = STAGE_MAX, .rule = "none"
    };
    incident->fresh = fresh;
    incident->books = key->kind != CONTAINER_IMAGE_VOLUME || is_first_of_volume(c, key);
    incident->opened_us = now.mono_us;
    incident->opened_wall_us = now.wall_us;
    incident->since_us = since(key->pod, fresh, now);
    incident->first_failure_us = now.wall_us;
    incident->first_failure_exact = fresh && !c->listing;
    incident->last_failure_us = now.wall_us;
    incident->last_failure_mono_us = now.mono_us;
    attempts_start(key->pod, incident);

    while (*tail)
        tail = &(*tail)->next;
    *tail = *ret = TAKE_PTR(incident);
    c->n_incidents++;
    c->changes.opened++;
    return 0;
}

static void keep_texts(char ***kept, size_t *n_kept, char *const *from, size_t n)
{
    struct str texts[LIMIT_PULL_SECRETS_PER_POD] = { { .len = 0 } };

    if (n > ARRAY_SIZE(texts))
        n = ARRAY_SIZE(texts);
    for (size_t i = 0; i < n; i++)
        texts[i] = str_from(from[i]);
    texts_replace(kept, n_kept, texts, n); /* without memory the names are missing, no more */
}

/* A volume's pull is counted by one incident; when that one ends, another one goes on counting. */
static struct incident *heir_of(struct correlate *c, const struct incident *incident)
{
    if (incident->kind != CONTAINER_IMAGE_VOLUME || !incident->books)
        return NULL;
    for (struct incident *i = c->incidents; i; i = i->next)
        if (i != incident && incident_state_open(i->state) && i->kind == CONTAINER_IMAGE_VOLUME &&
            strcmp(i->pod_uid, incident->pod_uid) == 0 &&
            image_same(str_from(i->image), str_from(incident->image)))
            return i;
    return NULL;
}

static int64_t duration(const struct incident *incident, struct instant now)
{
    int64_t before_us = incident->opened_wall_us - incident->first_failure_us;

    return now.mono_us - incident->opened_us + (before_us > 0 ? before_us : 0);
}

void incident_end(struct correlate *c, struct incident *incident, struct pod *pod,
                  enum incident_state how, struct instant now)
{
    struct incident *heir = heir_of(c, incident);

    incident->verdict = incident_verdict(incident, pod);
    if (how == INCIDENT_RECOVERED)
        histogram_add(&c->recoveries[incident->verdict.cause], &histogram_recovery_bounds,
                      duration(incident, now));
    keep_texts(&incident->secrets, &incident->n_secrets, pod->secrets, pod->n_secrets);
    keep_texts(&incident->missing_secrets, &incident->n_missing_secrets, pod->missing_secrets,
               incident_missing_secrets(incident, pod));

    if (heir)
        heir->books = true; /* and what the events said so far stays with it */
    else
        attempts_end(pod, incident);
    pod->failed = true;
    incident_move(c, incident, how);
    c->changes.ended++;
    incident->ended_us = now.wall_us;
    incident->forget_us = now.mono_us + KEEP_ENDED_US;
}

void incidents_end(struct correlate *c, struct pod *pod, const char *container,
                   enum incident_state how, struct instant now)
{
    for (struct incident *i = c->incidents; i; i = i->next)
        if (incident_state_open(i->state) && strcmp(i->pod_uid, pod->uid) == 0 &&
            (!container || strcmp(i->container, container) == 0))
            incident_end(c, i, pod, how, now);
}

/* Whether it is known already; then it is as new as `at_us`. */
static bool evidence_again(struct incident *incident, enum witness witness, struct str reason,
                           struct str text, int64_t at_us)
{
    for (size_t i = 0; i < incident->n_evidence; i++) {
        struct evidence *known = &incident->evidence[i];

        if (known->witness == witness &&
            str_eq(str_from(known->reason), str_head(reason, LIMIT_NAME_TEXT)) &&
            str_eq(str_from(known->text), text)) {
            if (at_us > known->at_us)
                known->at_us = at_us;
            return true;
        }
    }
    return false;
}

int incident_evidence(struct correlate *c, struct incident *incident, enum witness witness,
                      struct str reason, struct str text, int64_t at_us)
{
    struct evidence *list = incident->evidence;
    struct evidence added = { .at_us = at_us, .witness = witness };

    if (evidence_again(incident, witness, reason, text, at_us))
        return 0;
    if (c->evidence_bytes + text.len > LIMIT_EVIDENCE_BYTES) {
        text.len = 0;
        if (evidence_again(incident, witness, reason, text, at_us))
            return 0;
        correlate_limit_hit(c, LIMIT_HIT_EVIDENCE_BYTES);
    }
    added.reason = mem_str(str_head(reason, LIMIT_NAME_TEXT));
    added.text = mem_str(text);
    if (!added.reason || !added.text) {
        mem_free(added.reason);
        mem_free(added.text);
        return -ENOMEM;
    }
    if (incident->n_evidence == LIMIT_EVIDENCE_PER_INCIDENT) {
        /* How it began stays; the oldest of the others goes. */
        evidence_drop(c, &list[1]);
        memmove(&list[1], &list[2], (LIMIT_EVIDENCE_PER_INCIDENT - 2) * sizeof(list[1]));
        incident->n_evidence--;
    }
    c->changes.moved++;
    c->evidence_bytes += strlen(added.text);
    list[incident->n_evidence++] = added;
    return 0;
}

bool verdict_names_cause(const struct verdict *verdict, const struct message *message)
{
    if (verdict->reason == REASON_BACK_OFF_ONLY)
        return false;
    return verdict->reason != REASON_UNCLASSIFIED || message->n_parts > 0;
}

/*
 * kubelet speaks twice about one failed pull: ErrImagePull with the runtime's
 * own words, then ImagePullBackOff, which carries them only since 1.32. And
 * events come late or again. So words without a cause never replace words with
 * one, and older words never replace newer ones.
 *
 * kubelet: pkg/kubelet/images/image_manager.go, "Back-off pulling image".
 */
int incident_hear(struct correlate *c, struct incident *incident, const struct testimony *testimony,
                  const struct message *message, const struct verdict *verdict)
{
    bool caused = verdict_names_cause(verdict, message);
    bool stale = testimony->witness != WITNESS_POD_STATUS && /* which is always of now */
                 testimony->at_us + SAME_MOMENT_US < incident->verdict_at_us;

    if (incident->caused ? caused && !stale : true) {
        char *text = mem_str(message->text);

        if (!text)
            return -ENOMEM;
        mem_free(incident->message);
        incident->message = text;
        if (incident->verdict.reason != verdict->reason)
            c->changes.moved++;
        incident->verdict = *verdict;
        incident->caused = caused;
        incident->verdict_at_us = testimony->at_us;
    }
    return incident_evidence(c, incident, testimony->witness, testimony->reason, message->text,
                             testimony->at_us);
}

/*
 * The kubelet says it at each pull, and its spam filter lets one through in 300 s: where pulls go
 * on failing and nobody says so any more, somebody has made the Secret.
 */
size_t incident_missing_secrets(const struct incident *incident, const struct pod *pod)
{
    bool fresh = incident->last_failure_us - pod->missing_at_us <= MISSING_SECRET_FRESH_US;
    /* By the events' own time: one from long before the others was read again at our start. */
    bool newest = pod->newest_event_us - pod->missing_event_us <= MISSING_SECRET_FRESH_US;

    return fresh && newest ? pod->n_missing_secrets : 0;
}

struct verdict incident_verdict(const struct incident *incident, const struct pod *pod)
{
    struct verdict verdict = incident->verdict;

    /* The last try's words, where there was one, are not about this one. */
    if (incident->state == INCIDENT_STALLED)
        return (struct verdict){ .cause = CAUSE_NETWORK,
                                 .reason = REASON_PULL_STALLED,
                                 .stage = STAGE_BLOB,
                                 .rule = "stall" };
    if (!pod)
        return verdict;
    if (verdict.cause == CAUSE_UNAUTHORIZED && incident_missing_secrets(incident, pod))
        verdict.reason = REASON_PULL_SECRET_MISSING;
    else if (verdict.sent_unknown && pod->n_secrets)
        verdict.reason = REASON_BAD_CREDENTIALS;
    return verdict;
}

void incidents_forget(struct correlate *c, struct instant now)
{
    struct incident **link = &c->incidents;

    while (*link) {
        struct incident *i = *link;

        attempts_overdue(c, i, false, now);
        if (!incident_state_open(i->state) && now.mono_us >= i->forget_us)
            incident_unlink(c, link, now);
        else
            link = &i->next;
    }
}

void incidents_free(struct correlate *c)
{
    const struct instant never = { .mono_us = 0 };

    while (c->incidents)
        incident_unlink(c, &c->incidents, never);
}
