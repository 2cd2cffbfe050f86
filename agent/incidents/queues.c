/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/queues.h"

#include "util.h"

static bool is_pulled(const struct image_state *image)
{
    return image->pulling > 0 && image->begun_us;
}

static size_t count_pulls(const struct images *images)
{
    size_t n = 0;

    for (const struct image_state *i = images->first; i; i = i->next)
        n += is_pulled(i) || i->retried;
    return n;
}

/* A blob without an owner belongs to the only pull. It shows a download when it has bytes: a
 * registry that was asked for a manifest may not have answered. */
static bool is_its(const struct ingest_state *ingest, const struct image_state *image, bool only)
{
    if (!ingest_is_about_since(ingest, image->begun_us))
        return false;
    return ingest_is_of(ingest, image->name->canonical) ||
           (only && names_count(ingest->repositories) == 0 && ingest->bytes);
}

static bool is_since_its_pull(const struct image_state *image, int64_t at_us)
{
    return is_pulled(image) && at_us &&
           at_us >= (image->pull_us ? image->pull_us : image->begun_us);
}

bool image_is_fetched(const struct image_state *image)
{
    return is_since_its_pull(image, image->fetched_us);
}

bool image_is_heard_of(const struct image_state *image)
{
    return is_since_its_pull(image, image->fetched_us) || is_since_its_pull(image, image->heard_us);
}

size_t images_parallel(const struct images *images)
{
    return images->parallel ? images->parallel : 1;
}

const struct ingest_state *image_blob_without_owner(const struct images *images,
                                                    const struct image_state *image)
{
    const struct ingests *ingests = images->ingests;

    for (size_t i = 0; i < ingests->n; i++)
        if (names_count(ingests->list[i].repositories) == 0 &&
            ingest_begun_after(&ingests->list[i], image->begun_us))
            return &ingests->list[i];
    return NULL;
}

/* --- what the blobs show --------------------------------------------------- */

/* Notes which images the blob shows in the runtime's hands. */
static void note_blob(struct images *images, const struct ingest_state *ingest, bool only)
{
    struct image_state *last = NULL;

    for (struct image_state *i = images->first; i; i = i->next) {
        if (!is_pulled(i))
            continue;
        i->owns_blob |= ingest_is_of(ingest, i->name->canonical);
        if (!is_its(ingest, i, only))
            continue;
        i->fetched_us = images->ingests->listed_us;
        i->has_blob = true;
        i->has_bytes |= !ingest->queued;
        last = i;
    }
    if (last) /* a repository can be that of several images: then perhaps only one is fetched */
        last->in_flight = true;
}

/* A blob that ended has come: if its pull had failed, the container would not wait in silence. It
 * may have come from its first byte to its last one between two polls. */
static void note_ended(struct images *images)
{
    int64_t ended_us = images->ingests->ended_us;
    struct image_state *last = NULL;
    size_t n = 0;

    for (struct image_state *i = images->first; i && ended_us; i = i->next) {
        if (!is_pulled(i) || !ingest_poll_before(i->begun_us, ended_us))
            continue;
        i->heard_us = images->ingests->listed_us;
        last = i;
        n++;
    }
    if (n == 1)
        last->fetched_us = images->ingests->listed_us;
}

static void note_blobs(struct images *images)
{
    bool only = count_pulls(images) == 1;
    size_t together = 0;

    for (struct image_state *i = images->first; i; i = i->next)
        i->owns_blob = i->has_blob = i->has_bytes = i->in_flight = false;
    for (size_t i = 0; i < images->ingests->n; i++)
        note_blob(images, &images->ingests->list[i], only);
    note_ended(images);
    for (const struct image_state *i = images->first; i; i = i->next)
        together += i->in_flight;
    if (together > images->parallel)
        images->parallel = together;
}

/* --- the queues ------------------------------------------------------------ */

static bool slots_are_full(const struct ingests *ingests)
{
    size_t n = 0;

    for (size_t i = 0; i < ingests->n; i++)
        n += !ingests->list[i].queued;
    return ingests->before_slot && n >= DOWNLOAD_SLOTS;
}

/* The kubelet pulls in the order in which the containers ask for their images. Nothing shows that
 * an unanswered pull is the first of those that began in one poll. */
static bool is_ahead(const struct image_state *other, const struct image_state *image)
{
    if (image_is_fetched(other))
        return ingest_poll_before(other->begun_us, image->begun_us);
    return other->unanswered && other->begun_us < image->begun_us;
}

static bool waits_for_kubelet(const struct images *images, const struct image_state *image)
{
    size_t ahead = 0;

    /* It can wait for a blob that another pull has begun. */
    if (image->unanswered || image->owns_blob || image_blob_without_owner(images, image))
        return false;
    for (const struct image_state *i = images->first; i; i = i->next) {
        /* Its registry may be silent for this image, too. */
        if (i != image && i->unanswered && strcmp(i->name->registry, image->name->registry) == 0)
            return false;
        ahead += i != image && is_ahead(i, image);
    }
    return ahead >= images_parallel(images);
}

static enum pull_phase phase_of(const struct images *images, const struct image_state *image)
{
    const struct ingest_state *unowned;

    if (!is_pulled(image) || image->present)
        return PULL_PHASE_UNKNOWN;
    if (image->has_blob)
        return image->has_bytes || !slots_are_full(images->ingests) ? PULL_PHASE_DOWNLOADING
                                                                    : PULL_PHASE_SLOT_QUEUE;
    if (image_is_fetched(image))
        return PULL_PHASE_UNPACKING;
    unowned = image_blob_without_owner(images, image);
    if (unowned && unowned->queued && slots_are_full(images->ingests))
        return PULL_PHASE_SLOT_QUEUE;
    return waits_for_kubelet(images, image) ? PULL_PHASE_KUBELET_QUEUE : PULL_PHASE_UNKNOWN;
}

void queues_update(struct images *images)
{
    note_blobs(images);
    for (struct image_state *i = images->first; i; i = i->next) {
        i->unanswered = i->unanswered && is_pulled(i);
        i->phase = phase_of(images, i);
    }
}
