/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Memory that is freed as a whole: one decoded message, one snapshot. It grows by blocks of doubled
 * size up to `limit` bytes, so no input can make it grow without end. One thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>

#include "str.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used;                /* bytes handed out */
    size_t limit;
    bool limit_reached; /* since arena_init(): an allocation failed because of `limit` */
};

void arena_init(struct arena *arena, size_t limit);

/* Frees everything. May be called twice. */
void arena_done(struct arena *arena);

/* Drops the contents but keeps the newest block for the next use. */
void arena_reset(struct arena *arena);

/*
 * Gets the memory for the first `size` bytes now, and touches it, so that the arena_alloc() calls
 * that follow are fast: the kernel provides fresh memory page by page, when it is touched. Only for
 * an empty arena. Does nothing if the heap is exhausted.
 */
void arena_reserve(struct arena *arena, size_t size);

/* Zeroed memory, aligned for any type. NULL when `limit` or the heap is exhausted. */
void *arena_alloc(struct arena *arena, size_t size);

/* A NUL-terminated copy of `text`; NULL as above. */
char *arena_str(struct arena *arena, struct str text);
