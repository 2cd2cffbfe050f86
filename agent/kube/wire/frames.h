/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A watch stream in protobuf consists of frames: 4 bytes of length, big-endian, then that many
 * bytes (k8s.io/apimachinery/pkg/runtime/serializer/protobuf and pkg/util/framer). It arrives in
 * chunks that may end anywhere. One thread at a time.
 */

#include <stddef.h>

#include "err.h"
#include "str.h"

struct frames {
    char *at; /* the incomplete frame, with its length */
    size_t len;
    size_t size;
    size_t max;
};

/* `max`: the largest accepted frame in bytes, without its length. */
void frames_init(struct frames *frames, size_t max);

/* May be called again. */
void frames_done(struct frames *frames);

/* A new stream begins: drops the incomplete frame. */
void frames_restart(struct frames *frames);

/*
 * Takes bytes off the front of `chunk` until a frame is complete.
 *
 * Returns 1 and the frame in *ret, which is part of the chunk or of `frames` and valid until the
 * next call. Returns 0 when the chunk is used up. -EMSGSIZE (a frame over `max`) or -ENOMEM: the
 * rest of the stream cannot be read; call frames_restart(). *ret is untouched unless 1 is returned.
 */
int frames_next(struct frames *frames, struct str *chunk, struct str *ret, struct err *err);

/* Bytes of the incomplete frame. Not 0 at the end of a stream: the stream was cut. */
size_t frames_pending(const struct frames *frames);
