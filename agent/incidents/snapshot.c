/* SPDX-License-Identifier: Apache-2.0 */

/* Copies of the table for others: the snapshot that exporter/ formats, and what sources should ask
 * next. */

#include <errno.h>

#include "agent/classify/image_ref.h"
#include "agent/incidents/correlate.h"
#include "agent/incidents/state.h"
#include "buf.h"
#include "util.h"

/* kubelet: pkg/kubelet/kubelet.go, imageBackOff: 10 s, doubled at every failure, 300 s at most. */
#define BACK_OFF_FIRST_US (10 * SEC)
#define BACK_OFF_MOST_US (300 * SEC)

#define NO_SANDBOX_US (60 * SEC)

static const char *copy(struct arena *arena, const char *text)
{
    return arena_str(arena, str_from(text));
}

static const char *const *copy_texts(struct arena *arena, char **texts, size_t n)
{
    const char **list = arena_alloc(arena, (n ? n : 1) * sizeof(*list));

    if (!list)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        list[i] = copy(arena, texts[i]);
        if (!list[i])
            return NULL;
    }
    return list;
}

static int64_t next_retry(const struct incident *incident, int64_t now_us)
{
    int64_t wait_us = BACK_OFF_FIRST_US;
    int64_t at_us;

    if (!incident_state_open(incident->state) || incident->state == INCIDENT_STALLED ||
        incident->verdict.reason == REASON_NEVER_PULL ||
        incident->verdict.reason == REASON_INVALID_REFERENCE)
        return 0;
    for (uint64_t n = attempts_shown(incident); n > 1 && wait_us < BACK_OFF_MOST_US; n--)
        wait_us *= 2;
    if (wait_us > BACK_OFF_MOST_US)
        wait_us = BACK_OFF_MOST_US;
    at_us = incident->last_failure_us + wait_us;
    return at_us > now_us ? at_us : 0;
}

static void fill_image(const struct correlate *c, const struct incident *from,
                       struct snapshot_incident *to)
{
    const struct image_state *image = image_find(c, str_from(from->image));

    if (image) {
        to->image_present_known = true;
        to->image_present = image->present;
    }
}

static int fill_evidence(struct arena *arena, const struct incident *from,
                         struct snapshot_incident *to)
{
    struct snapshot_evidence *list =
        arena_alloc(arena, LIMIT_EVIDENCE_PER_INCIDENT * sizeof(*list));

    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < from->n_evidence; i++) {
        list[i] = (struct snapshot_evidence){
            .at_us = from->evidence[i].at_us,
            .witness = from->evidence[i].witness,
            .reason = copy(arena, from->evidence[i].reason),
            .text = copy(arena, from->evidence[i].text),
        };
        if (!list[i].reason || !list[i].text)
            return -ENOMEM;
    }
    for (size_t i = 1; i < from->n_evidence; i++)
        for (size_t j = i; j > 0 && list[j - 1].at_us > list[j].at_us; j--) {
            struct snapshot_evidence later = list[j - 1];

            list[j - 1] = list[j];
            list[j] = later;
        }
    to->evidence = list;
    to->n_evidence = from->n_evidence;
    return 0;
}

static int fill_detail(const struct correlate *c, const struct incident *from,
                       const struct pod *pod, struct snapshot *snapshot,
                       struct snapshot_incident *to)
{
    struct arena *arena = &snapshot->arena;

    to->message = copy(arena, from->message);
    to->next_retry_us = next_retry(from, snapshot->taken.wall_us);
    if (pod) {
        to->pull_secrets = copy_texts(arena, pod->secrets, pod->n_secrets);
        to->n_pull_secrets = pod->n_secrets;
        to->n_missing_pull_secrets = incident_missing_secrets(from, pod);
        to->missing_pull_secrets =
            copy_texts(arena, pod->missing_secrets, to->n_missing_pull_secrets);
    } else {
        to->pull_secrets = copy_texts(arena, from->secrets, from->n_secrets);
        to->n_pull_secrets = from->n_secrets;
        to->missing_pull_secrets =
            copy_texts(arena, from->missing_secrets, from->n_missing_secrets);
        to->n_missing_pull_secrets = from->n_missing_secrets;
    }
    if (!to->message || !to->pull_secrets || !to->missing_pull_secrets)
        return -ENOMEM;
    fill_image(c, from, to);
    return fill_evidence(arena, from, to);
}

