/* SPDX-License-Identifier: Apache-2.0 */

/* What a snapshot shows of images that are being pulled. */

#include <errno.h>

#include "agent/incidents/snapshot_parts.h"
#include "agent/incidents/table.h"
#include "util.h"

/* The images that are being pulled, as they are in the snapshot. */
struct pulls {
    const struct image_state **images;
    struct snapshot_image **shown;
    size_t n;
};

static void fill_image(const struct image_state *from, struct snapshot *snapshot,
                       struct snapshot_image *to)
{
    snapshot_own(snapshot, from->name);
    *to = (struct snapshot_image){
        .image = from->name->canonical,
        .registry = from->name->registry,
        .present = from->present,
        .size = from->size,
        .digest = snapshot_own(snapshot, from->digest),
        .waiting = from->waiting,
        .pulling = from->pulling,
        .since_us = from->begun_us ? from->begun_wall_us : 0,
    };
}

/*
 * Adds a blob to every image that it belongs to. In `bytes_once` it adds the blob only to the image
 * that began first; if several began in one poll, to the one that is known for longest. A blob that
 * can belong to several pulls and has no known owner is added to no image.
 */
static void add_blob(const struct ingest_state *ingest, const struct pulls *pulls,
                     struct snapshot *ret)
{
    const struct image_state *first = NULL;
    struct snapshot_image *first_shown = NULL;
    bool in_flight = false;

    for (size_t i = 0; i < pulls->n; i++) {
        const struct image_state *image = pulls->images[i];

        if (!ingest_is_about_since(ingest, image->begun_us))
            continue;
        in_flight = true;
        if (pulls->n > 1 && !ingest_is_of(ingest, image->name->canonical))
            continue; /* there is only one pull, so the blob belongs to it */
        pulls->shown[i]->bytes += ingest->bytes;
        pulls->shown[i]->total += ingest->total;
        if (!first || image->begun_us <= first->begun_us) { /* the newest is first */
            first = image;
            first_shown = pulls->shown[i];
        }
    }
    if (first_shown)
        first_shown->bytes_once += ingest->bytes;
    else if (in_flight)
        ret->unowned_bytes += ingest->bytes;
}

int snapshot_take_images(const struct correlate *c, struct snapshot *ret)
{
    size_t n = c->images.n;
    struct snapshot_image *list = arena_alloc(&ret->arena, (n + 1) * sizeof(*list));
    struct pulls pulls = {
        .images = arena_alloc(&ret->arena, (n + 1) * sizeof(void *)),
        .shown = arena_alloc(&ret->arena, (n + 1) * sizeof(void *)),
    };
    size_t at = n;

    if (!list || !pulls.images || !pulls.shown || snapshot_make_room(ret, 2 * n) < 0)
        return -ENOMEM;
    for (const struct image_state *i = c->images.first; i; i = i->next) {
        fill_image(i, ret, &list[--at]); /* the newest is first */
        if (!i->pulling)
            continue;
        pulls.images[pulls.n] = i;
        pulls.shown[pulls.n++] = &list[at];
    }
    for (size_t i = 0; i < c->ingests.n && pulls.n; i++)
        add_blob(&c->ingests.list[i], &pulls, ret);
    ret->n_images = n;
    ret->images = list;
    ret->bytes_known = c->ingests.known;
    return 0;
}
