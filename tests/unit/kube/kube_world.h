/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The steps of which the tests of the reflector are made. */

#include <stdint.h>

#include "agent/kube/reflector.h"
#include "tests/unit/kube/kube_story.h"

#define PODS                                                                                       \
    "/api/v1/pods?fieldSelector=spec.nodeName%3Dlab-node"                                          \
    "%2Cstatus.phase%21%3DFailed%2Cstatus.phase%21%3DSucceeded"
#define START (1000 * SEC)

/* A reflector, its sink, and the time, which is a number that the test sets. */
struct kube_world {
    struct story story;
    struct health health;
    struct reflector reflector;
    struct event_budgets budgets;
    struct event_budget *budget; /* of the reflector's events; pods: NULL */
    struct instant now;
    struct buf target;                                                    /* of the last request */
    struct buf list, page, watch, watchlist, expired, forbidden, kubelet; /* recordings */
};

int kube_world_setup(void **state);
int kube_world_teardown(void **state);

#define KUBE_WORLD_TEST(test)                                                                      \
    cmocka_unit_test_setup_teardown(test, kube_world_setup, kube_world_teardown)

/* A new reflector, after reflector_done(). */
void kube_world_begin(struct kube_world *w, enum kube_resource resource);

/* The same, for pods of the kubelet. */
void kube_world_begin_kubelet(struct kube_world *w);

void kube_world_advance(struct kube_world *w, int64_t us);

/* How long the reflector waits until it makes its next request, or until the open one times out. */
int64_t kube_world_waits(const struct kube_world *w);

/* Waits until a request is due and makes it. */
void kube_world_ask(struct kube_world *w);

/* Asserts that the last request contains `words`. */
void kube_world_assert_asked(const struct kube_world *w, const char *words);

/* What the server does. */
void kube_world_answer(struct kube_world *w, int status);
int kube_world_receive(struct kube_world *w, struct str bytes);
void kube_world_end(struct kube_world *w);
void kube_world_refuse(struct kube_world *w, int status);
void kube_world_answer_all(struct kube_world *w, const struct buf *body); /* 200, to its end */
void kube_world_expire(struct kube_world *w); /* the open watch ends with the status 410 */
void kube_world_cut(struct kube_world *w, bool by_peer, const char *text); /* the request fails */

/* Asks for a streaming list and receives it; its watch stays open. */
void kube_world_streaming_list(struct kube_world *w);

/* A server without streaming lists, up to the watch that follows the list. */
void kube_world_list_and_watch(struct kube_world *w);

void kube_world_assert_change(struct kube_world *w, int kind, const char *text);

/* Asserts `n` reconnects for this reason, and none for another. */
void kube_world_assert_reconnects(const struct kube_world *w, enum reconnect reason, unsigned n);
