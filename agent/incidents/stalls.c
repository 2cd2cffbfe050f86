/* SPDX-License-Identifier: Apache-2.0 */

/*
 * containerd lists its blobs in flight. A blob without new bytes for `stall_after` is a suspect,
 * unless it has all of its bytes: the runtime still checks it and writes it to the disk.
 * The content service knows from the manifests which repositories own the suspect. A container
 * that waits for an image of these repositories is stalled, if the suspect belongs to its pull:
 * see stall_rules.c.
 *
 * Since containerd 2.1 a blob is listed before it has one of the download slots of the node. Such
 * a blob has no byte. It only waits its turn while any other blob moves. If nothing moves, then the
 * blobs that stand still hold the slots, and it waits for them; so does a pull that has not got
 * its manifest.
 *
 * If the runtime lists no blob of an image at all, see silence.c.
 */

#include "agent/incidents/stalls.h"

#include "agent/incidents/phases.h"
#include "agent/incidents/queues.h"
#include "agent/incidents/silence.h"
#include "agent/incidents/stall_changes.h"
#include "agent/incidents/stall_rules.h"
#include "util.h"

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

/* --- judging --------------------------------------------------------------- */

/* Wall. A stall cannot begin before its container waits. */
static int64_t stalled_since_us(const struct ingest_state *ingest,
                                const struct container *container, struct instant now)
{
    int64_t since_us = ingest ? ingest->moved_wall_us : container->begun_wall_us;

    if (!container->preexisting && since_us < container->begun_wall_us)
        since_us = container->begun_wall_us;
    return since_us < now.wall_us ? since_us : now.wall_us;
}

static int note(struct judgement *j, const struct incident_key *key, struct incident *incident,
                const struct stall_found *found)
{
    return stall_begin(j->stalls->incidents, key, &incident, found, &j->text, j->now);
}

/* The suspect that holds up the container: one that is in a download slot, else any. */
static const struct suspect *find_culprit(struct judgement *j, const struct container *container,
                                          const struct incident *incident)
{
    bool before_slot = j->stalls->ingests->before_slot;
    const struct suspect *culprit = NULL;

    for (size_t i = 0; i < j->n_suspects && (before_slot || !culprit); i++) {
        const struct suspect *suspect = &j->suspects[i];
        struct ingest_state *ingest = suspect->ingest;

        if (!stall_holds_up(j, suspect, container, incident))
            continue;
        ingest->holds_slot |= before_slot && !ingest->queued;
        if (!culprit || (ingest->holds_slot && !culprit->ingest->holds_slot))
            culprit = suspect;
    }
    return culprit;
}

static int judge_container(struct judgement *j, struct pod *pod, const struct container *container)
{
    const struct incident_key key = incident_key_of(pod, container);
    struct incident *incident = incident_find_open(j->stalls->incidents, &key);
    struct stall_found found = { .waits_for = STALL_BYTES };
    const struct suspect *culprit;
    struct ingest_state *ingest;

    if (incident && incident->stall.judged)
        return 0;
    culprit = find_culprit(j, container, incident);
    if (!culprit)
        return 0;
    ingest = culprit->ingest;
    ingest->proven = true;
    ingest->held_up++;
    found.ingest = ingest;
    found.since_us = stalled_since_us(ingest, container, j->now);
    found.holds_slot = ingest->holds_slot;
    if (ingest->queued && !ingest->holds_slot && j->slots >= DOWNLOAD_SLOTS)
        found.waits_for = STALL_SLOT;
    found.slots = j->slots;
    found.doubtful = culprit->of_another;
    return note(j, &key, incident, &found);
}

/* A container for which nothing has come. What an attempt was answered says more. */
static int judge_silence(struct judgement *j, struct pod *pod, const struct container *container,
                         enum stall_kind waits_for)
{
    const struct incident_key key = incident_key_of(pod, container);
    struct incident *incident = incident_find_open(j->stalls->incidents, &key);
    const struct stall_found found = {
        .waits_for = waits_for,
        .since_us = stalled_since_us(NULL, container, j->now),
        .slots = j->slots,
        .doubtful = waits_for == STALL_ANSWER,
    };

