/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/http/shared_body.h"

#include <stdatomic.h>

#include "buf.h"
#include "exporter/http/http_budget.h"
#include "mem.h"

struct shared_body {
    atomic_size_t owners;
    struct http_budget *budget;
    struct buf text;
};

struct shared_body *shared_body_new(struct buf *body, struct http_budget *budget)
{
    struct shared_body *shared = mem_alloc(sizeof(*shared));

    if (!shared)
        return NULL;
    buf_shrink(body);
    if (!http_budget_take(budget, body->size)) {
        mem_free(shared);
        return NULL;
    }
    atomic_init(&shared->owners, 1);
    shared->budget = budget;
    shared->text = *body;
    buf_init(body, body->max);
    return shared;
}

struct shared_body *shared_body_ref(struct shared_body *body)
{
    atomic_fetch_add_explicit(&body->owners, 1, memory_order_relaxed);
    return body;
}

void shared_body_unref(struct shared_body *body)
{
    if (!body || atomic_fetch_sub_explicit(&body->owners, 1, memory_order_acq_rel) != 1)
        return;
    http_budget_give(body->budget, body->text.size);
    buf_done(&body->text);
    mem_free(body);
}

struct str shared_body_text(const struct shared_body *body)
{
    return buf_str(&body->text);
}
