/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A server on this machine for tests of the client: plain HTTP, one connection. It reads the head
 * of one request, sends its answer, and closes the connection or stays silent. And a client with
 * one request, whose callbacks are noted.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/kube/http/client.h"

struct peer {
    int listener;
    int port;
    pthread_t thread;
    const char *answer;
    const char *again; /* sent after the answer, until the client closes; NULL: nothing */
    size_t sent;       /* bytes of `again`; valid after peer_stop() */
    bool stays;        /* silent until the client closes */
    char request[4096];
};

/* A client that does not close gets this much. */
#define PEER_ENDLESS (64u << 20)

/* Port 0: any. `body` is the thread; its argument is the peer. */
void peer_listen(struct peer *server, int port, void *(*body)(void *));
void peer_start_at(struct peer *server, int port, const char *answer, bool stays);
void peer_start(struct peer *server, const char *answer, bool stays);
void peer_stop(struct peer *server);

/* The callbacks of one request in their order: "A" answered, "R" received, "E" ended. */
struct result {
    char order[8];
    int status;
    char content_type[100];
    char body[1000];
    int returns; /* of the `received` callback */
    bool complete, by_peer;
    char text[600];
    int64_t retry_after_us;
};

/* One at a time. */
struct client *peer_client(int port, const char *scheme, const char *token_file);
struct client_request *peer_get(struct client *client, bool watch, struct result *result);

/* Fails if `what` does not come. */
void peer_run_until(struct client *client, const struct result *result, char what);

/* One request from begin to end. */
void peer_fetch(const char *answer, const char *token_file, struct result *result,
                struct peer *server);
