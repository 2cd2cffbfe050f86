/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/waiting_behind.h"

#include <errno.h>

#include "agent/classify/image_ref.h"
#include "agent/incidents/ingests.h"
#include "util.h"

#define QUEUE_IMAGES 4u

/* Containers that wait for the same: a layer, or a slot. Each of them shows the first
 * LIMIT_WAITING_BEHIND others, so one more is kept. */
struct queue {
    const char *layer;
    struct snapshot_waiter first[LIMIT_WAITING_BEHIND + 1];
    size_t n;
    const char *images[QUEUE_IMAGES]; /* of these, as the pods name them, each once */
    size_t n_images;
};

struct queues {
    struct queue *layers; /* LIMIT_INGESTS of them */
    size_t n_layers;
    struct queue slots;   /* the containers that wait for a slot */
    struct queue holders; /* the containers whose pulls hold the slots */
    /* Of those that got no answer, the first one for each registry. */
    const struct snapshot_incident *unanswered[QUEUE_IMAGES];
    size_t n_unanswered;
};

static struct queue *queue_of(struct queues *queues, const char *layer)
{
    struct queue *list = queues->layers;

    for (size_t i = 0; i < queues->n_layers; i++)
        if (list[i].layer == layer || strcmp(list[i].layer, layer) == 0)
            return &list[i];
    if (queues->n_layers == LIMIT_INGESTS)
        return NULL;
    list[queues->n_layers] = (struct queue){ .layer = layer };
    return &list[queues->n_layers++];
}

static void join(struct queue *queue, const struct snapshot_incident *incident)
{
    size_t at = 0;

    if (queue->n == ARRAY_SIZE(queue->first))
        return;
    queue->first[queue->n++] = (struct snapshot_waiter){ .namespace = incident->namespace,
                                                         .pod = incident->pod,
                                                         .container = incident->container,
                                                         .image = incident->image };
    while (at < queue->n_images && strcmp(queue->images[at], incident->image) != 0)
        at++;
    if (at == queue->n_images && at < QUEUE_IMAGES)
        queue->images[queue->n_images++] = incident->image;
}

static void join_unanswered(struct queues *queues, const struct snapshot_incident *incident)
{
    for (size_t i = 0; i < queues->n_unanswered; i++)
        if (strcmp(queues->unanswered[i]->registry, incident->registry) == 0)
            return;
    if (queues->n_unanswered < QUEUE_IMAGES)
        queues->unanswered[queues->n_unanswered++] = incident;
}

static bool is_waiter(const struct snapshot_waiter *waiter,
                      const struct snapshot_incident *incident)
{
    return waiter->pod == incident->pod && waiter->container == incident->container;
}

/* Appends all of the queue but the incident itself, up to LIMIT_WAITING_BEHIND. */
static size_t append(struct snapshot_waiter *list, size_t n, const struct queue *queue,
                     const struct snapshot_incident *incident)
{
    for (size_t i = 0; i < queue->n && n < LIMIT_WAITING_BEHIND; i++)
        if (!is_waiter(&queue->first[i], incident))
            list[n++] = queue->first[i];
    return n;
}

/* `layer`, `slots`: what the incident holds up; NULL: nothing. */
static int fill_waiting_behind(const struct queue *layer, const struct queue *slots,
                               const struct snapshot_incident *incident, struct arena *arena,
                               struct snapshot_stall *stall)
{
    bool among_first = false;
    struct snapshot_waiter *own;
    size_t n = 0;

    for (size_t i = 0; layer && i < layer->n && !among_first; i++)
        among_first = is_waiter(&layer->first[i], incident);
    if (layer && !slots && !among_first) { /* one list for all those over the limit */
        stall->waiting_behind = layer->first;
        stall->n_waiting_behind = layer->n < LIMIT_WAITING_BEHIND ? layer->n : LIMIT_WAITING_BEHIND;
        return 0;
    }
    own = arena_alloc(arena, LIMIT_WAITING_BEHIND * sizeof(*own));
    if (!own)
        return -ENOMEM;
    if (layer)
        n = append(own, n, layer, incident);
    if (slots)
        n = append(own, n, slots, incident);
    stall->waiting_behind = own;
    stall->n_waiting_behind = n;
    return 0;
}

