/* SPDX-License-Identifier: Apache-2.0 */

/*
 * containerd lists its blobs in flight. A blob without new bytes for `stall_after` is a suspect,
 * unless it has all of its bytes: the runtime still checks it and writes it to the disk.
 * The content service knows from the manifests which repositories own the suspect. A container
 * that waits for an image of these repositories is stalled, if the suspect belongs to its pull:
 *
 *   it began or moved since the container began to wait     yes
 *   it did not, but it holds up another container           yes: later pulls wait behind it
 *   it did not, and other blobs move                        no: an earlier attempt left it behind
 *   it did not, and nothing moves                           yes: it stopped before this process
 *                                                           started
 *
 * The runtime continues with what an earlier attempt left behind when its turn comes.
 *
 * If an older image of the tag is present and always pulled, a container can start without any
 * download. So only the first or the second line applies, and only to a container that waited for
 * `stall_after` itself.
 *
 * Manifests name repositories, not tags. If several tags of one repository wait and other blobs
 * move, only one tag is stalled: the one that began to wait right before the blob began.
 *
 * After a failed attempt the kubelet waits. What this attempt left behind is not a stall. A blob
 * that began or moved since the failure belongs to the next attempt. A runtime that was restarted
 * continues with half a layer. So an older blob also belongs to the next attempt if an event
 * reports that this attempt has begun, and nothing moves.
 */

#include "agent/incidents/stalls.h"

#include <errno.h>

#include "agent/incidents/reports.h"
#include "buf.h"
#include "shared.h"
#include "util.h"

static void stall_done(struct stall *stall)
{
    shared_unref(stall->digest);
    *stall = (struct stall){ .digest = NULL };
}

bool ingest_is_idle(const struct ingests *ingests, const struct images *images,
                    const struct ingest_state *ingest, bool any_moves, struct instant now)
{
    if (ingests->stall_after_us == 0 || !ingest_waits_for_bytes(ingests, ingest, now))
        return false;
    if (ingest->proven || !any_moves)
        return true;
    for (const struct image_state *i = images->first; i; i = i->next)
        if (image_may_be_fetched(i) && (i->present || ingest_is_about_since(ingest, i->absent_us)))
            return true;
    return false;
}

/* Values that are the same for all containers of one round. */
struct judgement {
    struct stalls *stalls;
    struct instant now;
    bool others_move;
    const struct image_state *image;
    struct ingest_state *suspects[LIMIT_INGESTS]; /* blobs of the image without new bytes */
    size_t n_suspects;
    const struct ingest_state *described; /* the blob that `message` is about */
    char message[LIMIT_MESSAGE_TEXT];
};

/* --- whether a blob holds up a container ----------------------------------- */

/* Whether another tag of the repository began to wait later, but still before the blob began. */
static bool belongs_to_another_tag(const struct judgement *j, const struct ingest_state *suspect)
{
    for (const struct image_state *i = j->stalls->images->first; i; i = i->next)
        if (i != j->image && i->begun_us > j->image->begun_us &&
            ingest_begun_after(suspect, i->begun_us) && ingest_is_of(suspect, i->name->canonical))
            return true;
    return false;
}

/* Whether the next attempt stands still at a blob that the last attempt left behind. */
static bool holds_up_next_try(const struct judgement *j, const struct ingest_state *suspect,
                              const struct container *container, const struct incident *incident)
{
    if (container->tried_us <= incident->last_failure_mono_us)
        return false; /* no event reported that it has begun */
    return suspect->proven || (!j->others_move && j->now.mono_us - container->tried_us >=
                                                      j->stalls->ingests->stall_after_us);
}

static bool holds_up(const struct judgement *j, const struct ingest_state *suspect,
                     const struct container *container, const struct incident *incident)
{
    bool waited = j->now.mono_us - container->begun_us >= j->stalls->ingests->stall_after_us;
    bool is_its = ingest_is_about_since(suspect, container->begun_us);

    if (container->pull != PULL_SILENT)
        return incident && (ingest_is_since(suspect, incident->last_failure_mono_us) ||
                            holds_up_next_try(j, suspect, container, incident));
    if (!container->begun_us ||
        ((j->others_move || j->image->present) && belongs_to_another_tag(j, suspect)))
        return false;
    if (incident && incident->state == INCIDENT_BACKING_OFF &&
        !ingest_is_since(suspect, incident->last_failure_mono_us))
        return false; /* the kubelet was restarted: it waits, but its status does not show it */
    if (j->image->present)
        return waited && (suspect->proven || is_its);
    return suspect->proven || (waited && (is_its || !j->others_move));
}

/* --- what a stall changes -------------------------------------------------- */

/* "sha256:... stands at 10 of 100 bytes since 2026-11-22T02:00:00Z"; written once for all the
 * containers that the blob holds up. 0 or -ENOMEM. */
