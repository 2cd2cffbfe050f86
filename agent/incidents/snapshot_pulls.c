/* SPDX-License-Identifier: Apache-2.0 */

/* What a snapshot says of images that are being pulled. */

#include <errno.h>

#include "agent/classify/image_ref.h"
#include "agent/incidents/correlate.h"
#include "agent/incidents/state.h"
#include "util.h"

/* The only image that is being pulled: what is in flight is its own. NULL: none, or several. */
static const struct image_state *only_pull(const struct correlate *c)
{
    const struct image_state *only = NULL;

    for (const struct image_state *i = c->images; i; i = i->next) {
        if (!i->pulling)
            continue;
        if (only)
            return NULL;
        only = i;
    }
    return only;
}

static bool is_its(const struct ingest_state *ingest, const struct image_state *image,
                   const struct image_state *only)
{
    if (!image->pulling || !ingest_is_since(ingest, image->begun_us))
        return false;
    return only == image || ingest_is_of(ingest, image);
}

static int view_image(const struct correlate *c, const struct image_state *from,
                      const struct image_state *only, struct snapshot *snapshot,
                      struct snapshot_image *to)
{
    struct arena *arena = &snapshot->arena;
    char registry[LIMIT_NAME_TEXT];

    image_registry(str_from(from->canonical), registry);
    *to = (struct snapshot_image){
        .image = arena_str(arena, str_from(from->canonical)),
        .registry = arena_str(arena, str_from(registry)),
        .present = from->present,
        .size = from->size,
        .digest = arena_str(arena, str_from(from->digest)),
        .waiting = from->waiting,
        .pulling = from->pulling,
        .since_us = from->begun_us ? from->begun_wall_us : 0,
    };
    for (size_t i = 0; i < c->n_ingests; i++) {
        if (is_its(&c->ingests[i], from, only)) {
            to->bytes += c->ingests[i].bytes;
            to->total += c->ingests[i].total;
        }
    }
    return to->image && to->registry && to->digest ? 0 : -ENOMEM;
}

/* The first of the images that have it, of those that began in one look the one that is known for
 * longest; NULL: none is known to. */
static const struct image_state *first_of(const struct correlate *c,
                                          const struct ingest_state *ingest,
                                          const struct image_state *only)
{
    const struct image_state *first = NULL;

    for (const struct image_state *i = c->images; i; i = i->next) /* the newest is first */
        if (is_its(ingest, i, only) && (!first || i->begun_us <= first->begun_us))
            first = i;
    return first;
}

/* Whether it can belong to a pull of now. */
static bool is_in_flight(const struct correlate *c, const struct ingest_state *ingest)
{
    for (const struct image_state *i = c->images; i; i = i->next)
        if (i->pulling && ingest_is_since(ingest, i->begun_us))
            return true;
    return false;
}

/* Each blob is counted at one image, or, where several are being pulled and nobody asked whose it
 * is, at none. */
static void share_out(const struct correlate *c, const struct image_state *only,
                      struct snapshot_image *list, size_t n, struct snapshot *ret)
{
    for (size_t i = 0; i < c->n_ingests; i++) {
        const struct image_state *first = first_of(c, &c->ingests[i], only);
        size_t at = n;

        if (!first && is_in_flight(c, &c->ingests[i]))
            ret->unowned_bytes += c->ingests[i].bytes;
        for (const struct image_state *image = c->images; first && image; image = image->next) {
            at--; /* the newest is first */
            if (image == first)
                list[at].bytes_once += c->ingests[i].bytes;
        }
    }
}

