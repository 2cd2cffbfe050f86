/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The clients of a listener, in the order of their last complete request. Cutting a client shuts
 * its socket down; the HTTP library then sees the end of the connection and calls clients_remove().
 * One thread.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct guard_rules;

struct client {
    TAILQ_ENTRY(client) link;
    int fd;                    /* -1: cut */
    uint64_t address;          /* a hash of it */
    void *connection;          /* for `on_cut` */
    int64_t asked_us;          /* mono; when its last request was complete, or when it connected */
    struct guard_rules *rules; /* rules of its TLS session; NULL without a guard */
    bool turned_away;          /* true: its password check did not fit in the queue */
};

struct clients {
    TAILQ_HEAD(client_list, client) list;                    /* the oldest last request first */
    unsigned n;                                              /* without those that were cut */
    void (*on_cut)(void *self, const struct client *client); /* NULL: nothing to do */
    void *self;
};

void clients_init(struct clients *clients);

/* Appends `client`, which the caller allocated and has filled in. */
void clients_add(struct clients *clients, struct client *client);

/* The client sent a complete request: moves it to the end. Does nothing if it was cut. */
void clients_refresh(struct clients *clients, struct client *client, int64_t now_us);

/* Takes the client off the list; the caller frees it. */
void clients_remove(struct clients *clients, struct client *client);

/* Cuts a client of the address that has most: the one whose last request is oldest. There must be a
 * client. */
void clients_cut_oldest(struct clients *clients);

/* Cuts all clients that sent no complete request for `timeout_us`. */
void clients_cut_slow(struct clients *clients, int64_t timeout_us, int64_t now_us);
