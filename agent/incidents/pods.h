/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The pods of this node and their containers, as the API server last reported them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/incidents/counters.h"
#include "agent/incidents/event_objects.h"
#include "agent/incidents/names.h"
#include "agent/incidents/owner.h"
#include "agent/incidents/places.h"
#include "agent/incidents/tenants.h"
#include "clock.h"
#include "limit.h"
#include "observation.h"

#define POD_BUCKETS 1024u

/* What a container's status means for its image. */
enum pull_class {
    PULL_SILENT,    /* nothing: not reported yet, ContainerCreating, PodInitializing */
    PULL_ERROR,     /* ErrImagePull and the like: a pull has just failed */
    PULL_BACK_OFF,  /* ImagePullBackOff: the kubelet waits before it tries again */
    PULL_REFUSED,   /* ErrImageNeverPull, InvalidImageName: the kubelet does not try */
    PULL_PREVENTED, /* an error came before the pull: the kubelet asks the runtime for nothing, and
                       looks again soon */
    PULL_DONE,      /* it runs, ran, or failed after its image was there */
};

/* More images than these are never replaced before the kubelet tries one, in 10 to 15 s. */
#define CONTAINER_REPLACED_IMAGES 4

struct container {
    char *name;
    enum container_kind kind;
    char *image;
    uint64_t image_hash; /* image_hash(image) */
    bool always;         /* imagePullPolicy Always: its image is pulled even if it is present */
    /* Since when it waits in its sandbox, without an error, for an image that is absent or always
     * pulled; 0: it does not. */
    int64_t begun_wall_us;
    int64_t begun_us;       /* mono */
    int64_t tried_us;       /* mono; start of its last pull, as an event reported it; 0: unknown */
    bool preexisting;       /* it already waited when this process started */
    bool failed_start;      /* terminated with an error: the kubelet will start it again */
    bool created;           /* the runtime made it after a failure, and no status shows this yet */
    bool image_left_out;    /* counted at LIMIT_WANTED_IMAGES */
    bool registry_left_out; /* counted at --metrics.max-registries */
    bool incident_left_out; /* it fails, and there was no place for an incident */
    enum container_phase phase;
    enum pull_class pull;
    uint64_t status;          /* hash of the last waiting reason and message */
    uint64_t replaced_status; /* the last `status` with its previous image; 0: none */
    /* image_hash() of its last images, until the kubelet tries the present one. A ring. */
    uint64_t replaced_images[CONTAINER_REPLACED_IMAGES];
    size_t n_replaced_images;
    int64_t replaced_us; /* wall; when its image replaced another; 0: never, or it failed since */
    char *waiting_reason;
};

struct image_volume {
    char *reference;
    bool registry_left_out; /* counted at --metrics.max-registries */
};

struct pod {
    struct pod *next, *previous; /* oldest first */
    struct pod *next_of_bucket;
    struct tenant *tenant;
    char *namespace;
    char *name;
    char *uid;
    uint64_t hash; /* hash_str(uid) */
    char *mirror_uid;
    const struct owner *owner; /* NULL: none */
    bool terminal; /* Succeeded, Failed or being deleted: the kubelet pulls nothing more for it */
    bool fresh;    /* it was created while this process watched */
    bool failed;   /* one of its incidents ended */
    bool events_left_out;             /* counted at LIMIT_EVENT_NAMESPACES */
    bool containers_cut, volumes_cut; /* it has more than limit.h allows */
    uint32_t generation;
    int64_t created_us; /* wall; 0: unknown */
    int64_t status_us;  /* wall; when the kubelet last changed its status; 0: unknown */
    size_t waiting;     /* containers that start now and may lack their image */
    size_t failing;     /* containers whose status names a failed or refused pull */
    struct container *containers;
    size_t n_containers;
    struct image_volume *volumes;
    size_t n_volumes;
    const struct names *secrets;
    const struct names *missing_secrets;
    int64_t missing_at_us;    /* wall; when an event first reported them */
    int64_t missing_event_us; /* wall; of that event, which is read again and again */
    int64_t secrets_read_us;  /* wall; when a pull showed that they were read; 0: never */
    int64_t newest_event_us;  /* wall; time of the newest event of any kind */
    struct event_objects events;
    uint32_t sandbox_poll;       /* the last poll of the runtime that found a ready sandbox */
    int64_t no_sandbox_since_us; /* mono; 0: a ready one was seen, or no poll was made */
};

struct pods {
    struct counters *counters;
    struct tenants *tenants;
    struct instant started; /* when this process began to watch */
    struct pod *first, *last;
    struct pod *buckets[POD_BUCKETS];
    size_t n;
    size_t waiting;      /* sum over all pods */
    uint32_t generation; /* number of the current list */
    uint32_t poll;       /* number of the current poll of the runtime, from 1 */
    bool listing;        /* between PODS_BEGIN and PODS_END */
    bool listed;         /* a complete list was read */
    bool changed;        /* who waits or fails may have changed: see correlate.c */
    bool overflowed;     /* a pod had no place: a pod that is new here may be an old one */
    struct left_out_pod left_out[LIMIT_PODS]; /* see places.h */
    size_t n_left_out;
};

void pods_init(struct pods *pods, struct counters *counters, struct tenants *tenants,
               struct instant now);
void pods_done(struct pods *pods);

/* NULL: not on this node. */
struct pod *pod_find(const struct pods *pods, struct str uid);

/* The same; `hash` is hash_str(uid). */
struct pod *pod_find_hashed(const struct pods *pods, struct str uid, uint64_t hash);

/* Finds a pod also by the uid that events and CRI use for a static pod. */
struct pod *pod_find_named(const struct pods *pods, struct str uid);

/* Brings the pod and its containers up to date; keeps what the fact does not contain. -ENOMEM, or
 * -ENOSPC: LIMIT_PODS is reached. */
int pod_upsert(struct pods *pods, const struct pod_fact *fact, struct pod **ret, bool *ret_new);
void pod_remove(struct pods *pods, struct pod *pod);

struct container *pod_container(const struct pod *pod, struct str name);

/* The container that an event's field path names: "spec.initContainers{setup}" -> "setup"; empty
 * if the event is about the pod. */
struct str field_path_container(struct str field_path);

/* The part of an image's text that is kept. */
struct str image_kept(struct str image);

/*
 * Whether the container waits now. Init containers and sidecars start one by one, and the other
 * containers after them. So call it in the order of the pod, with `blocked` false before the first
 * one.
 */
bool container_waits(const struct container *container, bool *blocked);

/* Containers that fail and have no incident, because there was no place. */
size_t pods_without_incident(const struct pods *pods);

/* Call it after the pod's containers changed. */
void pod_count_waiting(struct pods *pods, struct pod *pod);

/* Notes that the pod has a ready sandbox, or that it has none. */
void pod_has_sandbox(struct pods *pods, struct pod *pod);
void pod_has_no_sandbox(struct pods *pods, struct pod *pod, struct instant now);
