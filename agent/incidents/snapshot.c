/* SPDX-License-Identifier: Apache-2.0 */

/* correlate_snapshot(): copies the table for readers. */

#include "snapshot.h"

#include <errno.h>

#include "agent/incidents/event_turns.h"
#include "agent/incidents/snapshot_parts.h"
#include "agent/incidents/table.h"
#include "shared.h"
#include "util.h"

/* kubelet: pkg/kubelet/kubelet.go, imageBackOff: 10 s, doubled at every failure, 300 s at most. */
#define BACK_OFF_FIRST_US (10 * SEC)
#define BACK_OFF_MAX_US (300 * SEC)

/* The kubelet looks at a pod every minute or so, and a pull takes time before it fails. */
#define OVERDUE_AFTER_US (5 * MINUTE)

/* Pull, owner, message, evidence, two lists of Secrets, stall. */
#define OWNED_BY_INCIDENT 7u

int snapshot_make_room(struct snapshot *ret, size_t n)
{
    const void **owned = arena_alloc(&ret->arena, (ret->n_owned + n) * sizeof(*owned));

    if (!owned)
        return -ENOMEM;
    if (ret->n_owned)
        memcpy(owned, ret->owned, ret->n_owned * sizeof(*owned));
    ret->owned = owned;
    return 0;
}

const void *snapshot_own(struct snapshot *ret, const void *shared)
{
    if (shared)
        ret->owned[ret->n_owned++] = shared_ref(shared);
    return shared;
}

/* --- incidents ------------------------------------------------------------- */

/* Whether the kubelet will try again by itself, a while after the last attempt. */
static bool is_retried(const struct incident *incident)
{
    return incident->last_failure_us && incident_state_open(incident->state) &&
           incident->state != INCIDENT_STALLED && incident->place == PLACE_PULL &&
           incident->verdict.reason != REASON_NEVER_PULL &&
           incident->verdict.reason != REASON_INVALID_REFERENCE;
}

static int64_t next_retry(const struct incident *incident, int64_t now_us)
{
    int64_t wait_us = BACK_OFF_FIRST_US;
    int64_t at_us;

    if (!is_retried(incident) || !attempts_known(&incident->attempts))
        return 0;
    for (uint64_t n = attempts_in_back_off(&incident->attempts); n > 1 && wait_us < BACK_OFF_MAX_US;
         n--)
        wait_us *= 2;
    if (wait_us > BACK_OFF_MAX_US)
        wait_us = BACK_OFF_MAX_US;
    at_us = incident->last_failure_us + wait_us;
    return at_us > now_us ? at_us : 0;
}

/* Whether an attempt is going on: the status goes on to show the back-off. */
static bool is_tried_now(const struct correlate *c, const struct incident *incident,
                         const struct pod *pod)
{
    const struct container *container =
        pod ? pod_container(pod, str_from(incident->pull->container)) : NULL;
    const struct image_state *image =
        image_find(&c->images, str_from(incident->pull->image), incident->pull->image_hash);

    if (container && container->tried_us > incident->last_failure_mono_us)
        return true;
    for (size_t i = 0; image && i < c->ingests.n; i++)
        if (ingest_is_of(&c->ingests.list[i], image->name->canonical))
            return true;
    return false;
}

/* The kubelet's longest back-off is over for long, and there was no attempt. */
static int64_t overdue_since(const struct correlate *c, const struct incident *incident,
                             const struct pod *pod, int64_t now_us)
{
    const int64_t due_us = incident->last_failure_us + BACK_OFF_MAX_US;

    if (!is_retried(incident) || now_us < due_us + OVERDUE_AFTER_US ||
        incident->pull->kind == CONTAINER_SANDBOX || is_tried_now(c, incident, pod))
        return 0;
    return due_us;
}