static int fill_incident(const struct correlate *c, const struct incident *from,
                         enum snapshot_detail detail, struct snapshot *snapshot,
                         struct snapshot_incident *to)
{
    const struct pod *pod = pod_find(c, str_from(from->pod_uid));
    struct verdict verdict =
        incident_state_open(from->state) ? incident_verdict(from, pod) : from->verdict;
    struct arena *arena = &snapshot->arena;

    *to = (struct snapshot_incident){
        .namespace = copy(arena, from->namespace),
        .pod = copy(arena, from->pod),
        .pod_uid = copy(arena, from->pod_uid),
        .container = copy(arena, from->container),
        .kind = from->kind,
        .image = copy(arena, from->image),
        .registry = copy(arena, from->registry),
        .state = from->state,
        .verdict = { .cause = verdict.cause,
                     .reason = verdict.reason,
                     .stage = verdict.stage,
                     .http_status = verdict.http_status,
                     .ambiguous_with = verdict.ambiguous_with },
        .attempts = attempts_shown(from),
        .first_failure_us = from->first_failure_us,
        .first_failure_exact = from->first_failure_exact,
        .last_failure_us = from->last_failure_us,
        .ended_us = from->ended_us,
    };
    if (!to->namespace || !to->pod || !to->pod_uid || !to->container || !to->image || !to->registry)
        return -ENOMEM;
    return detail == SNAPSHOT_DETAIL ? fill_detail(c, from, pod, snapshot, to) : 0;
}

static int copy_incidents(struct correlate *c, enum snapshot_detail detail, struct snapshot *ret)
{
    struct snapshot_incident *list = arena_alloc(&ret->arena, (c->n_incidents + 1) * sizeof(*list));
    size_t n = 0;

    if (!list)
        return -ENOMEM;
    for (int open = 1; open >= (detail == SNAPSHOT_DETAIL ? 0 : 1); open--) {
        for (const struct incident *i = c->incidents; i; i = i->next) {
            if (incident_state_open(i->state) != (open == 1))
                continue;
            if (fill_incident(c, i, detail, ret, &list[n]) < 0)
                return -ENOMEM;
            n++;
        }
    }
    ret->incidents = list;
    ret->n_incidents = n;
    n = 0;
    for (struct incident *i = c->incidents; i && detail == SNAPSHOT_DETAIL; i = i->next)
        if (incident_state_open(i->state) &&
            view_stall(c, i, list, &ret->arena, &list[n++].stall) < 0)
            return -ENOMEM;
    return 0;
}

static int copy_registry(const struct registry *from, const char *name, struct snapshot *ret,
                         struct snapshot_registry *to)
{
    *to = (struct snapshot_registry){
        .registry = copy(&ret->arena, name),
        .attempts = from->attempts,
        .bytes = from->bytes,
        .pulls = from->pulls,
    };
    memcpy(to->failures, from->failures, sizeof(from->failures));
    for (enum cause cause = 0; cause < CAUSE_MAX; cause++)
        if (from->newest[cause].namespace)
            to->newest[cause] = (struct snapshot_exemplar){
                .namespace = copy(&ret->arena, from->newest[cause].namespace),
                .pod = copy(&ret->arena, from->newest[cause].pod),
                .at_us = from->newest[cause].at_us,
            };
    view_in_progress(ret, to);
    return to->registry ? 0 : -ENOMEM;
}

static int copy_registries(const struct correlate *c, struct snapshot *ret)
{
    const struct registry *other = &c->registries[c->max_registries];
    struct snapshot_registry *list =
        arena_alloc(&ret->arena, (c->n_registries + 1) * sizeof(*list));
    size_t n = 0;

    if (!list)
        return -ENOMEM;
    ret->registries = list;
    for (size_t i = 0; i < c->n_registries; i++)
        if (copy_registry(&c->registries[i], c->registries[i].name, ret, &list[n++]) < 0)
            return -ENOMEM;
    if (other->used_us && copy_registry(other, "other", ret, &list[n++]) < 0)
        return -ENOMEM;
    ret->n_registries = n;
    return 0;
}

