/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/wire/kept.h"

#include "agent/kube/wire/decode.h"
#include "agent/kube/wire/decode_internal.h"
#include "agent/kube/wire/envelope.h"
#include "limit.h"
#include "util.h"
#include "wire.h"

/* The decoder finds out that there were more than it takes. */
#define MOST_ITEMS (LIMIT_CONTAINERS_PER_POD + 1u)
_Static_assert(LIMIT_IMAGE_VOLUMES_PER_POD < MOST_ITEMS && LIMIT_PULL_SECRETS_PER_POD < MOST_ITEMS,
               "lists of a pod are cut before they are counted");

/* Field numbers of proto/kube.proto. */
enum { PAIR_KEY = 1 };
enum { OWNER_CONTROLLER = 6 };
enum { MANAGED_MANAGER = 1, MANAGED_SUBRESOURCE = 8 };
enum { UNKNOWN_TYPE_META = 1, TYPE_META_KIND = 2 };

/* The text of the field `number`. What is kept is well-formed. */
static struct str text_of(struct str message, uint32_t number)
{
    struct str text = STR("");
    struct wire_field field;

    while (wire_next(&message, &field) > 0) {
        if (field.number == number)
            text = field.bytes;
    }
    return text;
}

static bool is_controller(struct str owner)
{
    struct wire_field field;
    bool is = false;

    while (wire_next(&owner, &field) > 0) {
        if (field.number == OWNER_CONTROLLER)
            is = field.varint != 0;
    }
    return is;
}

/* A label or an annotation. */
static bool is_read(struct str key)
{
    static const struct str keys[] = { DECODE_MIRROR_KEY, DECODE_HASH_KEY, DECODE_LIST_END_KEY,
                                       DECODE_TEMPLATE_KEY };

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        if (str_eq(key, keys[i]))
            return true;
    }
    return false;
}

int kept_complete(void *self, const struct ProtobufCMessageDescriptor *type, struct str kept,
                  struct err *err)
{
    bool read = true;

    (void)self;
    (void)err;
    if (type == &k8s__pair__descriptor)
        read = is_read(text_of(kept, PAIR_KEY));
    else if (type == &k8s__owner_reference__descriptor)
        read = is_controller(kept);
    else if (type == &k8s__managed_fields_entry__descriptor)
        read = str_eq(text_of(kept, MANAGED_MANAGER), DECODE_STATUS_MANAGER) &&
               str_eq(text_of(kept, MANAGED_SUBRESOURCE), DECODE_STATUS_SUBRESOURCE);
    else if (type == &k8s__volume__descriptor || type == &k8s__volume_source__descriptor)
        read = kept.len > 0;
    return read ? SIFT_KEEP : SIFT_DROP;
}

/* In Go, fields are written in the order of their numbers: the kind comes before the object. */
static const ProtobufCMessageDescriptor *type_of(struct str before)
{
    static const struct {
        struct str kind;
        const ProtobufCMessageDescriptor *type;
    } types[] = {
        { STR("Pod"), &k8s__pod__descriptor },
        { STR("PodList"), &k8s__pod_list__descriptor },
        { STR("Event"), &k8s__event__descriptor },
        { STR("EventList"), &k8s__event_list__descriptor },
        { STR("Status"), &k8s__status__descriptor },
    };
    const struct str kind = text_of(text_of(before, UNKNOWN_TYPE_META), TYPE_META_KIND);

    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (str_eq(kind, types[i].kind))
            return types[i].type;
    }
    return NULL;
}

static const ProtobufCMessageDescriptor *type_of_pods(void *self, struct str before)
{
    const ProtobufCMessageDescriptor *type = type_of(before);

    (void)self;
    return type == &k8s__event__descriptor || type == &k8s__event_list__descriptor ? NULL : type;
}

static const ProtobufCMessageDescriptor *type_of_events(void *self, struct str before)
{
    const ProtobufCMessageDescriptor *type = type_of(before);

    (void)self;
    return type == &k8s__pod__descriptor || type == &k8s__pod_list__descriptor ? NULL : type;
}

struct sift_rules kept_rules(enum kube_resource resource, void *self, const char *what)
{
    return (struct sift_rules){
        .self = self,
        .what = what,
        .most_items = MOST_ITEMS,
        .most_text = LIMIT_KEPT_TEXT,
        .most_kept = resource == KUBE_PODS ? LIMIT_KEPT_POD : LIMIT_KEPT_EVENT,
        .unit = kept_object(resource),
        .prefixed = &k8s__unknown__descriptor,
        .prefix = KUBE_OBJECT_MAGIC,
        .any = &k8s__any__descriptor,
        .type_of = resource == KUBE_PODS ? type_of_pods : type_of_events,
        .complete = kept_complete,
    };
}

const struct ProtobufCMessageDescriptor *kept_watch_event(void)
{
    return &k8s__watch_event__descriptor;
}

const struct ProtobufCMessageDescriptor *kept_list(void)
{
    return &k8s__unknown__descriptor;
}

const struct ProtobufCMessageDescriptor *kept_object(enum kube_resource resource)
{
    return resource == KUBE_PODS ? &k8s__pod__descriptor : &k8s__event__descriptor;
}
