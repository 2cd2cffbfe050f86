/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One raw fact, as a source read it, without interpretation. Texts and arrays live only until the
 * call that takes the observation returns.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "str.h"

enum source_id { SOURCE_PODS, SOURCE_EVENTS, SOURCE_CRI, SOURCE_MAX };

/* The label value: "pods", "events", "cri". */
const char *source_name(enum source_id source);

#define CONTAINER_KIND_TABLE(X)                                                                    \
    X(APP, "container")                                                                            \
    X(INIT, "init")                                                                                \
    X(SIDECAR, "sidecar") /* an init container with restartPolicy Always */                        \
    X(EPHEMERAL, "ephemeral")                                                                      \
    X(IMAGE_VOLUME, "image_volume")                                                                \
    X(SANDBOX, "sandbox")

enum container_kind {
#define X(name, text) CONTAINER_##name,
    CONTAINER_KIND_TABLE(X)
#undef X
        CONTAINER_KIND_MAX,
};

const char *container_kind_name(enum container_kind kind);

enum container_phase {
    PHASE_UNKNOWN, /* the kubelet has not reported a status yet */
    PHASE_WAITING,
    PHASE_RUNNING,
    PHASE_TERMINATED,
};

/* One container of a pod: its spec, and the last status that the kubelet reported. */
struct container_fact {
    struct str name;
    enum container_kind kind; /* APP, INIT, SIDECAR or EPHEMERAL */
    struct str image;         /* the spec's text */
    struct str pull_policy;   /* "Always", "IfNotPresent", "Never"; empty where unknown */
    enum container_phase phase;
    struct str waiting_reason; /* while waiting: "ErrImagePull", "ContainerCreating", ... */
    struct str waiting_message;
    int32_t exit_code;      /* of a terminated container */
    struct str start_error; /* why it could not be started, now or the last time (StartError) */
    bool created;           /* the runtime has made it, now or before its last restart */
};

/* A volume that is an image (core/v1 VolumeSource.image). */
struct image_volume_fact {
    struct str reference;
};

struct pod_fact {
    struct str namespace;
    struct str name;
    struct str uid;
    struct str mirror_uid; /* only for a static pod: its annotation kubernetes.io/config.hash, which
                              events and CRI use as its uid; else empty */
    /* Its controller; empty: it has none. A static pod has its Node. */
    struct str owner_kind; /* "ReplicaSet", "DaemonSet", "Job", ... */
    struct str owner_name;
    struct str template_hash; /* its label pod-template-hash; empty: none */
    struct str phase;         /* "Pending", "Running", "Succeeded", "Failed" */
    bool deleting;            /* has a deletionTimestamp */
    int64_t created_us;       /* wall; 0: unknown */
    int64_t status_us;        /* wall; when the kubelet last changed the status; 0: unknown */
    const struct str *pull_secrets;
    size_t n_pull_secrets;
    const struct container_fact *containers; /* init containers first; in the order of the spec */
    size_t n_containers;
    const struct image_volume_fact *image_volumes;
    size_t n_image_volumes;
    bool containers_cut, image_volumes_cut; /* it has more than limit.h allows */
};

/* core/v1 Event about a pod. */
struct event_fact {
    struct str event_uid;
    struct str namespace;
    struct str pod_name;
    struct str pod_uid;
    struct str field_path; /* "spec.containers{app}", or empty */
    struct str reason;     /* "Failed", "BackOff", "FailedToRetrieveImagePullSecret", ... */
    struct str message;
    int32_t count;    /* how often it happened so far, at least 1 */
    int64_t first_us; /* wall, usually whole seconds; 0: unknown */
    int64_t last_us;
};

struct image_fact {
    struct str image; /* as in the request */
    bool present;
    uint64_t size;     /* bytes; 0: unknown or absent */
    struct str digest; /* "sha256:..." of its manifest; empty: unknown or absent */
};

/* A blob, usually a layer, that the runtime downloads now or downloaded in part. "Ingest" is
 * containerd's word. */
struct ingest {
    struct str digest; /* "sha256:..." */
    uint64_t bytes;    /* so far */
    uint64_t total;    /* 0: unknown */
    int64_t begun_us;  /* wall */
    int64_t moved_us;  /* wall; the last progress */
};

struct ingests_fact {
    const struct ingest *ingests; /* all of them, unless `cut` */
    size_t n;
    bool before_slot; /* the runtime lists a blob before it has a download slot */
    bool cut;         /* it lists more than limit.h allows */
};

/* The owners of a blob: the repositories with a manifest or index on this node that names it. Their
 * hosts have no port, as in containerd's labels. */
struct blob_fact {
    struct str digest;
    const struct str *repositories; /* "docker.io/library/busybox", each once */
    size_t n;
};

/* A blob that the runtime has. */
struct stored_blob {
    uint64_t hash; /* of its digest */
    uint64_t size;
    int64_t created_us; /* wall; when it was complete */
};

/* What the runtime has of a repository. It notes each blob that a pull gets; a newer containerd
 * also each one that a pull finds there. */
struct repository_fact {
    struct str repository; /* as in the request: "docker.io/library/busybox", without a port */
    int64_t updated_us;    /* wall; when it last noted one; 0: it has none */
    const struct stored_blob *blobs; /* the newest ones, in any order */
    size_t n_blobs;
};

/* The file system where the runtime stores images. */
struct image_fs_fact {
    struct str mountpoint;
    uint64_t used_bytes; /* 0: unknown, also of used_inodes */
    uint64_t used_inodes;
};

struct sandbox_fact {
    struct str pod_uid;
    bool ready; /* at least one sandbox of the pod is ready */
};

/* A container exists in the runtime, so its image was present. */
struct created_fact {
    struct str pod_uid;
    struct str container;
    int64_t created_us; /* wall */
};

struct runtime_fact {
    struct str name;    /* "containerd", "cri-o" */
    struct str version; /* "1.6.20~ds1" */
    bool lists_blobs;   /* it tells which blobs it has, as far as known */
};

enum observation_kind {
    OBSERVE_PODS_BEGIN,  /* a complete list of this node's pods follows */
    OBSERVE_PODS_END,    /* ... and ends: pods not seen since PODS_BEGIN are gone */
    OBSERVE_POD,         /* the present state of a pod */
    OBSERVE_POD_DELETED, /* pod.uid, pod.namespace and pod.name are set */
    OBSERVE_EVENT,
    OBSERVE_IMAGE,
    OBSERVE_SANDBOX,
    OBSERVE_SANDBOXES_END, /* all sandboxes were observed: no other pod has one */
    OBSERVE_CREATED,
    OBSERVE_RUNTIME,
    OBSERVE_INGESTS, /* only from runtimes that report them */
    OBSERVE_BLOB,
    OBSERVE_REPOSITORY,
    OBSERVE_NO_BLOBS, /* the runtime refuses to list blobs */
    OBSERVE_IMAGE_FS,
};

/* "pod", "event", "image", ... */
const char *observation_kind_name(enum observation_kind kind);

struct observation {
    enum observation_kind kind;
    union {
        struct pod_fact pod;
        struct event_fact event;
        struct image_fact image;
        struct sandbox_fact sandbox;
        struct created_fact created;
        struct runtime_fact runtime;
        struct ingests_fact ingests;
        struct blob_fact blob;
        struct repository_fact repository;
        struct image_fs_fact image_fs;
    };
};
