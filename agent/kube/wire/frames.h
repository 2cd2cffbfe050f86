/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A watch stream in protobuf consists of frames: 4 bytes of length, big-endian, then that many
 * bytes (k8s.io/apimachinery/pkg/runtime/serializer/protobuf and pkg/util/framer). It arrives in
 * chunks that may end anywhere. Nothing here copies or allocates. One thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "str.h"

#define FRAMES_HEADER 4u

struct frames {
    size_t max;
    unsigned char header[FRAMES_HEADER];
    size_t taken; /* bytes of the incomplete frame so far, with its length */
};

/* `max`: the largest accepted frame in bytes, without its length. */
void frames_init(struct frames *frames, size_t max);

/* A new stream begins: drops the incomplete frame. */
void frames_restart(struct frames *frames);

/*
 * Takes the next part of a frame off the front of `chunk`. Returns 1, the part, which may be empty,
 * and whether the frame ends with it. Returns 0 when the chunk is used up. -EMSGSIZE: a frame over
 * `max`; the rest of the stream cannot be read. The outputs are untouched unless 1 is returned.
 */
int frames_next(struct frames *frames, struct str *chunk, struct str *ret, bool *ret_ends,
                struct err *err);

/* Bytes of the incomplete frame. Not 0 at the end of a stream: the stream was cut. */
size_t frames_pending(const struct frames *frames);
