/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Memory with several owners. Fill it before you share it; after that nobody changes it. It is
 * freed when its last owner drops it. Any thread may add or drop an owner.
 */

#include <stddef.h>
#include <string.h>

#include "str.h"

/* Zeroed, with one owner. NULL: no memory. */
void *shared_alloc(size_t size);

/* As shared_alloc(), with a terminated copy of `text`. */
const char *shared_str(struct str text);

/* Adds an owner. Accepts NULL; returns `memory`. */
const void *shared_ref(const void *memory);

/* Drops an owner. Accepts NULL. */
void shared_unref(const void *memory);

/* Writes a terminated copy of `text` to `*at` and moves `*at` behind it. Returns the copy. */
static inline const char *shared_pack(char **at, struct str text)
{
    char *copy = *at;

    if (text.len)
        memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    *at = copy + text.len + 1;
    return copy;
}
