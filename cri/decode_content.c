/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/decode_content.h"

#include <errno.h>

#include "cri/unpack_text.h"
#include "hash.h"
#include "proto/content.pb-c.h"
#include "unpack.h"

/* MD5, the shortest digest, has 32 hexadecimal digits. */
#define DIGEST_HEX_MIN 32u

static bool is_lower_or_digit(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9');
}

static bool is_hex(char byte)
{
    return (byte >= 'a' && byte <= 'f') || (byte >= '0' && byte <= '9');
}

bool digest_valid(struct str digest)
{
    size_t algorithm = 0, hex;

    while (algorithm < digest.len && is_lower_or_digit(digest.at[algorithm]))
        algorithm++;
    if (algorithm == 0 || algorithm > LIMIT_DIGEST_ALGORITHM || algorithm == digest.len ||
        digest.at[algorithm] != ':')
        return false;
    hex = digest.len - algorithm - 1;
    if (hex < DIGEST_HEX_MIN || hex > LIMIT_DIGEST_HEX)
        return false;
    for (size_t i = algorithm + 1; i < digest.len; i++) {
        if (!is_hex(digest.at[i]))
            return false;
    }
    return true;
}

static bool is_of_host(char byte)
{
    return is_lower_or_digit(byte) || (byte >= 'A' && byte <= 'Z') || strchr(".-:", byte);
}

static bool is_of_path(char byte)
{
    return is_lower_or_digit(byte) || strchr("._-/", byte);
}

bool repository_valid(struct str repository)
{
    const char *slash = repository.len ? memchr(repository.at, '/', repository.len) : NULL;
    size_t host = slash ? (size_t)(slash - repository.at) : 0;

    if (host == 0 || host + 1 == repository.len || repository.len >= LIMIT_IMAGE_TEXT ||
        memchr(repository.at, '\0', repository.len))
        return false;
    for (size_t i = 0; i < repository.len; i++)
        if (i < host ? !is_of_host(repository.at[i]) : !is_of_path(repository.at[i]))
            return false;
    return true;
}

/* --- blobs in flight -------------------------------------------------------------------------- */

/*
 * The digest is part of the ingest's name: "layer-sha256:...", "manifest-", "index-" or "config-"
 * (containerd: remotes/handlers.go, MakeRefKey). The API's field `expected` is empty in containerd
 * 1.6, 1.7 and 2.1.
 */
static struct str digest_of(const Containerd__Content__V1__Status *status)
{
    struct str digest = unpack_text(status->expected), ref = unpack_text(status->ref);
    const char *dash = ref.len ? memrchr(ref.at, '-', ref.len) : NULL;

    if (!digest_valid(digest) && dash)
        digest = str_span(dash + 1, ref.at + ref.len);
    return digest_valid(digest) ? digest : STR("");
}

/* 0 if unknown, before 1970 or out of range. */
static int64_t wall_us(const Containerd__Content__V1__Timestamp *time)
{
    if (!time || time->seconds < 0 || time->seconds >= INT64_MAX / SEC || time->nanos < 0 ||
        time->nanos >= 1000000000)
        return 0;
    return time->seconds * SEC + time->nanos / 1000;
}

static uint64_t not_negative(int64_t number)
{
    return number > 0 ? (uint64_t)number : 0;
}

/* The blobs that have a place, in the order of the answer. */
struct chosen {
    const Containerd__Content__V1__Status *at[LIMIT_INGESTS];
    size_t n;
    bool more;
};

/* The place of the blob with bytes that made no progress for longest. NULL: none has bytes. */
static const Containerd__Content__V1__Status **longest_idle(struct chosen *chosen)
{
    const Containerd__Content__V1__Status **found = NULL;

    for (size_t i = 0; i < chosen->n; i++)
        if (chosen->at[i]->offset > 0 &&
            (!found || wall_us(chosen->at[i]->updated_at) < wall_us((*found)->updated_at)))
            found = &chosen->at[i];
    return found;
}

/* Over the limit, those that are idle for longest have no place: failed pulls leave blobs behind
 * for hours. */
