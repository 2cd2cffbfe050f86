/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Decodes protobuf into an arena. Any thread. */

#include "arena.h"
#include "err.h"
#include "str.h"

struct ProtobufCMessageDescriptor; /* <protobuf-c/protobuf-c.h> */

/*
 * Decodes `bytes` as a message of `type`. The result lives in `arena`; do not free it. On failure
 * returns NULL and sets `ret_code` and `err`: -EPROTO (the bytes are not such a message) or
 * -ENOMEM (the heap or the arena's limit is exhausted).
 */
void *unpack_message(const struct ProtobufCMessageDescriptor *type, struct str bytes,
                     struct arena *arena, int *ret_code, struct err *err);
