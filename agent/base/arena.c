/* SPDX-License-Identifier: Apache-2.0 */
#include "arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#include "mem.h"

#define FIRST_BLOCK 4096u
/* Blocks do not grow further, so that little memory is unused. */
#define LARGEST_STEP (1u << 20)

struct arena_block {
    struct arena_block *older;
    size_t size; /* size of `bytes` */
    size_t used;
    alignas(max_align_t) unsigned char bytes[];
};

void arena_init(struct arena *arena, size_t limit)
{
    *arena = (struct arena){ .limit = limit };
}

void arena_done(struct arena *arena)
{
    while (arena->blocks) {
        struct arena_block *block = arena->blocks;

        arena->blocks = block->older;
        mem_free(block);
    }
    arena->used = 0;
}

void arena_reset(struct arena *arena)
{
    struct arena_block *keep = arena->blocks;

    if (!keep)
        return;
    arena->blocks = keep->older;
    arena_done(arena);
    keep->older = NULL;
    keep->used = 0;
    arena->blocks = keep;
}

static struct arena_block *add_block(struct arena *arena, size_t need)
{
    size_t size = arena->blocks ? arena->blocks->size * 2 : FIRST_BLOCK;
    struct arena_block *block;

    if (size > LARGEST_STEP)
        size = LARGEST_STEP;
    if (size < need)
        size = need;
    block = mem_alloc(sizeof(*block) + size);
    if (!block)
        return NULL;
    block->older = arena->blocks;
    block->size = size;
    block->used = 0;
    arena->blocks = block;
    return block;
}

void arena_reserve(struct arena *arena, size_t size)
{
    struct arena_block *block;

    if (arena->blocks || size == 0)
        return;
    block = add_block(arena, size < arena->limit ? size : arena->limit);
    if (block)
        memset(block->bytes, 0, block->size);
}

void *arena_alloc(struct arena *arena, size_t size)
{
    const size_t mask = alignof(max_align_t) - 1;
    struct arena_block *block = arena->blocks;
    void *memory;

    if (size > arena->limit || arena->used > arena->limit - size) {
        arena->limit_reached = true;
        return NULL;
    }
    size = (size + mask) & ~mask;
    if (!block || block->size - block->used < size) {
        block = add_block(arena, size);
        if (!block)
            return NULL;
    }
    memory = block->bytes + block->used;
    block->used += size;
    arena->used += size;
    memset(memory, 0, size);
    return memory;
}

char *arena_str(struct arena *arena, struct str text)
{
    char *copy = arena_alloc(arena, text.len + 1);

    if (copy && text.len)
        memcpy(copy, text.at, text.len);
    return copy;
}