static void choose(struct chosen *chosen, const Containerd__Content__V1__Status *status)
{
    const Containerd__Content__V1__Status **idle;

    if (chosen->n < LIMIT_INGESTS) {
        chosen->at[chosen->n++] = status;
        return;
    }
    chosen->more = true;
    idle = status->offset > 0 ? longest_idle(chosen) : NULL;
    if (idle && wall_us((*idle)->updated_at) < wall_us(status->updated_at))
        *idle = status;
}

/* Chooses among the blobs that have bytes, or among those that have none. */
static void choose_all(const Containerd__Content__V1__ListStatusesResponse *answer, bool with_bytes,
                       struct chosen *chosen)
{
    for (size_t i = 0; i < answer->n_statuses; i++)
        if (digest_of(answer->statuses[i]).len && (answer->statuses[i]->offset > 0) == with_bytes)
            choose(chosen, answer->statuses[i]);
}

/* Since containerd 2.1 many blobs can wait for a download slot. They must not displace those that
 * have one. */
int decode_ingests(struct str bytes, struct arena *arena, struct ingests_fact *ret, bool *ret_more,
                   struct err *err)
{
    Containerd__Content__V1__ListStatusesResponse *answer;
    CLEANUP(arena_done) struct arena scratch;
    struct chosen chosen = { .n = 0 };
    struct ingest *ingests;
    int r = 0;

    arena_init(&scratch, LIMIT_DECODE_ARENA);
    answer = unpack_message(&containerd__content__v1__list_statuses_response__descriptor, bytes,
                            &scratch, &r, err);
    arena->limit_reached |= scratch.limit_reached;
    if (!answer)
        return r;
    ingests = arena_alloc(arena, LIMIT_INGESTS * sizeof(*ingests));
    if (!ingests)
        return unpack_no_room(LIMIT_INGESTS, err);
    choose_all(answer, true, &chosen);
    choose_all(answer, false, &chosen);
    for (size_t i = 0; i < chosen.n; i++) {
        const Containerd__Content__V1__Status *from = chosen.at[i];
        struct str digest = digest_of(from);

        if (!unpack_adopt(arena, &digest))
            return unpack_no_room(answer->n_statuses, err);
        ingests[i] = (struct ingest){
            .digest = digest,
            .bytes = not_negative(from->offset),
            .total = not_negative(from->total),
            .begun_us = wall_us(from->started_at),
            .moved_us = wall_us(from->updated_at),
        };
    }
    *ret = (struct ingests_fact){ .ingests = ingests, .n = chosen.n };
    *ret_more = chosen.more;
    return 0;
}

/* --- owners of a blob --------------------------------------------------------------------------
 */

/* containerd: images/handlers.go, ChildGCLabels: ".l.0", ".config", ".m.0". */
static bool names(const Containerd__Content__V1__Info *info, struct str digest)
{
    for (size_t i = 0; i < info->n_labels; i++) {
        if (str_starts(unpack_text(info->labels[i]->key), STR("containerd.io/gc.ref.content.")) &&
            str_eq(unpack_text(info->labels[i]->value), digest))
            return true;
    }
    return false;
}

static bool is_known(const struct owners *owners, struct str host, struct str repository)
{
    for (size_t i = 0; i < owners->n; i++) {
        struct str known = owners->repositories[i];

        if (known.len == host.len + 1 + repository.len && str_starts(known, host) &&
            known.at[host.len] == '/' && str_ends(known, repository))
            return true;
    }
    return false;
}

static bool add_owner(struct owners *owners, struct str host, struct str repository)
{
    size_t len = host.len + 1 + repository.len;
    char *name;

    if (!repository.len || is_known(owners, host, repository))
        return true;
    if (owners->n == LIMIT_BLOB_REPOSITORIES) {
        owners->more = true;
        return true;
    }
    name = arena_alloc(owners->arena, len);
    if (!name)
        return false;
    memcpy(name, host.at, host.len);
    name[host.len] = '/';
    memcpy(name + host.len + 1, repository.at, repository.len);
    owners->repositories[owners->n++] = (struct str){ .at = name, .len = len };
    return true;
}

/*
 * "containerd.io/distribution.source.<host>" = "repository,repository": a registry may have the
 * same manifest in several repositories. The host has no port, and an IPv6 address no brackets:
 * remotes/docker/handler.go, AppendDistributionSourceLabel, takes url.Hostname(). Empty: another
 * label.
 */
