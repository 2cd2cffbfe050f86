/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The incidents: which container cannot get which image, since when and why. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/classify/message.h"
#include "agent/incidents/attempts.h"
#include "agent/incidents/counters.h"
#include "agent/incidents/evidence.h"
#include "agent/incidents/names.h"
#include "agent/incidents/pods.h"
#include "agent/incidents/pull.h"
#include "agent/incidents/registries.h"
#include "clock.h"
#include "snapshot.h"
#include "util.h"

#define INCIDENT_BUCKETS 1024u

/* A witness may cut its time to whole seconds. So a time that is older by this much is the same
 * moment. */
#define SAME_MOMENT_US (2 * SEC)

/* A kubelet writes the Event of a failed pull at once, and the status ErrImagePull with its next
 * look at the pod: 10 to 15 s later (kubelet: pkg/kubelet/pod_workers.go, workerBackOffPeriod with
 * jitter). ImagePullBackOff follows with the look after that. */
#define STATUS_SOON_US (10 * SEC)
#define STATUS_LATE_US (15 * SEC)
#define STATUS_LATEST_US (25 * SEC) /* on a busy node */

/* What an incident that is STALLED waits for. */
struct stall {
    int64_t noted_wall_us; /* when it was found; 0: no stall */
    enum stall_kind waits_for;
    const char *digest; /* of the blob that stands still, shared with it; NULL: none is known */
    uint64_t bytes;
    uint64_t total;
    int64_t moved_wall_us;
    size_t slots;    /* how many slots are held by blobs that stand still */
    bool holds_slot; /* by blobs of this pull, too */
    bool doubtful;   /* nobody saw its bytes stop, or the blob may belong to another pull */
    bool judged;     /* found standing still in this round */
    bool left_out;   /* counted at LIMIT_WAITING_BEHIND */
};

/* Where the container fails, as its last status says. */
enum pull_place {
    PLACE_PULL,   /* the kubelet tries to pull, and waits longer after each attempt */
    PLACE_BEFORE, /* see PULL_PREVENTED */
    PLACE_AFTER, /* when it is created or started: in a virtual machine that pulls the image itself,
                    or because the image is gone again */
};

struct incident {
    struct incident *next, *previous; /* oldest first */
    struct incident *next_of_bucket;  /* within one bucket, oldest first */
    struct tenant *tenant;
    const struct pull *pull;
    enum incident_state state;

    struct verdict verdict;
    bool caused;           /* the verdict rests on a message that names a cause */
    int64_t verdict_at_us; /* wall time of the message it rests on */
    bool had_no_login;     /* a message proved that the registry was asked without a login */
    const char *message;   /* shared */

    struct attempts attempts;
    bool stalled_only; /* it began as a stall, and no attempt has failed since */
    enum pull_place place;

    int64_t opened_us; /* mono */
    int64_t opened_wall_us;
    int64_t first_failure_us;
    bool first_failure_exact;
    int64_t last_failure_us;      /* 0: before this process started, and unknown */
    int64_t found_failure_us;     /* as the status at the start tells it; 0: unknown */
    int64_t last_event_us;        /* of an attempt that failed; 0: no event yet */
    int64_t last_failure_mono_us; /* because wall clocks jump */
    int64_t ended_us;
    int64_t forget_us; /* mono; when an ended one is forgotten */

    struct stall stall;
    int64_t bytes_stopped_us; /* wall; when an attempt failed whose bytes had stopped; 0: never */
    const struct evidence *evidence; /* NULL: none */

    /* Of the pod. The incident keeps them when it ends, because the pod can be gone before the
     * incident. */
    const struct owner *owner;
    const struct names *secrets;
    const struct names *missing_secrets;
};

struct incidents {
    struct counters *counters;
    struct registries *registries;
    const struct pods *pods;
    struct incident *first, *last;
    struct incident *buckets[INCIDENT_BUCKETS]; /* by the hash of the pod */
    size_t n;
    size_t evidence_bytes; /* size of the evidence texts of all incidents */
};

void incidents_init(struct incidents *incidents, struct counters *counters,
                    struct registries *registries, const struct pods *pods);
void incidents_done(struct incidents *incidents);

/* What an incident is about. */
struct incident_key {
    struct pod *pod;
    struct str container;
    enum container_kind kind;
    struct str image;    /* the spec's text */
    uint64_t image_hash; /* image_hash(image) */
    struct str asked;    /* where the runtime looked for a short name; empty: as the image says */
};

/* The key for a container and its own image. */
struct incident_key incident_key_of(struct pod *pod, const struct container *container);

/* The pod's open incidents, oldest first: `after` is NULL before the first one. */
struct incident *incident_next_open(const struct incidents *incidents, const struct pod *pod,
                                    const struct incident *after);
struct incident *incident_find_open(const struct incidents *incidents,
                                    const struct incident_key *key);

/* The newest ended incident with this key, or NULL. */
struct incident *incident_find_ended(const struct incidents *incidents,
                                     const struct incident_key *key);

/* Whether an attempt to pull the image failed in an incident that is still open. */
bool incidents_failed_on(const struct incidents *incidents, struct str image);

/* Whether an open incident is about a container that must not pull the image. */
bool incidents_never_pull(const struct incidents *incidents, struct str image);

/*
 * `fresh`: it began while this process watched, so that all its attempts count. 0 and *ret,
 * -ENOMEM, or -ENOSPC: there is no place for it (counted as a limit hit). Another incident can
 * lose its place (places.h): of another pod, or one that has ended.
 */
int incident_open(struct incidents *incidents, const struct incident_key *key, bool fresh,
                  struct instant now, struct incident **ret);

/* When an attempt failed, if nothing but the pod's status tells; 0: not known. */
int64_t incident_failure_time(const struct pod *pod, enum pull_class pull, struct instant now);

/* It was found when this process started, with this time. */
void incident_found(struct incident *incident, int64_t failed_us, struct instant now);

/* Whether a status of now can be about an attempt from before this process started. */
bool incident_just_found(const struct incident *incident, struct instant now);

/* Takes the reference to `evidence`. */
void incident_replace_evidence(struct incidents *incidents, struct incident *incident,
                               const struct evidence *evidence);

void incident_move(struct incidents *incidents, struct incident *incident,
                   enum incident_state next);
void incident_end(struct incidents *incidents, struct incident *incident, struct pod *pod,
                  enum incident_state how, struct instant now);

/* Ends the pod's open incidents of one container, or of all (NULL). */
void incidents_end(struct incidents *incidents, struct pod *pod, const char *container,
                   enum incident_state how, struct instant now);

/* The pod has its sandbox: its incidents about the sandbox's image end if they failed before
 * `since_us` (wall; INT64_MAX: all). */
void incidents_end_of_sandbox(struct incidents *incidents, struct pod *pod, int64_t since_us,
                              struct instant now);

/* How many of the pod's missing Secrets still explain this incident: all of them, or none. */
size_t incident_missing_secrets(const struct incident *incident, const struct pod *pod);

/* Call it when a report of a new attempt was taken: a login that is sent after an attempt without
 * one shows that the kubelet has read the pod's Secret. */
void incident_attempted(const struct incident *incident, struct pod *pod, struct instant now);

/* The verdict, completed with the pod's pull Secrets: how many it names, and whether they exist.
 * `pod` may be NULL. */
struct verdict incident_verdict(const struct incident *incident, const struct pod *pod);

/* Does what depends on time alone: books late attempts, forgets ended incidents. */
void incidents_tick(struct incidents *incidents, struct instant now);
