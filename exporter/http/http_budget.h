/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The memory that all answers and request bodies of the web listeners, or of the debug listener,
 * may have together. Clients decide how long they are kept. Any thread. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct http_budget {
    size_t max;
    atomic_size_t used;
};

/* NULL: there is no budget. While nothing is taken, everything fits: a large answer has its turn.
 */
static inline bool http_budget_take(struct http_budget *budget, size_t bytes)
{
    size_t before = budget ? atomic_fetch_add(&budget->used, bytes) : 0;

    if (before == 0 || before + bytes <= budget->max)
        return true;
    atomic_fetch_sub(&budget->used, bytes);
    return false;
}

static inline void http_budget_give(struct http_budget *budget, size_t bytes)
{
    if (budget)
        atomic_fetch_sub(&budget->used, bytes);
}
