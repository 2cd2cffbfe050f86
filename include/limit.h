/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The limits of all input. A comment says what happens to input over a limit. A limit that can be
 * reached in operation has a row in LIMIT_TABLE and is counted in
 * imagepull_limit_hits_total{limit="..."}.
 */

/* Bytes of one watch frame; over it the stream is dropped and listed again. An object in etcd has
 * at most 1.5 MiB. Bytes of one list page, about 5 MiB for 500 pods; over it the list is read
 * again, in smaller pages. Neither needs so much memory: they are decoded while they arrive. */
#define LIMIT_WATCH_FRAME (8u << 20)
#define LIMIT_LIST_BODY (64u << 20)
#define LIMIT_LIST_PAGES 1000u        /* over it the list fails */
#define LIMIT_ANSWER_HEAD (64u << 10) /* heads, 1xx included, and trailers; over it: an error */
/* What is kept of one object before it is decoded, which is a few KiB. An object of which more
 * would be kept is left out. */
#define LIMIT_KEPT_POD (512u << 10)
#define LIMIT_KEPT_EVENT (64u << 10)
/* Memory of one decoded object; over it, the object is left out. Counted, as above, with the
 * message it came from (list_body, watch_frame). */
#define LIMIT_OBJECT_ARENA (2u << 20)
/* Of each text in it. The middle of a longer one is left out; in JSON, the end. */
#define LIMIT_KEPT_TEXT (32u << 10)   /* twice LIMIT_CLASSIFY_TEXT */
#define LIMIT_ERROR_BODY (64u << 10)  /* an HTTP answer that is an error; the rest is not read */
#define LIMIT_STATUS_ARENA (1u << 20) /* memory to decode such an answer */

/* A resourceVersion is opaque; those of etcd are numbers of up to 20 digits. A continue token has a
 * few hundred bytes. A longer one is a malformed answer. */
#define LIMIT_RESOURCE_VERSION 64u
#define LIMIT_CONTINUE_TOKEN (16u << 10)
/* Path and query of a request; a continue token in it is percent-encoded. */
#define LIMIT_TARGET (64u << 10)
#define LIMIT_SERVER_URL 2048u /* a longer one is refused at the start */

/*
 * Bytes of one answer of the runtime, and of one stream of answers; over it the call fails. The
 * kubelet's CRI client takes 16 MiB, containerd sends no more, CRI-O up to 80. Only gRPC has a
 * whole answer, and gets no more memory than LIMIT_CRI_MEMORY: it checks the length of a message
 * only when it has all of it.
 */
#define LIMIT_CRI_MESSAGE (6u << 20)
#define LIMIT_CRI_MEMORY (LIMIT_CRI_MESSAGE + LIMIT_CRI_MESSAGE / 4)
/* What is kept of it before it is decoded: about 150 bytes of each container or sandbox. Over it
 * the call fails, too. */
#define LIMIT_CRI_KEPT (512u << 10)
#define LIMIT_CRI_ARENA (LIMIT_CRI_KEPT + (256u << 10)) /* with the request */
/* Memory of one decoded answer, and of all that is kept of one poll; over it: an error, counted as
 * cri_message. */
#define LIMIT_DECODE_ARENA (1536u << 10)

/* Texts of the runtime; longer ones are cut. */
#define LIMIT_RUNTIME_ERROR_TEXT 300u   /* a gRPC status message */
#define LIMIT_RUNTIME_TROUBLE_TEXT 256u /* a false condition: type, reason and message */
#define LIMIT_RUNTIME_NAME_TEXT 64u     /* name and version, to notice a change */

/* The parts of a digest, "algorithm:hex". 128 digits are SHA-512. A longer text is not a digest. */
#define LIMIT_DIGEST_ALGORITHM 16u
#define LIMIT_DIGEST_HEX 128u

/* An image has up to 127 layers (Docker's limit; overlayfs stops near it). An index has two entries
 * for each platform: the manifest and its attestation. Further ones are not searched for a blob. */
#define LIMIT_LAYERS_PER_IMAGE 128u
#define LIMIT_MANIFESTS_PER_INDEX 64u

