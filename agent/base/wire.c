/* SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

#include <errno.h>
#include <stdbool.h>

static bool take_varint(struct str *rest, uint64_t *ret)
{
    uint64_t value = 0;

    for (size_t i = 0; i < rest->len && i < 10; i++) {
        const unsigned char byte = (unsigned char)rest->at[i];

        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *rest = str_skip(*rest, i + 1);
            *ret = value;
            return true;
        }
    }
    return false;
}

static bool take_bytes(struct str *rest, uint64_t n, struct str *ret)
{
    if (n > rest->len)
        return false;
    *ret = str_head(*rest, (size_t)n);
    *rest = str_skip(*rest, (size_t)n);
    return true;
}

static bool take_value(struct str *rest, struct wire_field *field)
{
    struct str ignored;
    uint64_t len;

    switch (field->type) {
    case WIRE_VARINT:
        return take_varint(rest, &field->varint);
    case WIRE_FIXED64:
        return take_bytes(rest, 8, &ignored);
    case WIRE_FIXED32:
        return take_bytes(rest, 4, &ignored);
    case WIRE_BYTES:
        return take_varint(rest, &len) && take_bytes(rest, len, &field->bytes);
    }
    return false; /* groups: deprecated, and not used by Kubernetes */
}

int wire_next(struct str *rest, struct wire_field *ret)
{
    struct wire_field field = { 0 };
    struct str ahead = *rest;
    uint64_t key;

    if (rest->len == 0)
        return 0;
    if (!take_varint(&ahead, &key) || key >> 3 == 0 || key >> 3 > UINT32_MAX >> 3)
        return -EPROTO;
    field.number = (uint32_t)(key >> 3);
    field.type = (enum wire_type)(key & 7);
    if (!take_value(&ahead, &field))
        return -EPROTO;
    *rest = ahead;
    *ret = field;
    return 1;
}
