/* SPDX-License-Identifier: Apache-2.0 */
#include "shared.h"

#include <stdalign.h>
#include <stdatomic.h>

#include "mem.h"

struct shared {
    atomic_size_t owners;
    alignas(max_align_t) unsigned char bytes[];
};

static struct shared *shared_of(const void *memory)
{
    return (struct shared *)((char *)memory - offsetof(struct shared, bytes));
}

void *shared_alloc(size_t size)
{
    struct shared *shared = mem_zalloc(sizeof(*shared) + size);

    if (!shared)
        return NULL;
    atomic_init(&shared->owners, 1);
    return shared->bytes;
}

const char *shared_str(struct str text)
{
    char *copy = shared_alloc(text.len + 1);

    if (copy && text.len)
        memcpy(copy, text.at, text.len);
    return copy;
}

const void *shared_ref(const void *memory)
{
    if (memory)
        atomic_fetch_add_explicit(&shared_of(memory)->owners, 1, memory_order_relaxed);
    return memory;
}

void shared_unref(const void *memory)
{
    if (memory &&
        atomic_fetch_sub_explicit(&shared_of(memory)->owners, 1, memory_order_acq_rel) == 1)
        mem_free(shared_of(memory));
}
