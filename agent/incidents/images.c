/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The images that this node waits for, and their pulls. The runtime is asked for
 * an image when a container's turn comes that may lack it. Absent then and there
 * later: that was a good pull. It took as long as the container waited in its
 * sandbox, so its time includes the queueing and is as exact as the runtime is
 * asked often.
 */

#include <errno.h>

#include "agent/classify/image_ref.h"
#include "agent/incidents/correlate.h"
#include "agent/incidents/state.h"
#include "mem.h"
#include "util.h"

#define KEEP_US MINUTE /* a wanted image is asked for every few seconds */
#define KEEP_AWAITED_US (10 * MINUTE)

uint64_t image_hash(struct str image)
{
    char canonical[LIMIT_IMAGE_TEXT];

    image_canonical(image, canonical);
    return hash_str(str_from(canonical));
}

static struct image_state *first_of_bucket(const struct correlate *c, uint64_t hash)
{
    return c->image_buckets[hash % IMAGE_BUCKETS];
}

struct image_state *image_find(const struct correlate *c, struct str image)
{
    uint64_t hash = image_hash(image);

    for (struct image_state *i = first_of_bucket(c, hash); i; i = i->bucket_next)
        if (i->hash == hash && image_same(str_from(i->canonical), image))
            return i;
    return NULL;
}

/* A tenant can find a name with the hash of another's, so it only tells where to look. */
struct image_state *image_of(const struct correlate *c, const struct container *container)
{
    uint64_t hash = container->image_hash;
    struct str image = str_from(container->image);

    for (struct image_state *i = first_of_bucket(c, hash); i; i = i->bucket_next)
        if (i->hash == hash &&
            (str_eq(str_from(i->asked), image) || image_same(str_from(i->canonical), image)))
            return i;
    return NULL;
}

static void image_free(struct image_state *image)
{
    mem_free(image->canonical);
    mem_free(image->asked);
    mem_free(image->digest);
    mem_free(image);
}

static bool has_failed(const struct correlate *c, struct str image)
{
    for (const struct incident *i = c->incidents; i; i = i->next)
        if (incident_state_open(i->state) && !i->stalled_only &&
            image_same(str_from(i->image), image))
            return true;
    return false;
}

static struct image_state *image_new(struct correlate *c, struct str image)
{
    struct image_state *made = mem_zalloc(sizeof(*made));
    char canonical[LIMIT_IMAGE_TEXT];

    if (!made)
        return NULL;
    image_canonical(image, canonical);
    made->canonical = mem_strdup(canonical);
    made->asked = mem_str(str_head(image, LIMIT_IMAGE_TEXT - 1));
    made->digest = mem_strdup("");
    if (!made->canonical || !made->asked || !made->digest) {
        image_free(made);
        return NULL;
    }
    made->hash = hash_str(str_from(canonical));
    made->present = true; /* until somebody misses it */
    made->next = c->images;
    c->images = made;
    made->bucket_next = c->image_buckets[made->hash % IMAGE_BUCKETS];
    c->image_buckets[made->hash % IMAGE_BUCKETS] = made;
    return made;
}

static void pull_ended(struct correlate *c, struct image_state *image,
                       const struct image_fact *fact, struct instant now)
{
    struct registry *registry = registry_of(c, fact->image, now);
    int64_t begun_us = image->pull_us ? image->pull_us : image->missed_us;
    int64_t ended_us = image->used_us ? image->used_us : now.mono_us;

    registry->attempts++;
    registry->bytes += fact->size;
    /* When the last of several tries began, or one from before us, nobody tells. */
    if (image->pull_us ? !image->pull_inexact : !image->failed)
        histogram_add(&registry->pulls, &histogram_pull_bounds, ended_us - begun_us);
}

int witness_image(struct correlate *c, const struct image_fact *fact, struct instant now)
{
    struct image_state *image = image_find(c, fact->image);
    char *digest = mem_str(str_head(fact->digest, LIMIT_NAME_TEXT));

    if (!image && digest)
        image = image_new(c, fact->image);
    if (!image || !digest) {
        mem_free(digest);
        return -ENOMEM;
    }
    if (image->present && !fact->present) {
        image->missed_us = now.mono_us;
        image->failed = has_failed(c, fact->image);
    } else if (!image->present && fact->present) {
        pull_ended(c, image, fact, now);
    }
    if (fact->present || !image->waiting)
        image->pull_us = 0; /* done, or given up */
    image->used_us = 0;
    mem_free(image->digest);
    image->digest = digest;
    image->present = fact->present;
    image->size = fact->size;
    image->seen_us = now.mono_us;
    return 0;
}

void image_used(struct correlate *c, struct str image, struct instant now)
{
    struct image_state *known = image_find(c, image);

    if (known && !known->present && !known->used_us)
        known->used_us = now.mono_us;
}

bool image_is_awaited(const struct image_state *image)
{
    return !image->present && !image->waiting && image->pull_us;
}