    if (stall_has_failed(container, incident) || !container->begun_us ||
        j->now.mono_us - container->begun_us < j->stalls->ingests->stall_after_us ||
        (incident && incident->stall.judged))
        return 0;
    return note(j, &key, incident, &found);
}

/* `only`: of this image, at its suspects; NULL: of the images of which nothing has come. */
static int judge_pod(struct judgement *j, struct pod *pod, const struct image_state *only)
{
    bool blocked = false;
    int r = 0;

    for (size_t i = 0; i < pod->n_containers; i++) {
        const struct container *container = &pod->containers[i];
        const struct image_state *image =
            container_waits(container, &blocked) ? image_of(j->stalls->images, container) : NULL;
        int one = 0;

        if (!image || (image->present && !container->always))
            continue;
        if (image == only)
            one = judge_container(j, pod, container);
        else if (!only && image->silence != STALL_BYTES)
            one = judge_silence(j, pod, container, image->silence);
        r = one < 0 ? one : r;
    }
    return r;
}

static int judge_pods(struct judgement *j, const struct image_state *only)
{
    int r = 0;

    for (struct pod *pod = j->stalls->pods->first; pod; pod = pod->next) {
        int one = pod->waiting ? judge_pod(j, pod, only) : 0;

        r = one < 0 ? one : r;
    }
    return r;
}

/* Usually an image has no suspects, so no pod needs to be read. */
static int judge_image(struct judgement *j, bool queued)
{
    const struct ingests *ingests = j->stalls->ingests;

    j->n_suspects = 0;
    j->repository_moves = false;
    for (size_t i = 0; i < ingests->n; i++) {
        struct ingest_state *ingest = &ingests->list[i];

        if (!ingest_is_of(ingest, j->image->name->canonical))
            continue;
        if (!ingest->queued && ingest_moves(ingests, ingest, j->now))
            j->repository_moves = true;
        else if (ingest->queued == queued && ingest_waits_for_bytes(ingests, ingest, j->now))
            j->suspects[j->n_suspects++] = (struct suspect){ .ingest = ingest };
    }
    for (size_t i = 0; i < j->n_suspects; i++)
        j->suspects[i].of_another = stall_has_another_owner(j, j->suspects[i].ingest);
    return j->n_suspects ? judge_pods(j, j->image) : 0;
}

static int judge_images(struct judgement *j, bool queued)
{
    int r = 0;

    for (j->image = j->stalls->images->first; j->image; j->image = j->image->next) {
        int one = image_may_be_fetched(j->image) ? judge_image(j, queued) : 0;

        r = one < 0 ? one : r;
    }
    return r;
}

/* --- download slots -------------------------------------------------------- */

/* The queued blob without progress that began first, and that a pull is known to own. */
static struct ingest_state *next_in_slot(const struct judgement *j)
{
    const struct ingests *ingests = j->stalls->ingests;
    struct ingest_state *first = NULL;

    for (size_t i = 0; i < ingests->n; i++) {
        struct ingest_state *ingest = &ingests->list[i];

        if (ingest->queued && ingest->claimed && !ingest->holds_slot &&
            ingest_waits_for_bytes(ingests, ingest, j->now) &&
            (!first || ingest->begun_us < first->begun_us))
            first = ingest;
    }
    return first;
}

/*
 * Whether the blob stands still in a slot, although no container waits for it: a pull goes on when
 * its pod is deleted. What a failed attempt or another run of the runtime left behind has no slot.
 */
static bool is_of_no_container(const struct judgement *j, const struct ingest_state *ingest)
{
    const struct ingests *ingests = j->stalls->ingests;

    if (ingest->queued || !ingest_waits_for_bytes(ingests, ingest, j->now) ||
        ingest->moved_us <= ingests->runtime_us)
        return false;
    for (const struct image_state *i = j->stalls->images->first; i; i = i->next)
        if (i->waiting && ingest_is_of(ingest, i->name->canonical))
            return false;
    return true;
}

