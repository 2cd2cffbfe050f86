/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/fetched.h"

#include "agent/incidents/ingests.h"
#include "util.h"

/* The runtime reads all of its content store for an answer. */
#define ASK_AGAIN_US (30 * SEC)

bool fetched_is_due(const struct fetched *fetched, const struct image_state *image,
                    struct instant now)
{
    if (!fetched->known)
        return false;
    if (!image->waiting)
        return image->uncounted || image->tried;
    return image->uncounted && now.mono_us >= image->count_at_us;
}

static bool is_counted(const struct fetched *fetched, const struct stored_blob *blob)
{
    if (blob->created_us <= fetched->until_us)
        return true;
    for (size_t i = 0; i < fetched->n; i++)
        if (fetched->counted[i].hash == blob->hash &&
            fetched->counted[i].created_us == blob->created_us)
            return true;
    return false;
}

static void note(struct fetched *fetched, const struct stored_blob *blob)
{
    struct counted_blob *place = &fetched->counted[fetched->next];

    if (fetched->n < LIMIT_COUNTED_BLOBS)
        fetched->n++;
    else if (place->created_us > fetched->until_us)
        fetched->until_us = place->created_us;
    *place = (struct counted_blob){ .hash = blob->hash, .created_us = blob->created_us };
    fetched->next = (fetched->next + 1) % LIMIT_COUNTED_BLOBS;
}

/* Notes that the images of the repository are counted now. Returns the one that is known for
 * longest; NULL: no image is of it. */
static struct image_state *images_of(struct images *images, struct str repository,
                                     struct instant now)
{
    struct image_state *first = NULL;

    for (struct image_state *i = images->first; i; i = i->next) { /* the newest is first */
        if (!image_is_of_repository(i->name->canonical, repository))
            continue;
        i->uncounted = i->tried = false;
        i->count_at_us = now.mono_us + ASK_AGAIN_US;
        first = i;
    }
    return first;
}

void fetched_take(struct fetched *fetched, const struct repository_fact *fact, struct instant now)
{
    struct images *images = fetched->images;
    struct image_state *image = images_of(images, fact->repository, now);
    uint64_t bytes = 0;

    for (size_t i = 0; image && i < fact->n_blobs; i++) {
        const struct stored_blob *blob = &fact->blobs[i];
        int64_t came_us = now.mono_us - (now.wall_us - blob->created_us);

        if (blob->created_us < images->pods->started.wall_us ||
            !ingest_poll_before(image->made_us, came_us) || is_counted(fetched, blob))
            continue;
        note(fetched, blob);
        bytes += blob->size;
    }
    if (bytes)
        registry_of(images->registries, str_from(image->name->asked), now)->bytes += bytes;
}
