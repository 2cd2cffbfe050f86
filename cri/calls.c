/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/calls.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "cri/timeouts.h"
#include "cri/unpack_text.h"
#include "limit.h"
#include "proto/content.pb-c.h"
#include "proto/cri.pb-c.h"

/* containerd's namespace for Kubernetes (its CRI plugin: constants.K8sContainerdNamespace). */
#define NAMESPACE_KEY "containerd-namespace"
#define NAMESPACE "k8s.io"

#define STATUS_UNKNOWN 2u
#define STATUS_INTERNAL 13u

/* All methods in this program. */
static const struct {
    const char *path;
    const int64_t *timeout_us;
    bool namespaced;
    const ProtobufCMessageDescriptor *answer;
} methods[METHOD_MAX] = {
    [METHOD_VERSION] = { "/runtime.v1.RuntimeService/Version", &cri_timeouts.call_us, false,
                         &runtime__v1__version_response__descriptor },
    [METHOD_STATUS] = { "/runtime.v1.RuntimeService/Status", &cri_timeouts.call_us, false,
                        &runtime__v1__status_response__descriptor },
    [METHOD_IMAGE_STATUS] = { "/runtime.v1.ImageService/ImageStatus", &cri_timeouts.call_us, false,
                              &runtime__v1__image_status_response__descriptor },
    [METHOD_IMAGE_FS_INFO] = { "/runtime.v1.ImageService/ImageFsInfo", &cri_timeouts.call_us, false,
                               &runtime__v1__image_fs_info_response__descriptor },
    [METHOD_LIST_POD_SANDBOX] = { "/runtime.v1.RuntimeService/ListPodSandbox",
                                  &cri_timeouts.list_us, false,
                                  &runtime__v1__list_pod_sandbox_response__descriptor },
    [METHOD_LIST_CONTAINERS] = { "/runtime.v1.RuntimeService/ListContainers", &cri_timeouts.list_us,
                                 false, &runtime__v1__list_containers_response__descriptor },
    [METHOD_LIST_STATUSES] = { "/containerd.services.content.v1.Content/ListStatuses",
                               &cri_timeouts.list_us, true,
                               &containerd__content__v1__list_statuses_response__descriptor },
    [METHOD_LIST_CONTENT] = { "/containerd.services.content.v1.Content/List", &cri_timeouts.list_us,
                              true, &containerd__content__v1__list_content_response__descriptor },
};

/* A request without fields is empty. */
static const struct str empty_request = { .at = NULL, .len = 0 };

/* --- calling and counting ----------------------------------------------------------------------
 */

static struct channel_request request_of(enum runtime_method method, struct str message)
{
    return (struct channel_request){
        .method = methods[method].path,
        .message = message,
        .timeout_us = *methods[method].timeout_us,
        .answer = methods[method].answer,
        .metadata_key = methods[method].namespaced ? NAMESPACE_KEY : NULL,
        .metadata_value = methods[method].namespaced ? NAMESPACE : NULL,
    };
}

static int64_t now(const struct calls *calls)
{
    return clock_now(calls->clock).mono_us;
}

static void count_error(struct calls *calls, enum runtime_method method, unsigned status)
{
    unsigned code = status < RUNTIME_CODES ? status : STATUS_UNKNOWN;

    if (!calls->counted.errors[method][code]++)
        calls->counted.errors_since_us[method][code] = clock_now(calls->clock).wall_us;
}

static void count(struct calls *calls, enum runtime_method method, int64_t begun_us, int outcome)
{
    struct call_durations *durations = &calls->counted.durations[method];

    if (outcome == -ECANCELED)
        return; /* the agent cancelled it, because it stops */
    if (!durations->count++)
        durations->since_us = clock_now(calls->clock).wall_us;
    durations->sum_us += (uint64_t)(now(calls) - begun_us); /* monotonic */
    if (outcome < 0)
        count_error(calls, method, channel_status(calls->channel));
}

static int call(struct calls *calls, enum runtime_method method, struct str message,
                struct arena *arena, struct str *ret, struct err *err)
{
    const struct channel_request request = request_of(method, message);
    int64_t begun_us = now(calls);
    int r = channel_call(calls->channel, &request, arena, ret, err);

    count(calls, method, begun_us, r);
    return r;
}

/* The answer cannot be decoded: Internal in gRPC. */
static int undecodable(struct calls *calls, enum runtime_method method, struct err *err)
{
    count_error(calls, method, STATUS_INTERNAL);
    return err_wrap(err, "%s", methods[method].path);
}

