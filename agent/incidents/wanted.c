/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/wanted.h"

#include "agent/incidents/table.h"
#include "util.h"

#define NO_SANDBOX_US (60 * SEC)

/* Over the limit, images that were asked for longest ago come first. */
#define ASKED_RECENTLY_US (10 * SEC)

/* No event watch for a pod that is only starting: think of a rollout on 5,000 nodes. */
static bool events_would_help(const struct pod *pod, struct instant now)
{
    return pod->failing > 0 ||
           (pod->no_sandbox_since_us && now.mono_us - pod->no_sandbox_since_us >= NO_SANDBOX_US &&
            pod->waiting > 0);
}

/* --- the limits ------------------------------------------------------------ */

/* A small set of hashes. Two texts with the same hash count as one: only the counter of a limit
 * can be wrong then. */
struct hashes {
    uint64_t list[LIMIT_WANTED_IMAGES];
    size_t n;
};

/* Returns whether the hash is in the set now. False: the set is full. */
static bool add(struct hashes *set, uint64_t hash)
{
    for (size_t i = 0; i < set->n; i++)
        if (set->list[i] == hash)
            return true;
    if (set->n == ARRAY_SIZE(set->list))
        return false;
    set->list[set->n++] = hash;
    return true;
}

static void count_images_left_out(struct correlate *c)
{
    struct hashes asked = { .n = 0 };

    if (c->pods.waiting + c->images.n <= LIMIT_WANTED_IMAGES)
        return;
    for (const struct image_state *i = c->images.first; i; i = i->next)
        if (image_is_awaited(i))
            add(&asked, i->hash);
    for (struct pod *pod = c->pods.first; pod; pod = pod->next) {
        bool blocked = false;

        for (size_t i = 0; i < pod->n_containers && pod->waiting; i++) {
            struct container *container = &pod->containers[i];

            if (!container_waits(container, &blocked) || add(&asked, container->image_hash) ||
                container->image_left_out)
                continue;
            counters_limit_hit(&c->counters, LIMIT_HIT_WANTED_IMAGES);
            container->image_left_out = true;
        }
    }
}

static void count_events_left_out(struct correlate *c, struct instant now)
{
    const char *watched[LIMIT_EVENT_NAMESPACES];
    size_t n = 0;

    for (struct pod *pod = c->pods.first; pod; pod = pod->next) {
        bool left_out = events_would_help(pod, now);

        for (size_t i = 0; i < n && left_out; i++)
            left_out = strcmp(watched[i], pod->namespace) != 0;
        if (left_out && n < LIMIT_EVENT_NAMESPACES) {
            watched[n++] = pod->namespace;
            left_out = false;
        }
        if (left_out && !pod->events_left_out)
            counters_limit_hit(&c->counters, LIMIT_HIT_EVENT_NAMESPACES);
        pod->events_left_out = left_out;
    }
}

void wanted_count_left_out(struct correlate *c, struct instant now)
{
    count_images_left_out(c);
    count_events_left_out(c, now);
}

/* --- what is wanted -------------------------------------------------------- */

/* A question that is being put together. */
struct question {
    const struct correlate *c;
    struct instant now;
    struct wanted *ret;
    const struct image_state *images[LIMIT_WANTED_IMAGES]; /* already in the question */
    size_t n_images;
};

/* Adds each text once. Without memory, the text is left out. */
static void want(struct arena *arena, struct str *list, size_t *n, size_t max, const char *text)
{
    char *kept;

    for (size_t i = 0; i < *n; i++)
        if (str_eq(list[i], str_from(text)))
            return;
    if (*n == max)
        return;
    kept = arena_str(arena, str_from(text));
    if (kept)
        list[(*n)++] = str_from(kept);
}

static bool is_full(const struct question *q)
{
    return q->ret->n_images == LIMIT_WANTED_IMAGES;
}

/* `image`: what is known of it, or NULL. If the image has several spellings, the first one is
 * used. */
static void want_image(struct question *q, const struct image_state *image, const char *text)
{
    for (size_t i = 0; i < q->n_images && image; i++)
        if (q->images[i] == image)
            return;
    if (image && q->n_images < ARRAY_SIZE(q->images))
        q->images[q->n_images++] = image;
    want(&q->ret->arena, q->ret->images, &q->ret->n_images, LIMIT_WANTED_IMAGES, text);
}

