/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whether a blob without new bytes belongs to the pull of a container that waits for an image of
 * its repositories:
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
 * Manifests name repositories, not tags or ports. If several tags of one repository wait and other
 * blobs move, only one tag is stalled: the one that began to wait right before the blob began.
 *
 * After a failed attempt the kubelet waits. What this attempt left behind is not a stall. A blob
 * that began or moved since the failure belongs to the next attempt, unless another container is
 * known to pull and can own it: only a container that is pulling can stall. A runtime that was
 * restarted continues with half a layer. So an older blob also belongs to the next attempt if an
 * event reports that this attempt has begun, and nothing moves.
 */

#include "agent/incidents/stall_rules.h"

/* Whether another tag of the repository began to wait later, but still before the blob began. */
static bool belongs_to_another_tag(const struct judgement *j, const struct ingest_state *suspect)
{
    for (const struct image_state *i = j->stalls->images->first; i; i = i->next)
        if (i != j->image && i->begun_us > j->image->begun_us &&
            ingest_begun_after(suspect, i->begun_us) && ingest_is_of(suspect, i->name->canonical))
            return true;
    return false;
}

bool stall_has_another_owner(const struct judgement *j, const struct ingest_state *ingest)
{
    for (const struct image_state *i = j->stalls->images->first; i; i = i->next)
        if (i != j->image && i->known_to_pull && ingest_is_about_since(ingest, i->begun_us) &&
            ingest_is_of(ingest, i->name->canonical) &&
            image_same_repository(i->name->canonical, j->image->name->canonical))
            return true;
    return false;
}

bool stall_is_tried_again(const struct container *container, const struct incident *incident)
{
    return container->tried_us > incident->last_failure_mono_us;
}

/* Whether the next attempt of a container that failed stands still. */
static bool holds_up_failed(const struct judgement *j, const struct ingest_state *suspect,
                            const struct container *container, const struct incident *incident)
{
    bool tried_again = stall_is_tried_again(container, incident);

    if (ingest_is_since(suspect, incident->last_failure_mono_us))
        return tried_again || !suspect->claimed;
    /* The last attempt left it behind. */
    return tried_again &&
           (suspect->proven || (!j->others_move && j->now.mono_us - container->tried_us >=
                                                       j->stalls->ingests->stall_after_us));
}

bool stall_has_failed(const struct container *container, const struct incident *incident)
{
    return container->pull != PULL_SILENT || (incident && !incident->stalled_only);
}

/* Whether a blob that holds up another container holds up this one, too. */
static bool is_behind(const struct judgement *j, const struct suspect *suspect, bool waited,
                      const struct incident *incident)
{
    if (!suspect->ingest->proven)
        return false;
    if (!suspect->of_another || (incident && incident->state == INCIDENT_STALLED))
        return true;
    return waited && !j->repository_moves; /* it may be the other one's alone */
}

bool stall_holds_up(const struct judgement *j, const struct suspect *suspect,
                    const struct container *container, const struct incident *incident)
{
    bool waited = j->now.mono_us - container->begun_us >= j->stalls->ingests->stall_after_us;
    bool is_its = ingest_is_about_since(suspect->ingest, container->begun_us);

    if (stall_has_failed(container, incident))
        return incident && holds_up_failed(j, suspect->ingest, container, incident);
    if (!container->begun_us ||
        ((j->others_move || j->image->present) && belongs_to_another_tag(j, suspect->ingest)))
        return false;
    if (j->image->present)
        return waited && (suspect->ingest->proven || is_its);
    return is_behind(j, suspect, waited, incident) || (waited && (is_its || !j->others_move));
}
