/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Helpers for decoded protobuf messages. Pure; any thread. */

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "err.h"
#include "str.h"

/* A view of the bytes in the message. */
struct str unpack_text(ProtobufCBinaryData bytes);

/* Replaces `text` by a copy in `arena`. Returns false, and changes nothing, if it does not fit. */
bool unpack_adopt(struct arena *arena, struct str *text);

/*
 * Sets `err` and returns -ENOMEM: no memory for `n` decoded items. (n * size cannot overflow: the
 * decoded messages are in memory, and each is larger than what is kept of it.)
 */
int unpack_no_room(size_t n, struct err *err);
