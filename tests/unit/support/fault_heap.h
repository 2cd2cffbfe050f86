/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Another implementation of include/mem.h: it counts what is alive and can fail the n-th
 * allocation. A test that calls any of these is linked with it instead of agent/base/mem.c.
 */

#include <stdbool.h>
#include <stddef.h>

/* The n-th allocation from now on (0 is the next one) returns NULL, once. */
void fault_heap_fail_at(size_t n);

/* Whether that allocation was reached. Also ends the wait for it. */
bool fault_heap_fired(void);

/* Allocations that were made and not yet freed. */
size_t fault_heap_live(void);