/* --- CRI -------------------------------------------------------------------------------------- */

int calls_version(struct calls *calls, struct arena *arena, struct runtime_fact *ret,
                  struct err *err)
{
    struct str answer;
    int r = call(calls, METHOD_VERSION, empty_request, arena, &answer, err);

    if (r == 0 && decode_version(answer, arena, ret, err) < 0)
        r = undecodable(calls, METHOD_VERSION, err);
    return r;
}

int calls_status(struct calls *calls, struct arena *arena, const struct cri_condition **ret,
                 size_t *ret_n, struct err *err)
{
    struct str answer;
    int r = call(calls, METHOD_STATUS, empty_request, arena, &answer, err);

    if (r == 0 && decode_status(answer, arena, ret, ret_n, err) < 0)
        r = undecodable(calls, METHOD_STATUS, err);
    return r;
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
        return err_set_errno(err, -ENOMEM, "%s: cannot encode %zu bytes",
                             methods[METHOD_IMAGE_STATUS].path, len);
    runtime__v1__image_status_request__pack(&request, bytes);
    *ret = (struct str){ .at = (char *)bytes, .len = len };
    return 0;
}

int calls_image_status(struct calls *calls, struct arena *arena, struct str image,
                       struct image_fact *ret, struct err *err)
{
    struct str request = empty_request, answer;
    int r = encode_image_status(image, arena, &request, err);

    if (r < 0)
        return r;
    r = call(calls, METHOD_IMAGE_STATUS, request, arena, &answer, err);
    if (r < 0)
        return r;
    if (decode_image_status(answer, arena, ret, err) < 0)
        return undecodable(calls, METHOD_IMAGE_STATUS, err);
    ret->image = image;
    return 0;
}

int calls_image_fs_info(struct calls *calls, struct arena *arena, struct image_fs_fact *ret,
                        struct err *err)
{
    struct str answer;
    int r = call(calls, METHOD_IMAGE_FS_INFO, empty_request, arena, &answer, err);

    if (r == 0 && decode_image_fs(answer, arena, ret, err) < 0)
        r = undecodable(calls, METHOD_IMAGE_FS_INFO, err);
    return r;
}

int calls_list_sandboxes(struct calls *calls, struct arena *arena, const struct cri_sandbox **ret,
                         size_t *ret_n, struct err *err)
{
    CLEANUP(arena_done) struct arena bytes;
    struct str answer;
    int r;

    arena_init(&bytes, LIMIT_CRI_ARENA);
    r = call(calls, METHOD_LIST_POD_SANDBOX, empty_request, &bytes, &answer, err);
    if (r == 0 && decode_sandboxes(answer, arena, ret, ret_n, err) < 0)
        r = undecodable(calls, METHOD_LIST_POD_SANDBOX, err);
    return r;
}

int calls_list_containers(struct calls *calls, struct arena *arena,
                          const struct cri_container **ret, size_t *ret_n, struct err *err)
{
    CLEANUP(arena_done) struct arena bytes;
    struct str answer;
    int r;

    arena_init(&bytes, LIMIT_CRI_ARENA);
    r = call(calls, METHOD_LIST_CONTAINERS, empty_request, &bytes, &answer, err);
    if (r == 0 && decode_containers(answer, arena, ret, ret_n, err) < 0)
        r = undecodable(calls, METHOD_LIST_CONTAINERS, err);
    return r;
}

/* --- containerd's content service ------------------------------------------------------------- */

int calls_list_ingests(struct calls *calls, struct arena *arena, struct ingests_fact *ret,
                       bool *ret_more, struct err *err)
{
    CLEANUP(arena_done) struct arena bytes;
    struct str answer;
    int r;

    arena_init(&bytes, LIMIT_CRI_ARENA);
    r = call(calls, METHOD_LIST_STATUSES, empty_request, &bytes, &answer, err);
    if (r == 0 && decode_ingests(answer, arena, ret, ret_more, err) < 0)
        r = undecodable(calls, METHOD_LIST_STATUSES, err);
    return r;
}

/*
 * A manifest or an index names its blobs in numbered labels, and a filter matches one label. So
 * there is one filter for each number; the service combines them with OR. containerd needs
 * 2 ms for all of them, as for one.
 */
#define OWNER_FILTERS (LIMIT_LAYERS_PER_IMAGE + LIMIT_MANIFESTS_PER_INDEX + 1u)
#define FILTER_MAX ((size_t)256)

