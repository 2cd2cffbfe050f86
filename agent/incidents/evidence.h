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
    size_t text_bytes;                                          /* size of all texts together */
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

/* Finds the same report in the list; its time may differ. NULL: not found. `list` may be NULL:
 * empty. */
const struct snapshot_evidence *evidence_find(const struct evidence *list,
                                              const struct report *report);

/*
 * Returns a new list with the report added. If the list has the report already, only its time
 * changes. A full list keeps the report that arrived first and drops the second one. NULL: no
 * memory.
 */
const struct evidence *evidence_add(const struct evidence *list, const struct report *report);
