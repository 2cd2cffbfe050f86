/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Pulls that stand still while nobody says so. A registry that stops sending
 * leaves its pod in ContainerCreating without any error; and since the runtime
 * fetches a blob only once, every other pull that shares it waits in silence too
 * (containerd: core/content, "locked for"; seen on 1.6 and 2.1).
 *
 * containerd tells its blobs in flight. One whose bytes have not come for
 * `stall_after` is a suspect; whose it is, its content service knows from the
 * manifests that name it. Every container that waits for an image of these
 * repositories is stalled, if the suspect is of this very pull:
 *
 *   it began or moved since the container began to wait       it is
 *   it did neither, and other blobs move                      it is not: left behind by an earlier
 *                                                             try, fetched on when its turn comes
 *   it did neither, and nothing moves                         it is: we came after it stopped
 *
 * After a failed try the kubelet waits; what that try left behind is no stall.
 * Only what began or moved since the failure belongs to the next one.
 */

#include <errno.h>

#include "agent/core/correlate.h"
#include "agent/core/state.h"
#include "buf.h"
#include "image_ref.h"
#include "mem.h"
#include "util.h"

/* The runtime is asked every 5 s at most: a pull can be this much older than our first look. */
#define LOOK_US (6 * SEC)

static void ingest_done(struct ingest_state *ingest)
{
    mem_free(ingest->digest);
    texts_free(ingest->repositories, ingest->n_repositories);
}

static void ingest_list_free(struct ingest_state *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ingest_done(&list[i]);
    mem_free(list);
}

void ingests_free(struct correlate *c)
{
    ingest_list_free(c->ingests, c->n_ingests);
    c->ingests = NULL;
    c->n_ingests = 0;
}

void stall_done(struct stall *stall)
{
    mem_free(stall->digest);
    *stall = (struct stall){ .digest = NULL };
}

static struct ingest_state *find(struct ingest_state *list, size_t n, struct str digest)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(str_from(list[i].digest), digest))
            return &list[i];
    return NULL;
}

/* By our own clock: the runtime's times serve only where we have not looked before. */
static int64_t moved_at(const struct ingest_state *before, const struct ingest *fact,
                        struct instant now)
{
    int64_t idle_us = now.wall_us - fact->moved_us;

    if (before)
        return before->bytes == fact->bytes ? before->moved_us : now.mono_us;
    return now.mono_us - (idle_us > 0 ? idle_us : 0);
}

static bool moves(const struct correlate *c, const struct ingest_state *ingest, struct instant now)
{
    return now.mono_us - ingest->moved_us < c->stall_after_us;
}

static bool anything_moves(const struct correlate *c, struct instant now)
{
    for (size_t i = 0; i < c->n_ingests; i++)
        if (moves(c, &c->ingests[i], now))
            return true;
    return false;
}

static bool is_since(const struct ingest_state *ingest, int64_t wall_us)
{
    return ingest->begun_wall_us >= wall_us || ingest->moved_wall_us >= wall_us;
}

bool ingest_is_since(const struct ingest_state *ingest, int64_t wall_us)
{
    return is_since(ingest, wall_us - LOOK_US);
}

bool ingest_is_idle(const struct correlate *c, const struct ingest_state *ingest,
                    struct instant now)
{
    if (c->stall_after_us == 0 || moves(c, ingest, now))
        return false;
    if (!anything_moves(c, now))
        return true;
    for (const struct image_state *i = c->images; i; i = i->next)
        if (!i->present && i->waiting && ingest_is_since(ingest, i->missed_wall_us))
            return true;
    return false;
}

/* "127.0.0.1" of "127.0.0.1:5000", "::1" of "[::1]:5000". */
static struct str without_port(struct str host)
{
    const char *bracket = str_find(host, STR("]"));
    const char *colon = str_find(host, STR(":"));

    if (bracket)
        return str_span(host.at + 1, bracket);
    return colon ? str_span(host.at, colon) : host;
}

/*
 * Whether a canonical image, "host:port/path:tag", is of a repository as containerd's labels name
 * it, "host/path" (containerd: core/remotes/docker/handler.go, which takes the URL's host name
 * alone).
 */
static bool is_repository(struct str repository, const char *canonical)
{
    const char *slash = strchr(canonical, '/');
    const char *name = strrchr(canonical, '/');
    struct str host, path;

    if (!slash)
        return false;
    host = without_port(str_span(canonical, slash));
    path = str_span(slash, name + strcspn(name, ":@"));
    return repository.len == host.len + path.len && str_starts(repository, host) &&
           str_ends(repository, path);
}

