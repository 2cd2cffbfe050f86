/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/unpack_text.h"

#include <errno.h>

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
    return err_set(err, -ENOMEM, "no memory for %zu decoded items", n);
}

struct str unpack_text(ProtobufCBinaryData bytes)
{
    return (struct str){ .at = (const char *)bytes.data, .len = bytes.len };
}