static void want_pods_images(struct question *q, const struct pod *pod, bool asked_recently)
{
    bool blocked = false;

    for (size_t i = 0; i < pod->n_containers && !is_full(q); i++) {
        const struct container *container = &pod->containers[i];
        const struct image_state *image;
        bool recently;

        if (!container_waits(container, &blocked))
            continue;
        image = image_of(&q->c->images, container);
        recently = image && q->now.mono_us - image->seen_us < ASKED_RECENTLY_US;
        if (recently == asked_recently)
            want_image(q, image, container->image);
    }
}

static void want_waiting(struct question *q, bool asked_recently)
{
    for (const struct pod *pod = q->c->pods.first; pod && q->ret->pods_wait && !is_full(q);
         pod = pod->next)
        if (pod->waiting)
            want_pods_images(q, pod, asked_recently);
}

/* No container waits for a pull of it: the image of a volume, or one that must not be pulled. */
static bool incident_wants_image(const struct incident *incident)
{
    return incident_state_open(incident->state) &&
           (incident->pull->kind == CONTAINER_IMAGE_VOLUME ||
            incident->verdict.reason == REASON_NEVER_PULL);
}

static void want_images(struct question *q)
{
    struct wanted *ret = q->ret;

    for (const struct image_state *i = q->c->images.first; i && !is_full(q); i = i->next)
        if (image_is_awaited(i))
            want(&ret->arena, ret->images, &ret->n_images, LIMIT_WANTED_IMAGES, i->name->asked);
    want_waiting(q, false);
    for (const struct incident *i = q->c->incidents.first; i && !is_full(q); i = i->next)
        if (incident_wants_image(i))
            want(&ret->arena, ret->images, &ret->n_images, LIMIT_WANTED_IMAGES, i->pull->image);
    want_waiting(q, true);
}

/* Then the owner of a blob decides which of them it belongs to. */
static bool several_are_pulled(const struct images *images)
{
    size_t n = 0;

    for (const struct image_state *i = images->first; i && n < 2; i = i->next)
        n += i->pulling > 0 && !i->present;
    return n > 1;
}

/* Blobs that were asked for longest ago come first: leftovers without an owner must not hide
 * others.
 */
static void want_blobs(struct question *q)
{
    const struct ingests *ingests = &q->c->ingests;
    const struct ingest_state *idle[LIMIT_INGESTS];
    bool any_moves = ingests_any_moves(ingests, q->now);
    bool several = several_are_pulled(&q->c->images);
    struct wanted *ret = q->ret;
    size_t n = 0;

    if (ingests->stall_after_us == 0)
        return;
    for (const struct image_state *i = q->c->images.first; i && !ret->ingests; i = i->next)
        ret->ingests = image_may_be_fetched(i);
    for (size_t i = 0; i < ingests->n && ret->ingests; i++)
        if (ingest_is_idle(ingests, &q->c->images, &ingests->list[i], any_moves, q->now) ||
            (several && names_count(ingests->list[i].repositories) == 0))
            idle[n++] = &ingests->list[i];
    while (n && ret->n_blobs < LIMIT_WANTED_BLOBS) {
        size_t first = 0;

        for (size_t i = 1; i < n; i++)
            if (idle[i]->asked_us < idle[first]->asked_us)
                first = i;
        want(&ret->arena, ret->blobs, &ret->n_blobs, LIMIT_WANTED_BLOBS, idle[first]->digest);
        idle[first] = idle[--n];
    }
}

void correlate_wanted(const struct correlate *c, struct instant now, struct wanted *ret)
{
    struct question q = { .c = c, .now = now, .ret = ret };

    *ret = (struct wanted){ .n_images = 0 };
    arena_init(&ret->arena, LIMIT_SNAPSHOT);
    for (const struct pod *pod = c->pods.first; pod; pod = pod->next) {
        ret->pods_wait |= pod->waiting > 0;
        if (events_would_help(pod, now))
            want(&ret->arena, ret->namespaces, &ret->n_namespaces, LIMIT_EVENT_NAMESPACES,
                 pod->namespace);
    }
    want_images(&q);
    want_blobs(&q);
}