static void fill_owner(const struct owner *owner, struct snapshot *snapshot,
                       struct snapshot_incident *to)
{
    if (!owner)
        return;
    snapshot_own(snapshot, owner);
    to->owner_kind = owner->kind;
    to->owner_name = owner->name;
}

/* An ended incident keeps those of its end. */
static void fill_secrets(const struct incident *from, const struct pod *now,
                         struct snapshot *snapshot, struct snapshot_incident *to)
{
    const struct pod *pod = incident_state_open(from->state) ? now : NULL;
    const struct names *secrets = pod ? pod->secrets : from->secrets;
    const struct names *missing = pod ? pod->missing_secrets : from->missing_secrets;

    if (pod && !incident_missing_secrets(from, pod))
        missing = NULL;
    snapshot_own(snapshot, secrets);
    snapshot_own(snapshot, missing);
    to->n_pull_secrets = names_count(secrets);
    to->pull_secrets = secrets ? secrets->at : NULL;
    to->n_missing_pull_secrets = names_count(missing);
    to->missing_pull_secrets = missing ? missing->at : NULL;
}

static int fill_stall(const struct incident *from, struct snapshot *snapshot,
                      struct snapshot_incident *to)
{
    struct snapshot_stall *stall;

    if (!from->stall.noted_wall_us || !incident_state_open(from->state))
        return 0;
    stall = arena_alloc(&snapshot->arena, sizeof(*stall));
    if (!stall)
        return -ENOMEM;
    *stall = (struct snapshot_stall){
        .waits_for = from->stall.waits_for,
        .layer = snapshot_own(snapshot, from->stall.digest),
        .bytes = from->stall.bytes,
        .total = from->stall.total,
        .last_progress_us = from->stall.moved_wall_us,
        .holds_slot = from->stall.holds_slot,
        .slots = from->stall.slots,
    };
    to->stall = stall;
    return 0;
}

/*
 * Whether the container could use its image if it is present: it is blocked because its pod has not
 * proved that it may. Nothing is known of the policy of a volume's image.
 */
static bool is_withheld(const struct incident *incident, const struct pod *pod)
{
    const struct container *container =
        pod ? pod_container(pod, str_from(incident->pull->container)) : NULL;

    return container && !container->always && incident_state_open(incident->state) &&
           incident->pull->kind == container->kind;
}

static int fill_detail(const struct correlate *c, const struct incident *from,
                       const struct pod *pod, struct snapshot *snapshot,
                       struct snapshot_incident *to)
{
    const struct image_state *image =
        image_find(&c->images, str_from(from->pull->image), from->pull->image_hash);

    snapshot_own(snapshot, from->message);
    to->message = from->message ? from->message : "";
    fill_owner(incident_state_open(from->state) && pod ? pod->owner : from->owner, snapshot, to);
    to->next_retry_us = next_retry(from, snapshot->taken.wall_us);
    to->overdue_since_us = overdue_since(c, from, pod, snapshot->taken.wall_us);
    to->image_present_known = image != NULL;
    to->image_present = image && image->present;
    to->image_withheld = to->image_present && is_withheld(from, pod);
    snapshot_own(snapshot, from->evidence);
    to->evidence = from->evidence ? from->evidence->list : NULL;
    to->n_evidence = from->evidence ? from->evidence->n : 0;
    fill_secrets(from, pod, snapshot, to);
    return fill_stall(from, snapshot, to);
}

static int fill_incident(const struct correlate *c, const struct incident *from,
                         enum snapshot_detail detail, struct snapshot *snapshot,
                         struct snapshot_incident *to)
{
    const struct pull *pull = snapshot_own(snapshot, from->pull);
    const struct pod *pod = pod_find_hashed(&c->pods, str_from(pull->pod_uid), pull->pod_hash);
    struct verdict verdict =
        incident_state_open(from->state) ? incident_verdict(from, pod) : from->verdict;

