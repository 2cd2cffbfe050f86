/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Turns objects of a list or a watch into observations: decodes one, hands it to the sink, frees
 * it. Remembers the last resourceVersion. One thread at a time.
 */

#include <stdbool.h>

#include "agent/kube/versions.h"
#include "agent/kube/wire/decode.h"
#include "agent/kube/wire/envelope.h"
#include "agent/kube/wire/kept.h"
#include "arena.h"
#include "err.h"
#include "limit.h"
#include "sink.h"

struct intake {
    enum kube_resource resource;
    const struct sink *sink;
    const char *node_name; /* events of other nodes' kubelets are skipped */
    struct arena arena;
    bool too_large;           /* the last object did not fit into the arena */
    struct versions versions; /* versions of the pods since the last list began */
    size_t pods;              /* read since the last list began */
    unsigned lists;           /* complete lists of pods so far */
    enum { FIRST_LIST_PENDING, FIRST_LIST_EMPTY, FIRST_LIST_DONE } first_list;
    char resource_version[LIMIT_RESOURCE_VERSION]; /* "" until the first list is complete */
};

/* `sink` and `node_name` must outlive the intake. */
void intake_init(struct intake *intake, enum kube_resource resource, const struct sink *sink,
                 const char *node_name);
void intake_done(struct intake *intake);

/* A complete list begins or ends: PODS_BEGIN and PODS_END; nothing for events. */
void intake_list_begin(struct intake *intake);
void intake_list_end(struct intake *intake);

/* True once, when the first complete list of pods was empty: --node-name may be wrong, which is
 * not an error for the API server. */
bool intake_take_empty_first_list(struct intake *intake);

/* Flags of intake_object(). */
enum intake_how {
    INTAKE_GONE = 1,    /* the object was deleted */
    INTAKE_ADVANCE = 2, /* remember its resourceVersion; not for the items of a list */
};

/*
 * Decodes `raw` and hands it to the sink. A pod is skipped if its version is not newer than the
 * last one, unless it is gone. A pod that has ended (phase Succeeded or Failed) is left out of a
 * list, and gone in a watch. Returns 0, -EPROTO or -ENOMEM; on failure the sink gets nothing.
 */
int intake_object(struct intake *intake, struct str raw, unsigned how, struct err *err);

/* The same, but an object that does not fit into the arena is left out: that is no error of the
 * list or watch. It is counted all the same. */
int intake_take(struct intake *intake, struct str raw, unsigned how, struct err *err);

/* Counts an object that was left out before it was complete. */
void intake_left_out(struct intake *intake, enum limit limit);

/* Hands a decoded pod of a list to the sink, unless it has ended. */
void intake_pod(struct intake *intake, const struct kube_pod *pod);

/* Remembers `version`. -EPROTO if it is empty or too long. */
int intake_advance(struct intake *intake, struct str version, struct err *err);
