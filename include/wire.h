/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Reads the fields of one protobuf message one after the other, in place. For wrappers around
 * objects, and for a few fields of one; protobuf-c decodes whole objects.
 */

#include <stdint.h>

#include "str.h"

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct wire_field {
    uint32_t number;
    enum wire_type type;
    uint64_t varint;  /* value of a WIRE_VARINT */
    struct str bytes; /* value of a WIRE_BYTES; part of the message */
};

/*
 * Takes the next field off the front of `rest`. Returns 1 and *ret, 0 at the end of the message,
 * or -EPROTO (not a protobuf message). *ret is untouched unless 1 is returned.
 */
int wire_next(struct str *rest, struct wire_field *ret);
