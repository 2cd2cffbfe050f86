/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The body of an answer that many clients get. It never changes, and is in memory once: it is freed
 * when the last of its owners drops it. A slow client can be the last one. Any thread.
 */

#include "str.h"

struct buf;
struct http_budget;
struct shared_body;

/* Takes over the memory of `body`, with one owner. The body has its bytes of `budget` (NULL: none)
 * until it is freed. NULL, and `body` is unchanged: there was no memory, or no room in the budget.
 */
struct shared_body *shared_body_new(struct buf *body, struct http_budget *budget);

/* Adds an owner. Returns `body`. */
struct shared_body *shared_body_ref(struct shared_body *body);

/* Drops an owner. Accepts NULL. */
void shared_body_unref(struct shared_body *body);

struct str shared_body_text(const struct shared_body *body);