static struct str host_of_source(struct str key)
{
    static const struct str prefix = { .at = "containerd.io/distribution.source.", .len = 34 };

    return str_starts(key, prefix) ? str_skip(key, prefix.len) : STR("");
}

/* Takes the first repository from the label's value. */
static struct str next_source(struct str *value)
{
    const char *comma = memchr(value->at, ',', value->len);
    struct str repository = comma ? str_span(value->at, comma) : *value;

    *value = str_skip(*value, repository.len + 1);
    return repository;
}

static bool add_sources(struct owners *owners, struct str key, struct str value)
{
    struct str host = host_of_source(key);

    while (host.len && value.len)
        if (!add_owner(owners, host, next_source(&value)))
            return false;
    return true;
}

int decode_owners(struct str bytes, struct owners *owners, struct err *err)
{
    Containerd__Content__V1__ListContentResponse *answer;
    CLEANUP(arena_done) struct arena scratch;
    int r = 0;

    arena_init(&scratch, LIMIT_DECODE_ARENA);
    answer = unpack_message(&containerd__content__v1__list_content_response__descriptor, bytes,
                            &scratch, &r, err);
    owners->arena->limit_reached |= scratch.limit_reached;
    if (!answer)
        return r;
    for (size_t i = 0; i < answer->n_info; i++) {
        const Containerd__Content__V1__Info *info = answer->info[i];

        if (!names(info, owners->digest))
            continue;
        for (size_t k = 0; k < info->n_labels; k++) {
            if (!add_sources(owners, unpack_text(info->labels[k]->key),
                             unpack_text(info->labels[k]->value)))
                return unpack_no_room(answer->n_info, err);
        }
    }
    return 0;
}

/* --- what there is of a repository ------------------------------------------------------------ */

static bool is_in_repository(const Containerd__Content__V1__Info *info, struct str repository)
{
    for (size_t i = 0; i < info->n_labels; i++) {
        struct str host = host_of_source(unpack_text(info->labels[i]->key));
        struct str value = unpack_text(info->labels[i]->value);

        if (!host.len || !str_starts(repository, host) || repository.at[host.len] != '/')
            continue;
        while (value.len)
            if (str_eq(next_source(&value), str_skip(repository, host.len + 1)))
                return true;
    }
    return false;
}

/* Over the limit, the blob that came first gives up its place. */
static void add_blob(struct holdings *holdings, const struct stored_blob *blob)
{
    struct stored_blob *oldest = holdings->blobs;

    if (holdings->n < LIMIT_REPOSITORY_BLOBS) {
        holdings->blobs[holdings->n++] = *blob;
        return;
    }
    for (size_t i = 1; i < holdings->n; i++)
        if (holdings->blobs[i].created_us < oldest->created_us)
            oldest = &holdings->blobs[i];
    if (oldest->created_us < blob->created_us)
        *oldest = *blob;
}

static void add_entry(struct holdings *holdings, const Containerd__Content__V1__Info *info)
{
    const struct stored_blob blob = {
        .hash = hash_str(unpack_text(info->digest)),
        .size = not_negative(info->size),
        .created_us = wall_us(info->created_at),
    };
    int64_t updated_us = wall_us(info->updated_at);

    if (updated_us < blob.created_us)
        updated_us = blob.created_us;
    if (updated_us > holdings->updated_us)
        holdings->updated_us = updated_us;
    if (blob.created_us)
        add_blob(holdings, &blob);
}

int decode_holdings(struct str bytes, struct holdings *holdings, struct err *err)
{
    Containerd__Content__V1__ListContentResponse *answer;
    CLEANUP(arena_done) struct arena scratch;
    int r = 0;

    arena_init(&scratch, LIMIT_DECODE_ARENA);
    answer = unpack_message(&containerd__content__v1__list_content_response__descriptor, bytes,
                            &scratch, &r, err);
    if (!answer)
        return r;
    for (size_t i = 0; i < answer->n_info; i++)
        if (is_in_repository(answer->info[i], holdings->repository))
            add_entry(holdings, answer->info[i]);
    return 0;
}