bool ingest_is_of(const struct ingest_state *ingest, const struct image_state *image)
{
    for (size_t i = 0; i < ingest->n_repositories; i++)
        if (is_repository(str_from(ingest->repositories[i]), image->canonical))
            return true;
    return false;
}

/* Whether this blob stands still in the pull that the container waits for now. */
static bool holds_up(const struct correlate *c, const struct ingest_state *ingest,
                     const struct container *container, const struct image_state *image,
                     const struct incident *incident, struct instant now)
{
    if (moves(c, ingest, now) || !ingest_is_of(ingest, image))
        return false;
    if (container->pull != PULL_SILENT)
        return incident && is_since(ingest, incident->last_failure_us);
    if (!image->begun_us || now.mono_us - image->begun_us < c->stall_after_us)
        return false;
    return ingest_is_since(ingest, image->begun_wall_us) || !anything_moves(c, now);
}

/* "sha256:... stands at 10 of 100 bytes since 2026-11-22T02:00:00Z" */
static void describe(const struct ingest_state *ingest, struct buf *text)
{
    char since[TIME_TEXT_SIZE];

    time_format(ingest->moved_wall_us, since);
    buf_add_text(text, ingest->digest);
    buf_add(text, STR(" stands at "));
    buf_add_uint(text, ingest->bytes);
    if (ingest->total) {
        buf_add(text, STR(" of "));
        buf_add_uint(text, ingest->total);
    }
    buf_add(text, STR(" bytes since "));
    buf_add_text(text, since);
}

/* The first word of a stall, or of one that another layer causes now. */
static int tell_stall(struct correlate *c, struct incident *incident,
                      const struct ingest_state *ingest, struct instant now)
{
    char *digest = mem_strdup(ingest->digest);
    char *message = NULL;
    struct buf text;
    int r = -ENOMEM;

    buf_init(&text, LIMIT_MESSAGE_TEXT);
    describe(ingest, &text);
    if (digest && !buf_error(&text))
        message = mem_str(buf_str(&text));
    if (message) {
        mem_free(incident->stall.digest);
        incident->stall.digest = TAKE_PTR(digest);
        r = incident_evidence(c, incident, WITNESS_CRI, STR("PullStalled"), str_from(message),
                              now.wall_us);
        if (incident->stalled_only) {
            mem_free(incident->message);
            incident->message = TAKE_PTR(message);
        }
    }
    mem_free(digest);
    mem_free(message);
    buf_done(&text);
    return r;
}

static int note_stall(struct correlate *c, struct incident *incident,
                      const struct ingest_state *ingest, struct instant now)
{
    struct stall *stall = &incident->stall;

    stall->judged = true;
    stall->bytes = ingest->bytes;
    stall->total = ingest->total;
    stall->moved_wall_us = ingest->moved_wall_us;
    if (stall->digest && strcmp(stall->digest, ingest->digest) == 0)
        return 0;
    return tell_stall(c, incident, ingest, now);
}

static int judge_container(struct correlate *c, struct pod *pod, const struct container *container,
                           struct instant now)
{
    const struct incident_key key = {
        .pod = pod,
        .container = str_from(container->name),
        .kind = container->kind,
        .image = str_from(container->image),
    };
    const struct image_state *image = image_find(c, key.image);
    const struct ingest_state *culprit = NULL;
    struct incident *incident;
    int r;

    if (!image || image->present)
        return 0;
    incident = incident_find_open(c, &key);
    for (size_t i = 0; i < c->n_ingests && !culprit; i++)
        if (holds_up(c, &c->ingests[i], container, image, incident, now))
            culprit = &c->ingests[i];
    if (!culprit)
        return 0;
    if (!incident) {
        r = incident_open(c, &key, true, now, &incident);
        if (r < 0)
            return r == -ENOSPC ? 0 : r;
        incident->stalled_only = true;
        incident->first_failure_us = culprit->moved_wall_us;
    }
    incident_move(c, incident, INCIDENT_STALLED);
    return note_stall(c, incident, culprit, now);
}

