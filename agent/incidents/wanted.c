/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/wanted.h"

#include "agent/incidents/event_turns.h"
#include "agent/incidents/silence.h"
#include "agent/incidents/table.h"
#include "util.h"

/* Over the limit, images that were asked for longest ago come first. */
#define ASKED_RECENTLY_US (10 * SEC)

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

void wanted_count_left_out(struct correlate *c, struct instant now)
{
    count_images_left_out(c);
    event_turns_update(c, now);
}

/* --- what is wanted -------------------------------------------------------- */

/* How many images a namespace has in the question. */
struct share {
    const struct tenant *tenant;
    size_t n;
};

/* A question that is being put together. */
struct question {
    const struct correlate *c;
    struct instant now;
    struct wanted *ret;
    const struct image_state *images[LIMIT_WANTED_IMAGES]; /* already in the question */
    size_t n_images;
    struct share shares[LIMIT_WANTED_IMAGES];
    size_t n_shares;
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

static bool asked_recently(const struct question *q, const struct image_state *image)
{
    return image && q->now.mono_us - image->seen_us < ASKED_RECENTLY_US;
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

/* NULL: so many namespaces wait that each has one image in the question at most. */
static struct share *share_of(struct question *q, const struct tenant *tenant)
{
    for (size_t i = 0; i < q->n_shares; i++)
        if (q->shares[i].tenant == tenant)
            return &q->shares[i];
    if (q->n_shares == ARRAY_SIZE(q->shares))
        return NULL;
    q->shares[q->n_shares] = (struct share){ .tenant = tenant };
    return &q->shares[q->n_shares++];
}

/* `most`: how many images of one namespace may be in the question. */
static void want_pods_images(struct question *q, const struct pod *pod, bool recently, size_t most)
{
    struct share *share = share_of(q, pod->tenant);
    size_t n = share ? share->n : 0;
    bool blocked = false;

    for (size_t i = 0; i < pod->n_containers && n < most && !is_full(q); i++) {
        const struct container *container = &pod->containers[i];
        const size_t before = q->ret->n_images;
        const struct image_state *image;

        if (!container_waits(container, &blocked))
            continue;
        image = image_of(&q->c->images, container);
        if (asked_recently(q, image) == recently)
            want_image(q, image, container->image);
        n += q->ret->n_images - before;
    }
    if (share)
        share->n = n;
}

static void want_waiting(struct question *q, bool recently, size_t most)
{
    for (const struct pod *pod = q->c->pods.first; pod && q->ret->pods_wait && !is_full(q);
         pod = pod->next)
        if (pod->waiting)
            want_pods_images(q, pod, recently, most);
}

/* Half of the places, divided among the namespaces with waiting containers. */
static size_t fair_share(struct question *q)
{
    for (const struct pod *pod = q->c->pods.first; pod; pod = pod->next)
        if (pod->waiting)
            share_of(q, pod->tenant);
    return LIMIT_WANTED_IMAGES / 2 / (q->n_shares ? q->n_shares : 1) + 1;
}

static void want_awaited(struct question *q, bool recently)
{
    for (const struct image_state *i = q->c->images.first; i && !is_full(q); i = i->next)
        if (image_is_awaited(i) && asked_recently(q, i) == recently)
            want_image(q, i, i->name->asked);
}

/* No container waits for a pull of it: the image of a volume, or one that must not be pulled. */
static bool incident_wants_image(const struct incident *incident)
{
    return incident_state_open(incident->state) &&
           (incident->pull->kind == CONTAINER_IMAGE_VOLUME ||
            incident->verdict.reason == REASON_NEVER_PULL);
}

static void want_incidents(struct question *q, bool recently)
{
    for (const struct incident *i = q->c->incidents.first; i && !is_full(q); i = i->next) {
        const struct pull *pull = i->pull;
        const struct image_state *image;

        if (!incident_wants_image(i))
            continue;
        image = image_find(&q->c->images, str_from(pull->image), pull->image_hash);
        if (asked_recently(q, image) == recently)
            want_image(q, image, pull->image);
    }
}

/* First a share for each namespace that waits; what was asked for recently comes last. */
static void want_images(struct question *q)
{
    want_waiting(q, false, fair_share(q));
    for (int recently = 0; recently < 2; recently++) {
        want_awaited(q, recently);
        want_incidents(q, recently);
        want_waiting(q, recently, LIMIT_WANTED_IMAGES);
    }
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

/* What is pulled in silence may have come between two polls. */
static void want_repositories(struct question *q)
{
    char repository[LIMIT_IMAGE_TEXT];
    struct wanted *ret = q->ret;

    for (const struct image_state *i = q->c->images.first; i && ret->ingests; i = i->next)
        if (silence_is_suspect(&q->c->images, i, q->now) &&
            image_repository(i->name->canonical, repository))
            want(&ret->arena, ret->repositories, &ret->n_repositories, LIMIT_WANTED_REPOSITORIES,
                 repository);
}

/* Over the limit, others have their turn when these are answered. */
static void want_fetched(struct question *q)
{
    char repository[LIMIT_IMAGE_TEXT];
    struct wanted *ret = q->ret;

    for (const struct image_state *i = q->c->images.first; i; i = i->next)
        if (fetched_is_due(&q->c->fetched, i, q->now) &&
            image_repository(i->name->canonical, repository))
            want(&ret->arena, ret->fetched, &ret->n_fetched, LIMIT_WANTED_REPOSITORIES, repository);
}

void correlate_wanted(struct correlate *c, struct instant now, struct wanted *ret)
{
    struct question q = { .c = c, .now = now, .ret = ret };

    table_settle(c, now);
    *ret = (struct wanted){ .n_images = 0 };
    arena_init(&ret->arena, LIMIT_SNAPSHOT);
    ret->pods_wait = c->pods.waiting > 0;
    for (const struct tenant *tenant = c->tenants.first; tenant; tenant = tenant->next)
        if (tenant->has_turn)
            want(&ret->arena, ret->namespaces, &ret->n_namespaces, LIMIT_EVENT_NAMESPACES,
                 tenant->name);
    want_images(&q);
    want_blobs(&q);
    want_repositories(&q);
    want_fetched(&q);
}
