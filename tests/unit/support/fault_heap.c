/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/support/fault_heap.h"

#include <stdint.h>
#include <stdlib.h>

#include "mem.h"

#define NEVER SIZE_MAX

static size_t until_failure = NEVER;
static bool fired, goes_on;
static size_t live;

void fault_heap_fail_at(size_t n)
{
    until_failure = n;
    fired = goes_on = false;
}

void fault_heap_fail_from(size_t n)
{
    fault_heap_fail_at(n);
    goes_on = true;
}

bool fault_heap_fired(void)
{
    until_failure = NEVER;
    return fired;
}

size_t fault_heap_live(void)
{
    return live;
}

static bool fails_now(void)
{
    if (until_failure == NEVER)
        return false;
    if (until_failure-- > 0)
        return false;
    until_failure = goes_on ? 0 : NEVER;
    fired = true;
    return true;
}

void *mem_alloc(size_t size)
{
    void *memory = fails_now() ? NULL : malloc(size);

    live += memory != NULL;
    return memory;
}

void *mem_zalloc(size_t size)
{
    void *memory = fails_now() ? NULL : calloc(1, size);

    live += memory != NULL;
    return memory;
}

void *mem_realloc(void *old, size_t size)
{
    void *memory = fails_now() ? NULL : realloc(old, size);

    live += !old && memory;
    return memory;
}

void mem_free(void *memory)
{
    live -= memory != NULL;
    free(memory);
}