/* Bytes come again, or the blob is complete. */
static void stall_over(struct correlate *c, struct incident *incident, struct instant now)
{
    struct pod *pod = pod_find(c, str_from(incident->pod_uid));
    const struct container *container =
        pod ? pod_container(pod, str_from(incident->container)) : NULL;

    if (!container)
        return;
    if (incident->stalled_only) {
        incident_end(c, incident, pod, INCIDENT_RECOVERED, now);
        return;
    }
    stall_done(&incident->stall);
    incident_move(c, incident,
                  container->pull == PULL_BACK_OFF ? INCIDENT_BACKING_OFF : INCIDENT_FAILING);
}

static int judge_pod(struct correlate *c, struct pod *pod, struct instant now)
{
    bool blocked = false;
    int r = 0;

    for (size_t i = 0; i < pod->n_containers; i++) {
        int one = container_waits(&pod->containers[i], &blocked)
                      ? judge_container(c, pod, &pod->containers[i], now)
                      : 0;

        r = one < 0 ? one : r;
    }
    return r;
}

int stalls_judge(struct correlate *c, struct instant now)
{
    int r = 0;

    if (c->stall_after_us == 0)
        return 0;
    for (struct incident *i = c->incidents; i; i = i->next)
        i->stall.judged = false;
    for (size_t b = 0; b < POD_BUCKETS && c->n_ingests; b++) {
        for (struct pod *pod = c->pods[b]; pod; pod = pod->next) {
            int one = pod->waiting ? judge_pod(c, pod, now) : 0;

            r = one < 0 ? one : r;
        }
    }
    for (struct incident *i = c->incidents; i; i = i->next)
        if (i->state == INCIDENT_STALLED && !i->stall.judged)
            stall_over(c, i, now);
    return r;
}

/* The list as told, each digest once; 0 or -ENOMEM. */
static int read_ingests(const struct correlate *c, const struct ingests_fact *fact, size_t n,
                        struct instant now, struct ingest_state *list, size_t *ret_kept)
{
    for (size_t i = 0; i < n; i++) {
        const struct ingest *from = &fact->ingests[i];
        struct ingest_state *to = &list[*ret_kept];
        struct str digest = str_head(from->digest, LIMIT_NAME_TEXT);

        if (find(list, *ret_kept, digest))
            continue;
        *to = (struct ingest_state){
            .digest = mem_str(digest),
            .bytes = from->bytes,
            .total = from->total,
            .begun_wall_us = from->begun_us,
            .moved_wall_us = from->moved_us,
            .moved_us = moved_at(find(c->ingests, c->n_ingests, digest), from, now),
        };
        if (!to->digest)
            return -ENOMEM;
        (*ret_kept)++;
    }
    return 0;
}

int witness_ingests(struct correlate *c, const struct ingests_fact *fact, struct instant now)
{
    size_t n = fact->n;
    struct ingest_state *fresh;
    size_t kept = 0;

    if (n > LIMIT_INGESTS) {
        correlate_limit_hit(c, LIMIT_HIT_INGESTS);
        n = LIMIT_INGESTS;
    }
    fresh = mem_zalloc((n ? n : 1) * sizeof(*fresh));
    if (!fresh)
        return -ENOMEM;
    if (read_ingests(c, fact, n, now, fresh, &kept) < 0) {
        ingest_list_free(fresh, kept);
        return -ENOMEM;
    }
    for (size_t i = 0; i < kept; i++) {
        struct ingest_state *before = find(c->ingests, c->n_ingests, str_from(fresh[i].digest));

        if (!before)
            continue;
        fresh[i].repositories = TAKE_PTR(before->repositories);
        fresh[i].n_repositories = before->n_repositories;
        before->n_repositories = 0;
    }
    ingests_free(c);
    c->ingests = fresh;
    c->n_ingests = kept;
    c->tells_ingests = true;
    return stalls_judge(c, now);
}

int witness_blob(struct correlate *c, const struct blob_fact *fact, struct instant now)
{
    struct ingest_state *ingest =
        find(c->ingests, c->n_ingests, str_head(fact->digest, LIMIT_NAME_TEXT));
    size_t n = fact->n;
    int r;

    if (!ingest)
        return 0;
    if (n > LIMIT_BLOB_REPOSITORIES) {
        correlate_limit_hit(c, LIMIT_HIT_BLOB_REPOSITORIES);
        n = LIMIT_BLOB_REPOSITORIES;
    }
    r = texts_replace(&ingest->repositories, &ingest->n_repositories, fact->repositories, n);
    return r < 0 ? r : stalls_judge(c, now);
}
