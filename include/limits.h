/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Every cap on what this process did not make itself. What happens at a cap is
 * said beside it; each one that can be reached in operation has a row in
 * LIMIT_TABLE and is counted in imagepull_limit_hits_total{limit="..."}.
 */

/* One watch frame or one list page; over it the stream is dropped and listed anew. etcd's own
 * limit for an object is 1.5 MiB; a page of 500 pods is about 5 MiB. */
#define LIMIT_WATCH_FRAME (8u << 20)
#define LIMIT_LIST_BODY (64u << 20)
#define LIMIT_ERROR_BODY (64u << 10) /* a refusal's body; the rest is not read */
#define LIMIT_DECODE_ARENA (128u << 20)

/* As the kubelet's own CRI client (16 MiB); gRPC's default is 4 MiB. */
#define LIMIT_CRI_MESSAGE (16u << 20)

#define LIMIT_TOKEN_FILE (64u << 10)
#define LIMIT_KUBECONFIG_FILE (1u << 20)
#define LIMIT_WEB_FILE (64u << 10) /* --web.config.file */
#define LIMIT_FLAG_LIST 512u       /* all values of a repeated flag; more is an error */

/* What a classifier reads of one message: the head and the tail, the middle of a longer one is cut.
 */
#define LIMIT_CLASSIFY_TEXT (16u << 10)

/* What is kept of a message for people, cut with a mark ("..."). */
#define LIMIT_MESSAGE_TEXT 1024u

/* A name, image or registry that is longer is cut (RFC 1123 names have 253 bytes, references about
 * 4 KiB at most). */
#define LIMIT_NAME_TEXT 256u
#define LIMIT_IMAGE_TEXT 512u

/* Kubernetes allows 110 pods a node by default, 500 at most where it is tuned. */
#define LIMIT_PODS 4096u
#define LIMIT_CONTAINERS_PER_POD 128u
#define LIMIT_PULL_SECRETS_PER_POD 16u
#define LIMIT_EVENT_OBJECTS_PER_POD 64u /* the longest unseen goes first */
#define LIMIT_INCIDENTS 2048u           /* the oldest ended one goes first */
#define LIMIT_EVIDENCE_PER_INCIDENT 8u  /* the oldest but the first goes first */
#define LIMIT_EVIDENCE_BYTES (2u << 20) /* of all incidents; over it no text is kept */

#define LIMIT_REGISTRIES_DEFAULT 16u /* --metrics.max-registries; others are counted as "other" */
#define LIMIT_INFO_SERIES 100u       /* imagepull_container_blocked_info */
#define LIMIT_EVENT_NAMESPACES 8u
#define LIMIT_WANTED_IMAGES 64u
#define LIMIT_WANTED_BLOBS 8u
#define LIMIT_INGESTS 256u       /* blobs in flight; containerd fetches 3 at once for each pull */
#define LIMIT_WAITING_BEHIND 32u /* shown with each stall; the others are only incidents */
#define LIMIT_BLOB_REPOSITORIES 32u /* that share one blob; others are not looked at */

#define LIMIT_METRICS_BODY (8u << 20)
#define LIMIT_DEBUG_BODY (32u << 20)
#define LIMIT_SNAPSHOT (64u << 20)
#define LIMIT_CLASSIFY_BODY (1u << 20) /* POST /debug/classify */
#define LIMIT_RECENT 256u /* observations that GET /debug/events shows: the last ones */

/* The caps that are counted: enum name, label value. What is only looked at again counts when it is
 * left out, and not with each look; what is told again (a pod over the cap) counts again. */
#define LIMIT_TABLE(X)                                                                             \
    X(PODS, "pods")                                                                                \
    X(CONTAINERS, "containers_per_pod")                                                            \
    X(EVENT_OBJECTS, "event_objects_per_pod")                                                      \
    X(EVIDENCE_BYTES, "evidence_bytes")                                                            \
    X(INCIDENTS, "incidents")                                                                      \
    X(REGISTRIES, "registries")                                                                    \
    X(INFO_SERIES, "info_series")                                                                  \
    X(EVENT_NAMESPACES, "event_namespaces")                                                        \
    X(WANTED_IMAGES, "wanted_images")                                                              \
    X(INGESTS, "ingests")                                                                          \
    X(BLOB_REPOSITORIES, "blob_repositories")                                                      \
    X(WAITING_BEHIND, "waiting_behind")                                                            \
    X(WATCH_FRAME, "watch_frame")                                                                  \
    X(LIST_BODY, "list_body")                                                                      \
    X(CRI_MESSAGE, "cri_message")

enum limit {
#define X(name, label) LIMIT_HIT_##name,
    LIMIT_TABLE(X)
#undef X
        LIMIT_HIT_MAX,
};

/* The label value. */
const char *limit_name(enum limit limit);