/* The blobs that were found to stand still hold slots. If these are fewer than there are, the first
 * ones of the queue are in the others: a slot shows only with its first MiB. */
static void count_slots(struct judgement *j)
{
    const struct ingests *ingests = j->stalls->ingests;
    struct ingest_state *next;

    if (!ingests->before_slot)
        return;
    for (size_t i = 0; i < ingests->n; i++) {
        ingests->list[i].holds_slot |= is_of_no_container(j, &ingests->list[i]);
        j->slots += ingests->list[i].holds_slot;
    }
    while (j->slots < DOWNLOAD_SLOTS && (next = next_in_slot(j)) != NULL) {
        next->holds_slot = true;
        j->slots++;
    }
}

/* --- one round ------------------------------------------------------------- */

/* Whether the container certainly pulls its image now. */
static bool is_known_to_pull(const struct stalls *stalls, struct pod *pod,
                             const struct container *container, const struct image_state *image)
{
    const struct incident_key key = incident_key_of(pod, container);
    const struct incident *incident = incident_find_open(stalls->incidents, &key);

    if (stall_has_failed(container, incident))
        return incident && stall_is_tried_again(container, incident);
    return container->begun_us && image->pulling;
}

/* Thousands of containers can wait for one image: look it up once. */
static void find_known_pulls(struct stalls *stalls)
{
    const struct image_state *last = NULL;

    for (struct image_state *i = stalls->images->first; i; i = i->next)
        i->known_to_pull = false;
    for (struct pod *pod = stalls->pods->first; pod; pod = pod->next) {
        bool blocked = false;

        for (size_t i = 0; pod->waiting && i < pod->n_containers; i++) {
            const struct container *container = &pod->containers[i];
            struct image_state *image;

            if (!container_waits(container, &blocked) ||
                (last && last->known_to_pull && last->hash == container->image_hash))
                continue;
            last = image = image_of(stalls->images, container);
            if (image && !image->known_to_pull)
                image->known_to_pull = is_known_to_pull(stalls, pod, container, image);
        }
    }
}

/* Which blobs without progress belong to a pull that is known to run. */
static void find_claims(struct stalls *stalls, struct instant now)
{
    struct ingests *ingests = stalls->ingests;
    bool any = false;

    for (size_t i = 0; i < ingests->n; i++) {
        ingests->list[i].claimed = false;
        any |= ingest_waits_for_bytes(ingests, &ingests->list[i], now);
    }
    if (!any)
        return;
    find_known_pulls(stalls);
    for (const struct image_state *image = stalls->images->first; image; image = image->next)
        for (size_t i = 0; i < ingests->n && image->known_to_pull; i++)
            ingests->list[i].claimed |= ingest_is_of(&ingests->list[i], image->name->canonical);
}

/* A blob is proven only while it stalls a container: the next attempt has `stall_after` of its own.
 */
static void find_proven(struct stalls *stalls)
{
    for (size_t i = 0; i < stalls->ingests->n; i++) {
        stalls->ingests->list[i].proven = false;
        stalls->ingests->list[i].holds_slot = false;
        stalls->ingests->list[i].held_up = 0;
    }
    for (struct incident *i = stalls->incidents->first; i; i = i->next) {
        struct ingest_state *ingest = NULL;

        i->stall.judged = false;
        if (i->state == INCIDENT_STALLED && i->stall.digest && i->stall.waits_for == STALL_BYTES)
            ingest = ingest_find(stalls->ingests, str_from(i->stall.digest));
        if (ingest)
            ingest->proven = true;
    }
}