/* Files; a larger one is an error. */
#define LIMIT_TOKEN_FILE (64u << 10)
#define LIMIT_PEM_FILE (4u << 20) /* a company's whole CA bundle has a few hundred KiB */
#define LIMIT_CERTIFICATES 4096u  /* in one file; Debian's bundle has about 150 */
#define LIMIT_KUBECONFIG_FILE (1u << 20)
#define LIMIT_PATH 8192u     /* path of a file that a kubeconfig or web file names */
#define LIMIT_FLAG_LIST 512u /* all values of a repeated flag; more is an error */

/* Bytes of one message that the classifier reads. It leaves out the middle of a longer message. */
#define LIMIT_CLASSIFY_TEXT (16u << 10)

/* Bytes of a message that are kept for people. A longer message is cut and ends with "...". */
#define LIMIT_MESSAGE_TEXT 1024u

#define LIMIT_SANDBOX_TEXTS (64u << 10) /* paths that the agent may open */
#define LIMIT_LOG_LINE 2048u            /* a longer line is cut */

/* Longer names, registries and images are cut. An RFC 1123 name has up to 253 bytes. */
#define LIMIT_NAME_TEXT 256u
#define LIMIT_IMAGE_TEXT 512u
#define LIMIT_KIND_TEXT 64u /* of an object; Kubernetes allows 63 bytes; a longer one is cut */

/* Kubernetes allows 110 pods on a node by default; tuned clusters have up to 500. Who gets a place
 * in a full table of pods or incidents: agent/incidents/places.h. Further containers are ignored.
 */
#define LIMIT_PODS 4096u
#define LIMIT_CONTAINERS_PER_POD 128u
#define LIMIT_IMAGE_VOLUMES_PER_POD 128u
#define LIMIT_PULL_SECRETS_PER_POD 16u
#define LIMIT_EVENT_OBJECTS_PER_POD 64u /* the object that was seen longest ago is dropped */
/* Anybody who may write events can claim any count. So one report adds at most this much. */
#define LIMIT_EVENT_COUNT_STEP 1000u
#define LIMIT_INCIDENTS 2048u          /* ended ones are dropped first */
#define LIMIT_EVIDENCE_PER_INCIDENT 8u /* the second oldest is dropped; the first is kept */
/* Rows with the last version of a pod. A full table drops rows of deleted pods first. Only a
 * dropped row of an existing pod counts as a limit hit. */
#define LIMIT_POD_VERSIONS 1024u
/* Texts of all incidents. A namespace has at most half of what the others leave; over it, its texts
 * are left out. */
#define LIMIT_EVIDENCE_BYTES (2u << 20)

#define LIMIT_REGISTRIES_DEFAULT 16u /* --metrics.max-registries; others are counted as "other" */
#define LIMIT_NAMESPACES 16u /* with failures of their own; others are counted as "_other" */
#define LIMIT_NAMESPACE_REGISTRIES 3u /* of each of them; others are counted as "other" */
#define LIMIT_INFO_SERIES 100u        /* blocked containers with series of their own */
#define LIMIT_EVENT_NAMESPACES 8u /* whose events are read at the same time; others take turns */
/* Bytes of the events of one namespace that are read at once, and what comes back in a minute. Over
 * it the namespace rests until LIMIT_EVENT_BUDGET_RESUME has come back, for 8 to 10 minutes. Each
 * agent reads the events of all pods of a namespace, on all nodes. The kubelet writes about 25
 * events for a pod that fails, 0.8 KiB each, and then one in 5 minutes: 100 failing pods need
 * 2 MiB, then 16 KiB a minute. 5,000 agents that all read as much as they may get 5 MiB/s. */
#define LIMIT_EVENT_BUDGET (2u << 20)
#define LIMIT_EVENT_BUDGET_PER_MINUTE (64u << 10)
#define LIMIT_EVENT_BUDGET_RESUME (512u << 10)
#define LIMIT_EVENT_BUDGETS 128u    /* namespaces; over it, the one with most left starts anew */
#define LIMIT_WANTED_IMAGES 64u     /* asked for in one poll; others wait */
#define LIMIT_WANTED_BLOBS 8u       /* whose owners are asked for in one poll; others wait */
#define LIMIT_INGESTS 256u          /* blobs in flight; those without a byte are left out first */
#define LIMIT_WAITING_BEHIND 32u    /* shown with each stall; the others only as incidents */
#define LIMIT_BLOB_REPOSITORIES 32u /* repositories that share one blob; others are ignored */

