/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the API server wraps objects in, opened in place. Nothing here copies or allocates: every
 * `str` points into the bytes that were handed in and lives as long as they do.
 */

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "str.h"

/* "k8s\0" and a runtime.Unknown (k8s.io/apimachinery/pkg/runtime/serializer/protobuf). */
struct kube_object {
    struct str kind; /* "Pod", "PodList", "Event", "EventList", "Status" */
    struct str raw;  /* the object's own message */
};

/* -EPROTO: not an object in protobuf; the error says what it looks like instead. */
int kube_object_open(struct str bytes, struct kube_object *ret, struct err *err);

/* Whether `bytes` begin as an object in protobuf does. */
bool kube_object_begins(struct str bytes);

/* meta/v1 WatchEvent. */
struct kube_change {
    struct str type; /* "ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR" */
    struct kube_object object;
};

int kube_change_open(struct str frame, struct kube_change *ret, struct err *err);

/* PodList, EventList: they differ only in what their items are. */
struct kube_list {
    struct str resource_version;
    struct str continue_token; /* empty on the last page */
    struct str rest;           /* what kube_list_next() has not taken yet */
};

int kube_list_open(struct str raw, struct kube_list *ret, struct err *err);

/* Returns 1 and the next item's message, or 0 at the end. Cannot fail: kube_list_open() has seen
 * every field. */
int kube_list_next(struct kube_list *list, struct str *ret_item);
