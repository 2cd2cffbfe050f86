/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Memory that is thrown away as a whole: one decoded message, one snapshot.
 * Blocks grow by doubling; `limit` is the most it will ever hold, so an input
 * cannot make it grow without end. One thread at a time.
 */

#include <stddef.h>

#include "str.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used;                /* bytes handed out */
    size_t limit;
};

void arena_init(struct arena *arena, size_t limit);

/* Frees everything. Fine on an arena that was only initialised or already done. */
void arena_done(struct arena *arena);

/* Forgets everything but keeps the newest block for the next use. */
void arena_reset(struct arena *arena);

/* Zeroed memory, aligned for any type. NULL when `limit` or the heap is exhausted. */
void *arena_alloc(struct arena *arena, size_t size);

/* A terminated copy of `text`. NULL as above. */
char *arena_str(struct arena *arena, struct str text);
