/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The way to the runtime: which socket, and who answers there. Knows the name
 * and version of the runtime and tells `sink` when they are new. One thread.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "clock.h"
#include "cri/calls.h"
#include "cri/quirks.h"
#include "err.h"
#include "limits.h"
#include "sink.h"

struct connection {
    const struct sink *sink;
    const char *const *paths; /* the sockets to try, in this order; NULL-terminated */
    const atomic_bool *stop;
    struct calls calls;   /* its `channel` is NULL while there is no connection */
    const char *path;     /* the socket behind the channel */
    struct quirks quirks; /* the runtime's */
    unsigned met;         /* how often it was new: a new connection, or another version */
    char name[LIMIT_RUNTIME_NAME_TEXT]; /* as last told to `sink`; cut where longer */
    char version[LIMIT_RUNTIME_NAME_TEXT];
    uint64_t received_bytes; /* of channels that are closed */
};

/* All pointers are borrowed. */
void connection_init(struct connection *connection, const struct sink *sink,
                     const struct clock *clock, const char *const *paths, const atomic_bool *stop);

static inline bool connection_is_open(const struct connection *connection)
{
    return connection->calls.channel != NULL;
}

/*
 * Connects to the first socket whose owner answers Version. On failure there is
 * no channel. -ENOENT: there is no such socket; else channel_call()'s errors, of
 * the first socket that is there.
 */
int connection_open(struct connection *connection, struct arena *arena, struct err *err);

/* Asks Version again on the open channel: whoever answers may have changed. */
int connection_check(struct connection *connection, struct arena *arena, struct err *err);

/*
 * Asks Status. `ret_trouble` gets what the runtime reports on itself that keeps
 * pods from starting, as a sentence; "" where it reports none.
 */
int connection_trouble(struct connection *connection, struct arena *arena,
                       char ret_trouble[LIMIT_RUNTIME_TROUBLE_TEXT], struct err *err);

/* Fine without an open channel. */
void connection_close(struct connection *connection);

/* Bytes of messages so far, on all channels. */
uint64_t connection_received_bytes(const struct connection *connection);
