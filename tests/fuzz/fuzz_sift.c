/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A message in pieces: what sift.h keeps of it must unpack to the same known fields as all of it.
 * The first byte chooses the type and the length of the pieces. Each piece is a copy, so that the
 * sanitizers notice a read beyond it. Also with rules that drop and cut: then it must only end
 * well, and what is kept must stay under its limit.
 */

#include <errno.h>
#include <protobuf-c/protobuf-c.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/kube/wire/kept.h"
#include "proto/content.pb-c.h"
#include "proto/cri.pb-c.h"
#include "proto/kube.pb-c.h"
#include "sift.h"
#include "unpack.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *const types[] = {
    &k8s__pod__descriptor,
    &k8s__event__descriptor,
    &k8s__status__descriptor,
    &k8s__pod_list__descriptor,
    &runtime__v1__list_pod_sandbox_response__descriptor,
    &runtime__v1__list_containers_response__descriptor,
    &containerd__content__v1__list_statuses_response__descriptor,
    &containerd__content__v1__list_content_response__descriptor,
};

static int sift_pieces(struct sift *sift, const ProtobufCMessageDescriptor *type, struct str bytes,
                       size_t piece, struct str *ret)
{
    int r = 0;

    sift_begin(sift, type);
    for (; r == 0 && bytes.len; bytes = str_skip(bytes, piece)) {
        const struct str part = str_head(bytes, piece);
        char *copy = malloc(part.len);

        if (!copy)
            abort();
        memcpy(copy, part.at, part.len);
        r = sift_feed(sift, (struct str){ .at = copy, .len = part.len }, NULL);
        free(copy);
    }
    return r < 0 ? r : sift_end(sift, ret, NULL);
}

/* protobuf-c writes unknown fields, too. */
static void forget_unknown(ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *type = message->descriptor;

    message->n_unknown_fields = 0;
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        char *member = (char *)message + field->offset;

        if (field->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            const size_t n =
                *(const size_t *)(const void *)((char *)message + field->quantifier_offset);
            ProtobufCMessage **items = *(ProtobufCMessage ***)(void *)member;

            for (size_t k = 0; k < n; k++)
                forget_unknown(items[k]);
        } else if (*(ProtobufCMessage **)(void *)member) {
            forget_unknown(*(ProtobufCMessage **)(void *)member);
        }
    }
}

/* The known fields of `bytes`; NULL: not such a message, or too large. */
static uint8_t *known_fields(const ProtobufCMessageDescriptor *type, struct str bytes, size_t *ret)
{
    uint8_t *packed = NULL;
    ProtobufCMessage *message;
    struct arena arena;
    int r = 0;

    arena_init(&arena, 16u << 20); /* the limit of libFuzzer is for the whole process */
    message = unpack_message(type, bytes, &arena, &r, NULL);
    if (message) {
        forget_unknown(message);
        *ret = protobuf_c_message_get_packed_size(message);
        packed = malloc(*ret + 1);
        if (!packed)
            abort();
        protobuf_c_message_pack(message, packed);
    }
    arena_done(&arena);
    return packed;
}

/* Whether there may be a field number of over 29 bits. protobuf-c cuts it to 32 bits; sift.h
 * refuses the message, as Go does. */
static bool may_have_long_number(struct str bytes)
{
    for (size_t i = 4; i < bytes.len; i++) {
        const unsigned char *at = (const unsigned char *)bytes.at + i;

        if (at[0] >= 0x10 && at[-1] >= 0x80 && at[-2] >= 0x80 && at[-3] >= 0x80 && at[-4] >= 0x80)
            return true;
    }
    return false;
}

static void compare(const ProtobufCMessageDescriptor *type, struct str bytes, size_t piece)
{
    static const struct sift_rules all = { .what = "a message" };
    size_t len = 0, kept_len = 0;
    uint8_t *whole = known_fields(type, bytes, &len), *kept;
    struct sift sift;
    struct str left;
    int r;

    sift_init(&sift, &all);
    r = sift_pieces(&sift, type, bytes, piece, &left);
    if (whole && r < 0 && !may_have_long_number(bytes))
        abort();
    if (whole && r == 0) {
        kept = known_fields(type, left, &kept_len);
        if (!kept || kept_len != len || memcmp(kept, whole, len) != 0)
            abort();
        free(kept);
    }
    free(whole);
    sift_done(&sift);
}

static int drop_odd(void *self, const ProtobufCMessageDescriptor *type, struct str kept,
                    struct err *err)
{
    kept_complete(self, type, kept, err);
    return kept.len % 2 ? SIFT_DROP : SIFT_KEEP;
}

static void drop(const ProtobufCMessageDescriptor *type, struct str bytes, size_t piece)
{
    static const struct sift_rules some = { .what = "a message",
                                            .most_items = 2,
                                            .most_text = 5,
                                            .most_kept = 64,
                                            .unit = &k8s__pod__descriptor,
                                            .complete = drop_odd };
    struct sift sift;
    struct str left;

    sift_init(&sift, &some);
    if (sift_pieces(&sift, type, bytes, piece, &left) == 0 && left.len > some.most_kept)
        abort();
    sift_done(&sift);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const ProtobufCMessageDescriptor *type;
    struct str bytes;
    size_t piece;

    if (size == 0)
        return 0;
    type = types[data[0] % ARRAY_SIZE(types)];
    piece = data[0] / ARRAY_SIZE(types) + 1u;
    bytes = (struct str){ .at = (const char *)data + 1, .len = size - 1 };
    compare(type, bytes, piece == 32 ? size : piece);
    drop(type, bytes, piece);
    return 0;
}