    *to = (struct snapshot_incident){
        .namespace = pull->namespace,
        .pod = pull->pod,
        .pod_uid = pull->pod_uid,
        .container = pull->container,
        .kind = pull->kind,
        .image = pull->image,
        .registry = pull->registry,
        .state = from->state,
        .verdict = { .cause = verdict.cause,
                     .reason = verdict.reason,
                     .stage = verdict.stage,
                     .http_status = verdict.http_status,
                     .ambiguous_with = verdict.ambiguous_with,
                     .sent_unknown = verdict.sent_unknown },
        .failed_role = ROLE_MAX,
        .attempts = attempts_shown(&from->attempts),
        .first_failure_us = from->first_failure_us,
        .first_failure_exact = from->first_failure_exact,
        .last_failure_us = from->last_failure_us,
        .ended_us = from->ended_us,
    };
    return detail == SNAPSHOT_DETAIL ? fill_detail(c, from, pod, snapshot, to) : 0;
}

static int take_incidents(const struct correlate *c, enum snapshot_detail detail,
                          struct snapshot *ret)
{
    struct snapshot_incident *list = arena_alloc(&ret->arena, (c->incidents.n + 1) * sizeof(*list));
    size_t n = 0;

    if (!list || snapshot_make_room(ret, c->incidents.n * OWNED_BY_INCIDENT) < 0)
        return -ENOMEM;
    for (int open = 1; open >= (detail == SNAPSHOT_DETAIL ? 0 : 1); open--) {
        for (const struct incident *i = c->incidents.first; i; i = i->next) {
            if (incident_state_open(i->state) != (open == 1))
                continue;
            if (fill_incident(c, i, detail, ret, &list[n]) < 0)
                return -ENOMEM;
            n++;
        }
    }
    ret->incidents = list;
    ret->n_incidents = n;
    return 0;
}

/* --- the rest -------------------------------------------------------------- */

static void fill_registry(const struct registry *from, const char *name, struct snapshot *ret,
                          struct snapshot_registry *to)
{
    *to = (struct snapshot_registry){
        .registry = name,
        .attempts = from->attempts,
        .bytes = from->bytes,
        .pulls = from->pulls,
        .since_us = from->since_us,
        .pulls_since_us = from->pulls_since_us,
    };
    memcpy(to->failures, from->failures, sizeof(from->failures));
    for (enum cause cause = 0; cause < CAUSE_MAX; cause++) {
        const struct newest *newest = &from->newest[cause];

        if (!newest->pull)
            continue;
        snapshot_own(ret, newest->pull);
        to->newest[cause] = (struct snapshot_exemplar){ .namespace = newest->pull->namespace,
                                                        .pod = newest->pull->pod,
                                                        .at_us = newest->at_us };
    }
}