static void count_slot_waiters_left_out(struct stalls *stalls)
{
    size_t n = 0;

    for (struct incident *i = stalls->incidents->first; i; i = i->next) {
        if (i->state != INCIDENT_STALLED || i->stall.waits_for != STALL_SLOT ||
            ++n <= LIMIT_WAITING_BEHIND || i->stall.left_out)
            continue;
        i->stall.left_out = true;
        counters_limit_hit(stalls->incidents->counters, LIMIT_HIT_WAITING_BEHIND);
    }
}

/* A snapshot shows only the first of many incidents behind one blob, or behind the slots. */
static void count_left_out(struct stalls *stalls)
{
    const char *crowded[LIMIT_INGESTS];
    size_t n = 0;

    if (stalls->ingests->before_slot)
        count_slot_waiters_left_out(stalls);
    for (size_t i = 0; i < stalls->ingests->n; i++)
        if (stalls->ingests->list[i].held_up > LIMIT_WAITING_BEHIND + 1)
            crowded[n++] = stalls->ingests->list[i].digest;
    for (struct incident *i = n ? stalls->incidents->first : NULL; i; i = i->next) {
        if (i->state != INCIDENT_STALLED || i->stall.left_out || !i->stall.digest)
            continue;
        for (size_t k = 0; k < n && !i->stall.left_out; k++)
            i->stall.left_out = strcmp(crowded[k], i->stall.digest) == 0;
        if (i->stall.left_out)
            counters_limit_hit(stalls->incidents->counters, LIMIT_HIT_WAITING_BEHIND);
    }
}

/* How a stall has ended that was not found in this round: bytes come again, or the blob is
 * complete; or it is not the pull of this container that stands still. */
static enum incident_state end_of(const struct stalls *stalls, const struct incident *incident,
                                  struct instant now)
{
    const struct ingest_state *ingest =
        incident->stall.digest ? ingest_find(stalls->ingests, str_from(incident->stall.digest))
                               : NULL;

    return ingest && ingest_waits_for_bytes(stalls->ingests, ingest, now) ? INCIDENT_GONE
                                                                          : INCIDENT_RECOVERED;
}

static int judge(struct stalls *stalls, struct instant now)
{
    struct judgement j = { .stalls = stalls,
                           .now = now,
                           .others_move = ingests_any_moves(stalls->ingests, now) };
    int results[3];
    int r = 0;

    images_count(stalls->images);
    if (stalls->ingests->stall_after_us == 0)
        return 0;
    queues_update(stalls->images);
    find_proven(stalls);
    find_claims(stalls, now);
    results[0] = judge_images(&j, false);
    count_slots(&j);
    results[1] = stalls->ingests->before_slot ? judge_images(&j, true) : 0;
    results[2] = silence_find(&j) ? judge_pods(&j, NULL) : 0;
    for (size_t i = 0; i < ARRAY_SIZE(results); i++)
        r = results[i] < 0 ? results[i] : r;
    for (struct incident *i = stalls->incidents->first; i; i = i->next) {
        i->stall.slots = j.slots;
        if (i->state == INCIDENT_STALLED && !i->stall.judged)
            stall_over(stalls->incidents, stalls->pods, i, end_of(stalls, i, now), now);
    }
    count_left_out(stalls);
    return r;
}

int stalls_take_ingests(struct stalls *stalls, const struct ingests_fact *fact, struct instant now)
{
    int r;

    phases_next_list(stalls->images, now);
    r = ingests_take(stalls->ingests, fact, now);
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

int stalls_take_repository(struct stalls *stalls, const struct repository_fact *fact,
                           struct instant now)
{
    return silence_take_repository(stalls->images, fact, now) ? judge(stalls, now) : 0;
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
    for (struct image_state *i = stalls->images->first; i; i = i->next) {
        i->phase = PULL_PHASE_UNKNOWN;
        i->unanswered = false;
    }
    for (struct incident *i = stalls->incidents->first; i; i = i->next)
        if (i->state == INCIDENT_STALLED)
            stall_over(stalls->incidents, stalls->pods, i, INCIDENT_GONE, now);
}
