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

/* An object in protobuf begins with it. */
#define KUBE_OBJECT_MAGIC ((struct str){ .at = "k8s", .len = 4 }) /* with its NUL */

/* "k8s\0" and a runtime.Unknown (k8s.io/apimachinery/pkg/runtime/serializer/protobuf). */
struct kube_object {
    struct str kind; /* "Pod", "PodList", "Event", "EventList", "Status" */
    struct str raw;  /* the message of the object itself */
};

/* -EPROTO: not an object in protobuf; the error shows the first bytes. */
int kube_object_open(struct str bytes, struct kube_object *ret, struct err *err);

/* The same without the "k8s\0". */
int kube_unknown_open(struct str unknown, struct kube_object *ret, struct err *err);

/* The error of kube_object_open() for `len` bytes that begin with `start`. */
int kube_object_refuse(struct str start, size_t len, struct err *err);

/* Whether `bytes` begin like an object in protobuf. */
bool kube_object_begins(struct str bytes);

/* meta/v1 WatchEvent. */
struct kube_change {
    struct str type; /* "ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR" */
    struct kube_object object;
};

int kube_change_open(struct str frame, struct kube_change *ret, struct err *err);

/* PodList or EventList, without its items. */
struct kube_list {
    struct str resource_version;
    struct str continue_token; /* empty on the last page */
};

int kube_list_open(struct str raw, struct kube_list *ret, struct err *err);
