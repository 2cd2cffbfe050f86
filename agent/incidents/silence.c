/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/silence.h"

#include "agent/incidents/queues.h"
#include "util.h"

/* Something can come at any time, and the runtime reads all of its content store for an answer. */
#define ASK_AGAIN_US (30 * SEC)

static bool is_silent(const struct images *images, const struct image_state *image,
                      struct instant now)
{
    int64_t since_us = image->turn_us > image->begun_us ? image->turn_us : image->begun_us;

    return image->pulling && image->begun_us && !image->present && !image->owns_blob &&
           !image->has_blob && !image_is_heard_of(image) &&
           now.mono_us - since_us >= images->ingests->stall_after_us;
}

/* --- what the runtime has of a repository ---------------------------------- */

static bool is_told(const struct image_state *image)
{
    return image->asked_us && image->asked_us >= image->begun_us;
}

bool silence_is_suspect(const struct images *images, const struct image_state *image,
                        struct instant now)
{
    return images->ingests->known && is_silent(images, image, now) &&
           image->phase != PULL_PHASE_KUBELET_QUEUE &&
           (!is_told(image) || now.mono_us - image->asked_us >= ASK_AGAIN_US);
}

/* A repository can be that of several images: then perhaps only one of them has come. */
bool silence_take_repository(struct images *images, const struct repository_fact *fact,
                             struct instant now)
{
    struct image_state *came = NULL;
    size_t n = 0;

    for (struct image_state *i = images->first; i; i = i->next) {
        if (!i->pulling || !i->begun_us ||
            !image_is_of_repository(i->name->canonical, fact->repository))
            continue;
        i->asked_us = now.mono_us;
        n++;
        if (!fact->updated_us || !ingest_poll_before(i->since_us, fact->updated_us))
            continue;
        i->heard_us = now.mono_us;
        came = i;
    }
    if (n == 1 && came)
        came->fetched_us = now.mono_us;
    return n > 0;
}

/* --- which of them is a stall ---------------------------------------------- */

/* Whether the kubelet has reached the image, as far as can be known. */
static bool has_turn(const struct judgement *j, const struct image_state *image)
{
    const struct images *images = j->stalls->images;

    if (image->phase == PULL_PHASE_KUBELET_QUEUE)
        return false;
    for (const struct image_state *i = images->first; i; i = i->next)
        if (is_silent(images, i, j->now) && i->begun_us < image->begun_us &&
            images_parallel(images) == 1 && strcmp(i->name->registry, image->name->registry) != 0)
            return false; /* it is the turn of that one */
    return true;
}

/* STALL_BYTES: it is no stall. `asked`: the runtime was asked for the owners of all blobs. */
static enum stall_kind silence_of(const struct judgement *j, const struct image_state *image,
                                  bool asked)
{
    const struct ingests *ingests = j->stalls->ingests;
    const struct ingest_state *unowned = image_blob_without_owner(j->stalls->images, image);

    if (!is_silent(j->stalls->images, image, j->now) || !asked ||
        (unowned && !ingest_waits_for_bytes(ingests, unowned, j->now)))
        return STALL_BYTES;
    if (unowned && unowned->queued && j->slots >= DOWNLOAD_SLOTS)
        return STALL_SLOT;
    return is_told(image) && (unowned || has_turn(j, image)) ? STALL_ANSWER : STALL_BYTES;
}

bool silence_find(const struct judgement *j)
{
    const struct ingests *ingests = j->stalls->ingests;
    struct image_state *image;
    bool asked = true;
    bool any = false;

    for (size_t i = 0; i < ingests->n; i++)
        asked &= ingests->list[i].asked_us != 0;
    for (image = j->stalls->images->first; image; image = image->next) {
        image->silence = silence_of(j, image, asked);
        any |= image->silence != STALL_BYTES;
    }
    for (image = j->stalls->images->first; image; image = image->next)
        image->unanswered = image->silence == STALL_ANSWER;
    return any;
}
