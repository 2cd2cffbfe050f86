/* SPDX-License-Identifier: Apache-2.0 */

/* The parts of a snapshot that need no table: correlate_complete(). It runs without the lock. */

#include <errno.h>

#include "agent/classify/image_ref.h"
#include "agent/classify/message.h"
#include "agent/incidents/advise.h"
#include "agent/incidents/correlate.h"
#include "buf.h"
#include "util.h"

/* --- the registries' pulls in progress ------------------------------------- */

static bool has_row(const struct snapshot *snapshot, size_t n, const char *registry)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(snapshot->registries[i].registry, registry) == 0)
            return true;
    return false;
}

static void add_in_progress(const struct snapshot *from, struct snapshot_registry *to)
{
    size_t n_before = (size_t)(to - from->registries);
    bool other = strcmp(to->registry, "other") == 0;

    for (size_t i = 0; i < from->n_images; i++) {
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

/* --- what waits behind a stall --------------------------------------------- */

/* The incidents that one layer holds up. Each of them shows the first LIMIT_WAITING_BEHIND others,
 * so one more is kept. */
struct queue {
    const char *layer;
    struct snapshot_waiter first[LIMIT_WAITING_BEHIND + 1];
    size_t n;
};

static struct queue *queue_of(struct queue *queues, size_t *n, const char *layer)
{
    for (size_t i = 0; i < *n; i++)
        if (queues[i].layer == layer || strcmp(queues[i].layer, layer) == 0)
            return &queues[i];
    if (*n == LIMIT_INGESTS)
        return NULL;
    queues[*n].layer = layer;
    return &queues[(*n)++];
}

static bool is_waiter(const struct snapshot_waiter *waiter,
                      const struct snapshot_incident *incident)
{
    return waiter->pod == incident->pod && waiter->container == incident->container;
}

/* 0 or -ENOMEM. */
static int fill_waiting_behind(const struct queue *queue, const struct snapshot_incident *incident,
                               struct arena *arena, struct snapshot_stall *stall)
{
    struct snapshot_waiter *own;
    size_t at = 0;

    while (at < queue->n && !is_waiter(&queue->first[at], incident))
        at++;
    stall->waiting_behind = queue->first;
    if (at == queue->n) { /* it is not among the incidents that are shown */
        stall->n_waiting_behind = LIMIT_WAITING_BEHIND;
        return 0;
    }
    stall->n_waiting_behind = queue->n - 1;
    own = arena_alloc(arena, queue->n * sizeof(*own));
    if (!own)
        return -ENOMEM;
    memcpy(own, queue->first, at * sizeof(*own));
    memcpy(own + at, queue->first + at + 1, (queue->n - 1 - at) * sizeof(*own));
    stall->waiting_behind = own;
    return 0;
}

static int add_waiting_behind(struct snapshot *snapshot)
{
    struct queue *queues = NULL;
    size_t n = 0;

    for (size_t i = 0; i < snapshot->n_incidents; i++) {
        const struct snapshot_incident *incident = &snapshot->incidents[i];
        struct queue *queue;

        if (!incident->stall)
            continue;
        if (!queues)
            queues = arena_alloc(&snapshot->arena, LIMIT_INGESTS * sizeof(*queues));
        if (!queues)
            return -ENOMEM;
        queue = queue_of(queues, &n, incident->stall->layer);
        if (queue && queue->n < ARRAY_SIZE(queue->first))
            queue->first[queue->n++] = (struct snapshot_waiter){ .namespace = incident->namespace,
                                                                 .pod = incident->pod,
                                                                 .container = incident->container };
    }
    for (size_t i = 0; i < snapshot->n_incidents && queues; i++) {
        const struct snapshot_incident *incident = &snapshot->incidents[i];
        struct snapshot_stall *stall = (struct snapshot_stall *)incident->stall; /* our arena's */
        struct queue *queue = stall ? queue_of(queues, &n, stall->layer) : NULL;

        if (queue && fill_waiting_behind(queue, incident, &snapshot->arena, stall) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* --- advice ---------------------------------------------------------------- */

static int advise(struct arena *arena, struct snapshot_incident *incident)
{
    struct buf text;

    buf_init(&text, ADVICE_MAX);
    advise_write(&text, incident);
    incident->advice = arena_str(arena, buf_str(&text));
    buf_done(&text);
    return incident->advice ? 0 : -ENOMEM;
}

/* An incident has the image as the pod names it. */
static void mark_stalled(const struct snapshot_incident *incident, struct snapshot_image *images,
                         size_t n)
{
    char canonical[LIMIT_IMAGE_TEXT];

    image_canonical(str_from(incident->image), canonical);
    for (size_t i = 0; i < n; i++)
        if (strcmp(images[i].image, canonical) == 0)
            images[i].stalled = true;
}

int correlate_complete(enum snapshot_detail detail, struct snapshot *snapshot)
{
    /* These are in the snapshot's own arena, and no reader has them yet. */
    struct snapshot_incident *incidents = (struct snapshot_incident *)snapshot->incidents;
    struct snapshot_image *images = (struct snapshot_image *)snapshot->images;
    struct snapshot_registry *registries = (struct snapshot_registry *)snapshot->registries;

    for (size_t i = 0; i < snapshot->n_registries; i++)
        add_in_progress(snapshot, &registries[i]);
    if (detail != SNAPSHOT_DETAIL)
        return 0;
    for (size_t i = 0; i < snapshot->n_incidents; i++) {
        if (incidents[i].state == INCIDENT_STALLED)
            mark_stalled(&incidents[i], images, snapshot->n_images);
        if (advise(&snapshot->arena, &incidents[i]) < 0)
            return -ENOMEM;
    }
    return add_waiting_behind(snapshot);
}
