/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/unpack.h"

#include <errno.h>

struct arena_allocator {
    ProtobufCAllocator base;
    struct arena *arena;
    bool full; /* tells "does not fit" from "is no such message" */
};

static void *allocate(void *self, size_t size)
{
    struct arena_allocator *allocator = self;
    void *memory = arena_alloc(allocator->arena, size);

    if (!memory)
        allocator->full = true;
    return memory;
}

static void keep(void *self, void *memory)
{
    (void)self;
    (void)memory; /* the arena goes as a whole */
}

void *unpack_message(const ProtobufCMessageDescriptor *type, struct str bytes, struct arena *arena,
                     int *ret_code, struct err *err)
{
    struct arena_allocator allocator = {
        .base = { .alloc = allocate, .free = keep, .allocator_data = &allocator },
        .arena = arena,
    };
    ProtobufCMessage *message =
        protobuf_c_message_unpack(type, &allocator.base, bytes.len, (const uint8_t *)bytes.at);

    if (message)
        return message;
    if (allocator.full)
        *ret_code =
            err_set(err, -ENOMEM, "a %s of %zu bytes does not fit", type->short_name, bytes.len);
    else
        *ret_code = err_set(err, -EPROTO, "%zu bytes are no %s", bytes.len, type->short_name);
    return NULL;
}

bool unpack_adopt(struct arena *arena, struct str *text)
{
    char *copy = text->len ? arena_alloc(arena, text->len) : NULL;

    if (text->len && !copy)
        return false;
    if (copy)
        memcpy(copy, text->at, text->len);
    text->at = copy;
    return true;
}

int unpack_no_room(size_t n, struct err *err)
{
    return err_set(err, -ENOMEM, "%zu decoded items do not fit", n);
}

struct str unpack_text(ProtobufCBinaryData bytes)
{
    return (struct str){ .at = (const char *)bytes.data, .len = bytes.len };
}
