/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A list of names that never changes: pods, incidents and snapshots share it (shared.h). */

#include <stddef.h>

#include "str.h"

struct names {
    size_t n;
    const char *at[];
};

/* How many; `names` may be NULL, which is the empty list. */
static inline size_t names_count(const struct names *names)
{
    return names ? names->n : 0;
}

/* Replaces `*names`; each text is cut at LIMIT_NAME_TEXT. On -ENOMEM it is as before. */
int names_replace(const struct names **names, const struct str *texts, size_t n);
