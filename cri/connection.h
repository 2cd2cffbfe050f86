/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The connection to the runtime: which socket, and which runtime answers. Reports the runtime's
 * name and version to `sink` when they are new. One thread.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "clock.h"
#include "cri/calls.h"
#include "cri/quirks.h"
#include "err.h"
#include "limit.h"
#include "sink.h"

struct connection {
    const struct sink *sink;
    const char *const *paths; /* the sockets to try, in this order; NULL-terminated */
    const atomic_bool *stop;
    struct calls calls;   /* its `channel` is NULL without a connection */
    const char *path;     /* the socket of the channel */
    struct quirks quirks; /* quirks of the runtime */
    unsigned runtimes;    /* how often the runtime was new: a new connection or version */
    char name[LIMIT_RUNTIME_NAME_TEXT]; /* as last reported to `sink`; may be cut */
    char version[LIMIT_RUNTIME_NAME_TEXT];
    uint64_t received_bytes; /* on closed channels */
};

/* All pointers are borrowed. */
void connection_init(struct connection *connection, const struct sink *sink,
                     const struct clock *clock, const char *const *paths, const atomic_bool *stop);

static inline bool connection_is_open(const struct connection *connection)
{
    return connection->calls.channel != NULL;
}

/*
 * Connects to the first socket that answers Version. On failure there is no channel. Errors:
 * -ENOENT (no socket exists), else those of channel_call() for the first socket that exists.
 */
int connection_open(struct connection *connection, struct arena *arena, struct err *err);

/* Calls Version again: another runtime may answer now. */
int connection_check(struct connection *connection, struct arena *arena, struct err *err);

/*
 * Calls Status. `ret_trouble` becomes a sentence about the first reported condition that keeps pods
 * from starting; "" without one.
 */
int connection_trouble(struct connection *connection, struct arena *arena,
                       char ret_trouble[LIMIT_RUNTIME_TROUBLE_TEXT], struct err *err);

/* Does nothing without a channel. */
void connection_close(struct connection *connection);

/* Bytes of all messages so far, on all channels. */
uint64_t connection_received_bytes(const struct connection *connection);
