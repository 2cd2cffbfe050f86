/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/content.h"

#include <errno.h>
#include <stdio.h>

#include "log.h"

/* Owners change only when another pull starts, and the call reads all of the content store. */
#define ASK_AGAIN (30 * SEC)

/* The pause after an error. */
#define FAILURE_PAUSE (30 * SEC)

void content_init(struct content *content, const struct sink *sink, struct calls *calls,
                  const struct quirks *quirks, struct health *health)
{
    *content = (struct content){ .sink = sink, .calls = calls, .quirks = quirks, .health = health };
}

void content_forget(struct content *content)
{
    content_init(content, content->sink, content->calls, content->quirks, content->health);
}

static bool is_paused(const struct content *content, struct instant now)
{
    return content->refused || now.mono_us < content->not_until_us;
}

/* --- failures --------------------------------------------------------------------------------- */

/*
 * Returns `code` if it ends the poll, else 0. A timeout does not end it: if the runtime hangs, the
 * next CRI call fails, too; if only this service is slow, CRI still works.
 */
static int take_error(struct content *content, int code, struct instant now, struct err *here,
                      struct err *err)
{
    if (code == -ECONNREFUSED || code == -ECANCELED || code == -ENOMEM)
        return err_set(err, code, "%s", here->text);
    if (code == -ENOSYS || code == -EACCES) {
        content->refused = true;
        log_info("cri",
                 "%s; not calling it again on this connection, so stalls are not detected and "
                 "bytes are not counted",
                 here->text);
        content->sink->observe(content->sink->self,
                               &(struct observation){ .kind = OBSERVE_NO_BLOBS });
        return 0;
    }
    if (code == -EMSGSIZE)
        content->sink->limit_hit(content->sink->self, LIMIT_HIT_CRI_MESSAGE);
    content->not_until_us = now.mono_us + FAILURE_PAUSE;
    health_remark(content->health, here->text, now);
    return 0;
}

/* --- what is in flight ------------------------------------------------------------------------ */

static int poll_ingests(struct content *content, struct arena *arena, struct instant now,
                        struct err *err)
{
    const struct sink *sink = content->sink;
    struct observation observation = { .kind = OBSERVE_INGESTS };
    struct err here = ERR_INIT;
    bool more = false;
    int r = calls_list_ingests(content->calls, arena, &observation.ingests, &more, &here);

    sink->tick(sink->self, SOURCE_CRI);
    if (r < 0)
        return take_error(content, r, now, &here, err);
    if (more && !content->cut)
        sink->limit_hit(sink->self, LIMIT_HIT_INGESTS);
    content->cut = more;
    observation.ingests.cut = more;
    observation.ingests.before_slot = content->quirks->ingest_before_slot;
    sink->observe(sink->self, &observation);
    return 0;
}

/* --- owners of a blob
 * ------------------------------------------------------------------------------ */

static bool is_wanted(const struct wanted *wanted, struct str digest)
{
    for (size_t i = 0; i < wanted->n_blobs; i++) {
        if (str_eq(wanted->blobs[i], digest))
            return true;
    }
    return false;
}

/* A blob that is wanted again is asked for at once. */
static void forget_unwanted(struct content *content, const struct wanted *wanted)
{
    size_t kept = 0;

    for (size_t i = 0; i < content->n_asked; i++) {
        if (is_wanted(wanted, str_from(content->asked[i].digest)))
            content->asked[kept++] = content->asked[i];
    }
    content->n_asked = kept;
}

/* The note about a blob that is due, marked as asked now; NULL if it is not due. Only wanted blobs
 * have notes, so there is room for each wanted one. */
static struct content_asked *due(struct content *content, struct str digest, struct instant now)
{
    struct content_asked *asked = content->asked;
    size_t i = 0;

    while (i < content->n_asked && !str_eq(str_from(asked[i].digest), digest))
        i++;
    if (i < content->n_asked && now.mono_us - asked[i].at_us < ASK_AGAIN)
        return NULL;
    if (i == content->n_asked) {
        if (i == LIMIT_WANTED_BLOBS)
            return NULL; /* a digest is wanted twice */
        content->n_asked++;
        asked[i].cut = false;
        snprintf(asked[i].digest, sizeof(asked[i].digest), "%.*s", STR_ARG(digest));
    }
    asked[i].at_us = now.mono_us;
    return &asked[i];
}