void image_pull_failed(struct correlate *c, struct str image)
{
    struct image_state *known = image_find(c, image);

    if (!known)
        return;
    known->failed = true;
    known->pull_us = 0; /* of another container that goes on waiting, the next look tells again */
}

static void leave_bucket(struct correlate *c, const struct image_state *image)
{
    struct image_state **link = &c->image_buckets[image->hash % IMAGE_BUCKETS];

    while (*link != image)
        link = &(*link)->bucket_next;
    *link = image->bucket_next;
}

void images_forget(struct correlate *c, int64_t now_mono_us)
{
    struct image_state **link = &c->images;

    images_count(c);
    while (*link) {
        struct image_state *image = *link;
        int64_t keep_us = image_is_awaited(image) ? KEEP_AWAITED_US : KEEP_US;

        /* A runtime that hangs speaks of none, and yet they are waited for. */
        if (!image->waiting && now_mono_us - image->seen_us > keep_us) {
            *link = image->next;
            leave_bucket(c, image);
            image_free(image);
        } else {
            link = &image->next;
        }
    }
}

void images_free(struct correlate *c)
{
    while (c->images) {
        struct image_state *image = c->images;

        c->images = image->next;
        image_free(image);
    }
}

bool image_may_be_fetched(const struct image_state *image)
{
    return image->waiting && (!image->present || image->always);
}

/*
 * Without a sandbox the kubelet does not pull, and it pulls for one container after the other:
 * kubelet: pkg/kubelet/kuberuntime/kuberuntime_manager.go, SyncPod().
 */
static bool may_pull(const struct pod *pod, const struct container *container,
                     const struct image_state *image, bool *earlier_pulls)
{
    bool absent = !image || !image->present;
    bool has_turn = !*earlier_pulls;

    if (container->pull != PULL_SILENT)
        return false; /* it failed, and the next one has its turn */
    if (container->kind == CONTAINER_APP && absent)
        *earlier_pulls = true;
    return has_turn && (absent || container->always) && image && pod->no_sandbox_since_us == 0;
}

/* `looked`: the runtime has just been asked, and who is found pulling now begins now. */
static void count_waiters(const struct correlate *c, struct pod *pod, bool looked,
                          struct instant now)
{
    bool blocked = false;
    bool earlier_pulls = false;

    for (size_t i = 0; i < pod->n_containers; i++) {
        struct container *container = &pod->containers[i];
        bool waits = container_waits(container, &blocked);
        struct image_state *image = waits ? image_of(c, container) : NULL;
        bool pulls = waits && may_pull(pod, container, image, &earlier_pulls);

        if (!pulls) {
            container->begun_us = 0;
        } else if (looked && !container->begun_us) {
            container->begun_us = now.mono_us;
            container->begun_wall_us = now.wall_us;
        }
        if (!image)
            continue;
        image->waiting++;
        image->always |= container->always;
        image->retried |= container->pull != PULL_SILENT;
        if (!container->begun_us)
            continue; /* whether its sandbox is there, nobody has looked since */
        image->pulling++;
        if (!image->begun_us || container->begun_us < image->begun_us) {
            image->begun_us = container->begun_us;
            image->begun_wall_us = container->begun_wall_us;
        }
        if (looked && !image->pull_us && !image->present) {
            image->pull_us = container->begun_us;
            image->pull_inexact = container->found_so;
        }
    }
}

/*
 * An image that is there and always pulled is, as a rule, only compared with the registry's. What
 * is in flight shows that it is fetched: if it is known to be its, or can be nobody else's.
 */
static bool is_fetched(const struct correlate *c, const struct image_state *image, bool only)
{
    for (size_t i = 0; i < c->n_ingests; i++)
        if (ingest_is_since(&c->ingests[i], image->begun_us) &&
            (only || ingest_is_of(&c->ingests[i], image)))
            return true;
    return false;
}

static void count(struct correlate *c, bool looked, struct instant now)
{
    size_t n = 0;

    for (struct image_state *i = c->images; i; i = i->next) {
        i->waiting = i->pulling = 0;
        i->always = i->retried = false;
        i->begun_us = 0;
    }
    for (size_t b = 0; b < POD_BUCKETS && c->images; b++)
        for (struct pod *pod = c->pods[b]; pod; pod = pod->next)
            if (pod->waiting)
                count_waiters(c, pod, looked, now);
    for (const struct image_state *i = c->images; i; i = i->next)
        n += i->pulling > 0 || i->retried;
    for (struct image_state *i = c->images; i; i = i->next) {
        if (i->present && i->pulling && !(i->begun_us && is_fetched(c, i, n == 1))) {
            i->pulling = 0;
            i->begun_us = 0;
        }
        if (looked && !i->present && i->waiting && !i->pulling && !i->retried)
            i->missed_us = now.mono_us; /* nobody pulls it yet */
    }
}

void images_count(struct correlate *c)
{
    count(c, false, (struct instant){ .mono_us = 0 });
}

void images_looked(struct correlate *c, struct instant now)
{
    count(c, true, now);
}
