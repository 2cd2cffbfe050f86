/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/calls.h"

#include <errno.h>

#include "limits.h"
#include "proto/cri.pb-c.h"

/* A runtime that is well answers the first kind in a millisecond and lists 500 pods in ten. */
#define CALL_TIMEOUT (2 * SEC)
#define LIST_TIMEOUT (5 * SEC)

static const char version_method[] = "/runtime.v1.RuntimeService/Version";
static const char status_method[] = "/runtime.v1.RuntimeService/Status";
static const char list_sandboxes_method[] = "/runtime.v1.RuntimeService/ListPodSandbox";
static const char list_containers_method[] = "/runtime.v1.RuntimeService/ListContainers";
static const char image_status_method[] = "/runtime.v1.ImageService/ImageStatus";

/* A request with all its fields at their defaults is no bytes at all. */
static const struct str empty_request = { .at = NULL, .len = 0 };

static int call(struct channel *channel, const char *method, struct str message, int64_t timeout_us,
                struct arena *arena, struct str *ret, struct err *err)
{
    struct channel_request request = {
        .method = method,
        .message = message,
        .timeout_us = timeout_us,
    };

    return channel_call(channel, &request, arena, ret, err);
}

int calls_version(struct channel *channel, struct arena *arena, struct runtime_fact *ret,
                  struct err *err)
{
    struct str answer;
    int r = call(channel, version_method, empty_request, CALL_TIMEOUT, arena, &answer, err);

    if (r < 0)
        return r;
    if (decode_version(answer, arena, ret, err) < 0)
        return err_wrap(err, "%s", version_method);
    return 0;
}

int calls_status(struct channel *channel, struct arena *arena, const struct cri_condition **ret,
                 size_t *ret_n, struct err *err)
{
    struct str answer;
    int r = call(channel, status_method, empty_request, CALL_TIMEOUT, arena, &answer, err);

    if (r < 0)
        return r;
    if (decode_status(answer, arena, ret, ret_n, err) < 0)
        return err_wrap(err, "%s", status_method);
    return 0;
}

static int encode_image_status(struct str image, struct arena *arena, struct str *ret,
                               struct err *err)
{
    Runtime__V1__ImageSpec spec = RUNTIME__V1__IMAGE_SPEC__INIT;
    Runtime__V1__ImageStatusRequest request = RUNTIME__V1__IMAGE_STATUS_REQUEST__INIT;
    size_t len;
    uint8_t *bytes;

    spec.image = (ProtobufCBinaryData){ .data = (uint8_t *)image.at, .len = image.len };
    request.image = &spec;
    len = runtime__v1__image_status_request__get_packed_size(&request);
    bytes = arena_alloc(arena, len);
    if (!bytes)
        return err_set_errno(err, -ENOMEM, "%s: encode %zu bytes", image_status_method, len);
    runtime__v1__image_status_request__pack(&request, bytes);
    *ret = (struct str){ .at = (char *)bytes, .len = len };
    return 0;
}

int calls_image_status(struct channel *channel, struct arena *arena, struct str image,
                       struct image_fact *ret, struct err *err)
{
    struct str request = empty_request, answer;
    int r = encode_image_status(image, arena, &request, err);

    if (r < 0)
        return r;
    r = call(channel, image_status_method, request, CALL_TIMEOUT, arena, &answer, err);
    if (r < 0)
        return r;
    if (decode_image_status(answer, arena, &ret->present, &ret->size, err) < 0)
        return err_wrap(err, "%s", image_status_method);
    ret->image = image;
    return 0;
}

int calls_list_sandboxes(struct channel *channel, struct arena *arena,
                         const struct cri_sandbox **ret, size_t *ret_n, struct err *err)
{
    CLEANUP(arena_done) struct arena bytes;
    struct str answer;
    int r;

    arena_init(&bytes, LIMIT_CRI_MESSAGE);
    r = call(channel, list_sandboxes_method, empty_request, LIST_TIMEOUT, &bytes, &answer, err);
    if (r < 0)
        return r;
    r = decode_sandboxes(answer, arena, ret, ret_n, err);
    return r < 0 ? err_wrap(err, "%s", list_sandboxes_method) : 0;
}

int calls_list_containers(struct channel *channel, struct arena *arena,
                          const struct cri_container **ret, size_t *ret_n, struct err *err)
{
    CLEANUP(arena_done) struct arena bytes;
    struct str answer;
    int r;

    arena_init(&bytes, LIMIT_CRI_MESSAGE);
    r = call(channel, list_containers_method, empty_request, LIST_TIMEOUT, &bytes, &answer, err);
    if (r < 0)
        return r;
    r = decode_containers(answer, arena, ret, ret_n, err);
    return r < 0 ? err_wrap(err, "%s", list_containers_method) : 0;
}
