/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The wrappers that the API server puts around objects. Nothing here copies or allocates: each
 * `str` of a result points into the bytes of the caller.
 */

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "str.h"

/* "k8s\0" and a runtime.Unknown (k8s.io/apimachinery/pkg/runtime/serializer/protobuf). */
struct kube_object {
    struct str kind; /* "Pod", "PodList", "Event", "EventList", "Status" */
    struct str raw;  /* the message of the object itself */
};

/* -EPROTO: not an object in protobuf; the error shows the first bytes. */
int kube_object_open(struct str bytes, struct kube_object *ret, struct err *err);

/* Whether `bytes` begin like an object in protobuf. */
bool kube_object_begins(struct str bytes);

/* meta/v1 WatchEvent. */
struct kube_change {
    struct str type; /* "ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR" */
    struct kube_object object;
};

int kube_change_open(struct str frame, struct kube_change *ret, struct err *err);

/* PodList or EventList: only their items differ. */
struct kube_list {
    struct str resource_version;
    struct str continue_token; /* empty on the last page */
    struct str rest;           /* not yet taken by kube_list_next() */
};

int kube_list_open(struct str raw, struct kube_list *ret, struct err *err);

/* Returns 1 and the message of the next item, or 0 at the end. Cannot fail: kube_list_open() has
 * checked all fields. */
int kube_list_next(struct kube_list *list, struct str *ret_item);
