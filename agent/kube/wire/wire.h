/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Protobuf's outermost layer, read in place: the fields of one message, one after the other,
 * without copies. For the wrappers around objects (lists, watch events, runtime.Unknown); what is
 * inside an object is protobuf-c's work.
 */

#include <stdint.h>

#include "str.h"

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct wire_field {
    uint32_t number;
    enum wire_type type;
    uint64_t varint;  /* only of WIRE_VARINT */
    struct str bytes; /* only of WIRE_BYTES: part of the message */
};

/*
 * Takes the next field off the front of `rest`. Returns 1 and *ret, 0 at the message's end,
 * -EPROTO where the bytes are no protobuf message. *ret is untouched unless 1 is returned.
 */
int wire_next(struct str *rest, struct wire_field *ret);
