/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* protobuf-c in an arena: what the decoders are made of. Pure; any thread. */

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "err.h"
#include "str.h"

/*
 * The message of `type` in `bytes`, all of it in `arena`: never freed by itself. NULL with the
 * reason in `ret_code` and `err`: -EPROTO where the bytes are no such message, -ENOMEM where it
 * does not fit the arena or the heap.
 */
void *unpack_message(const ProtobufCMessageDescriptor *type, struct str bytes, struct arena *arena,
                     int *ret_code, struct err *err);

/* A view of the message's own bytes. */
struct str unpack_text(ProtobufCBinaryData bytes);

/* Makes `text` a copy of itself that lives in `arena`; false, and unchanged, where it does not fit.
 */
bool unpack_adopt(struct arena *arena, struct str *text);

/*
 * -ENOMEM, for `n` decoded items of which something is kept. (Allocating n * size for them cannot
 * overflow: the messages themselves are in this address space, and each is larger than what
 * is kept of it.)
 */
int unpack_no_room(size_t n, struct err *err);
