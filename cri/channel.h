/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One connection to a container runtime: gRPC over a unix socket, one blocking
 * call at a time. The only place that knows gRPC.
 *
 * gRPC connects when the first call is made. It would also reconnect by itself,
 * with a back-off of its own; nobody wants two of those. So after a call that
 * failed to reach the runtime (-ECONNREFUSED, -ETIMEDOUT) throw the channel away
 * and make a new one: on a unix socket that costs nothing, it finds a
 * socket file that was replaced, and the back-off is the caller's alone.
 *
 * One thread at a time per channel; the thread that calls does the I/O.
 */

#include <stdatomic.h>
#include <stdint.h>

#include "arena.h"
#include "err.h"
#include "str.h"

struct channel;

/*
 * Starts gRPC for this process, and with it gRPC's own threads (they inherit the
 * signal mask). Calls nest; each needs its channel_library_done().
 */
void channel_library_init(void);
void channel_library_done(void);

/*
 * A channel to the socket at `path` (as endpoint_parse() returns it). Nothing is
 * connected yet, so a socket that is not there is no error here.
 * `connect_timeout_us` must be shorter than the timeout of any call. `stop` is
 * borrowed: once it is true, a call in flight ends within 100 ms and later ones at
 * once. Needs channel_library_init(). Errors: -ENOMEM.
 */
int channel_new(const char *path, int64_t connect_timeout_us, const atomic_bool *stop,
                struct channel **ret, struct err *err);

/* Closes the connection. NULL is fine. */
void channel_free(struct channel *channel);

struct channel_request {
    const char *method;       /* "/package.Service/Method" */
    struct str message;       /* the encoded request; may be empty */
    int64_t timeout_us;       /* from now to the complete answer, connecting included; above 0 */
    const char *metadata_key; /* one header to send along, or NULL */
    const char *metadata_value;
};

/*
 * Calls and waits for the answer, whose bytes land in `arena`.
 *
 * Errors name the method, the gRPC status and its message:
 *   -ECONNREFUSED  Unavailable: nobody there, or the connection broke
 *   -ETIMEDOUT     DeadlineExceeded: no complete answer within the timeout
 *   -EMSGSIZE      the answer is over LIMIT_CRI_MESSAGE
 *   -ECANCELED     `stop` became true
 *   -ENOSYS        Unimplemented: the other side knows no such method
 *   -EACCES, -EINVAL  what the status says
 *   -EPROTO        OK, but without a message, or with two
 *   -ENOMEM        the arena's limit or the heap
 *   -EIO           any other status
 */
int channel_call(struct channel *channel, const struct channel_request *request,
                 struct arena *arena, struct str *ret, struct err *err);

/* Whom the messages of a stream are handed to, in the thread that called. */
struct channel_reader {
    void *self;

    /* `message` lives until this returns. A negative errno, with `err` set, ends the call with it.
     */
    int (*take)(void *self, struct str message, struct err *err);
};

/*
 * Calls a method that answers with a stream of messages, and hands each to
 * `reader` until the stream ends. request->timeout_us is for the whole of it. What was handed out
 * before a failure stays handed out. None at all is an answer.
 *
 * Errors are channel_call()'s and the reader's; -EMSGSIZE also where all messages
 * together are over LIMIT_CRI_MESSAGE.
 */
int channel_stream(struct channel *channel, const struct channel_request *request,
                   const struct channel_reader *reader, struct err *err);

/* What the last call's status was, as gRPC counts them; where OK was said and the answer was of no
 * use, what gRPC would have called it: ResourceExhausted (8) where it is too big, Internal (13). */
unsigned channel_status(const struct channel *channel);

/* Bytes of messages since channel_new(). */
uint64_t channel_received_bytes(const struct channel *channel);