int view_images(struct correlate *c, struct snapshot *ret)
{
    const struct image_state *only;
    struct snapshot_image *list;
    size_t n = 0;
    size_t at;

    images_count(c);
    only = only_pull(c);
    for (const struct image_state *i = c->images; i; i = i->next)
        n++;
    list = arena_alloc(&ret->arena, (n + 1) * sizeof(*list));
    if (!list)
        return -ENOMEM;
    at = n;
    for (const struct image_state *i = c->images; i; i = i->next)
        if (view_image(c, i, only, ret, &list[--at]) < 0) /* the newest is first */
            return -ENOMEM;
    share_out(c, only, list, n, ret);
    ret->n_images = n;
    ret->images = list;
    ret->tells_bytes = c->tells_ingests;
    if (c->fs_mountpoint) {
        ret->image_fs = (struct snapshot_image_fs){
            .mountpoint = arena_str(&ret->arena, str_from(c->fs_mountpoint)),
            .used_bytes = c->fs_used_bytes,
            .used_inodes = c->fs_used_inodes,
        };
        if (!ret->image_fs.mountpoint)
            return -ENOMEM;
    }
    return 0;
}

static bool has_row(const struct snapshot *snapshot, size_t n, const char *registry)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(snapshot->registries[i].registry, registry) == 0)
            return true;
    return false;
}

void view_in_progress(const struct snapshot *from, struct snapshot_registry *to)
{
    size_t n_before = (size_t)(to - from->registries);
    bool other = strcmp(to->registry ? to->registry : "", "other") == 0;

    for (size_t i = 0; i < from->n_images && to->registry; i++) {
        const struct snapshot_image *image = &from->images[i];

        if (!image->pulling || (other ? has_row(from, n_before, image->registry)
                                      : strcmp(image->registry, to->registry) != 0))
            continue;
        to->in_progress += image->pulling;
        to->in_progress_bytes += image->bytes_once;
        if (!to->in_progress_since_us || image->since_us < to->in_progress_since_us)
            to->in_progress_since_us = image->since_us;
    }
}

static bool waits_behind(const struct incident *i, const struct incident *stalled)
{
    return i != stalled && i->state == INCIDENT_STALLED && stalled->state == INCIDENT_STALLED &&
           i->stall.hash == stalled->stall.hash &&
           strcmp(i->stall.digest, stalled->stall.digest) == 0;
}

/* The names are those of the incidents' own views, which stand in the same order. Returns whether
 * all are shown. */
static bool fill_waiters(const struct correlate *c, const struct incident *incident,
                         const struct snapshot_incident *views, struct snapshot_waiter *waiters,
                         struct snapshot_stall *to)
{
    size_t at = 0;

    for (const struct incident *i = c->incidents; i; i = i->next) {
        if (!incident_state_open(i->state))
            continue;
        if (waits_behind(i, incident) && to->n_waiting_behind == LIMIT_WAITING_BEHIND)
            return false;
        if (waits_behind(i, incident))
            waiters[to->n_waiting_behind++] =
                (struct snapshot_waiter){ .namespace = views[at].namespace,
                                          .pod = views[at].pod,
                                          .container = views[at].container };
        at++;
    }
    return true;
}

int view_stall(struct correlate *c, struct incident *incident, const struct snapshot_incident *open,
               struct arena *arena, const struct snapshot_stall **ret)
{
    struct stall *from = &incident->stall;
    struct snapshot_waiter *waiters;
    struct snapshot_stall *to;

    *ret = NULL;
    if (!from->digest)
        return 0;
    to = arena_alloc(arena, sizeof(*to));
    waiters = arena_alloc(arena, LIMIT_WAITING_BEHIND * sizeof(*waiters));
    if (!to || !waiters)
        return -ENOMEM;
    *to = (struct snapshot_stall){
        .layer = arena_str(arena, str_from(from->digest)),
        .bytes = from->bytes,
        .total = from->total,
        .last_progress_us = from->moved_wall_us,
        .waiting_behind = waiters,
    };
    if (!fill_waiters(c, incident, open, waiters, to)) {
        if (!from->crowded)
            correlate_limit_hit(c, LIMIT_HIT_WAITING_BEHIND);
        from->crowded = true;
    }
    *ret = to;
    return to->layer ? 0 : -ENOMEM;
}
