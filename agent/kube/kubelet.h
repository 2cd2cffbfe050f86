/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Keeps the sink true to this node's pods by asking the kubelet for all of them again and again:
 * when next, and what to make of the answer. The other of reflector.h, whose words it uses; knows
 * no transport and no clock either. One thread at a time.
 *
 *   after a list, while something waits for an image   again in 2 s, growing to 5 s
 *   after a list, while nothing waits                  again in 60 s
 *   after a failure                                    again after the back-off
 */

#include <stdbool.h>
#include <stdint.h>

#include "agent/kube/intake.h"
#include "agent/kube/reflector.h"
#include "backoff.h"
#include "buf.h"
#include "clock.h"
#include "err.h"
#include "health.h"
#include "sink.h"

#define KUBELET_TARGET "/pods"

struct kubelet_config {
    const char *node_name;
    const struct sink *sink;
    struct health *health;
    uint64_t seed; /* of the back-off's jitter */
};

struct kubelet {
    struct kubelet_config config;
    struct intake intake;
    struct buf body; /* of the answer, as far as it has come */
    struct backoff backoff;
    struct jitter jitter;

    bool asked;       /* a request is under way */
    int64_t next_us;  /* mono: when to ask */
    int64_t asked_us; /* mono: when that was */
    int64_t pause_us; /* the last one while something waits; 0: nothing waits */
    int status;       /* of the answer; 0: none yet */

    struct err err; /* what was wrong with this request so far */
    enum reconnect why;
    bool failing; /* as in the health */
    unsigned failures;
    int64_t failing_since_us; /* mono */
    enum reconnect failing_why;
    int failing_status;
    struct reflector_news news;
};

/* Everything in `config` must outlive the kubelet. The first request is due at `now`. */
void kubelet_init(struct kubelet *kubelet, const struct kubelet_config *config, struct instant now);

/* Also forgets its part in the report. A request that is under way is no more its concern. */
void kubelet_done(struct kubelet *kubelet, struct instant now);

/* Mono: when to call kubelet_due() (no request is under way) or kubelet_late() at the latest. */
int64_t kubelet_deadline_us(const struct kubelet *kubelet);

/* Whether KUBELET_TARGET should be asked for now. The caller then calls, in this order,
 * kubelet_ask(), kubelet_answered() once or not, kubelet_received() any number of times,
 * kubelet_ended(). */
bool kubelet_due(const struct kubelet *kubelet, struct instant now);
void kubelet_ask(struct kubelet *kubelet, struct instant now);

void kubelet_answered(struct kubelet *kubelet, int status);

/* A negative errno: break the transfer off, then kubelet_ended(). */
int kubelet_received(struct kubelet *kubelet, struct str bytes);

/* Returns true when the request took too long: break it off, then kubelet_ended(). */
bool kubelet_late(struct kubelet *kubelet, struct instant now);

/* The request is over, whichever way. */
void kubelet_ended(struct kubelet *kubelet, struct instant now, const struct transfer_end *end);

/* Takes what there is to tell; at most one piece. */
bool kubelet_take_news(struct kubelet *kubelet, struct reflector_news *ret);
