/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Carries HTTP between a listening socket and a handler, on one thread of its
 * own. Every client is bounded: how many at once, how large a request's head is,
 * how long it may be silent, and how long it may drip. Whoever comes when all places are taken gets
 * the place of the one that has gone longest without a whole request, so clients that hold
 * connections open, drip bytes or take no answer cannot keep others out.
 */

#include "err.h"

struct guard;
struct http_handler;
struct http_server;

struct http_server_config {
    const char *name;           /* for log lines: "web", "debug" */
    unsigned connections;       /* at once */
    unsigned connections_of_ip; /* at once from one address; more are closed. 0: no such limit */
    struct guard *guard; /* who may come in, and over what; outlives the server. NULL: everybody */
    unsigned patience_s; /* from one whole request to the next; 0: no limit but the other two */
    unsigned timeout_s;  /* of silence, in which a client neither sends nor takes anything */
};

/*
 * Serves on `fd`, which listens and does not block, and which the server owns
 * from then on. `handler` is copied; its `self` must live until
 * http_server_free(). On failure `fd` stays the caller's.
 */
int http_server_new(const struct http_server_config *config, int fd,
                    const struct http_handler *handler, struct http_server **ret, struct err *err);

/* Ends the thread and cuts every connection; no request outlives it. NULL is fine. */
void http_server_free(struct http_server *server);
