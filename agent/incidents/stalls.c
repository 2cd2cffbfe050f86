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
 *   it did not, but it holds up another container             it is: who comes later waits behind
 *   it did not, and other blobs move                          it is not: left behind by an earlier
 *                                                             try, fetched on when its turn comes
 *   it did not, and nothing moves                             it is: we came after it stopped
 *
 * Where an older image of the tag is there, and is always pulled, a container that
 * merely starts is none that waits: only the first of these holds, or the second, and it waited
 * for long itself.
 *
 * Of several tags of one repository, while other blobs move, only the one that
 * began to wait right before the blob is: manifests name repositories, not tags.
 * After a failed try the kubelet waits; what that try left behind is no stall.
 * What began or moved since the failure belongs to the next one; and, since a
 * runtime that was restarted goes on with half a layer, what was left behind does
 * when an event says that the next try began and nothing moves.
 */

#include <errno.h>

#include "agent/classify/image_ref.h"
#include "agent/incidents/correlate.h"
#include "agent/incidents/state.h"
#include "buf.h"
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

/* The runtime's times on our own clock; its own may have been set since. */
static int64_t by_our_clock(int64_t wall_us, struct instant now)
{
    return now.mono_us - (wall_us < now.wall_us ? now.wall_us - wall_us : 0);
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

static bool is_since(const struct ingest_state *ingest, int64_t mono_us)
{
    return ingest->begun_us >= mono_us || ingest->moved_us >= mono_us;
}

bool ingest_is_since(const struct ingest_state *ingest, int64_t mono_us)
{
    return is_since(ingest, mono_us - LOOK_US);
}

bool ingest_is_idle(const struct correlate *c, const struct ingest_state *ingest,
                    struct instant now)
{
    if (c->stall_after_us == 0 || moves(c, ingest, now))
        return false;
    if (ingest->proven || !anything_moves(c, now))
        return true;
    for (const struct image_state *i = c->images; i; i = i->next)
        if (image_may_be_fetched(i) && (i->present || ingest_is_since(ingest, i->missed_us)))
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

/* What is the same for all containers while they are judged. */
struct judgement {
    struct correlate *c;
    struct instant now;
    bool others_move;
    const struct image_state *image;
    struct ingest_state *suspects[LIMIT_INGESTS]; /* that stand still and are the image's */
    size_t n_suspects;
};

/* Another tag of the repository began to wait later, but still before the blob began. */
static bool is_rather_of_another_tag(const struct judgement *j, const struct ingest_state *suspect)
{
    for (const struct image_state *i = j->c->images; i; i = i->next)
        if (i != j->image && i->begun_us > j->image->begun_us &&
            i->begun_us <= suspect->begun_us + LOOK_US && ingest_is_of(suspect, i))
            return true;
    return false;
}

/* Whether what the last try left behind is what the next one stands at. */
static bool holds_up_next_try(const struct judgement *j, const struct ingest_state *suspect,
                              const struct container *container, const struct incident *incident)
{
    if (container->tried_us <= incident->last_failure_mono_us)
        return false; /* as far as anybody told, it has not begun */
    return suspect->proven ||
           (!j->others_move && j->now.mono_us - container->tried_us >= j->c->stall_after_us);
}

static bool holds_up(const struct judgement *j, const struct ingest_state *suspect,
                     const struct container *container, const struct incident *incident)
{
    bool waited = j->now.mono_us - container->begun_us >= j->c->stall_after_us;
    bool is_its = ingest_is_since(suspect, container->begun_us);

    if (container->pull != PULL_SILENT)
        return incident && (is_since(suspect, incident->last_failure_mono_us) ||
                            holds_up_next_try(j, suspect, container, incident));
    if (!container->begun_us ||
        ((j->others_move || j->image->present) && is_rather_of_another_tag(j, suspect)))
        return false;
    if (incident && incident->state == INCIDENT_BACKING_OFF &&
        !is_since(suspect, incident->last_failure_mono_us))
        return false; /* a kubelet that was restarted has forgotten that it waits */
    if (j->image->present)
        return waited && (suspect->proven || is_its);
    return suspect->proven || (waited && (is_its || !j->others_move));
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
        incident->stall.hash = hash_str(str_from(incident->stall.digest));
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

    if (!stall->digest)
        stall->noted_wall_us = now.wall_us;
    stall->bytes = ingest->bytes;
    stall->total = ingest->total;
    stall->moved_wall_us = ingest->moved_wall_us;
    if (stall->digest && strcmp(stall->digest, ingest->digest) == 0)
        return 0;
    return tell_stall(c, incident, ingest, now);
}

/* Wall. What was left behind yesterday holds up nobody who did not wait yet. */
static int64_t stalled_since_us(const struct ingest_state *ingest,
                                const struct container *container, struct instant now)
{
    int64_t since_us = ingest->moved_wall_us;

    if (!container->found_so && since_us < container->begun_wall_us)
        since_us = container->begun_wall_us;
    return since_us < now.wall_us ? since_us : now.wall_us;
}

static int judge_container(struct judgement *j, struct pod *pod, const struct container *container)
{
    const struct incident_key key = {
        .pod = pod,
        .container = str_from(container->name),
        .kind = container->kind,
        .image = str_from(container->image),
    };
    struct incident *incident = incident_find_open(j->c, &key);
    struct ingest_state *culprit = NULL;
    int r;

    for (size_t i = 0; i < j->n_suspects && !culprit; i++)
        if (holds_up(j, j->suspects[i], container, incident))
            culprit = j->suspects[i];
    if (!culprit)
        return 0;
    culprit->proven = true;
    if (!incident) {
        r = incident_open(j->c, &key, true, j->now, &incident);
        if (r < 0)
            return r == -ENOSPC ? 0 : r;
        incident->stalled_only = true;
        incident->first_failure_us = stalled_since_us(culprit, container, j->now);
    }
    r = note_stall(j->c, incident, culprit, j->now);
    incident->stall.judged = true;
    if (incident->stall.digest)
        incident_move(j->c, incident, INCIDENT_STALLED);
    return r;
}

static int judge_pod(struct judgement *j, struct pod *pod)
{
    bool blocked = false;
    int r = 0;

    for (size_t i = 0; i < pod->n_containers; i++) {
        const struct container *container = &pod->containers[i];
        int one = 0;

        if (container_waits(container, &blocked) && image_of(j->c, container) == j->image &&
            (!j->image->present || container->always))
            one = judge_container(j, pod, container);
        r = one < 0 ? one : r;
    }
    return r;
}

/* Few images have suspects, so few pods are looked at, as a rule none. */
static int judge_image(struct judgement *j)
{
    int r = 0;

    j->n_suspects = 0;
    for (size_t i = 0; i < j->c->n_ingests; i++)
        if (!moves(j->c, &j->c->ingests[i], j->now) && ingest_is_of(&j->c->ingests[i], j->image))
            j->suspects[j->n_suspects++] = &j->c->ingests[i];
    for (size_t b = 0; b < POD_BUCKETS && j->n_suspects; b++) {
        for (struct pod *pod = j->c->pods[b]; pod; pod = pod->next) {
            int one = pod->waiting ? judge_pod(j, pod) : 0;

            r = one < 0 ? one : r;
        }
    }
    return r;
}

/* Goes on as what it was before: a try that failed, or nothing. */
static void stall_over(struct correlate *c, struct incident *incident, enum incident_state how,
                       struct instant now)
{
    struct pod *pod = pod_find(c, str_from(incident->pod_uid));
    const struct container *container =
        pod ? pod_container(pod, str_from(incident->container)) : NULL;

    if (!container)
        return;
    if (incident->stalled_only) {
        incident_end(c, incident, pod, how, now);
        return;
    }
    stall_done(&incident->stall);
    incident_move(c, incident,
                  container->pull == PULL_BACK_OFF ? INCIDENT_BACKING_OFF : INCIDENT_FAILING);
}

void stall_failed(struct correlate *c, struct incident *incident)
{
    stall_done(&incident->stall);
    incident->stalled_only = false;
    if (incident->state == INCIDENT_STALLED)
        incident_move(c, incident, INCIDENT_FAILING);
}

/* A stall proves its blob for as long as it lasts: the next try gets a time of its own. */
static void find_proven(struct correlate *c)
{
    for (size_t i = 0; i < c->n_ingests; i++)
        c->ingests[i].proven = false;
    for (struct incident *i = c->incidents; i; i = i->next) {
        struct ingest_state *ingest = NULL;

        i->stall.judged = false;
        if (i->state == INCIDENT_STALLED)
            ingest = find(c->ingests, c->n_ingests, str_from(i->stall.digest));
        if (ingest)
            ingest->proven = true;
    }
}

/* Looks at every waiting container: which stalls began, go on, are over. */
static int judge(struct correlate *c, struct instant now)
{
    struct judgement j = { .c = c, .now = now, .others_move = anything_moves(c, now) };
    int r = 0;

    if (c->stall_after_us == 0)
        return 0;
    find_proven(c);
    for (j.image = c->images; j.image; j.image = j.image->next) {
        int one = image_may_be_fetched(j.image) ? judge_image(&j) : 0;

        r = one < 0 ? one : r;
    }
    for (struct incident *i = c->incidents; i; i = i->next)
        if (i->state == INCIDENT_STALLED && !i->stall.judged) /* bytes come again, or all came */
            stall_over(c, i, INCIDENT_RECOVERED, now);
    return r;
}

/* So many looks without a word of what is in flight, about two minutes of them. */
#define BLIND_LOOKS_MOST 24u

void ingests_looked(struct correlate *c, struct instant now)
{
    if (c->n_ingests && ++c->blind_looks > BLIND_LOOKS_MOST)
        ingests_forget(c, now);
}

void ingests_forget(struct correlate *c, struct instant now)
{
    ingests_free(c);
    c->tells_ingests = false;
    for (struct incident *i = c->incidents; i; i = i->next)
        if (i->state == INCIDENT_STALLED) /* nobody can see it any more */
            stall_over(c, i, INCIDENT_GONE, now);
}

/* The list as told, each digest once; 0 or -ENOMEM. */
static int read_ingests(const struct correlate *c, const struct ingests_fact *fact, size_t n,
                        struct instant now, struct ingest_state *list, size_t *ret_kept)
{
    for (size_t i = 0; i < n; i++) {
        const struct ingest *from = &fact->ingests[i];
        struct ingest_state *to = &list[*ret_kept];
        struct str digest = str_head(from->digest, LIMIT_NAME_TEXT);
        const struct ingest_state *before = find(c->ingests, c->n_ingests, digest);

        if (find(list, *ret_kept, digest))
            continue;
        *to = (struct ingest_state){
            .digest = mem_str(digest),
            .bytes = from->bytes,
            .total = from->total,
            .moved_wall_us = from->moved_us,
            .begun_us = before ? before->begun_us : by_our_clock(from->begun_us, now),
            .moved_us = by_our_clock(from->moved_us, now),
        };
        if (before) {
            if (before->bytes == from->bytes)
                to->moved_us = before->moved_us;
            else if (to->moved_us < c->ingests_us)
                to->moved_us = c->ingests_us; /* they came since then, whatever the clock says */
            to->told_us = before->told_us;
        }
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
    c->ingests_us = now.mono_us;
    c->tells_ingests = true;
    c->blind_looks = 0;
    images_count(c);
    return judge(c, now);
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
    if (r < 0)
        return r;
    ingest->told_us = now.mono_us;
    images_count(c);
    return judge(c, now);
}
