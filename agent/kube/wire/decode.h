/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Kubernetes objects in protobuf -> facts (include/observation.h). Knows no transport: bytes from
 * a list, a watch or the kubelet's PodsAPI are the same.
 *
 * Everything a result points to lives in `arena`. One object needs about twice its size there,
 * because protobuf-c copies what it knows and also what it does not: reset the arena after each
 * object. All functions return 0, -EPROTO (no such object) or -ENOMEM (no memory, or the arena's
 * limit) and leave *ret untouched on failure.
 */

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "err.h"
#include "observation.h"

struct kube_pod {
    struct pod_fact fact;
    struct str resource_version;
    bool cut; /* it had more containers, volumes or secrets than limits.h allows */
};

int kube_decode_pod(struct arena *arena, struct str raw, struct kube_pod *ret, struct err *err);

struct kube_event {
    struct event_fact fact;
    struct str resource_version;
    struct str host; /* the node whose kubelet wrote it; may be empty */
};

int kube_decode_event(struct arena *arena, struct str raw, struct kube_event *ret, struct err *err);

/* What any object, for example a bookmark, says of itself. */
struct kube_meta {
    struct str resource_version;
    bool initial_events_end; /* annotation k8s.io/initial-events-end: the streaming list is done */
};

int kube_decode_meta(struct arena *arena, struct str raw, struct kube_meta *ret, struct err *err);

/* meta/v1 Status: why the API server refused. */
struct kube_refusal {
    int code; /* as an HTTP status; 0 where it has none */
    struct str reason;
    struct str message;
    int64_t retry_after_us; /* 0: it did not say */
};

int kube_decode_status(struct arena *arena, struct str raw, struct kube_refusal *ret,
                       struct err *err);
