/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The words in which the tests of the reflector tell their stories. */

#include <stdint.h>

#include "agent/kube/reflector.h"
#include "tests/unit/kube/kube_story.h"

#define PODS "/api/v1/pods?fieldSelector=spec.nodeName%3Dlab-node"
#define START (1000 * SEC)

/* A reflector, what it tells, and the time, which is a number here. */
struct kube_world {
    struct story story;
    struct health health;
    struct reflector reflector;
    struct instant now;
    struct buf target;                                           /* of the last request */
    struct buf list, page, watch, watchlist, expired, forbidden; /* recordings */
};

int kube_world_setup(void **state);
int kube_world_teardown(void **state);

#define KUBE_WORLD_TEST(test)                                                                      \
    cmocka_unit_test_setup_teardown(test, kube_world_setup, kube_world_teardown)

/* A new reflector in the place of one that is done. */
void kube_world_begin(struct kube_world *w, enum kube_resource resource);

void kube_world_advance(struct kube_world *w, int64_t us);

/* How long the reflector wants to wait before it asks again, or gives up. */
int64_t kube_world_waits(const struct kube_world *w);

/* Waits until it is due, and asks; then what was asked must hold these words. */
void kube_world_ask(struct kube_world *w);
void kube_world_assert_asked(const struct kube_world *w, const char *words);

/* The server's part. */
void kube_world_answer(struct kube_world *w, int status);
int kube_world_receive(struct kube_world *w, struct str bytes);
void kube_world_end(struct kube_world *w);
void kube_world_refuse(struct kube_world *w, int status);
void kube_world_break_off(struct kube_world *w, bool by_peer, const char *text);

/* A server without streaming lists, up to the watch that follows the list. */
void kube_world_list_and_watch(struct kube_world *w);

void kube_world_assert_news(struct kube_world *w, int kind, const char *text);

/* So many reconnects for this reason, and none for another. */
void kube_world_assert_reconnects(const struct kube_world *w, enum reconnect reason, unsigned n);
