/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Decoded messages: their texts, and what is kept of them. Pure; any thread. */

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "err.h"
#include "str.h"

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
