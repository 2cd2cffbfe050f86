/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/images.h"

#include <errno.h>

#include "agent/classify/image_ref.h"
#include "agent/incidents/phases.h"
#include "mem.h"
#include "shared.h"
#include "util.h"

#define KEEP_US MINUTE /* a wanted image is asked for every few seconds */
#define KEEP_AWAITED_US (10 * MINUTE)

void images_init(struct images *images, struct registries *registries,
                 const struct incidents *incidents, const struct ingests *ingests,
                 struct pods *pods)
{
    images->registries = registries;
    images->incidents = incidents;
    images->ingests = ingests;
    images->pods = pods;
}

/* A tenant can find a name with the hash of another one: the hash alone identifies nothing. */
struct image_state *image_find(const struct images *images, struct str image, uint64_t hash)
{
    for (struct image_state *i = images->buckets[hash % IMAGE_BUCKETS]; i; i = i->next_of_bucket)
        if (i->hash == hash && (str_eq(str_from(i->name->asked), image) ||
                                image_same(str_from(i->name->canonical), image)))
            return i;
    return NULL;
}

struct image_state *image_of(const struct images *images, const struct container *container)
{
    return image_find(images, str_from(container->image), container->image_hash);
}

static void set_puller(struct image_state *image, struct tenant *tenant)
{
    tenant_unref(image->puller);
    image->puller = tenant ? tenant_ref(tenant) : NULL;
}

static void image_free(struct image_state *image)
{
    set_puller(image, NULL);
    shared_unref(image->name);
    shared_unref(image->digest);
    mem_free(image);
}

static const struct image_name *name_of(struct str image)
{
    char canonical[LIMIT_IMAGE_TEXT];
    char registry[LIMIT_NAME_TEXT];
    struct image_name *name;
    char *at;

    image_canonical(image, canonical);
    image_registry(image, registry);
    image = image_kept(image);
    name = shared_alloc(sizeof(*name) + strlen(canonical) + strlen(registry) + image.len + 3);
    if (!name)
        return NULL;
    at = (char *)(name + 1);
    name->canonical = shared_pack(&at, str_from(canonical));
    name->registry = shared_pack(&at, str_from(registry));
    name->asked = shared_pack(&at, image);
    return name;
}

static struct image_state *image_new(struct images *images, struct str image, uint64_t hash,
                                     struct instant now)
{
    struct image_state *made = mem_zalloc(sizeof(*made));
    struct image_state **bucket = &images->buckets[hash % IMAGE_BUCKETS];

    if (!made)
        return NULL;
    made->name = name_of(image);
    if (!made->name) {
        image_free(made);
        return NULL;
    }
    made->hash = hash;
    made->made_us = made->count_at_us = now.mono_us;
    made->present = true; /* until the runtime reports it absent */
    made->next = images->first;
    images->first = made;
    made->next_of_bucket = *bucket;
    *bucket = made;
    images->n++;
    return made;
}

/* An attempt has ended: blobs of it that came count now. */
static void count_blobs_now(struct image_state *image, struct instant now)
{
    image->uncounted = true;
    image->count_at_us = now.mono_us;
}

static void pull_ended(struct images *images, struct image_state *image,
                       const struct image_fact *fact, struct instant now)
{
    struct registry *registry = registry_of(images->registries, fact->image, now);
    int64_t begun_us = image->pull_us ? image->pull_us : image->absent_us;
    int64_t ended_us = image->used_us ? image->used_us : now.mono_us;

    phases_ended(images, image, ended_us);
    registry->attempts++;
    if (image->pull_us && image->puller)
        namespaces_pulled(&images->registries->counters->namespaces, image->puller->name,
                          image->name->registry);
    count_blobs_now(image, now);
    /* Count only a duration whose start is known: not after several attempts, and not if the pull
     * began before this process. */
    if (image->pull_us ? !image->pull_inexact : !image->failed) {
        if (!registry->pulls.count)
            registry->pulls_since_us = now.wall_us;
        histogram_add(&registry->pulls, &histogram_pull_bounds, ended_us - begun_us);
        if (fact->size)
            phases_count_size(images, fact->size, ended_us - begun_us, now);
    }
}

