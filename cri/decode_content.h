/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * From the bytes of containerd's content service to plain values. As decode.h: pure, any thread,
 * results live in `arena`; -EPROTO where the bytes are no such message, -ENOMEM where it does not
 * fit.
 */

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "err.h"
#include "limits.h"
#include "observation.h"
#include "str.h"

/* "sha256:" and hexadecimal digits, or another algorithm's. Nothing else gets into a filter. */
bool digest_valid(struct str digest);

/*
 * Blobs in flight. Those that have no digest (what `ctr import` writes, for one) are left out.
 * `ret_more` tells that there are more than LIMIT_INGESTS.
 */
int decode_ingests(struct str bytes, struct arena *arena, struct ingests_fact *ret, bool *ret_more,
                   struct err *err);

/* The repositories of the manifests and indexes that name one blob, gathered over a stream. */
struct owners {
    struct arena *arena; /* where the texts live */
    struct str digest;   /* the blob's */
    struct str repositories[LIMIT_BLOB_REPOSITORIES];
    size_t n;
    bool more; /* ... than fit */
};

/*
 * Adds what one message of the stream tells. Entries that do not name the blob add nothing. On
 * failure `owners` keeps what it has, and part of this message.
 */
int decode_owners(struct str bytes, struct owners *owners, struct err *err);
