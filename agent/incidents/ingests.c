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

void ingests_clear(struct ingests *ingests)
{
    ingests_done(ingests);
    ingests->known = false;
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
    return now.mono_us - ingest->moved_us < ingests->stall_after_us;
}

bool ingest_waits_for_bytes(const struct ingests *ingests, const struct ingest_state *ingest,
                            struct instant now)
{
    bool complete = ingest->total && ingest->bytes >= ingest->total;

    return !complete && !ingest_moves(ingests, ingest, now);
}

bool ingests_any_moves(const struct ingests *ingests, struct instant now)
{
    for (size_t i = 0; i < ingests->n; i++)
        if (ingest_moves(ingests, &ingests->list[i], now))
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

bool ingest_begun_after(const struct ingest_state *ingest, int64_t mono_us)
{
    return mono_us <= ingest->begun_us + POLL_US;
}

/* --- the owner of a blob --------------------------------------------------- */

/*
 * Whether a canonical image, "host:port/path:tag", is of a repository as containerd's labels name
 * it, "host/path" (containerd: core/remotes/docker/handler.go takes the URL's host name without its
 * port).
 */
static bool is_repository(struct str repository, const char *canonical)
{
    const char *slash = strchr(canonical, '/');
    const char *name = strrchr(canonical, '/');
    struct hostport registry;
    struct str path;

    if (!slash || !hostport_split(str_span(canonical, slash), &registry))
        return false;
    path = str_span(slash, name + strcspn(name, ":@"));
    return repository.len == registry.host.len + path.len &&
           str_starts(repository, registry.host) && str_ends(repository, path);
}

bool ingest_is_of(const struct ingest_state *ingest, const char *canonical_image)
{
    for (size_t i = 0; i < names_count(ingest->repositories); i++)
        if (is_repository(str_from(ingest->repositories->at[i]), canonical_image))
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
    ingests_done(ingests);
    ingests->list = list;
    ingests->n = kept;
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
