/* SPDX-License-Identifier: Apache-2.0 */
#include "unpack.h"

#include <errno.h>
#include <protobuf-c/protobuf-c.h>

struct arena_allocator {
    ProtobufCAllocator base;
    struct arena *arena;
    bool full; /* protobuf-c does not say why it failed */
};

static void *allocate(void *self, size_t size)
{
    struct arena_allocator *allocator = self;
    void *memory = arena_alloc(allocator->arena, size);

    allocator->full |= !memory;
    return memory;
}

/* The arena is freed as a whole. */
static void keep(void *self, void *memory)
{
    (void)self;
    (void)memory;
}

void *unpack_message(const struct ProtobufCMessageDescriptor *type, struct str bytes,
                     struct arena *arena, int *ret_code, struct err *err)
{
    struct arena_allocator allocator = {
        .base = { .alloc = allocate, .free = keep, .allocator_data = &allocator },
        .arena = arena,
    };
    const uint8_t *at = (const uint8_t *)(bytes.at ? bytes.at : "");
    ProtobufCMessage *message = protobuf_c_message_unpack(type, &allocator.base, bytes.len, at);

    if (!message && allocator.full)
        *ret_code = err_set(err, -ENOMEM, "no memory to decode a %s of %zu bytes", type->short_name,
                            bytes.len);
    else if (!message)
        *ret_code =
            err_set(err, -EPROTO, "%zu bytes are not a valid %s", bytes.len, type->short_name);
    return message;
}
