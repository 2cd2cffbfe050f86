/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Decodes answers of containerd's content service into plain values. Pure; any thread. Results live
 * in `arena`. Errors are those of decode.h.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "err.h"
#include "limit.h"
#include "observation.h"
#include "str.h"

/* Whether a text is an algorithm, ":" and hexadecimal digits. Nothing else may be in a filter. */
bool digest_valid(struct str digest);

/* Whether a text is "host/path" as labels name it; nothing else may be in a filter. */
bool repository_valid(struct str repository);

/*
 * The blobs in flight. Those without a digest, as written by `ctr import`, are left out. Sets
 * `ret_more` if there are more than LIMIT_INGESTS.
 */
int decode_ingests(struct str bytes, struct arena *arena, struct ingests_fact *ret, bool *ret_more,
                   struct err *err);

/* The repositories of the manifests and indexes that name one blob, collected from a stream. */
struct owners {
    struct arena *arena; /* where the texts live */
    struct str digest;   /* the blob's */
    struct str repositories[LIMIT_BLOB_REPOSITORIES];
    size_t n;
    bool more; /* there are more than fit */
};

/*
 * Adds the owners in one message of the stream. Entries that do not name the blob are ignored. On
 * failure `owners` may have part of the message.
 */
int decode_owners(struct str bytes, struct owners *owners, struct err *err);

/* What the content store has of one repository, collected from a stream. */
struct holdings {
    struct str repository;     /* repository_valid() */
    int64_t updated_us;        /* wall; when the newest entry was noted; 0: none has a time */
    struct stored_blob *blobs; /* room for LIMIT_REPOSITORY_BLOBS: those that came last */
    size_t n;
};

/* Adds the entries in one message of the stream. Those of other repositories are ignored. */
int decode_holdings(struct str bytes, struct holdings *holdings, struct err *err);
