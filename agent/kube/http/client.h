/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * GET requests to one API server or kubelet: TLS, HTTP/2, the token. The only file that drives
 * curl. Everything happens on the thread that calls client_run(), but for client_wakeup().
 */

#include <stdbool.h>
#include <stdint.h>

#include "agent/kube/http/credentials.h"
#include "buf.h"
#include "err.h"
#include "str.h"

struct client_config {
    const struct credentials *credentials; /* with a server */
    const char *user_agent;
    bool json; /* asked for instead of protobuf */
};

/* How a request ended. */
struct client_end {
    bool complete;          /* the answer's regular end was reached */
    bool by_peer;           /* not complete: the other side broke off what it had begun */
    const char *text;       /* not complete: why */
    int64_t retry_after_us; /* of the answer's header; 0: none */
};

/* What comes of a request. No client_*() function may be called from `answered` and `received`. */
struct client_handler {
    void *self;
    /* The head of the final answer. `content_type` may be NULL. At most once, before the rest. */
    void (*answered)(void *self, int status, const char *content_type);
    /* A negative errno breaks the request off. */
    int (*received)(void *self, struct str bytes);
    /* Exactly once, always from client_run(), also for what fails at once; the request is no more.
     */
    void (*ended)(void *self, const struct client_end *end);
};

struct client;
struct client_request;

/* What `config` points to must outlive the client. */
int client_new(const struct client_config *config, struct client **ret, struct err *err);

/* Cancels what is under way. NULL is fine. */
void client_free(struct client *client);

/*
 * Begins to ask for `target` (path and query). `watch` asks for a stream, which may last. The
 * credentials are read now. NULL only when there is no memory: then nothing will be called.
 */
struct client_request *client_get(struct client *client, struct str target, bool watch,
                                  const struct client_handler *handler);

/* Breaks a request off; its handler is not called any more. NULL is fine. */
void client_cancel(struct client_request *request);

/* Waits until something happens, at most `timeout_us`, and calls the handlers. */
void client_run(struct client *client, int64_t timeout_us);

/* Ends the waiting of client_run(). Any thread. */
void client_wakeup(struct client *client);