static int take_registries(const struct correlate *c, struct snapshot *ret)
{
    const struct registries *registries = &c->registries;
    const struct registry *other = registry_other(registries);
    size_t n = registries->n;
    struct snapshot_registry *list = arena_alloc(&ret->arena, (n + 1) * sizeof(*list));

    if (!list || snapshot_make_room(ret, (n + 1) * (1 + CAUSE_MAX)) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        fill_registry(&registries->rows[i], snapshot_own(ret, registries->rows[i].name), ret,
                      &list[i]);
    if (other->used_us)
        fill_registry(other, "other", ret, &list[n++]);
    ret->registries = list;
    ret->n_registries = n;
    return 0;
}

static void take_namespace(const struct namespace *from, const char *name, struct snapshot *ret,
                           struct snapshot_namespace *list)
{
    for (size_t i = 0; i <= LIMIT_NAMESPACE_REGISTRIES; i++) {
        const struct namespace_row *row = &from->rows[i];
        bool other = i == LIMIT_NAMESPACE_REGISTRIES;
        struct snapshot_namespace *to = &list[ret->n_namespaces];

        if (other ? !row->began_us : i >= from->n)
            continue;
        *to = (struct snapshot_namespace){
            .namespace = name,
            .registry = other ? NAMESPACE_REGISTRY_OTHER : snapshot_own(ret, row->registry),
            .attempts = other ? 0 : row->attempts,
            .began_us = row->began_us,
        };
        memcpy(to->failures, row->failures, sizeof(to->failures));
        memcpy(to->since_us, row->since_us, sizeof(to->since_us));
        ret->n_namespaces++;
    }
}

static int take_namespaces(const struct namespaces *from, struct snapshot *ret)
{
    const size_t most = (from->n + 1) * (LIMIT_NAMESPACE_REGISTRIES + 1);
    struct snapshot_namespace *list = arena_alloc(&ret->arena, most * sizeof(*list));

    if (!list || snapshot_make_room(ret, from->n + most) < 0)
        return -ENOMEM;
    ret->namespaces = list;
    for (size_t i = 0; i < from->n; i++)
        take_namespace(&from->list[i], snapshot_own(ret, from->list[i].name), ret, list);
    take_namespace(&from->list[LIMIT_NAMESPACES], NAMESPACE_OTHER, ret, list);
    return 0;
}

static int take_recent(const struct recent *recent, struct snapshot *ret)
{
    struct snapshot_observation *list = arena_alloc(&ret->arena, LIMIT_RECENT * sizeof(*list));
    size_t n = 0;

    if (!list || snapshot_make_room(ret, LIMIT_RECENT) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < LIMIT_RECENT; i++) {
        const struct snapshot_observation *from = recent->ring[(recent->next + i) % LIMIT_RECENT];

        if (from)
            list[n++] = *(const struct snapshot_observation *)snapshot_own(ret, from);
    }
    ret->recent = list;
    ret->n_recent = n;
    return 0;
}

static int take_runtime(const struct runtime *runtime, struct snapshot *ret)
{
    if (snapshot_make_room(ret, 3) < 0)
        return -ENOMEM;
    ret->runtime_name = snapshot_own(ret, runtime->name);
    ret->runtime_version = snapshot_own(ret, runtime->version);
    ret->image_fs = (struct snapshot_image_fs){
        .mountpoint = snapshot_own(ret, runtime->fs_mountpoint),
        .used_bytes = runtime->fs_used_bytes,
        .used_inodes = runtime->fs_used_inodes,
    };
    return 0;
}

static void count_left_out(const struct correlate *c, size_t *ret)
{
    for (const struct pod *pod = c->pods.first; pod; pod = pod->next) {
        ret[LIMIT_HIT_CONTAINERS] += pod->containers_cut;
        ret[LIMIT_HIT_IMAGE_VOLUMES] += pod->volumes_cut;
    }
    ret[LIMIT_HIT_PODS] = c->pods.n_left_out;
    ret[LIMIT_HIT_INCIDENTS] = pods_without_incident(&c->pods);
    ret[LIMIT_HIT_INGESTS] = c->ingests.n > 0 && c->ingests.cut;
    ret[LIMIT_HIT_EVENT_NAMESPACES] = event_turns_waiting(c);
}

int correlate_snapshot(struct correlate *c, enum snapshot_detail detail, struct snapshot *ret)
{
    table_settle(c, ret->taken);
    memcpy(ret->reasons, c->counters.reasons, sizeof(ret->reasons));
    memcpy(ret->recoveries, c->counters.recoveries, sizeof(ret->recoveries));
    memcpy(ret->limit_hits, c->counters.limit_hits, sizeof(ret->limit_hits));
    ret->since = c->counters.since;
    count_left_out(c, ret->left_out);
    if (take_runtime(&c->runtime, ret) < 0 || snapshot_take_images(c, ret) < 0 ||
        take_registries(c, ret) < 0 || take_namespaces(&c->counters.namespaces, ret) < 0)
        return -ENOMEM;
    if (detail == SNAPSHOT_DETAIL && take_recent(&c->recent, ret) < 0)
        return -ENOMEM;
    return take_incidents(c, detail, ret);
}
