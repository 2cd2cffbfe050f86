/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Why a message got its verdict, for people: `classify --explain`, and whatever shows
 * the same elsewhere. As pure as message.h, a little slower, without allocation.
 */

#include <stddef.h>

#include "agent/classify/message.h"

#define EXPLAIN_STEPS_MAX 64u /* more wrappers than this are not kept */
#define EXPLAIN_RUNNERS_UP_MAX 8u

/* A wrapper that was peeled: `failed to resolve reference "..."`, `rpc error: code = Unknown desc`.
 */
struct explain_step {
    struct str text; /* points into message.buffer */
    unsigned part;   /* message.parts[...] */
};

/* What else the message could have been taken for. */
struct explain_rule {
    const char *name; /* static */
    enum reason reason;
    unsigned part;
};

struct explanation {
    int part; /* the one that decided, -1: none did */
    size_t n_steps;
    struct explain_step steps[EXPLAIN_STEPS_MAX]; /* in the order of the text */
    size_t n_runners_up;
    struct explain_rule runners_up[EXPLAIN_RUNNERS_UP_MAX]; /* strongest first */
};

/* normalise() and classify() in one, with the same answers, and how they came about. */
struct verdict explain(struct str waiting_reason, struct str text, struct message *ret_message,
                       struct explanation *ret);
