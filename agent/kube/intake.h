/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Where objects become observations, whether they came in a list or in a watch: decode one, hand
 * it to the sink, forget it. Also remembers how far it has read. One thread at a time.
 */

#include <stdbool.h>

#include "agent/kube/versions.h"
#include "agent/kube/wire/envelope.h"
#include "arena.h"
#include "err.h"
#include "sink.h"

enum kube_resource { KUBE_PODS, KUBE_EVENTS };

/* Opaque by contract; etcd's are decimal numbers of at most 20 digits. */
#define RESOURCE_VERSION_SIZE 64

struct intake {
    enum kube_resource resource;
    const struct sink *sink;
    const char *node_name; /* events that another node's kubelet wrote are passed over */
    struct arena arena;
    struct versions versions;                     /* of pods, since the last list began */
    char resource_version[RESOURCE_VERSION_SIZE]; /* "" before the first list is complete */
};

/* `sink` and `node_name` must outlive the intake. */
void intake_init(struct intake *intake, enum kube_resource resource, const struct sink *sink,
                 const char *node_name);
void intake_done(struct intake *intake);

/* Every pod follows (PODS_BEGIN) or has been told (PODS_END). Nothing for events. */
void intake_list_begin(struct intake *intake);
void intake_list_end(struct intake *intake);

/* How an object is handed in; flags. */
enum intake_how {
    INTAKE_GONE = 1, /* it exists no more */
    INTAKE_ADVANCE =
        2, /* its resourceVersion is how far the stream has got: not so within a list */
};

/* 0, -EPROTO or -ENOMEM; on failure nothing was handed to the sink. A pod in a version that is not
 * newer than what was read of it before is passed over, unless it exists no more. */
int intake_object(struct intake *intake, struct str raw, unsigned how, struct err *err);

/* Hands on a pod that is decoded already. */
struct kube_pod;
void intake_pod(struct intake *intake, const struct kube_pod *pod);

/* Remembers `version`. -EPROTO where it is empty or too long to be one. */
int intake_reached(struct intake *intake, struct str version, struct err *err);
