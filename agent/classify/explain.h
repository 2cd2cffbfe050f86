/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Why a message got its verdict: for `classify --explain` and GET /debug/classify. Pure, like
 * message.h, and without allocation, but slower.
 */

#include <stddef.h>

#include "agent/classify/message.h"

#define EXPLAIN_STEPS_MAX 64u /* further wrappers are left out */
#define EXPLAIN_RUNNERS_UP_MAX 8u

/* A wrapper that was removed: `failed to resolve reference "..."`, `rpc error: code = Unknown
 * desc`.
 */
struct explain_step {
    struct str text; /* points into message.buffer */
    unsigned part;   /* message.parts[...] */
};

/* Another rule that fits the message. */
struct explain_rule {
    const char *name; /* static */
    enum reason reason;
    unsigned part;
};

struct explanation {
    int part; /* the part that decided; -1: none */
    size_t n_steps;
    struct explain_step steps[EXPLAIN_STEPS_MAX]; /* in the order of the text */
    size_t n_runners_up;
    struct explain_rule runners_up[EXPLAIN_RUNNERS_UP_MAX]; /* best first */
};

/* normalise() and classify() in one, with the same results, and why. */
struct verdict explain(struct str waiting_reason, struct str text, struct message *ret_message,
                       struct explanation *ret);
