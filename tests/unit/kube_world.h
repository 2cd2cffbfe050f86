/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The words in which the tests of the reflector tell their stories. */

#include <stdint.h>

#include "agent/kube/reflector.h"
#include "tests/unit/kube_story.h"

#define PODS "/api/v1/pods?fieldSelector=spec.nodeName%3Dlab-node"
#define START (1000 * SEC)

/* A reflector, what it tells, and the time, which is a number here. */
struct world {
    struct story story;
    struct report report;
    struct reflector reflector;
    struct instant now;
    struct buf target;                                           /* of the last request */
    struct buf list, page, watch, watchlist, expired, forbidden; /* recordings */
};

int world_setup(void **state);
int world_teardown(void **state);

#define WORLD_TEST(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

/* A new reflector in the place of one that is done. */
void world_begin(struct world *w, enum kube_resource resource);

void world_advance(struct world *w, int64_t us);

/* How long the reflector wants to wait before it asks again, or gives up. */
int64_t world_waits(const struct world *w);

/* Waits until it is due, and asks; then what was asked must hold these words. */
void world_ask(struct world *w);
void world_assert_asked(const struct world *w, const char *words);

/* The server's part. */
void world_answer(struct world *w, int status);
int world_receive(struct world *w, struct str bytes);
void world_end(struct world *w);
void world_refuse(struct world *w, int status);
void world_break_off(struct world *w, bool by_peer, const char *text);

/* A server without streaming lists, up to the watch that follows the list. */
void world_list_and_watch(struct world *w);

void world_assert_news(struct world *w, int kind, const char *text);

/* So many reconnects for this reason, and none for another. */
void world_assert_reconnects(const struct world *w, enum reconnect reason, unsigned n);
