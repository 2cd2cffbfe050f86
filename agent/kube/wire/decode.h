/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Kubernetes objects in protobuf -> facts (include/observation.h). Knows no transport.
 *
 * `raw` is what kept.h has left of the object: protobuf-c would also copy unknown fields, each with
 * 40 to 90 bytes. Everything in a result lives in `arena`: reset it after each object. All
 * functions return 0, -EPROTO (not such an object) or -ENOMEM (the heap or the arena's limit is
 * exhausted) and leave *ret untouched on failure.
 */

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "err.h"
#include "observation.h"

struct kube_pod {
    struct pod_fact fact;
    struct str resource_version;
    bool containers_cut, image_volumes_cut, pull_secrets_cut; /* more than limit.h allows */
};

int kube_decode_pod(struct arena *arena, struct str raw, struct kube_pod *ret, struct err *err);

struct kube_event {
    struct event_fact fact;
    struct str resource_version;
    struct str host; /* the node of the kubelet that wrote it; may be empty */
};

int kube_decode_event(struct arena *arena, struct str raw, struct kube_event *ret, struct err *err);

/* Metadata of any object, for example a bookmark. */
struct kube_meta {
    struct str resource_version;
    bool initial_events_end; /* annotation k8s.io/initial-events-end: the streaming list is complete
                              */
};

int kube_decode_meta(struct arena *arena, struct str raw, struct kube_meta *ret, struct err *err);

/* meta/v1 Status: an error of the API server. */
struct kube_refusal {
    int code; /* HTTP status; 0: not given */
    struct str reason;
    struct str message;
    int64_t retry_after_us; /* 0: not given */
};

int kube_decode_status(struct arena *arena, struct str raw, struct kube_refusal *ret,
                       struct err *err);