void images_next_turn(struct images *images, int64_t since_us, struct instant now)
{
    for (struct image_state *i = images->first; i && since_us; i = i->next)
        if (i->begun_us && ingest_poll_before(since_us, i->begun_us))
            i->turn_us = now.mono_us;
}

static int64_t pull_began(const struct image_state *image)
{
    return image->pull_us ? image->pull_us : image->begun_us;
}

/* Somebody loaded it for a container that must not pull it, and no container pulled it. */
static bool was_loaded(const struct images *images, const struct image_state *image)
{
    return !image->waiting && !image->pull_us &&
           incidents_never_pull(images->incidents, str_from(image->name->asked));
}

int images_take(struct images *images, const struct image_fact *fact, struct instant now)
{
    uint64_t hash = image_hash(fact->image);
    struct image_state *image = image_find(images, fact->image, hash);
    const char *digest = shared_str(str_head(fact->digest, LIMIT_NAME_TEXT));

    if (!digest)
        return -ENOMEM;
    images->changed |= !image || image->present != fact->present;
    if (!image)
        image = image_new(images, fact->image, hash, now);
    if (!image) {
        shared_unref(digest);
        return -ENOMEM;
    }
    if (image->present && !fact->present) {
        image->absent_us = now.mono_us;
        image->failed = incidents_failed_on(images->incidents, fact->image);
    } else if (!image->present && fact->present && !was_loaded(images, image)) {
        images_next_turn(images, pull_began(image), now);
        pull_ended(images, image, fact, now);
    }
    if (fact->present || !image->waiting) {
        image->pull_us = 0; /* the pull succeeded, or no container waits for it now */
        set_puller(image, NULL);
    }
    image->used_us = 0;
    shared_unref(image->digest);
    image->digest = digest;
    image->present = fact->present;
    image->size = fact->size;
    image->seen_us = now.mono_us;
    return 0;
}

void image_used(struct images *images, const struct container *container, struct instant now)
{
    struct image_state *known = image_of(images, container);

    if (known && !known->present && !known->used_us) {
        phases_ended(images, known, now.mono_us);
        known->used_us = now.mono_us;
    }
}

bool image_is_awaited(const struct image_state *image)
{
    return !image->present && !image->waiting && image->pull_us;
}

void image_pull_failed(struct images *images, struct str image, uint64_t hash, struct instant now)
{
    struct image_state *known = image_find(images, image, hash);

    if (!known)
        return;
    images_next_turn(images, pull_began(known), now);
    phases_ended(images, known, now.mono_us);
    count_blobs_now(known, now);
    known->failed = true;
    set_puller(known, NULL);
    known->pull_us = 0; /* if another container still waits, the next poll starts it again */
}

static void leave_bucket(struct images *images, const struct image_state *image)
{
    struct image_state **link = &images->buckets[image->hash % IMAGE_BUCKETS];

    while (*link != image)
        link = &(*link)->next_of_bucket;
    *link = image->next_of_bucket;
}

void images_forget(struct images *images, struct instant now)
{
    struct image_state **link = &images->first;

    while (*link) {
        struct image_state *image = *link;
        int64_t keep_us = image_is_awaited(image) ? KEEP_AWAITED_US : KEEP_US;

        /* Keep an image that containers wait for, even if the runtime hangs and does not answer. */
        if (!image->waiting && now.mono_us - image->seen_us > keep_us) {
            *link = image->next;
            leave_bucket(images, image);
            image_free(image);
            images->n--;
            images->changed = true;
        } else {
            link = &image->next;
        }
    }
}

void images_done(struct images *images)
{
    while (images->first) {
        struct image_state *image = images->first;

        images->first = image->next;
        image_free(image);
    }
}

bool image_may_be_fetched(const struct image_state *image)
{
    return image->waiting && (!image->present || image->always);
}

/* --- who waits for what ---------------------------------------------------- */

/*
 * The kubelet pulls only when the pod has a sandbox, and for one container after the other.
 * kubelet: pkg/kubelet/kuberuntime/kuberuntime_manager.go, SyncPod().
 */
