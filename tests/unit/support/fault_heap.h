/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A second implementation of include/mem.h. It counts live allocations and can make the n-th one
 * fail. A test that calls these functions is linked with it instead of agent/base/mem.c.
 */

#include <stdbool.h>
#include <stddef.h>

/* Makes the n-th allocation from now on return NULL, once. 0 is the next one. */
void fault_heap_fail_at(size_t n);

/* The same, but all later ones return NULL, too. */
void fault_heap_fail_from(size_t n);

/* Whether that allocation happened. If not, it no longer fails. */
bool fault_heap_fired(void);

/* The number of allocations that are not freed. */
size_t fault_heap_live(void);
