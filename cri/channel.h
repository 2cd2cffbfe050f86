/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One connection to a container runtime: gRPC over a unix socket, one blocking call at a time. No
 * other file uses gRPC.
 *
 * gRPC connects at the first call. It would also reconnect, with a back-off of its own. To have
 * only one back-off, that of the caller, free the channel after a call that did not reach the
 * runtime
 * (-ECONNREFUSED, -ETIMEDOUT) and make a new one. On a unix socket this costs nothing, and it finds
 * a socket file that was replaced.
 *
 * One thread at a time per channel; the calling thread does the I/O.
 */

#include <stdatomic.h>
#include <stdint.h>

#include "arena.h"
#include "err.h"
#include "str.h"

struct channel;

/*
 * Starts gRPC and its threads, which inherit the signal mask. Calls may nest; each needs its own
 * channel_library_done().
 */
void channel_library_init(void);
void channel_library_done(void);

/*
 * A channel to the socket at `path`, which endpoint_parse() returned. Does not connect yet, so the
 * socket need not exist. `connect_timeout_us` must be shorter than the timeout of any call: gRPC
 * 1.51 never closes a connection whose handshake ends after its channel. Borrows `stop`: when it is
 * true, a call in progress ends within 100 ms, and later ones at once. Needs
 * channel_library_init(). Errors: -ENOMEM.
 */
int channel_new(const char *path, int64_t connect_timeout_us, const atomic_bool *stop,
                struct channel **ret, struct err *err);

/* Closes the connection. Accepts NULL. */
void channel_free(struct channel *channel);

struct channel_request {
    const char *method;       /* "/package.Service/Method" */
    struct str message;       /* the encoded request; may be empty */
    int64_t timeout_us;       /* for connecting, request and whole answer; above 0 */
    const char *metadata_key; /* one request header, or NULL */
    const char *metadata_value;
    /* The type of the answer: of its messages only the fields of this type are kept (sift.h). NULL:
     * all bytes. */
    const struct ProtobufCMessageDescriptor *answer;
};

/*
 * Calls a method and waits for the answer. What is kept of it is allocated in `arena`.
 *
 * Errors name the method, the gRPC status and its message:
 *   -ECONNREFUSED  Unavailable: cannot connect, or the connection broke
 *   -ETIMEDOUT     DeadlineExceeded: no complete answer within the timeout
 *   -EMSGSIZE      the answer is larger than LIMIT_CRI_MESSAGE, or more than LIMIT_CRI_KEPT is kept
 *   -ECANCELED     `stop` became true
 *   -ENOSYS        Unimplemented: the runtime does not have the method
 *   -EACCES, -EINVAL  as the status says
 *   -EPROTO        status OK, but without a message, or with two
 *   -ENOMEM        the limit of the arena or the heap is exhausted
 *   -EIO           any other status
 */
int channel_call(struct channel *channel, const struct channel_request *request,
                 struct arena *arena, struct str *ret, struct err *err);

/* Takes the messages of a stream, in the calling thread. */
struct channel_reader {
    void *self;

    /* `message` lives until this returns. A negative errno, with `err` set, ends the call. */
    int (*take)(void *self, struct str message, struct err *err);
};

/*
 * Calls a method that answers with a stream of messages, and passes each to `reader`.
 * request->timeout_us is for the whole stream. The reader may get messages before the call fails.
 * An empty stream is valid.
 *
 * Errors are those of channel_call() and the reader; -EMSGSIZE also if all messages together are
 * larger than LIMIT_CRI_MESSAGE.
 */
int channel_stream(struct channel *channel, const struct channel_request *request,
                   const struct channel_reader *reader, struct err *err);

/* The gRPC status of the last call. If the status was OK but the answer unusable: ResourceExhausted
 * (8) for an answer that is too large, else Internal (13). */
unsigned channel_status(const struct channel *channel);

/* Bytes of all messages since channel_new(). */
uint64_t channel_received_bytes(const struct channel *channel);
