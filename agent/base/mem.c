/* SPDX-License-Identifier: Apache-2.0 */
#include "mem.h"

#include <stdlib.h>

void *mem_alloc(size_t size)
{
    return malloc(size);
}

void *mem_zalloc(size_t size)
{
    return calloc(1, size);
}

void *mem_realloc(void *old, size_t size)
{
    return realloc(old, size);
}

void mem_free(void *memory)
{
    free(memory);
}
