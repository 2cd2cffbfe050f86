/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/decode.h"

#include <ctype.h>
#include <errno.h>

#include "limits.h"
#include "proto/cri.pb-c.h"

#define SANDBOX_READY 0 /* enum PodSandboxState */

/* --- protobuf-c in an arena ------------------------------------------------------------------- */

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

/* The message, or NULL with the reason in `ret_code` and `err`. */
static void *unpack(const ProtobufCMessageDescriptor *type, struct str bytes, struct arena *arena,
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

/* Makes a text of the scratch arena one of `arena`; false where it does not fit. */
static bool adopt(struct arena *arena, struct str *text)
{
    char *copy = text->len ? arena_alloc(arena, text->len) : NULL;

    if (text->len && !copy)
        return false;
    if (copy)
        memcpy(copy, text->at, text->len);
    text->at = copy;
    return true;
}

/* n messages were decoded into this address space, each larger than what we keep of it: n * size
 * does not overflow. */
static int no_room(size_t n, struct err *err)
{
    return err_set(err, -ENOMEM, "%zu decoded items do not fit", n);
}

static struct str text(ProtobufCBinaryData bytes)
{
    return (struct str){ .at = (const char *)bytes.data, .len = bytes.len };
}

/* --- messages --------------------------------------------------------------------------------- */

int decode_version(struct str bytes, struct arena *arena, struct runtime_fact *ret, struct err *err)
{
    int r = 0;
    Runtime__V1__VersionResponse *answer =
        unpack(&runtime__v1__version_response__descriptor, bytes, arena, &r, err);

    if (!answer)
        return r;
    ret->name = text(answer->runtime_name);
    ret->version = text(answer->runtime_version);
    return 0;
}

int decode_status(struct str bytes, struct arena *arena, const struct cri_condition **ret,
                  size_t *ret_n, struct err *err)
{
    int r = 0;
    Runtime__V1__StatusResponse *answer =
        unpack(&runtime__v1__status_response__descriptor, bytes, arena, &r, err);
    struct cri_condition *conditions;
    size_t n;

    if (!answer)
        return r;
    n = answer->status ? answer->status->n_conditions : 0;
    conditions = arena_alloc(arena, n * sizeof(*conditions));
    if (!conditions)
        return no_room(n, err);
    for (size_t i = 0; i < n; i++) {
        const Runtime__V1__RuntimeCondition *from = answer->status->conditions[i];

        conditions[i] = (struct cri_condition){
            .type = text(from->type),
            .status = from->status,
            .reason = text(from->reason),
            .message = text(from->message),
        };
    }
    *ret = conditions;
    *ret_n = n;
    return 0;
}

int decode_image_status(struct str bytes, struct arena *arena, bool *ret_present,
                        uint64_t *ret_size, struct err *err)
{
    int r = 0;
    Runtime__V1__ImageStatusResponse *answer =
        unpack(&runtime__v1__image_status_response__descriptor, bytes, arena, &r, err);

    if (!answer)
        return r;
    /* "If the image is not present, returns a response with ImageStatusResponse.Image set to nil"
     * (api.proto). */
    *ret_present = answer->image != NULL;
    *ret_size = answer->image ? answer->image->size : 0;
    return 0;
}

/*
 * Of a list only a tenth is kept: labels and annotations are most of it, and protobuf-c copies
 * what it does not know. So lists are unpacked into memory that goes at once.
 */
int decode_sandboxes(struct str bytes, struct arena *arena, const struct cri_sandbox **ret,
                     size_t *ret_n, struct err *err)
{
    Runtime__V1__ListPodSandboxResponse *answer;
    CLEANUP(arena_done) struct arena scratch;
    struct cri_sandbox *sandboxes;
    int r = 0;

    arena_init(&scratch, LIMIT_DECODE_ARENA);
    answer = unpack(&runtime__v1__list_pod_sandbox_response__descriptor, bytes, &scratch, &r, err);
    if (!answer)
        return r;
    sandboxes = arena_alloc(arena, answer->n_items * sizeof(*sandboxes));
    if (!sandboxes)
        return no_room(answer->n_items, err);
    for (size_t i = 0; i < answer->n_items; i++) {
        const Runtime__V1__PodSandbox *from = answer->items[i];

        sandboxes[i] = (struct cri_sandbox){
            .id = text(from->id),
            .pod_uid = from->metadata ? text(from->metadata->uid) : STR(""),
            .ready = from->state == SANDBOX_READY,
        };
        if (!adopt(arena, &sandboxes[i].id) || !adopt(arena, &sandboxes[i].pod_uid))
            return no_room(answer->n_items, err);
    }
    *ret = sandboxes;
    *ret_n = answer->n_items;
    return 0;
}

/* "sha256:0123..." or bare hex as containerd and CRI-O name images by content. */
static bool is_image_id(struct str image)
{
    if (str_starts(image, STR("sha256:")))
        return true;
    if (image.len != 64)
        return false;
    for (size_t i = 0; i < image.len; i++) {
        if (!isxdigit((unsigned char)image.at[i]))
            return false;
    }
    return true;
}

/*
 * What the kubelet passes as a container's image is what PullImage or ImageStatus
 * returned: an ID, as a rule. Newer kubelets pass the spec's own text along with it.
 * kubelet: pkg/kubelet/kuberuntime/kuberuntime_container.go, UserSpecifiedImage.
 */
static struct str image_of(const Runtime__V1__ImageSpec *spec)
{
    if (!spec)
        return STR("");
    if (spec->user_specified_image.len)
        return text(spec->user_specified_image);
    return is_image_id(text(spec->image)) ? STR("") : text(spec->image);
}

int decode_containers(struct str bytes, struct arena *arena, const struct cri_container **ret,
                      size_t *ret_n, struct err *err)
{
    Runtime__V1__ListContainersResponse *answer;
    CLEANUP(arena_done) struct arena scratch;
    struct cri_container *containers;
    int r = 0;

    arena_init(&scratch, LIMIT_DECODE_ARENA);
    answer = unpack(&runtime__v1__list_containers_response__descriptor, bytes, &scratch, &r, err);
    if (!answer)
        return r;
    containers = arena_alloc(arena, answer->n_containers * sizeof(*containers));
    if (!containers)
        return no_room(answer->n_containers, err);
    for (size_t i = 0; i < answer->n_containers; i++) {
        const Runtime__V1__Container *from = answer->containers[i];

        containers[i] = (struct cri_container){
            .sandbox_id = text(from->pod_sandbox_id),
            .name = from->metadata ? text(from->metadata->name) : STR(""),
            .image = image_of(from->image),
            .attempt = from->metadata ? from->metadata->attempt : 0,
            .created_us = from->created_at > 0 ? from->created_at / 1000 : 0,
        };
        if (!adopt(arena, &containers[i].sandbox_id) || !adopt(arena, &containers[i].name) ||
            !adopt(arena, &containers[i].image))
            return no_room(answer->n_containers, err);
    }
    *ret = containers;
    *ret_n = answer->n_containers;
    return 0;
}
