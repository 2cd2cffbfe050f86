/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Shared by the decode_*.c files only. */

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

#include "proto/kube.pb-c.h"
#include "str.h"

/* What is read of labels, annotations and managedFields; kept.c drops the rest. */
#define DECODE_TEMPLATE_KEY STR("pod-template-hash")
#define DECODE_MIRROR_KEY STR("kubernetes.io/config.mirror")
#define DECODE_HASH_KEY STR("kubernetes.io/config.hash")
#define DECODE_LIST_END_KEY STR("k8s.io/initial-events-end")
#define DECODE_STATUS_MANAGER STR("kubelet")
#define DECODE_STATUS_SUBRESOURCE STR("status")

/* Empty if `has` is false. */
static inline struct str decode_text(protobuf_c_boolean has, ProtobufCBinaryData text)
{
    return has ? (struct str){ .at = (const char *)text.data, .len = text.len } : (struct str){ 0 };
}

/* The text of an optional bytes field: DECODE_TEXT(meta, name). */
#define DECODE_TEXT(message, field) decode_text((message)->has_##field, (message)->field)

/* Wall time in microseconds; 0 if it is missing or out of range. */
int64_t decode_time(const K8s__Time *time);
int64_t decode_micro_time(const K8s__MicroTime *time);

/* The value of an annotation, or of a label; empty if it is absent. */
struct str decode_label(const K8s__ObjectMeta *meta, struct str key);
struct str decode_annotation(const K8s__ObjectMeta *meta, struct str key, bool *ret_present);