static bool may_pull(const struct pod *pod, const struct container *container,
                     const struct image_state *image, bool *earlier_pulls)
{
    bool absent = !image || !image->present;
    bool has_turn = !*earlier_pulls;

    if (container->pull != PULL_SILENT)
        return false; /* it failed; the kubelet now pulls for the next container */
    if (container->kind == CONTAINER_APP && absent)
        *earlier_pulls = true;
    return has_turn && (absent || container->always) && image && pod->no_sandbox_since_us == 0;
}

/* `polled`: at the end of a poll of the runtime. */
static void count_pod(const struct images *images, struct pod *pod, bool polled, struct instant now)
{
    bool blocked = false;
    bool earlier_pulls = false;

    for (size_t i = 0; i < pod->n_containers; i++) {
        struct container *container = &pod->containers[i];
        bool waits = container_waits(container, &blocked);
        struct image_state *image = waits ? image_of(images, container) : NULL;
        bool pulls = waits && may_pull(pod, container, image, &earlier_pulls);
        int64_t since_us;

        if (!pulls) {
            container->begun_us = 0;
        } else if (polled && !container->begun_us) {
            container->begun_us = now.mono_us;
            container->begun_wall_us = now.wall_us;
        }
        if (!image)
            continue;
        image->waiting++;
        image->always |= container->always;
        image->retried |= container->pull != PULL_SILENT;
        if (!container->begun_us)
            continue; /* no poll since then has shown whether its sandbox is ready */
        image->pulling++;
        since_us = container->preexisting ? pod->created_us : container->begun_wall_us;
        if (since_us < image->since_us)
            image->since_us = since_us;
        if (!image->begun_us || container->begun_us < image->begun_us) {
            image->begun_us = container->begun_us;
            image->begun_wall_us = container->begun_wall_us;
        }
        if (polled && !image->pull_us && !image->present) {
            image->pull_us = container->begun_us;
            set_puller(image, pod->tenant);
            image->pull_inexact = container->preexisting;
        }
    }
}

/*
 * Whether the image is fetched. For an image that is present and always pulled, the runtime usually
 * only compares manifests. A blob in flight shows a fetch if the blob is known to belong to the
 * image, or if it can belong to no other image.
 */
static bool is_fetched(const struct images *images, const struct image_state *image, bool only)
{
    for (size_t i = 0; i < images->ingests->n; i++) {
        const struct ingest_state *ingest = &images->ingests->list[i];

        if (ingest_is_about_since(ingest, image->begun_us) &&
            (only || ingest_is_of(ingest, image->name->canonical)))
            return true;
    }
    return false;
}

static void count(struct images *images, bool polled, struct instant now)
{
    size_t n = 0;

    for (struct image_state *i = images->first; i; i = i->next) {
        i->waiting = i->pulling = 0;
        i->always = i->retried = false;
        i->begun_us = 0;
        i->since_us = INT64_MAX;
    }
    for (struct pod *pod = images->pods->first; pod && images->first; pod = pod->next)
        if (pod->waiting)
            count_pod(images, pod, polled, now);
    for (const struct image_state *i = images->first; i; i = i->next)
        n += i->pulling > 0 || i->retried;
    for (struct image_state *i = images->first; i; i = i->next) {
        if (i->present && i->pulling && !(i->begun_us && is_fetched(images, i, n == 1))) {
            i->pulling = 0;
            i->begun_us = 0;
        }
        if (polled && !i->present && i->waiting && !i->pulling && !i->retried)
            i->absent_us = now.mono_us; /* no container pulls it yet */
        i->uncounted |= i->pulling > 0;
        i->tried |= image_may_be_fetched(i);
        if (!i->pulling) {
            i->phase = PULL_PHASE_UNKNOWN;
            i->unanswered = false;
        }
    }
}

void images_count(struct images *images)
{
    count(images, false, (struct instant){ .mono_us = 0 });
}

void images_polled(struct images *images, struct instant now)
{
    count(images, true, now);
}
