/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What witnesses reported about one incident. A list never changes: a new report makes a new list,
 * so that snapshots can share the old one (shared.h).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "snapshot.h"
#include "str.h"

struct evidence {
    size_t n;
    size_t text_bytes;                                          /* of all texts */
    unsigned char arrival[LIMIT_EVIDENCE_PER_INCIDENT];         /* indexes, in order of arrival */
    struct snapshot_evidence list[LIMIT_EVIDENCE_PER_INCIDENT]; /* oldest first */
};

/* What a witness reports about one pull. */
struct report {
    enum witness witness;
    struct str reason; /* waiting or event reason; cut at LIMIT_NAME_TEXT */
    struct str text;   /* without secrets */
    int64_t at_us;     /* wall */
};

/* The report in the list, perhaps with another time; or NULL. `list` may be NULL: empty. */
const struct snapshot_evidence *evidence_find(const struct evidence *list,
                                              const struct report *report);

/*
 * A new list with the report added. Where the list has it already, it gets the time of this one.
 * When the list is full, the first report stays and the one that came after it goes. NULL: no
 * memory.
 */
const struct evidence *evidence_add(const struct evidence *list, const struct report *report);
