/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/ingests.h"

#include <errno.h>

#include "hostport.h"
#include "mem.h"
#include "shared.h"
#include "util.h"

/* The runtime is polled every 5 s at most: a pull can be this much older than our first poll. */
#define POLL_US (6 * SEC)

/* About two minutes. */
#define SILENT_POLLS_MAX 24u

static void list_free(struct ingest_state *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        shared_unref(list[i].digest);
        shared_unref(list[i].repositories);
    }
    mem_free(list);
}

void ingests_init(struct ingests *ingests, struct counters *counters, int64_t stall_after_us)
{
    ingests->counters = counters;
    ingests->stall_after_us = stall_after_us;
}

void ingests_done(struct ingests *ingests)
{
    list_free(ingests->list, ingests->n);
    ingests->list = NULL;
    ingests->n = 0;
}

void ingests_connected(struct ingests *ingests, struct instant now)
{
    ingests->runtime_us = now.mono_us;
}

void ingests_clear(struct ingests *ingests)
{
    ingests_done(ingests);
    ingests->known = ingests->cut = false;
}

bool ingests_polled(struct ingests *ingests)
{
    return ingests->n && ++ingests->silent_polls > SILENT_POLLS_MAX;
}

static struct ingest_state *find(struct ingest_state *list, size_t n, struct str digest)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(str_from(list[i].digest), digest))
            return &list[i];
    return NULL;
}

struct ingest_state *ingest_find(const struct ingests *ingests, struct str digest)
{
    return find(ingests->list, ingests->n, digest);
}

bool ingest_moves(const struct ingests *ingests, const struct ingest_state *ingest,
                  struct instant now)
{
    int64_t since_us = ingest->moved_us;

    if (ingest->queued && ingests->active_us > since_us)
        since_us = ingests->active_us;
    return now.mono_us - since_us < ingests->stall_after_us;
}

bool ingest_waits_for_bytes(const struct ingests *ingests, const struct ingest_state *ingest,
                            struct instant now)
{
    bool complete = ingest->total && ingest->bytes >= ingest->total;

    return !complete && !ingest_moves(ingests, ingest, now);
}

bool ingests_any_moves(const struct ingests *ingests, struct instant now)
{
    if (ingests->before_slot && now.mono_us - ingests->active_us < ingests->stall_after_us)
        return true;
    for (size_t i = 0; i < ingests->n; i++)
        if (!ingests->list[i].queued && ingest_moves(ingests, &ingests->list[i], now))
            return true;
    return false;
}

bool ingest_is_since(const struct ingest_state *ingest, int64_t mono_us)
{
    return ingest->begun_us >= mono_us || ingest->moved_us >= mono_us;
}

bool ingest_is_about_since(const struct ingest_state *ingest, int64_t mono_us)
{
    return ingest_is_since(ingest, mono_us - POLL_US);
}

bool ingest_poll_before(int64_t mono_us, int64_t other_us)
{
    return mono_us <= other_us + POLL_US;
}

bool ingest_begun_after(const struct ingest_state *ingest, int64_t mono_us)
{
    return ingest_poll_before(mono_us, ingest->begun_us);
}

/* --- the owner of a blob --------------------------------------------------- */

/* The two parts of a canonical image, "host:port/path:tag", that containerd's labels name: the host
 * and "/path" (containerd: core/remotes/docker/handler.go takes the URL's host name without its
 * port). */
static bool split_repository(const char *canonical, struct str *host, struct str *path)
{
    const char *slash = strchr(canonical, '/');
    const char *name = strrchr(canonical, '/');
    struct hostport registry;

    if (!slash || !hostport_split(str_span(canonical, slash), &registry))
        return false;
    *host = registry.host;
    *path = str_span(slash, name + strcspn(name, ":@"));
    return true;
}

bool image_repository(const char *canonical, char ret[LIMIT_IMAGE_TEXT])
{
    struct str host, path;

    if (!split_repository(canonical, &host, &path) || host.len + path.len >= LIMIT_IMAGE_TEXT)
        return false;
    memcpy(ret, host.at, host.len);
    memcpy(ret + host.len, path.at, path.len);
    ret[host.len + path.len] = '\0';
    return true;
}

bool image_is_of_repository(const char *canonical, struct str repository)
{
    struct str host, path;

    return split_repository(canonical, &host, &path) && repository.len == host.len + path.len &&
           str_starts(repository, host) && str_ends(repository, path);
}

bool image_same_repository(const char *canonical, const char *other)
{
    struct str host, path, other_host, other_path;

    return split_repository(canonical, &host, &path) &&
           split_repository(other, &other_host, &other_path) && str_eq(host, other_host) &&
           str_eq(path, other_path);
}

bool ingest_is_of(const struct ingest_state *ingest, const char *canonical_image)
{
    for (size_t i = 0; i < names_count(ingest->repositories); i++)
        if (image_is_of_repository(canonical_image, str_from(ingest->repositories->at[i])))
            return true;
    return false;
}

/* --- what the runtime lists ------------------------------------------------ */

