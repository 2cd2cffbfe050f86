/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/wire/envelope.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>

#include "wire.h"

#define NOT_PROTOBUF "not valid protobuf"

/* k8s.io/apimachinery/pkg/runtime/generated.proto */
enum { UNKNOWN_TYPE_META = 1, UNKNOWN_RAW = 2, UNKNOWN_CONTENT_ENCODING = 3 };
enum { TYPE_META_KIND = 2 };
enum { RAW_EXTENSION_RAW = 1 };
/* k8s.io/apimachinery/pkg/apis/meta/v1/generated.proto */
enum { WATCH_EVENT_TYPE = 1, WATCH_EVENT_OBJECT = 2 };
enum { LIST_METADATA = 1 };
enum { LIST_META_RESOURCE_VERSION = 2, LIST_META_CONTINUE = 3 };

/* Finds the fields `a` and `b` of `message`. If a field occurs twice, the last one counts, as in
 * all protobuf readers. Each output may be NULL. */
static int find_bytes(struct str message, uint32_t a, struct str *ret_a, uint32_t b,
                      struct str *ret_b)
{
    struct wire_field field;
    int r;

    while ((r = wire_next(&message, &field)) > 0) {
        if (field.type != WIRE_BYTES)
            continue;
        if (field.number == a && ret_a)
            *ret_a = field.bytes;
        else if (field.number == b && ret_b)
            *ret_b = field.bytes;
    }
    return r;
}

bool kube_object_begins(struct str bytes)
{
    return str_starts(bytes, KUBE_OBJECT_MAGIC);
}

/* Shows the first bytes: an operator sees whether a proxy answered. */
int kube_object_refuse(struct str start, size_t len, struct err *err)
{
    size_t n = 0;

    while (n < start.len && n < 40 && isprint((unsigned char)start.at[n]))
        n++;
    if (len == 0)
        return err_set(err, -EPROTO, "received an empty object");
    return err_set(err, -EPROTO, "%zu bytes are not a Kubernetes object in protobuf%s%.*s%s", len,
                   n ? ": '" : "", (int)n, start.at, n ? "'" : "");
}

int kube_object_open(struct str bytes, struct kube_object *ret, struct err *err)
{
    if (!kube_object_begins(bytes))
        return kube_object_refuse(bytes, bytes.len, err);
    return kube_unknown_open(str_skip(bytes, KUBE_OBJECT_MAGIC.len), ret, err);
}

int kube_unknown_open(struct str unknown, struct kube_object *ret, struct err *err)
{
    struct kube_object object = { 0 };
    struct str type_meta = { 0 }, encoding = { 0 };
    int r;

    r = find_bytes(unknown, UNKNOWN_TYPE_META, &type_meta, UNKNOWN_RAW, &object.raw);
    if (r == 0)
        r = find_bytes(unknown, UNKNOWN_CONTENT_ENCODING, &encoding, 0, NULL);
    if (r == 0)
        r = find_bytes(type_meta, TYPE_META_KIND, &object.kind, 0, NULL);
    if (r < 0)
        return err_set(err, r, "the wrapper of an object is " NOT_PROTOBUF);
    if (encoding.len)
        return err_set(err, -EPROTO, "an object has the unknown encoding '%.*s'",
                       STR_ARG(str_head(encoding, 40)));
    *ret = object;
    return 0;
}

int kube_change_open(struct str frame, struct kube_change *ret, struct err *err)
{
    struct kube_change change = { 0 };
    struct str extension = { 0 }, bytes = { 0 };
    int r;

    r = find_bytes(frame, WATCH_EVENT_TYPE, &change.type, WATCH_EVENT_OBJECT, &extension);
    if (r == 0)
        r = find_bytes(extension, RAW_EXTENSION_RAW, &bytes, 0, NULL);
    if (r < 0)
        return err_set(err, r, "a watch event is " NOT_PROTOBUF);
    r = kube_object_open(bytes, &change.object, err);
    if (r < 0)
        return err_wrap(err, "watch event '%.*s'", STR_ARG(str_head(change.type, 40)));
    *ret = change;
    return 0;
}

int kube_list_open(struct str raw, struct kube_list *ret, struct err *err)
{
    struct kube_list list = { 0 };
    struct str meta = { 0 };
    int r;

    r = find_bytes(raw, LIST_METADATA, &meta, 0, NULL);
    if (r == 0)
        r = find_bytes(meta, LIST_META_RESOURCE_VERSION, &list.resource_version, LIST_META_CONTINUE,
                       &list.continue_token);
    if (r < 0)
        return err_set(err, r, "a list is " NOT_PROTOBUF);
    *ret = list;
    return 0;
}
