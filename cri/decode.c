/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/decode.h"

#include <errno.h>

#include "cri/unpack_text.h"
#include "limit.h"
#include "proto/cri.pb-c.h"
#include "unpack.h"

#define SANDBOX_READY 0 /* enum PodSandboxState */

int decode_version(struct str bytes, struct arena *arena, struct runtime_fact *ret, struct err *err)
{
    int r = 0;
    Runtime__V1__VersionResponse *answer =
        unpack_message(&runtime__v1__version_response__descriptor, bytes, arena, &r, err);

    if (!answer)
        return r;
    ret->name = unpack_text(answer->runtime_name);
    ret->version = unpack_text(answer->runtime_version);
    return 0;
}

int decode_status(struct str bytes, struct arena *arena, const struct cri_condition **ret,
                  size_t *ret_n, struct err *err)
{
    int r = 0;
    Runtime__V1__StatusResponse *answer =
        unpack_message(&runtime__v1__status_response__descriptor, bytes, arena, &r, err);
    struct cri_condition *conditions;
    size_t n;

    if (!answer)
        return r;
    n = answer->status ? answer->status->n_conditions : 0;
    conditions = arena_alloc(arena, n * sizeof(*conditions));
    if (!conditions)
        return unpack_no_room(n, err);
    for (size_t i = 0; i < n; i++) {
        const Runtime__V1__RuntimeCondition *from = answer->status->conditions[i];

        conditions[i] = (struct cri_condition){
            .type = unpack_text(from->type),
            .status = from->status,
            .reason = unpack_text(from->reason),
            .message = unpack_text(from->message),
        };
    }
    *ret = conditions;
    *ret_n = n;
    return 0;
}

/* From "host/repository@sha256:...". An image may have several names; takes the first. */
static struct str digest_of(const Runtime__V1__Image *image)
{
    struct str name;
    const char *sign;

    if (image->n_repo_digests == 0)
        return STR("");
    name = unpack_text(image->repo_digests[0]);
    sign = str_find(name, STR("@"));
    return sign ? str_span(sign + 1, name.at + name.len) : STR("");
}

int decode_image_status(struct str bytes, struct arena *arena, struct image_fact *ret,
                        struct err *err)
{
    int r = 0;
    Runtime__V1__ImageStatusResponse *answer =
        unpack_message(&runtime__v1__image_status_response__descriptor, bytes, arena, &r, err);

    if (!answer)
        return r;
    /* api.proto: "If the image is not present, returns a response with ImageStatusResponse.Image
     * set to nil". */
    ret->present = answer->image != NULL;
    ret->size = answer->image ? answer->image->size : 0;
    ret->digest = answer->image ? digest_of(answer->image) : STR("");
    return 0;
}

int decode_image_fs(struct str bytes, struct arena *arena, struct image_fs_fact *ret,
                    struct err *err)
{
    int r = 0;
    Runtime__V1__ImageFsInfoResponse *answer =
        unpack_message(&runtime__v1__image_fs_info_response__descriptor, bytes, arena, &r, err);
    const Runtime__V1__FilesystemUsage *usage;

    if (!answer)
        return r;
    if (answer->n_image_filesystems == 0)
        return err_set(err, -ENODATA, "the answer has no image file system");
    /* Takes the first of several, like the kubelet
     * (pkg/kubelet/stats/cri_stats_provider.go, ImageFsStats). */
    usage = answer->image_filesystems[0];
    *ret = (struct image_fs_fact){
        .mountpoint = usage->fs_id ? unpack_text(usage->fs_id->mountpoint) : STR(""),
        .used_bytes = usage->used_bytes ? usage->used_bytes->value : 0,
        .used_inodes = usage->inodes_used ? usage->inodes_used->value : 0,
    };
    return 0;
}

/*
 * Only a tenth of a list is kept: most of it are labels and annotations, and protobuf-c also keeps
 * unknown fields. So lists are unpacked into memory that is freed at once.
 */
int decode_sandboxes(struct str bytes, struct arena *arena, const struct cri_sandbox **ret,
                     size_t *ret_n, struct err *err)
{
    Runtime__V1__ListPodSandboxResponse *answer;
    CLEANUP(arena_done) struct arena scratch;
    struct cri_sandbox *sandboxes;
    int r = 0;

    arena_init(&scratch, LIMIT_DECODE_ARENA);
    answer = unpack_message(&runtime__v1__list_pod_sandbox_response__descriptor, bytes, &scratch,
                            &r, err);
    arena->limit_reached |= scratch.limit_reached;
    if (!answer)
        return r;
    sandboxes = arena_alloc(arena, answer->n_items * sizeof(*sandboxes));
    if (!sandboxes)
        return unpack_no_room(answer->n_items, err);
    for (size_t i = 0; i < answer->n_items; i++) {
        const Runtime__V1__PodSandbox *from = answer->items[i];

        sandboxes[i] = (struct cri_sandbox){
            .id = unpack_text(from->id),
            .pod_uid = from->metadata ? unpack_text(from->metadata->uid) : STR(""),
            .ready = from->state == SANDBOX_READY,
        };
        if (!unpack_adopt(arena, &sandboxes[i].id) || !unpack_adopt(arena, &sandboxes[i].pod_uid))
            return unpack_no_room(answer->n_items, err);
    }
    *ret = sandboxes;
    *ret_n = answer->n_items;
    return 0;
}

int decode_containers(struct str bytes, struct arena *arena, const struct cri_container **ret,
                      size_t *ret_n, struct err *err)
{
    Runtime__V1__ListContainersResponse *answer;
    CLEANUP(arena_done) struct arena scratch;
    struct cri_container *containers;
    int r = 0;

    arena_init(&scratch, LIMIT_DECODE_ARENA);
    answer = unpack_message(&runtime__v1__list_containers_response__descriptor, bytes, &scratch, &r,
                            err);
    if (!answer)
        return r;
    containers = arena_alloc(arena, answer->n_containers * sizeof(*containers));
    if (!containers)
        return unpack_no_room(answer->n_containers, err);
    for (size_t i = 0; i < answer->n_containers; i++) {
        const Runtime__V1__Container *from = answer->containers[i];

        containers[i] = (struct cri_container){
            .sandbox_id = unpack_text(from->pod_sandbox_id),
            .name = from->metadata ? unpack_text(from->metadata->name) : STR(""),
            .created_us = from->created_at > 0 ? from->created_at / 1000 : 0,
        };
        if (!unpack_adopt(arena, &containers[i].sandbox_id) ||
            !unpack_adopt(arena, &containers[i].name))
            return unpack_no_room(answer->n_containers, err);
    }
    *ret = containers;
    *ret_n = answer->n_containers;
    return 0;
}
