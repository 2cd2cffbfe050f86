/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The state of the agent at one moment: all that exporter/ knows. It is taken under the hub's mutex
 * and formatted without it. It never changes. What it points to lives until snapshot_done(): in its
 * arena, or in memory that it shares with the incident table (shared.h).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "causes.h"
#include "clock.h"
#include "err.h"
#include "histogram.h"
#include "limit.h"
#include "observation.h"
#include "runtime_calls.h"
#include "sink.h"

#define INCIDENT_STATE_TABLE(X)                                                                    \
    X(FAILING, "failing")                                                                          \
    X(BACKING_OFF, "backing_off")                                                                  \
    X(STALLED, "stalled")                                                                          \
    X(RECOVERED, "recovered")                                                                      \
    X(GONE, "gone")

enum incident_state {
#define X(name, text) INCIDENT_##name,
    INCIDENT_STATE_TABLE(X)
#undef X
        INCIDENT_STATE_MAX,
};

const char *incident_state_name(enum incident_state state);

/* Still blocking a container: failing, backing_off or stalled. */
static inline bool incident_state_open(enum incident_state state)
{
    return state == INCIDENT_FAILING || state == INCIDENT_BACKING_OFF || state == INCIDENT_STALLED;
}

/* Which witness reported it: "pod_status", "event", "cri" in the debug JSON. */
enum witness { WITNESS_POD_STATUS, WITNESS_EVENT, WITNESS_CRI, WITNESS_MAX };

const char *witness_name(enum witness witness);

struct snapshot_evidence {
    int64_t at_us; /* wall */
    enum witness witness;
    const char *reason; /* the waiting reason or event reason */
    const char *text;   /* redacted */
};

/* What a stalled pull waits for. */
#define STALL_TABLE(X)                                                                             \
    X(BYTES, "bytes")        /* a blob of it stands still */                                       \
    X(SLOT, "download_slot") /* blobs of other pulls stand still in all slots of the runtime */    \
    X(ANSWER, "answer")      /* the runtime shows no blob of it: nothing has come at all */

enum stall_kind {
#define X(name, text) STALL_##name,
    STALL_TABLE(X)
#undef X
        STALL_KIND_MAX,
};

const char *stall_kind_name(enum stall_kind kind);

struct snapshot_waiter {
    const char *namespace;
    const char *pod;
    const char *container;
    const char *image;
};

/* A pull that receives no bytes. */
struct snapshot_stall {
    enum stall_kind waits_for;
    const char *layer; /* the digest of its blob; NULL: none is known */
    uint64_t bytes;    /* so far */
    uint64_t total;    /* 0: unknown */
    int64_t last_progress_us;
    bool holds_slot; /* its blobs stand still in download slots */
    size_t slots;    /* how many slots are held in this way */
    /* The other containers that its layer holds up, or the slots that it holds. */
    const struct snapshot_waiter *waiting_behind;
    size_t n_waiting_behind;
    /* The containers whose pulls hold the slots that this one waits for. */
    const struct snapshot_waiter *held_by;
    size_t n_held_by;
    /* Other images that the layer can belong to: the runtime names repositories, without the port
     * and the tag. Without a layer: images of other registries that got no answer either, and for
     * which this pull may only wait. */
    const char *const *ambiguous_with;
    size_t n_ambiguous_with;
};

/* One incident. Texts are terminated; NULL only where a comment allows it. Times are wall; 0:
 * unknown. */
struct snapshot_incident {
    const char *namespace;
    const char *pod;
    const char *pod_uid;
    const char *container; /* "" for a sandbox */
    enum container_kind kind;
    const char *image;
    const char *registry;
    enum incident_state state;
    struct snapshot_verdict {
        enum cause cause;
        enum reason reason;
        enum stage stage;
        int http_status;
        uint32_t ambiguous_with;
        bool sent_unknown; /* the message does not tell whether a login was sent */
    } verdict;
    uint64_t attempts;
    int64_t first_failure_us;
    bool first_failure_exact;
    int64_t last_failure_us; /* 0: before this process started, and unknown */
    int64_t ended_us;        /* 0 while open */

