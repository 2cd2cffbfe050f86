/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A protobuf watch stream is frames: 4 bytes of length, big-endian, then that many bytes, without
 * gaps (k8s.io/apimachinery/pkg/runtime/serializer/protobuf and pkg/util/framer). The network cuts
 * it anywhere. One thread at a time.
 */

#include <stddef.h>

#include "err.h"
#include "str.h"

struct frames {
    char *at; /* the unfinished frame, with its length in front */
    size_t len;
    size_t size;
    size_t max;
};

/* `max`: the largest frame that is accepted, in bytes, without the length in front. */
void frames_init(struct frames *frames, size_t max);

/* Fine on frames that were only initialised or are already done. */
void frames_done(struct frames *frames);

/* A new stream begins: forgets the unfinished frame. */
void frames_restart(struct frames *frames);

/*
 * Takes bytes off the front of `chunk` until a frame is complete.
 *
 * Returns 1 and the frame in *ret; it lies in the chunk or in `frames` and is valid until the
 * next call. Returns 0 when the chunk is used up. -EMSGSIZE where a frame would be over `max`,
 * -ENOMEM; after either the stream cannot be read on, only frames_restart() helps. *ret is
 * untouched unless 1 is returned.
 */
int frames_next(struct frames *frames, struct str *chunk, struct str *ret, struct err *err);

/* How much of an unfinished frame is there: not 0 at a stream's end means that it was cut. */
size_t frames_pending(const struct frames *frames);
