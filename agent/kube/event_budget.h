/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How many bytes of the events of one namespace may be read.
 *
 * Events cannot be selected by node: each agent that reads a namespace reads the events of all its
 * pods, on all nodes. A bad image that fails on thousands of nodes would make thousands of agents
 * read thousands of events each. So a namespace that has used up its budget rests. Its events are
 * read on from then, and not those from before.
 *
 *   full --bytes--> less --0 is reached--> rests --LIMIT_EVENT_BUDGET_RESUME has come back--> less
 *
 * The budget outlives the stream. It grows by LIMIT_EVENT_BUDGET_PER_MINUTE, also during the rest.
 * One thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backoff.h"
#include "limit.h"
#include "str.h"

struct event_budget {
    char namespace[64];     /* an RFC 1123 label has up to 63 bytes; a longer name is cut */
    bool in_use;            /* a stream reads the namespace: the row stays */
    bool spent;             /* it was used up since it was last full */
    int64_t bytes;          /* left at `at_us`; negative: more was read */
    int64_t at_us;          /* mono */
    int64_t rests_until_us; /* mono; 0: never */
};

/* Of the namespaces that have used some of their budget within half an hour. */
struct event_budgets {
    struct event_budget at[LIMIT_EVENT_BUDGETS];
    size_t n;
};

/*
 * The budget of `namespace`, for a stream that begins. It stays at this address until
 * event_budget_release(). If the table is full, the one that has most left is dropped: that
 * namespace has a full budget again.
 */
struct event_budget *event_budget_take(struct event_budgets *budgets, struct str namespace,
                                       int64_t now_us);
void event_budget_release(struct event_budget *budget);

/* `bytes` were read. False: it is used up, and the namespace must rest. */
bool event_budget_use(struct event_budget *budget, size_t bytes, int64_t now_us);

/* The rest begins. Returns its length; `jitter` makes that of each agent different. */
int64_t event_budget_rest(struct event_budget *budget, struct jitter *jitter, int64_t now_us);

/* How long it still rests; 0: it does not. */
int64_t event_budget_rests_us(const struct event_budget *budget, int64_t now_us);

/* Whether it was used up since it was last full: then the events of the last hour are too many to
 * be listed. */
bool event_budget_is_spent(struct event_budget *budget, int64_t now_us);