    /* Only with SNAPSHOT_DETAIL; else NULL and 0. */
    const char *owner_kind; /* NULL: the pod has no controller */
    const char *owner_name;
    const char *message;
    const char *advice;
    const char *failed_host;  /* NULL: not known, or no host failed */
    enum role failed_role;    /* ROLE_MAX likewise */
    const char *config_file;  /* of the runtime, if its configuration failed; may be NULL */
    int64_t next_retry_us;    /* an estimate; 0: none */
    int64_t overdue_since_us; /* since then the next attempt is overdue; 0: it is not */
    const char *const *pull_secrets;
    size_t n_pull_secrets;
    const char *const *missing_pull_secrets;
    size_t n_missing_pull_secrets;
    bool image_present_known;
    bool image_present;
    bool image_withheld; /* it is present and need not be pulled, but this container may not use it
                          */
    const struct snapshot_evidence *evidence; /* oldest first */
    size_t n_evidence;
    const struct snapshot_stall *stall; /* NULL: not stalled */
};

/* Where a pull is, as far as the runtime shows it. */
#define PULL_PHASE_TABLE(X)                                                                        \
    X(UNKNOWN, "")                                                                                 \
    X(KUBELET_QUEUE, "kubelet_queue") /* the kubelet does not ask the runtime for it yet */        \
    X(SLOT_QUEUE, "slot_queue")       /* it waits for a download slot of the runtime */            \
    X(DOWNLOADING, "downloading")     /* blobs of it are in flight */                              \
    X(UNPACKING, "unpacking")         /* all of them have come, and the image is not there yet */

enum pull_phase {
#define X(name, text) PULL_PHASE_##name,
    PULL_PHASE_TABLE(X)
#undef X
        PULL_PHASE_MAX,
};

/* "": unknown. */
const char *pull_phase_name(enum pull_phase phase);

/* Classes of images by size, in bytes as the runtime reports it. */
#define SIZE_CLASS_TABLE(X)                                                                        \
    X(SMALL, "up_to_100MB")                                                                        \
    X(MEDIUM, "up_to_1GB")                                                                         \
    X(LARGE, "over_1GB")

enum size_class {
#define X(name, text) SIZE_CLASS_##name,
    SIZE_CLASS_TABLE(X)
#undef X
        SIZE_CLASS_MAX,
};

const char *size_class_name(enum size_class size);
enum size_class size_class_of(uint64_t bytes);

/* Good pulls of images of one class. */
struct pulls_of_size {
    uint64_t count;
    uint64_t sum_us;
    int64_t since_us; /* wall; the first of them; 0: none */
};

/* An image that a container of this node waits for, or waited for a minute ago. */
struct snapshot_image {
    const char *image; /* its canonical name */
    const char *registry;
    bool present;
    bool stalled;       /* an open incident about it is stalled; only with SNAPSHOT_DETAIL */
    uint64_t size;      /* bytes; 0: unknown, or absent */
    const char *digest; /* "": unknown or absent */
    size_t waiting;     /* containers that start now and may lack it */
    size_t pulling;     /* of these: in a sandbox, without an error, and the image is absent; 0 in
                           the kubelet's queue */
    enum pull_phase phase;
    const char *const *waiting_behind; /* images whose pulls are ahead of it in a queue */
    size_t n_waiting_behind;
    int64_t since_us; /* wall; when the first of them began to wait; 0: none waits */
    uint64_t bytes;   /* bytes of its blobs in flight, as far as known */
    uint64_t total;
    /* The same, but a blob of several images counts only for the image that began first. */
    uint64_t bytes_once;
};

/* What one observation did to the incidents. */
#define EFFECT_TABLE(X)                                                                            \
    X(NONE, "none")                                                                                \
    X(OPENED, "opened")                                                                            \
    X(MOVED, "moved") /* its cause, its state, its attempts or its evidence */                     \
    X(ENDED, "ended") /* recovered or gone */

enum effect {
#define X(name, text) EFFECT_##name,
    EFFECT_TABLE(X)
#undef X
        EFFECT_MAX,
};

const char *effect_name(enum effect effect);

/* A recent observation. Texts are terminated, never NULL, "" if not known. */
struct snapshot_observation {
    /* Number of the observation in this process, from 1. Left-out observations leave gaps. */
    uint64_t number;
    int64_t at_us; /* wall; when it was observed */
    enum source_id source;
    enum observation_kind kind;
    const char *namespace;
    const char *pod;
    const char *container;
    const char *text; /* short: a waiting reason, an event's reason, an image; redacted */
    enum effect effect;
};

/* Where the runtime keeps its images. */
struct snapshot_image_fs {
    const char *mountpoint; /* NULL: unknown */
    uint64_t used_bytes;
    uint64_t used_inodes;
};