static int poll_blob(struct content *content, struct content_asked *asked, struct arena *arena,
                     struct instant now, struct err *err)
{
    const struct sink *sink = content->sink;
    struct str digest = str_from(asked->digest);
    struct owners owners = { .arena = arena, .digest = digest };
    struct observation observation = { .kind = OBSERVE_BLOB };
    struct err here = ERR_INIT;
    int r = calls_list_owners(content->calls, &owners, &here);

    sink->tick(sink->self, SOURCE_CRI);
    if (r < 0)
        return take_error(content, r, now, &here, err);
    if (owners.more && !asked->cut)
        sink->limit_hit(sink->self, LIMIT_HIT_BLOB_REPOSITORIES);
    asked->cut = owners.more;
    observation.blob = (struct blob_fact){
        .digest = digest,
        .repositories = owners.repositories,
        .n = owners.n,
    };
    sink->observe(sink->self, &observation);
    return 0;
}

/* --- what came of a repository --------------------------------------------------------------- */

static int poll_repository(struct content *content, struct str repository, struct arena *arena,
                           struct instant now, struct err *err)
{
    const struct sink *sink = content->sink;
    struct holdings holdings = {
        .repository = repository,
        .blobs = arena_alloc(arena, LIMIT_REPOSITORY_BLOBS * sizeof(struct stored_blob)),
    };
    struct observation observation = { .kind = OBSERVE_REPOSITORY };
    struct err here = ERR_INIT;
    int r = -ENOMEM;

    if (holdings.blobs)
        r = calls_list_holdings(content->calls, &holdings, &here);
    else
        err_set_errno(&here, r, "list the blobs of a repository");
    sink->tick(sink->self, SOURCE_CRI);
    if (r < 0)
        return take_error(content, r, now, &here, err);
    observation.repository = (struct repository_fact){
        .repository = repository,
        .updated_us = holdings.updated_us,
        .blobs = holdings.blobs,
        .n_blobs = holdings.n,
    };
    sink->observe(sink->self, &observation);
    return 0;
}

static int poll_silent(struct content *content, const struct wanted *wanted, struct arena *arena,
                       struct instant now, struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < wanted->n_repositories && !is_paused(content, now); i++)
        if (repository_valid(wanted->repositories[i]))
            r = poll_repository(content, wanted->repositories[i], arena, now, err);
    return r;
}

/* Of a repository that no runtime can have, nothing was fetched: so it does not keep the place of
 * another one. */
static int poll_fetched(struct content *content, const struct wanted *wanted, struct arena *arena,
                        struct instant now, struct err *err)
{
    struct observation nothing = { .kind = OBSERVE_REPOSITORY };
    int r = 0;

    for (size_t i = 0; r == 0 && i < wanted->n_fetched && !is_paused(content, now); i++) {
        nothing.repository.repository = wanted->fetched[i];
        if (repository_valid(wanted->fetched[i]))
            r = poll_repository(content, wanted->fetched[i], arena, now, err);
        else
            content->sink->observe(content->sink->self, &nothing);
    }
    return r;
}

int content_poll(struct content *content, const struct wanted *wanted, struct arena *arena,
                 struct instant now, struct err *err)
{
    int r = 0;

    if (is_paused(content, now))
        return 0;
    forget_unwanted(content, wanted);
    if (wanted->ingests)
        r = poll_ingests(content, arena, now, err);
    for (size_t i = 0; r == 0 && i < wanted->n_blobs; i++) {
        struct content_asked *asked;

        if (is_paused(content, now))
            break;
        asked = digest_valid(wanted->blobs[i]) ? due(content, wanted->blobs[i], now) : NULL;
        if (asked)
            r = poll_blob(content, asked, arena, now, err);
    }
    if (r == 0)
        r = poll_silent(content, wanted, arena, now, err);
    if (r == 0)
        r = poll_fetched(content, wanted, arena, now, err);
    return r;
}
