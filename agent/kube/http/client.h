/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * GET requests to one API server or kubelet: TLS, HTTP/2, the token. All functions except
 * client_wakeup() run on one thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "agent/kube/http/credentials.h"
#include "err.h"
#include "str.h"

struct client_config {
    const struct credentials *credentials; /* must name a server */
    const char *user_agent;
    bool json; /* request JSON instead of protobuf */
};

/* How a request ended. */
struct client_end {
    bool complete;          /* the whole answer was received */
    bool by_peer;           /* incomplete: the other side closed an open connection */
    const char *text;       /* incomplete: the reason */
    int64_t retry_after_us; /* 0: no such header */
};

/* Callbacks of a request. `answered` and `received` must not call client_*() functions. */
struct client_handler {
    void *self;
    /* The head of the final answer. `content_type` may be NULL. At most once, before the body. */
    void (*answered)(void *self, int status, const char *content_type);
    /* A part of the body. A negative errno cancels the request. */
    int (*received)(void *self, struct str bytes);
    /* Exactly once, from client_run(), unless the request is cancelled. The request is freed. */
    void (*ended)(void *self, const struct client_end *end);
};

struct client;
struct client_request;

/* What `config` points to must outlive the client. Call before other threads start: libcurl is
 * initialised here. */
int client_new(const struct client_config *config, struct client **ret, struct err *err);

/* Cancels all requests. NULL is fine. */
void client_free(struct client *client);

/*
 * Starts a request for `target` (path and query). `watch`: a stream. Loads the credentials. Returns
 * NULL, and calls no handler, only if there is no memory; any other error ends the request.
 */
struct client_request *client_get(struct client *client, struct str target, bool watch,
                                  const struct client_handler *handler);

/* Cancels a request; its handler is not called any more. NULL is fine. */
void client_cancel(struct client_request *request);

/* Waits for network events, at most `timeout_us`, and calls the handlers. Returns how often it
 * called one. */
unsigned client_run(struct client *client, int64_t timeout_us);

/* Makes client_run() return. Any thread. */
void client_wakeup(struct client *client);

/*
 * Begins anew: closes all connections, forgets all that libcurl keeps, and ends all requests. On
 * failure everything stays as it was: -ENOMEM.
 */
int client_renew(struct client *client, struct err *err);