int correlate_snapshot(struct correlate *c, enum snapshot_detail detail, struct snapshot *ret)
{
    memcpy(ret->reasons, c->reasons, sizeof(ret->reasons));
    memcpy(ret->recoveries, c->recoveries, sizeof(ret->recoveries));
    memcpy(ret->limit_hits, c->limit_hits, sizeof(ret->limit_hits));
    if (c->runtime_name) {
        ret->runtime_name = copy(&ret->arena, c->runtime_name);
        ret->runtime_version = copy(&ret->arena, c->runtime_version);
        if (!ret->runtime_name || !ret->runtime_version)
            return -ENOMEM;
    }
    if (detail == SNAPSHOT_DETAIL && view_heard(c, ret) < 0)
        return -ENOMEM;
    if (view_images(c, ret) < 0 || copy_registries(c, ret) < 0)
        return -ENOMEM;
    return copy_incidents(c, detail, ret);
}

static int advise(struct arena *arena, struct snapshot_incident *incident)
{
    const struct verdict verdict = { .cause = incident->verdict.cause,
                                     .reason = incident->verdict.reason };
    const struct advice_facts facts = {
        .registry = str_from(incident->registry),
        .missing_secret = incident->n_missing_pull_secrets
                              ? str_from(incident->missing_pull_secrets[0])
                              : (struct str){ .len = 0 },
        .pull_secrets_known = true,
        .n_pull_secrets = incident->n_pull_secrets,
    };
    struct buf text;

    buf_init(&text, ADVICE_MAX);
    advice_write(&text, &verdict, &facts);
    incident->advice = arena_str(arena, buf_str(&text));
    buf_done(&text);
    return incident->advice ? 0 : -ENOMEM;
}

/* An incident has the image as the pod names it. */
static void mark_stalled(const struct snapshot_incident *incident, struct snapshot_image *images,
                         size_t n)
{
    char canonical[LIMIT_IMAGE_TEXT];

    image_canonical(str_from(incident->image), canonical);
    for (size_t i = 0; i < n; i++)
        if (strcmp(images[i].image, canonical) == 0)
            images[i].stalled = true;
}

int correlate_advise(struct snapshot *snapshot)
{
    /* Both are in the snapshot's own arena, and no reader has them yet. */
    struct snapshot_incident *incidents = (struct snapshot_incident *)snapshot->incidents;
    struct snapshot_image *images = (struct snapshot_image *)snapshot->images;

    for (size_t i = 0; i < snapshot->n_incidents; i++) {
        if (incidents[i].state == INCIDENT_STALLED)
            mark_stalled(&incidents[i], images, snapshot->n_images);
        if (advise(&snapshot->arena, &incidents[i]) < 0)
            return -ENOMEM;
    }
    return 0;
}

size_t correlate_waiting(const struct correlate *c)
{
    return c->waiting;
}

static bool listed(const struct str *list, size_t n, struct str text)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(list[i], text))
            return true;
    return false;
}

/* Once each, up to `max`. Returns false when the cap kept it out. */
static bool want(struct arena *arena, struct str *list, size_t *n, size_t max, const char *text)
{
    char *kept;

    if (listed(list, *n, str_from(text)))
        return true;
    if (*n == max)
        return false;
    kept = arena_str(arena, str_from(text));
    if (kept)
        list[(*n)++] = str_from(kept);
    return true;
}

/* No event watch for a pod that merely starts: think of a rollout on 5,000 nodes. */
static bool events_would_help(const struct pod *pod, struct instant now)
{
    if (pod->terminal)
        return false;
    for (size_t i = 0; i < pod->n_containers; i++) {
        enum pull_class pull = pod->containers[i].pull;

        if (pull == PULL_ERROR || pull == PULL_BACK_OFF || pull == PULL_REFUSED)
            return true;
    }
    return pod->no_sandbox_since_us && now.mono_us - pod->no_sandbox_since_us >= NO_SANDBOX_US &&
           pod->waiting > 0;
}

/* Where more wait than can be asked for at once, the longest unasked come first. */
#define ASKED_LATELY_US (10 * SEC)