/* Converts a time of the runtime to our monotonic clock. The wall clock may have been set since
 * then. */
static int64_t by_our_clock(int64_t wall_us, struct instant now)
{
    return now.mono_us - (wall_us < now.wall_us ? now.wall_us - wall_us : 0);
}

/* The kernel writes the two times when the runtime opens the blob, one right after the other. */
#define OPENED_US SEC

/* The runtime writes nothing before it has a slot. */
static bool is_queued(const struct ingest *ingest, bool before_slot)
{
    return before_slot && ingest->bytes == 0 && ingest->moved_us - ingest->begun_us <= OPENED_US;
}

/* Reads one blob of the new list. `before`: the same blob in the last list, or NULL. -ENOMEM. */
static int read_ingest(const struct ingests *ingests, const struct ingest *from,
                       const struct ingest_state *before, struct instant now,
                       struct ingest_state *to)
{
    *to = (struct ingest_state){
        .digest = before ? shared_ref(before->digest)
                         : shared_str(str_head(from->digest, LIMIT_NAME_TEXT)),
        .bytes = from->bytes,
        .total = from->total,
        .moved_wall_us = from->moved_us,
        .begun_us = before ? before->begun_us : by_our_clock(from->begun_us, now),
        .moved_us = by_our_clock(from->moved_us, now),
    };
    if (!to->digest)
        return -ENOMEM;
    if (!before)
        return 0;
    if (before->bytes == from->bytes)
        to->moved_us = before->moved_us;
    else if (to->moved_us < ingests->listed_us)
        to->moved_us =
            ingests->listed_us; /* the bytes came after the last list, even if the clock differs */
    to->asked_us = before->asked_us;
    to->repositories = shared_ref(before->repositories);
    return 0;
}

/* A blob that gets bytes, or is not listed any more, was in a download slot. */
static void note_activity(struct ingests *ingests, const struct ingest_state *list, size_t n,
                          struct instant now)
{
    if (!ingests->known) /* what was before is unknown */
        ingests->active_us = now.mono_us;
    for (size_t i = 0; i < n; i++)
        if (!list[i].queued && list[i].moved_us > ingests->active_us)
            ingests->active_us = list[i].moved_us;
    ingests->ended_us = 0;
    for (size_t i = 0; i < ingests->n; i++) {
        const struct ingest_state *ingest = &ingests->list[i];

        if (find((struct ingest_state *)list, n, str_from(ingest->digest)))
            continue;
        ingests->active_us = now.mono_us;
        if (names_count(ingest->repositories) == 0 && ingest->begun_us > ingests->ended_us)
            ingests->ended_us = ingest->begun_us;
    }
}

/* The whole list, each digest once. */
static int read_list(const struct ingests *ingests, const struct ingests_fact *fact, size_t n,
                     struct instant now, struct ingest_state *list, size_t *ret_kept)
{
    for (size_t i = 0; i < n; i++) {
        struct str digest = str_head(fact->ingests[i].digest, LIMIT_NAME_TEXT);

        if (find(list, *ret_kept, digest))
            continue;
        if (read_ingest(ingests, &fact->ingests[i], ingest_find(ingests, digest), now,
                        &list[*ret_kept]) < 0)
            return -ENOMEM;
        list[*ret_kept].queued = is_queued(&fact->ingests[i], fact->before_slot);
        (*ret_kept)++;
    }
    return 0;
}

int ingests_take(struct ingests *ingests, const struct ingests_fact *fact, struct instant now)
{
    size_t n = fact->n;
    struct ingest_state *list;
    size_t kept = 0;

    if (n > LIMIT_INGESTS) {
        counters_limit_hit(ingests->counters, LIMIT_HIT_INGESTS);
        n = LIMIT_INGESTS;
    }
    list = mem_zalloc((n ? n : 1) * sizeof(*list));
    if (!list)
        return -ENOMEM;
    if (read_list(ingests, fact, n, now, list, &kept) < 0) {
        list_free(list, kept);
        return -ENOMEM;
    }
    note_activity(ingests, list, kept, now);
    ingests_done(ingests);
    ingests->list = list;
    ingests->n = kept;
    ingests->before_slot = fact->before_slot;
    ingests->cut = fact->cut || fact->n > LIMIT_INGESTS;
    ingests->listed_us = now.mono_us;
    ingests->known = true;
    ingests->silent_polls = 0;
    return 0;
}

int ingests_take_owner(struct ingests *ingests, const struct blob_fact *fact, struct instant now)
{
    struct ingest_state *ingest = ingest_find(ingests, str_head(fact->digest, LIMIT_NAME_TEXT));
    size_t n = fact->n;
    int r;

    if (!ingest)
        return 0;
    if (n > LIMIT_BLOB_REPOSITORIES) {
        counters_limit_hit(ingests->counters, LIMIT_HIT_BLOB_REPOSITORIES);
        n = LIMIT_BLOB_REPOSITORIES;
    }
    r = names_replace(&ingest->repositories, fact->repositories, n);
    if (r == 0)
        ingest->asked_us = now.mono_us;
    return r;
}
