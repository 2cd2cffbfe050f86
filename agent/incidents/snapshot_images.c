/* SPDX-License-Identifier: Apache-2.0 */

/* What a snapshot shows of images that are being pulled. */

#include <errno.h>

#include "agent/incidents/queues.h"
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
        .pulling = from->phase == PULL_PHASE_KUBELET_QUEUE ? 0 : from->pulling,
        .phase = from->pulling ? from->phase : PULL_PHASE_UNKNOWN,
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

/* Which pulls are ahead in the two queues. */
struct ahead {
    const char **of_kubelet;
    size_t n_of_kubelet;
    const char **of_slots;
    size_t n_of_slots;
};

static int find_ahead(const struct correlate *c, struct arena *arena, struct ahead *ret)
{
    ret->of_kubelet = arena_alloc(arena, LIMIT_WAITING_BEHIND * sizeof(char *));
    ret->of_slots = arena_alloc(arena, LIMIT_WAITING_BEHIND * sizeof(char *));
    if (!ret->of_kubelet || !ret->of_slots)
        return -ENOMEM;
    for (const struct image_state *i = c->images.first; i; i = i->next) {
        if ((image_is_fetched(i) || i->unanswered) && ret->n_of_kubelet < LIMIT_WAITING_BEHIND)
            ret->of_kubelet[ret->n_of_kubelet++] = i->name->canonical;
        if (i->has_bytes && i->pulling && ret->n_of_slots < LIMIT_WAITING_BEHIND)
            ret->of_slots[ret->n_of_slots++] = i->name->canonical;
    }
    return 0;
}

static void put_ahead(const struct ahead *ahead, struct snapshot_image *image)
{
    if (image->phase == PULL_PHASE_KUBELET_QUEUE) {
        image->waiting_behind = ahead->of_kubelet;
        image->n_waiting_behind = ahead->n_of_kubelet;
    } else if (image->phase == PULL_PHASE_SLOT_QUEUE) {
        image->waiting_behind = ahead->of_slots;
        image->n_waiting_behind = ahead->n_of_slots;
    }
}

int snapshot_take_images(const struct correlate *c, struct snapshot *ret)
{
    size_t n = c->images.n;
    struct snapshot_image *list = arena_alloc(&ret->arena, (n + 1) * sizeof(*list));
    struct pulls pulls = {
        .images = arena_alloc(&ret->arena, (n + 1) * sizeof(void *)),
        .shown = arena_alloc(&ret->arena, (n + 1) * sizeof(void *)),
    };
    struct ahead ahead = { .n_of_slots = 0 };
    size_t at = n;

    if (!list || !pulls.images || !pulls.shown || snapshot_make_room(ret, 2 * n) < 0 ||
        find_ahead(c, &ret->arena, &ahead) < 0)
        return -ENOMEM;
    for (const struct image_state *i = c->images.first; i; i = i->next) {
        fill_image(i, ret, &list[--at]); /* the newest is first */
        put_ahead(&ahead, &list[at]);
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
    ret->fetched_known = c->fetched.known;
    ret->phases_known = c->fetched.known && c->ingests.stall_after_us;
    ret->phases_since_us = c->pods.started.wall_us;
    memcpy(ret->phases_us, c->counters.phases_us, sizeof(ret->phases_us));
    memcpy(ret->pulls_of_size, c->counters.pulls_of_size, sizeof(ret->pulls_of_size));
    return 0;
}