static void want_pods_images(struct correlate *c, const struct pod *pod, bool asked_lately,
                             struct instant now, struct wanted *ret)
{
    bool blocked = false;

    for (size_t i = 0; i < pod->n_containers; i++) {
        struct container *container = &pod->containers[i];
        struct image_state *image;
        bool lately;

        if (!container_waits(container, &blocked))
            continue;
        image = image_of(c, container);
        lately = image && now.mono_us - image->seen_us < ASKED_LATELY_US;
        if (lately != asked_lately || (image && image->wanted == c->wanted_round))
            continue;
        if (image)
            image->wanted = c->wanted_round;
        if (want(&ret->arena, ret->images, &ret->n_images, LIMIT_WANTED_IMAGES, container->image))
            continue;
        if (!container->unasked)
            correlate_limit_hit(c, LIMIT_HIT_WANTED_IMAGES);
        container->unasked = true;
    }
}

static void want_volumes(const struct correlate *c, struct wanted *ret)
{
    for (const struct incident *i = c->incidents; i; i = i->next)
        if (incident_state_open(i->state) && i->kind == CONTAINER_IMAGE_VOLUME)
            want(&ret->arena, ret->images, &ret->n_images, LIMIT_WANTED_IMAGES, i->image);
}

static void want_waiting(struct correlate *c, bool asked_lately, struct instant now,
                         struct wanted *ret)
{
    for (size_t b = 0; b < POD_BUCKETS && ret->pods_wait; b++)
        for (const struct pod *pod = c->pods[b]; pod; pod = pod->next)
            if (pod->waiting)
                want_pods_images(c, pod, asked_lately, now, ret);
}

static void want_images(struct correlate *c, struct instant now, struct wanted *ret)
{
    for (const struct image_state *i = c->images; i; i = i->next)
        if (image_is_awaited(i))
            want(&ret->arena, ret->images, &ret->n_images, LIMIT_WANTED_IMAGES, i->asked);
    want_waiting(c, false, now, ret);
    want_volumes(c, ret);
    want_waiting(c, true, now, ret);
}

/* A limit is hit when a pod's events are left out, not each time somebody asks meanwhile. */
static void want_events(struct correlate *c, struct pod *pod, struct instant now,
                        struct wanted *ret)
{
    bool left_out =
        events_would_help(pod, now) && !want(&ret->arena, ret->namespaces, &ret->n_namespaces,
                                             LIMIT_EVENT_NAMESPACES, pod->namespace);

    if (left_out && !pod->unheard)
        correlate_limit_hit(c, LIMIT_HIT_EVENT_NAMESPACES);
    pod->unheard = left_out;
}

/* Those longest not asked after first: leftovers that are nobody's must not hide the next. */
static void want_blobs(struct correlate *c, struct instant now, struct wanted *ret)
{
    const struct ingest_state *idle[LIMIT_INGESTS];
    size_t n = 0;

    for (const struct image_state *i = c->images; i && c->stall_after_us; i = i->next)
        ret->ingests |= image_may_be_fetched(i);
    for (size_t i = 0; i < c->n_ingests && ret->ingests; i++)
        if (ingest_is_idle(c, &c->ingests[i], now))
            idle[n++] = &c->ingests[i];
    while (n && ret->n_blobs < LIMIT_WANTED_BLOBS) {
        size_t first = 0;

        for (size_t i = 1; i < n; i++)
            if (idle[i]->told_us < idle[first]->told_us)
                first = i;
        want(&ret->arena, ret->blobs, &ret->n_blobs, LIMIT_WANTED_BLOBS, idle[first]->digest);
        idle[first] = idle[--n];
    }
}

void correlate_wanted(struct correlate *c, struct instant now, struct wanted *ret)
{
    *ret = (struct wanted){ .n_images = 0 };
    arena_init(&ret->arena, LIMIT_SNAPSHOT);
    images_count(c);
    c->wanted_round++;

    for (size_t b = 0; b < POD_BUCKETS; b++) {
        for (struct pod *pod = c->pods[b]; pod; pod = pod->next) {
            want_events(c, pod, now, ret);
            ret->pods_wait |= pod->waiting > 0;
        }
    }
    want_images(c, now, ret);
    want_blobs(c, now, ret);
}