static void write_owner_filter(char text[FILTER_MAX], size_t i, struct str digest)
{
    char label[16] = "config";

    if (i < LIMIT_LAYERS_PER_IMAGE)
        snprintf(label, sizeof(label), "l.%zu", i);
    else if (i < LIMIT_LAYERS_PER_IMAGE + LIMIT_MANIFESTS_PER_INDEX)
        snprintf(label, sizeof(label), "m.%zu", i - LIMIT_LAYERS_PER_IMAGE);
    snprintf(text, FILTER_MAX, "labels.\"containerd.io/gc.ref.content.%s\"==%.*s", label,
             STR_ARG(digest));
}

static int encode_filters(ProtobufCBinaryData *filters, size_t n, struct arena *arena,
                          struct str *ret, struct err *err)
{
    Containerd__Content__V1__ListContentRequest request =
        CONTAINERD__CONTENT__V1__LIST_CONTENT_REQUEST__INIT;
    uint8_t *bytes;

    request.n_filters = n;
    request.filters = filters;
    ret->len = containerd__content__v1__list_content_request__get_packed_size(&request);
    bytes = arena_alloc(arena, ret->len);
    if (!bytes)
        return unpack_no_room(n, err);
    containerd__content__v1__list_content_request__pack(&request, bytes);
    ret->at = (char *)bytes;
    return 0;
}

static int encode_owner_filters(struct str digest, struct arena *arena, struct str *ret,
                                struct err *err)
{
    ProtobufCBinaryData *filters = arena_alloc(arena, OWNER_FILTERS * sizeof(*filters));
    char *texts = arena_alloc(arena, OWNER_FILTERS * FILTER_MAX);

    if (!filters || !texts)
        return unpack_no_room(OWNER_FILTERS, err);
    for (size_t i = 0; i < OWNER_FILTERS; i++) {
        char *text = texts + i * FILTER_MAX;

        write_owner_filter(text, i, digest);
        filters[i] = (ProtobufCBinaryData){ .data = (uint8_t *)text, .len = strlen(text) };
    }
    return encode_filters(filters, OWNER_FILTERS, arena, ret, err);
}

static int list_content(struct calls *calls, struct str message,
                        const struct channel_reader *reader, struct err *err)
{
    const struct channel_request request = request_of(METHOD_LIST_CONTENT, message);
    int64_t begun_us = now(calls);
    int r = channel_stream(calls->channel, &request, reader, err);

    count(calls, METHOD_LIST_CONTENT, begun_us, r);
    return r;
}

static int take_owners(void *self, struct str message, struct err *err)
{
    if (decode_owners(message, self, err) < 0)
        return err_wrap(err, "%s", methods[METHOD_LIST_CONTENT].path);
    return 0;
}

int calls_list_owners(struct calls *calls, struct owners *owners, struct err *err)
{
    const struct channel_reader reader = { .self = owners, .take = take_owners };
    CLEANUP(arena_done) struct arena bytes;
    struct str message = empty_request;
    int r;

    assert(digest_valid(owners->digest));
    arena_init(&bytes, LIMIT_CRI_ARENA);
    r = encode_owner_filters(owners->digest, &bytes, &message, err);
    return r < 0 ? r : list_content(calls, message, &reader, err);
}

static int take_holdings(void *self, struct str message, struct err *err)
{
    if (decode_holdings(message, self, err) < 0)
        return err_wrap(err, "%s", methods[METHOD_LIST_CONTENT].path);
    return 0;
}

/* The label's value is a list, so the filter is a regular expression (its only special character
 * here is "."), and the entries are checked again. */
int calls_list_holdings(struct calls *calls, struct holdings *holdings, struct err *err)
{
    const struct channel_reader reader = { .self = holdings, .take = take_holdings };
    const struct str repository = holdings->repository;
    char text[FILTER_MAX + LIMIT_IMAGE_TEXT];
    ProtobufCBinaryData filter = { .data = (uint8_t *)text };
    CLEANUP(arena_done) struct arena bytes;
    struct str message = empty_request;
    const char *slash;
    int r;

    assert(repository_valid(repository));
    slash = memchr(repository.at, '/', repository.len);
    snprintf(text, sizeof(text), "labels.\"containerd.io/distribution.source.%.*s\"~=\"%.*s\"",
             STR_ARG(str_span(repository.at, slash)),
             STR_ARG(str_span(slash + 1, repository.at + repository.len)));
    filter.len = strlen(text);
    arena_init(&bytes, LIMIT_CRI_ARENA);
    r = encode_filters(&filter, 1, &bytes, &message, err);
    return r < 0 ? r : list_content(calls, message, &reader, err);
}
