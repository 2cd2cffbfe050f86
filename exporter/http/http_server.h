/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Carries HTTP between a listening socket and a handler, on a thread of its own. Clients are
 * limited: their number, the size of a request's head, how long they may be silent, and the time
 * from one complete request to the next. When all places are taken, a new client gets the place of
 * the client whose last complete request is oldest, among those of the address with most of them.
 * So clients that hold connections open, send byte by byte or do not read the answer cannot keep
 * others out.
 */

#include "err.h"

struct guard;
struct http_budget;
struct http_handler;
struct http_server;
struct limit_hits;

struct http_server_config {
    const char *name;              /* for log lines: "web", "debug" */
    unsigned connections;          /* how many at the same time */
    unsigned idle_timeout_s;       /* a client that neither sends nor reads for this long is cut */
    unsigned request_timeout_s;    /* from one complete request to the next; 0: no such limit */
    struct guard *guard;           /* who may use it; outlives the server. NULL: everybody */
    struct http_budget *budget;    /* memory of all answers; outlives the server. NULL: no limit */
    struct limit_hits *limit_hits; /* where reached limits are counted; outlives the server */
};

/*
 * Serves on `fd`, a listening socket that does not block. The server owns it from then on.
 * `handler` is copied; its `self` must live until http_server_free(). On failure the caller still
 * owns `fd`.
 */
int http_server_new(const struct http_server_config *config, int fd,
                    const struct http_handler *handler, struct http_server **ret, struct err *err);

/* Ends the thread and cuts every connection; no request outlives it. Accepts NULL. */
void http_server_free(struct http_server *server);
