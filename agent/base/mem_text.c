/* SPDX-License-Identifier: Apache-2.0 */

/* The part of mem.h that works with any allocator. */

#include <string.h>

#include "mem.h"

char *mem_strdup(const char *text)
{
    return mem_str(str_from(text));
}

char *mem_str(struct str text)
{
    char *copy = mem_alloc(text.len + 1);

    if (!copy)
        return NULL;
    if (text.len)
        memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    return copy;
}

void mem_freep(void *pointer_to_pointer)
{
    mem_free(*(void **)pointer_to_pointer);
}