/* The pod of the newest failure of a registry and cause: an exemplar of that counter. */
struct snapshot_exemplar {
    const char *namespace; /* NULL: none is known */
    const char *pod;
    int64_t at_us; /* wall */
};

/* Counters of one registry; "other" stands for those over the limit. */
struct snapshot_registry {
    const char *registry;
    uint64_t attempts;
    uint64_t failures[CAUSE_MAX];
    struct snapshot_exemplar newest[CAUSE_MAX];
    uint64_t bytes;         /* fetched */
    struct histogram pulls; /* successful pulls; histogram_pull_bounds */
    int64_t since_us;       /* wall; when it began to count */
    int64_t pulls_since_us; /* wall; the first of `pulls`; 0: none */
    size_t in_progress;     /* containers whose image is being pulled now */
    uint64_t in_progress_bytes;
    int64_t in_progress_since_us; /* wall; the oldest of them; 0: none */
};

/* Attempts of the pods of one namespace to pull from one registry; "_other" stands for the
 * namespaces over the limit, "other" for the registries of one over its limit. */
struct snapshot_namespace {
    const char *namespace;
    const char *registry;
    uint64_t attempts; /* since the first failure; 0: unknown */
    uint64_t failures[CAUSE_MAX];
    int64_t since_us[CAUSE_MAX]; /* wall; of the first one; 0: none */
    int64_t began_us;            /* wall; of the first of them */
};

/* When a counter that appears with its first count began: wall; 0: it has not counted. */
struct counted_since {
    int64_t reasons_us[REASON_MAX];
    int64_t limit_hits_us[LIMIT_HIT_MAX];
    int64_t recoveries_us[CAUSE_MAX];
};

enum snapshot_detail {
    SNAPSHOT_METRICS, /* numbers and labels; open incidents only */
    SNAPSHOT_DETAIL,  /* also texts, evidence, and incidents that ended in the last 10 minutes */
};

struct snapshot {
    struct arena arena;
    const void **owned; /* texts in memory that is shared with others (shared.h) */
    size_t n_owned;
    struct instant taken;
    const char *node;
    const char *runtime_name; /* NULL while no runtime has answered */
    const char *runtime_version;
    const struct snapshot_incident *incidents; /* open ones first, each group oldest first */
    size_t n_incidents;
    const struct snapshot_registry *registries; /* first seen first; "other" last */
    size_t n_registries;
    const struct snapshot_namespace *namespaces; /* those with failures, first seen first */
    size_t n_namespaces;
    uint64_t unowned_bytes; /* in flight; the owner is unknown, because several are possible */
    const struct snapshot_image *images; /* oldest first */
    size_t n_images;
    struct snapshot_image_fs image_fs;
    const struct snapshot_observation
        *recent; /* oldest first, at most LIMIT_RECENT; only with SNAPSHOT_DETAIL */
    size_t n_recent;
    bool bytes_known;                   /* the runtime lists blobs in flight */
    bool fetched_known;                 /* the runtime lists the blobs that it has */
    bool phases_known;                  /* ... and shows the phases of pulls */
    uint64_t phases_us[PULL_PHASE_MAX]; /* how long pulls were in each phase */
    int64_t phases_since_us;            /* wall; when these began to count */
    struct pulls_of_size pulls_of_size[SIZE_CLASS_MAX];
    struct histogram recoveries[CAUSE_MAX]; /* histogram_recovery_bounds */
    uint64_t reasons[REASON_MAX];
    uint64_t limit_hits[LIMIT_HIT_MAX];
    struct counted_since since;
    size_t left_out[LIMIT_HIT_MAX]; /* how many the limit leaves out now: see limit_left_out() */
    struct source_status sources[SOURCE_MAX];
    struct runtime_calls calls;
    uint64_t changes; /* what changes() below returned at this moment */
    bool healthy;     /* every loop ticked within the last minute */
    bool ready;       /* the first pod list is done, or nothing is read from Kubernetes */
};

void snapshot_done(struct snapshot *snapshot);

/* Where exporter/ gets its snapshots. */
struct snapshot_source {
    void *self;
    /* Any thread. 0, or -ENOMEM with nothing to free. */
    int (*take)(void *self, enum snapshot_detail detail, struct snapshot *ret, struct err *err);
    /* How often the state has changed. While it has not, snapshots differ only in what changes with
     * time alone. Any thread; waits for nothing. */
    uint64_t (*changes)(void *self, struct instant *ret_now);
};
