/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The heap. The agent allocates only through these functions, so that a test can link another
 * implementation and make each allocation fail once (tests/unit/support/fault_heap.h). All return
 * NULL without memory; mem_free(NULL) does nothing.
 */

#include <stddef.h>

#include "str.h"

void *mem_alloc(size_t size);
void *mem_zalloc(size_t size);
void *mem_realloc(void *old, size_t size);
void mem_free(void *memory);

/* NUL-terminated copies. */
char *mem_strdup(const char *text);
char *mem_str(struct str text);

/* For CLEANUP(mem_freep) on any owning pointer. */
void mem_freep(void *pointer_to_pointer);
