/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/event_budget.h"

#include <assert.h>
#include <string.h>

#include "util.h"

#define FULL ((int64_t)LIMIT_EVENT_BUDGET)
#define PER_MINUTE ((int64_t)LIMIT_EVENT_BUDGET_PER_MINUTE)
/* Many agents use up the budget of one namespace at the same moment. They must not come back
 * together. */
#define REST_SPREAD (2 * MINUTE)

_Static_assert(LIMIT_EVENT_BUDGETS > LIMIT_EVENT_NAMESPACES, "a stream could have no budget");
_Static_assert(LIMIT_EVENT_BUDGET_RESUME < LIMIT_EVENT_BUDGET, "a rest would never end");

static int64_t left(const struct event_budget *budget, int64_t now_us)
{
    /* More minutes than it takes to fill it do not matter, and would overflow. */
    const int64_t most_us = (FULL - budget->bytes) / PER_MINUTE * MINUTE + MINUTE;
    const int64_t passed_us = now_us - budget->at_us;
    const int64_t bytes =
        budget->bytes + (passed_us < most_us ? passed_us : most_us) * PER_MINUTE / MINUTE;

    return bytes < FULL ? bytes : FULL;
}

static void refill(struct event_budget *budget, int64_t now_us)
{
    budget->bytes = left(budget, now_us);
    budget->at_us = now_us;
    if (budget->bytes == FULL)
        budget->spent = false;
}

/* A new row, or that of the namespace with most left. */
static struct event_budget *find_place(struct event_budgets *budgets, int64_t now_us)
{
    struct event_budget *most = NULL;

    if (budgets->n < LIMIT_EVENT_BUDGETS)
        return &budgets->at[budgets->n++];
    for (size_t i = 0; i < budgets->n; i++) {
        struct event_budget *row = &budgets->at[i];

        if (!row->in_use && (!most || left(row, now_us) > left(most, now_us)))
            most = row;
    }
    assert(most);
    return most;
}

struct event_budget *event_budget_take(struct event_budgets *budgets, struct str namespace,
                                       int64_t now_us)
{
    const struct str name = str_head(namespace, sizeof(budgets->at[0].namespace) - 1);
    struct event_budget *row = NULL;

    for (size_t i = 0; i < budgets->n && !row; i++)
        if (str_eq(str_from(budgets->at[i].namespace), name))
            row = &budgets->at[i];
    if (!row) {
        row = find_place(budgets, now_us);
        *row = (struct event_budget){ .bytes = FULL, .at_us = now_us };
        memcpy(row->namespace, name.at, name.len);
    }
    row->in_use = true;
    return row;
}

void event_budget_release(struct event_budget *budget)
{
    budget->in_use = false;
}

bool event_budget_use(struct event_budget *budget, size_t bytes, int64_t now_us)
{
    refill(budget, now_us);
    budget->bytes -= (int64_t)bytes;
    return budget->bytes > 0;
}

int64_t event_budget_rest(struct event_budget *budget, struct jitter *jitter, int64_t now_us)
{
    const int64_t missing = (int64_t)LIMIT_EVENT_BUDGET_RESUME - left(budget, now_us);
    const int64_t rest_us = missing > 0 ? (missing * MINUTE + PER_MINUTE - 1) / PER_MINUTE : MINUTE;

    budget->spent = true;
    budget->rests_until_us = now_us + rest_us + jitter_below(jitter, REST_SPREAD);
    return budget->rests_until_us - now_us;
}

int64_t event_budget_rests_us(const struct event_budget *budget, int64_t now_us)
{
    return now_us < budget->rests_until_us ? budget->rests_until_us - now_us : 0;
}

bool event_budget_is_spent(struct event_budget *budget, int64_t now_us)
{
    refill(budget, now_us);
    return budget->spent;
}