static int describe(struct judgement *j, const struct ingest_state *ingest)
{
    char since[TIME_TEXT_SIZE];
    struct buf text;
    int r = -ENOMEM;

    if (j->described == ingest)
        return 0;
    buf_init(&text, sizeof(j->message) - 1);
    time_format(ingest->moved_wall_us, since);
    buf_add_text(&text, ingest->digest);
    buf_add(&text, STR(" stands at "));
    buf_add_uint(&text, ingest->bytes);
    if (ingest->total) {
        buf_add(&text, STR(" of "));
        buf_add_uint(&text, ingest->total);
    }
    buf_add(&text, STR(" bytes since "));
    buf_add_text(&text, since);
    if (!buf_error(&text)) {
        memcpy(j->message, buf_str(&text).at, buf_str(&text).len);
        j->message[buf_str(&text).len] = '\0';
        j->described = ingest;
        r = 0;
    }
    buf_done(&text);
    return r;
}

/* Reports a stall when it begins, and again when another layer causes it. */
static int report_stall(struct judgement *j, struct incident *incident,
                        const struct ingest_state *ingest)
{
    struct report report = { .witness = WITNESS_CRI,
                             .reason = STR("PullStalled"),
                             .at_us = j->now.wall_us };
    const char *message = NULL;

    if (describe(j, ingest) < 0)
        return -ENOMEM;
    report.text = str_from(j->message);
    if (incident->stalled_only) {
        message = shared_str(report.text);
        if (!message)
            return -ENOMEM;
        shared_unref(incident->message);
        incident->message = message;
    }
    shared_unref(incident->stall.digest);
    incident->stall.digest = shared_ref(ingest->digest);
    return incident_add_evidence(j->stalls->incidents, incident, &report);
}

static int note_stall(struct judgement *j, struct incident *incident,
                      const struct ingest_state *ingest)
{
    struct stall *stall = &incident->stall;

    if (!stall->digest)
        stall->noted_wall_us = j->now.wall_us;
    stall->bytes = ingest->bytes;
    stall->total = ingest->total;
    stall->moved_wall_us = ingest->moved_wall_us;
    if (stall->digest && strcmp(stall->digest, ingest->digest) == 0)
        return 0;
    return report_stall(j, incident, ingest);
}

/* Wall. A stall cannot begin before its container waits. */
static int64_t stalled_since_us(const struct ingest_state *ingest,
                                const struct container *container, struct instant now)
{
    int64_t since_us = ingest->moved_wall_us;

    if (!container->preexisting && since_us < container->begun_wall_us)
        since_us = container->begun_wall_us;
    return since_us < now.wall_us ? since_us : now.wall_us;
}

/* The incident continues as a failed attempt; if it was only a stall, it ends. */
static void stall_over(struct stalls *stalls, struct incident *incident, enum incident_state how,
                       struct instant now)
{
    struct pod *pod =
        pod_find_hashed(stalls->pods, str_from(incident->pull->pod_uid), incident->pull->pod_hash);
    const struct container *container =
        pod ? pod_container(pod, str_from(incident->pull->container)) : NULL;

    if (!container)
        return;
    if (incident->stalled_only) {
        incident_end(stalls->incidents, incident, pod, how, now);
        return;
    }
    stall_done(&incident->stall);
    incident_move(stalls->incidents, incident,
                  container->pull == PULL_BACK_OFF ? INCIDENT_BACKING_OFF : INCIDENT_FAILING);
}

void stall_failed(struct incidents *incidents, struct incident *incident)
{
    stall_done(&incident->stall);
    incident->stalled_only = false;
    incident->stood_still = incident->state == INCIDENT_STALLED;
    if (incident->state == INCIDENT_STALLED)
        incident_move(incidents, incident, INCIDENT_FAILING);
}

/* --- judging --------------------------------------------------------------- */

static int judge_container(struct judgement *j, struct pod *pod, const struct container *container)
{
    const struct incident_key key = incident_key_of(pod, container);
    struct incidents *incidents = j->stalls->incidents;
    struct incident *incident = incident_find_open(incidents, &key);
    struct ingest_state *culprit = NULL;
    int r;

    for (size_t i = 0; i < j->n_suspects && !culprit; i++)
        if (holds_up(j, j->suspects[i], container, incident))
            culprit = j->suspects[i];
    if (!culprit)
        return 0;
    culprit->proven = true;
    culprit->held_up++;
    if (!incident) {
        r = incident_open(incidents, &key, true, j->now, &incident);
        if (r < 0)
            return r == -ENOSPC ? 0 : r;
        incident->stalled_only = true;
        incident->first_failure_us = stalled_since_us(culprit, container, j->now);
    }
    r = note_stall(j, incident, culprit);
    incident->stall.judged = true;
    if (incident->stall.digest)
        incident_move(incidents, incident, INCIDENT_STALLED);
    return r;
}