/* Asked for in one poll: whether something of them has come; others wait. */
#define LIMIT_WANTED_REPOSITORIES 8u

/* The newest blobs of one repository are read: more than two pulls can bring. */
#define LIMIT_REPOSITORY_BLOBS 256u

/* Blobs that are known to be counted; what came before them is not counted again. */
#define LIMIT_COUNTED_BLOBS 1024u

/* The HTTP listeners. A file or flag over a limit is refused as a whole, with an error. */
#define LIMIT_LISTEN_ADDRESSES 8u      /* addresses of --web.listen-address */
#define LIMIT_DEBUG_ADDRESSES 2u       /* of --debug.listen-address */
#define LIMIT_WEB_CONNECTIONS 64u      /* at a time; the client with the oldest request is cut */
#define LIMIT_DEBUG_CONNECTIONS 16u    /* as above; of each debug address */
#define LIMIT_REQUEST_HEAD (16u << 10) /* libmicrohttpd answers 431 or 414 */
#define LIMIT_WEB_FILE (64u << 10)     /* --web.config.file */
#define LIMIT_WEB_USERS 64u            /* basic_auth_users */
#define LIMIT_BCRYPT_COST 12 /* a check takes a quarter of a second; SIGTERM waits for it */
#define LIMIT_PASSWORD 256u  /* bytes; a longer one is wrong */
/* Checks that wait: more than one listener has connections. Over it, who has most gets 503. */
#define LIMIT_PASSWORD_CHECKS 128u
#define LIMIT_PASSWORD_CACHE 64u /* results that are kept; the oldest is replaced */
#define LIMIT_YAML_DEPTH 100u    /* also of a kubeconfig */
#define LIMIT_YAML_ANCHORS 100u

/* Answers. A larger debug answer is sent part by part, one at a time; its parts are members of a
 * list. Answers and request bodies of the web listeners, and of the debug listener: over it, 503.
 */
#define LIMIT_METRICS_BODY (8u << 20) /* 0.3 MiB at worst with the default of 16 registries */
/* A larger page is formatted for each scrape. There are up to four: two formats, with and without
 * gzip. They are part of LIMIT_HTTP_MEMORY. */
#define LIMIT_CACHED_PAGE (512u << 10)
#define LIMIT_DEBUG_BODY (256u << 10)
#define LIMIT_DEBUG_MEMBER (768u << 10)
#define LIMIT_HTTP_MEMORY (3u << 20)
/* Measured with 2,048 failures that have the longest names and messages: 1.8 MiB. */
#define LIMIT_SNAPSHOT (4u << 20)
#define LIMIT_CLASSIFY_BODY (1u << 20) /* POST /debug/classify */
#define LIMIT_RECENT 256u              /* the newest observations, for GET /debug/events */

/*
 * All of it must fit into the memory limit of deploy/kustomize/base/daemonset.yaml: each line is
 * what can be in memory at the same time, with each limit reached. A buffer that grows has up to
 * twice the size of what is in it.
 */
#define MEMORY_LIMIT (48u << 20)
/* Kernel memory of sockets and threads, and pages of the program that are always in use. The kernel
 * drops its other file pages, about 13 MiB, when memory is short. */
#define MEMORY_PROGRAM (4u << 20)
/* The heap of an idle agent, and what incidents/ remembers. LIMIT_EVIDENCE_BYTES is the largest
 * part.
 */
#define MEMORY_TABLES (10u << 20)
/* A pod and an event of each namespace that are incomplete, and one decoded object. */
#define MEMORY_KUBE                                                                                \
    (2 * LIMIT_KEPT_POD + 2 * LIMIT_KEPT_EVENT * LIMIT_EVENT_NAMESPACES + LIMIT_OBJECT_ARENA)
/* One call: the answer, what is kept of it (a buffer and a copy), the decoded answer, the poll. */
#define MEMORY_CRI                                                                                 \
    (LIMIT_CRI_MEMORY + 2 * LIMIT_CRI_KEPT + LIMIT_CRI_ARENA + 2 * LIMIT_DECODE_ARENA)
