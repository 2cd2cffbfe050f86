/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/wire/decode.h"

#include <errno.h>

#include "agent/kube/wire/decode_internal.h"
#include "unpack.h"

/* 9999-12-31T23:59:59Z, as in google.protobuf.Timestamp. */
#define LAST_SECOND INT64_C(253402300799)

static int64_t wall_us(int64_t seconds, int32_t nanos)
{
    if (seconds <= 0 || seconds > LAST_SECOND || nanos < 0 || nanos > 999999999)
        return 0;
    return seconds * SEC + nanos / 1000;
}

int64_t decode_time(const K8s__Time *time)
{
    return time ? wall_us(time->seconds, time->nanos) : 0;
}

int64_t decode_micro_time(const K8s__MicroTime *time)
{
    return time ? wall_us(time->seconds, time->nanos) : 0;
}

struct str decode_annotation(const K8s__ObjectMeta *meta, struct str key, bool *ret_present)
{
    *ret_present = false;
    for (size_t i = 0; i < meta->n_annotations; i++) {
        const K8s__Pair *pair = meta->annotations[i];

        if (str_eq(DECODE_TEXT(pair, key), key)) {
            *ret_present = true;
            return DECODE_TEXT(pair, value);
        }
    }
    return (struct str){ 0 };
}

struct str decode_label(const K8s__ObjectMeta *meta, struct str key)
{
    for (size_t i = 0; i < meta->n_labels; i++)
        if (str_eq(DECODE_TEXT(meta->labels[i], key), key))
            return DECODE_TEXT(meta->labels[i], value);
    return STR("");
}

int kube_decode_meta(struct arena *arena, struct str raw, struct kube_meta *ret, struct err *err)
{
    const K8s__Object *object;
    struct kube_meta meta = { 0 };
    struct str value;
    bool present;
    int r;

    object = unpack_message(&k8s__object__descriptor, raw, arena, &r, err);
    if (!object)
        return r;
    if (object->metadata) {
        meta.resource_version = DECODE_TEXT(object->metadata, resourceversion);
        value = decode_annotation(object->metadata, DECODE_LIST_END_KEY, &present);
        meta.initial_events_end = present && str_eq(value, STR("true"));
    }
    *ret = meta;
    return 0;
}

int kube_decode_status(struct arena *arena, struct str raw, struct kube_refusal *ret,
                       struct err *err)
{
    const K8s__Status *status;
    int r;

    status = unpack_message(&k8s__status__descriptor, raw, arena, &r, err);
    if (!status)
        return r;
    *ret = (struct kube_refusal){
        .code = status->code,
        .reason = DECODE_TEXT(status, reason),
        .message = DECODE_TEXT(status, message),
    };
    if (status->details && status->details->retryafterseconds > 0)
        ret->retry_after_us = status->details->retryafterseconds * SEC;
    return 0;
}