static int judge_pod(struct judgement *j, struct pod *pod)
{
    bool blocked = false;
    int r = 0;

    for (size_t i = 0; i < pod->n_containers; i++) {
        const struct container *container = &pod->containers[i];
        int one = 0;

        if (container_waits(container, &blocked) &&
            image_of(j->stalls->images, container) == j->image &&
            (!j->image->present || container->always))
            one = judge_container(j, pod, container);
        r = one < 0 ? one : r;
    }
    return r;
}

/* Usually an image has no suspects, so no pod needs to be read. */
static int judge_image(struct judgement *j)
{
    const struct ingests *ingests = j->stalls->ingests;
    int r = 0;

    j->n_suspects = 0;
    for (size_t i = 0; i < ingests->n; i++)
        if (ingest_waits_for_bytes(ingests, &ingests->list[i], j->now) &&
            ingest_is_of(&ingests->list[i], j->image->name->canonical))
            j->suspects[j->n_suspects++] = &ingests->list[i];
    for (struct pod *pod = j->stalls->pods->first; pod && j->n_suspects; pod = pod->next) {
        int one = pod->waiting ? judge_pod(j, pod) : 0;

        r = one < 0 ? one : r;
    }
    return r;
}

/* A blob is proven only while it stalls a container: the next attempt has `stall_after` of its own.
 */
static void find_proven(struct stalls *stalls)
{
    for (size_t i = 0; i < stalls->ingests->n; i++) {
        stalls->ingests->list[i].proven = false;
        stalls->ingests->list[i].held_up = 0;
    }
    for (struct incident *i = stalls->incidents->first; i; i = i->next) {
        struct ingest_state *ingest = NULL;

        i->stall.judged = false;
        if (i->state == INCIDENT_STALLED)
            ingest = ingest_find(stalls->ingests, str_from(i->stall.digest));
        if (ingest)
            ingest->proven = true;
    }
}

/* A snapshot shows only the first of many incidents behind one blob. */
static void count_left_out(struct stalls *stalls)
{
    const char *crowded[LIMIT_INGESTS];
    size_t n = 0;

    for (size_t i = 0; i < stalls->ingests->n; i++)
        if (stalls->ingests->list[i].held_up > LIMIT_WAITING_BEHIND + 1)
            crowded[n++] = stalls->ingests->list[i].digest;
    for (struct incident *i = n ? stalls->incidents->first : NULL; i; i = i->next) {
        if (i->state != INCIDENT_STALLED || i->stall.left_out)
            continue;
        for (size_t k = 0; k < n && !i->stall.left_out; k++)
            i->stall.left_out = strcmp(crowded[k], i->stall.digest) == 0;
        if (i->stall.left_out)
            counters_limit_hit(stalls->incidents->counters, LIMIT_HIT_WAITING_BEHIND);
    }
}

static int judge(struct stalls *stalls, struct instant now)
{
    struct judgement j = { .stalls = stalls,
                           .now = now,
                           .others_move = ingests_any_moves(stalls->ingests, now) };
    int r = 0;

    images_count(stalls->images);
    if (stalls->ingests->stall_after_us == 0)
        return 0;
    find_proven(stalls);
    for (j.image = stalls->images->first; j.image; j.image = j.image->next) {
        int one = image_may_be_fetched(j.image) ? judge_image(&j) : 0;

        r = one < 0 ? one : r;
    }
    for (struct incident *i = stalls->incidents->first; i; i = i->next)
        if (i->state == INCIDENT_STALLED &&
            !i->stall.judged) /* bytes come again, or the blob is complete */
            stall_over(stalls, i, INCIDENT_RECOVERED, now);
    count_left_out(stalls);
    return r;
}

int stalls_take_ingests(struct stalls *stalls, const struct ingests_fact *fact, struct instant now)
{
    int r = ingests_take(stalls->ingests, fact, now);

    return r < 0 ? r : judge(stalls, now);
}

int stalls_take_owner(struct stalls *stalls, const struct blob_fact *fact, struct instant now)
{
    int r;

    if (!ingest_find(stalls->ingests, str_head(fact->digest, LIMIT_NAME_TEXT)))
        return 0;
    r = ingests_take_owner(stalls->ingests, fact, now);
    return r < 0 ? r : judge(stalls, now);
}

void stalls_polled(struct stalls *stalls, struct instant now)
{
    if (ingests_polled(stalls->ingests))
        stalls_clear(stalls, now);
}

void stalls_clear(struct stalls *stalls, struct instant now)
{
    ingests_clear(stalls->ingests);
    stalls->images->changed = true; /* which images are fetched depends on the blobs */
    for (struct incident *i = stalls->incidents->first; i; i = i->next)
        if (i->state == INCIDENT_STALLED)
            stall_over(stalls, i, INCIDENT_GONE, now);
}