/* The other images of the layer whose repository has the same name for the runtime. */
static int fill_ambiguous_with(const struct queue *layer, const struct snapshot_incident *incident,
                               struct arena *arena, struct snapshot_stall *stall)
{
    char canonical[LIMIT_IMAGE_TEXT], other[LIMIT_IMAGE_TEXT];
    const char **list = NULL;
    size_t n = 0;

    if (layer->n_images < 2)
        return 0;
    image_canonical(str_from(incident->image), canonical);
    for (size_t i = 0; i < layer->n_images; i++) {
        image_canonical(str_from(layer->images[i]), other);
        if (strcmp(canonical, other) == 0 || !image_same_repository(canonical, other))
            continue;
        if (!list)
            list = arena_alloc(arena, QUEUE_IMAGES * sizeof(*list));
        if (!list)
            return -ENOMEM;
        list[n++] = layer->images[i];
    }
    stall->ambiguous_with = list;
    stall->n_ambiguous_with = n;
    return 0;
}

/* The kubelet's queue is not visible: of pulls that began together, only one may have its turn. */
static int fill_unanswered(const struct queues *queues, const struct snapshot_incident *incident,
                           struct arena *arena, struct snapshot_stall *stall)
{
    const char **list;
    size_t n = 0;

    if (queues->n_unanswered < 2)
        return 0;
    list = arena_alloc(arena, QUEUE_IMAGES * sizeof(*list));
    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < queues->n_unanswered; i++)
        if (strcmp(queues->unanswered[i]->registry, incident->registry) != 0)
            list[n++] = queues->unanswered[i]->image;
    stall->ambiguous_with = list;
    stall->n_ambiguous_with = n;
    return 0;
}

static int fill_stall(struct queues *queues, const struct snapshot_incident *incident,
                      struct arena *arena)
{
    struct snapshot_stall *stall = (struct snapshot_stall *)incident->stall; /* our arena's */
    struct queue *layer = NULL, *slots = NULL;

    if (stall->waits_for == STALL_SLOT) {
        stall->held_by = queues->holders.first;
        stall->n_held_by =
            queues->holders.n < LIMIT_WAITING_BEHIND ? queues->holders.n : LIMIT_WAITING_BEHIND;
        return 0;
    }
    if (stall->waits_for == STALL_ANSWER)
        return fill_unanswered(queues, incident, arena, stall);
    if (stall->waits_for == STALL_BYTES)
        layer = queue_of(queues, stall->layer);
    if (stall->holds_slot && queues->slots.n)
        slots = &queues->slots;
    if (layer && fill_ambiguous_with(layer, incident, arena, stall) < 0)
        return -ENOMEM;
    return layer || slots ? fill_waiting_behind(layer, slots, incident, arena, stall) : 0;
}

static int start(struct queues *queues, struct arena *arena)
{
    queues->layers = arena_alloc(arena, LIMIT_INGESTS * sizeof(*queues->layers));
    return queues->layers ? 0 : -ENOMEM;
}

int snapshot_fill_stalls(struct snapshot *snapshot)
{
    struct queues *queues = NULL;

    for (size_t i = 0; i < snapshot->n_incidents; i++) {
        const struct snapshot_incident *incident = &snapshot->incidents[i];
        const struct snapshot_stall *stall = incident->stall;
        struct queue *layer;

        if (!stall)
            continue;
        if (!queues) {
            queues = arena_alloc(&snapshot->arena, sizeof(*queues));
            if (!queues || start(queues, &snapshot->arena) < 0)
                return -ENOMEM;
        }
        layer = stall->waits_for == STALL_BYTES ? queue_of(queues, stall->layer) : NULL;
        if (layer)
            join(layer, incident);
        if (stall->waits_for == STALL_SLOT)
            join(&queues->slots, incident);
        if (stall->waits_for == STALL_ANSWER)
            join_unanswered(queues, incident);
        if (stall->holds_slot)
            join(&queues->holders, incident);
    }
    for (size_t i = 0; i < snapshot->n_incidents && queues; i++)
        if (snapshot->incidents[i].stall &&
            fill_stall(queues, &snapshot->incidents[i], &snapshot->arena) < 0)
            return -ENOMEM;
    return 0;
}