/* The snapshot of a large answer and that of another one, what clients of both kinds of listeners
 * hold, and what is being made: metrics of at most 1 MiB, as with the default number of registries,
 * and a part of a large answer. Two debug listeners answer one request at a time. */
#define MEMORY_ANSWERS                                                                             \
    (2 * LIMIT_SNAPSHOT + 2 * LIMIT_HTTP_MEMORY + 2 * (1u << 20) + 2 * LIMIT_DEBUG_MEMBER)

_Static_assert(4 * LIMIT_CACHED_PAGE < LIMIT_HTTP_MEMORY, "the pages leave no memory to clients");
_Static_assert(MEMORY_PROGRAM + MEMORY_TABLES + MEMORY_KUBE + MEMORY_CRI + MEMORY_ANSWERS <=
                   MEMORY_LIMIT,
               "the limits do not fit into the memory limit of the DaemonSet");

/*
 * The limits that are counted: enum name, label value. What the agent polls is counted once when it
 * is left out, not at each poll. What is reported to the agent (a pod over the limit) is counted
 * at each report.
 */
#define LIMIT_TABLE(X)                                                                             \
    X(PODS, "pods")                                                                                \
    X(CONTAINERS, "containers_per_pod")                                                            \
    X(IMAGE_VOLUMES, "image_volumes_per_pod")                                                      \
    X(PULL_SECRETS, "pull_secrets_per_pod")                                                        \
    X(POD_VERSIONS, "pod_versions")                                                                \
    X(EVENT_COUNT, "event_count_step")                                                             \
    X(EVENT_OBJECTS, "event_objects_per_pod")                                                      \
    X(EVIDENCE_BYTES, "evidence_bytes")                                                            \
    X(INCIDENTS, "incidents")                                                                      \
    X(REGISTRIES, "registries")                                                                    \
    X(NAMESPACES, "namespaces")                                                                    \
    X(INFO_SERIES, "info_series")                                                                  \
    X(EVENT_NAMESPACES, "event_namespaces")                                                        \
    X(EVENT_BUDGET, "event_budget")                                                                \
    X(WANTED_IMAGES, "wanted_images")                                                              \
    X(INGESTS, "ingests")                                                                          \
    X(BLOB_REPOSITORIES, "blob_repositories")                                                      \
    X(WAITING_BEHIND, "waiting_behind")                                                            \
    X(WATCH_FRAME, "watch_frame")                                                                  \
    X(LIST_BODY, "list_body")                                                                      \
    X(LIST_PAGES, "list_pages")                                                                    \
    X(CRI_MESSAGE, "cri_message")                                                                  \
    X(HTTP_CONNECTIONS, "http_connections")                                                        \
    X(SCRAPES, "scrapes")           /* --web.max-requests */                                       \
    X(REQUEST_BODY, "request_body") /* LIMIT_CLASSIFY_BODY */                                      \
    X(ANSWER_BODY, "answer_body") /* LIMIT_METRICS_BODY, LIMIT_DEBUG_MEMBER, LIMIT_HTTP_MEMORY */  \
    X(PASSWORD_CHECKS, "password_checks")

enum limit {
#define X(name, label) LIMIT_HIT_##name,
    LIMIT_TABLE(X)
#undef X
        LIMIT_HIT_MAX,
};

/* The label value. */
const char *limit_name(enum limit limit);

/*
 * The limits that can hide a failure as long as something is left out: enum name, what is left out.
 * All others merge (registries), cut what explains a failure (evidence_bytes), or make the source
 * fail, which it reports.
 */
#define LEFT_OUT_TABLE(X)                                                                          \
    X(PODS, "pods")                                                                                \
    X(CONTAINERS, "pods with too many containers")                                                 \
    X(IMAGE_VOLUMES, "pods with too many image volumes")                                           \
    X(INCIDENTS, "failing containers")                                                             \
    X(EVENT_NAMESPACES, "namespaces whose events are read later")                                  \
    X(EVENT_BUDGET, "namespaces with too many events to read now")                                 \
    X(INGESTS, "lists of downloads that are too long")

/* What the limit leaves out; NULL: see above. */
const char *limit_left_out(enum limit limit);
