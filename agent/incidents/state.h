/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The incident table's insides, shared by the files of agent/incidents/ that work on
 * it and by nobody else. Strings are owned by the struct they are in.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/classify/message.h"
#include "clock.h"
#include "hash.h"
#include "histogram.h"
#include "limits.h"
#include "observation.h"
#include "snapshot.h"

#define POD_BUCKETS 256u
#define IMAGE_BUCKETS 256u

/* What a container's status says about its image. */
enum pull_class {
    PULL_SILENT,   /* nothing: not reported yet, ContainerCreating, PodInitializing */
    PULL_ERROR,    /* ErrImagePull and its like: a pull has just failed */
    PULL_BACK_OFF, /* ImagePullBackOff: the kubelet waits before it tries again */
    PULL_REFUSED,  /* ErrImageNeverPull, InvalidImageName: nothing is ever pulled */
    PULL_DONE,     /* it runs, ran, or failed later than its image */
};

struct container {
    char *name;
    enum container_kind kind;
    char *image;
    uint64_t image_hash; /* image_hash(image) */
    bool always;         /* imagePullPolicy: its image is pulled though it is there */
    /* Since when it waits in its sandbox, without an error, for an image that is absent or always
     * pulled; 0: it does not. */
    int64_t begun_us; /* mono */
    int64_t begun_wall_us;
    int64_t tried_us;  /* mono; when its last pull began, as far as an event told; 0: none did */
    bool found_so;     /* it did so already when this process came */
    bool failed_start; /* terminated with an error: the kubelet will start it again */
    bool unasked;      /* counted as left out of the images that are asked for */
    bool unlisted;     /* counted as left out of the registries */
    enum container_phase phase;
    enum pull_class pull;
    uint64_t said;     /* hash of the waiting reason and message last seen */
    uint64_t replaced; /* what was said of the image before this one; 0: nothing */
    char *waiting_reason;
};

struct image_volume {
    char *reference;
    bool unlisted; /* as above */
};

/* One Event object that says "Failed to pull image", and how often it said so. */
struct event_seen {
    uint64_t event;   /* hash of its uid */
    uint64_t message; /* hash */
    char *container;  /* from its fieldPath; "" for an image volume */
    char *image;      /* as the message names it */
    uint64_t count;
    uint64_t before; /* the part of `count` that is not of the open incident but older */
    int64_t first_us;
    int64_t last_us;
};

struct pod {
    struct pod *next; /* in its bucket */
    char *namespace;
    char *name;
    char *uid;
    char *mirror_uid;
    bool terminal; /* Succeeded, Failed or being deleted: nothing will be pulled any more */
    bool fresh;    /* it came to be while this process was looking */
    bool failed;   /* an incident of it has ended */
    bool unheard;  /* counted as left out of the event watches */
    uint32_t generation;
    size_t waiting; /* containers whose turn it is and that may still lack their image */
    struct container *containers;
    size_t n_containers;
    struct image_volume *volumes;
    size_t n_volumes;
    char **secrets;
    size_t n_secrets;
    char **missing_secrets;
    size_t n_missing_secrets;
    int64_t missing_at_us;    /* wall; when an event last told us so for the first time */
    int64_t missing_event_us; /* wall; that event's own time: it is read again and again */
    int64_t newest_event_us;  /* wall; the newest event's of any kind */
    struct event_seen *events;
    size_t n_events;
    uint32_t sandbox_look;       /* the last look at the runtime that found a ready one */
    int64_t no_sandbox_since_us; /* mono; 0: a ready one was seen, or nobody has looked */
};

struct evidence {
    int64_t at_us;
    enum witness witness;
    char *reason;
    char *text;
};

struct incident {
    struct incident *next;
    char *namespace;
    char *pod;
    char *pod_uid;
    char *container;
    char *image;
    char *registry;
    enum container_kind kind;
    enum incident_state state;

    struct verdict verdict;
    bool caused;           /* the verdict rests on a message that names a cause */
    int64_t verdict_at_us; /* wall time of the message it rests on */
    char *message;

    /* Attempts (DESIGN: old + max(dE, dS)). */
    bool fresh;        /* it began while this process was looking: old stays 0 */
    bool books;        /* counts in metrics; false for the second container of one image volume */
    bool stalled_only; /* it began as a stall, and no try has failed since */
    uint64_t old;      /* known only from events older than this process */
    uint64_t status_count; /* S: entries into a pull-error reason */
    uint64_t grown;        /* max(dE, dS) so far: booked + unbooked */
    uint64_t unbooked;     /* of these, not yet under any cause */
    int64_t book_by_us;    /* mono; when `unbooked` is booked as unknown */

    int64_t opened_us; /* mono */
    int64_t opened_wall_us;
    int64_t since_us; /* wall; what events say of earlier times is not about this incident */
    int64_t first_failure_us;
    bool first_failure_exact;
    int64_t last_failure_us;
    int64_t last_failure_mono_us; /* wall clocks jump */
    int64_t ended_us;
    int64_t forget_us; /* mono; when an ended one is forgotten */

    /* While STALLED: what stands still. */
    struct stall {
        char *digest;  /* NULL: no stall */
        uint64_t hash; /* of it */
        uint64_t bytes;
        uint64_t total;
        int64_t moved_wall_us;
        int64_t noted_wall_us; /* when it was found */
        bool judged;           /* found standing still in this round */
        bool crowded;          /* counted as one behind which more wait than are shown */
    } stall;

    struct evidence evidence[LIMIT_EVIDENCE_PER_INCIDENT]; /* oldest first */
    size_t n_evidence;

    /* The pod's, copied when the incident ends: it may outlive its pod. */
    char **secrets;
    size_t n_secrets;
    char **missing_secrets;
    size_t n_missing_secrets;
};

/* An image that a container of this node waits for, or did a minute ago. */
struct image_state {
    struct image_state *next;
    struct image_state *bucket_next; /* in its bucket */
    char *canonical;
    char *asked; /* the spec's text: what a short name means is the runtime's to say */
    uint64_t hash;
    uint64_t size;
    char *digest;
    bool present;
    bool failed;       /* a try to pull it has failed since it was missed */
    bool pull_inexact; /* the one of now began before this process did */
    int64_t seen_us;   /* mono; when the runtime last spoke of it */
    int64_t missed_us; /* mono; when it was found absent */
    int64_t pull_us;   /* mono; when the pull began that goes well so far; 0: none is known */
    int64_t used_us;   /* mono; when a container was first seen made of it since; 0: none yet */
    size_t waiting;    /* images_count(): containers whose turn it is and that may lack it */
    size_t pulling;    /* of these, without an error and in a sandbox, while it is fetched */
    int64_t begun_us;  /* mono; since when the first of these does; 0: none does */
    int64_t begun_wall_us;
    bool always;     /* one of those that wait has it pulled though it is there */
    bool retried;    /* one of those that wait failed, and is tried again at any time */
    uint32_t wanted; /* the round of correlate_wanted() that named it last */
};

/* A blob in flight, or what is left of one: the runtime keeps half a layer for the next try. */
struct ingest_state {
    char *digest;
    uint64_t bytes;
    uint64_t total;
    int64_t moved_wall_us;
    int64_t begun_us;    /* mono */
    int64_t moved_us;    /* mono; when bytes last came */
    bool proven;         /* some container is known to be stalled by it */
    int64_t told_us;     /* mono; when somebody last told whose it is; 0: nobody has */
    char **repositories; /* whose it is */
    size_t n_repositories;
};

/* One of the observations heard lately. */
struct heard {
    uint64_t number;
    int64_t at_us; /* wall */
    enum source_id source;
    enum observation_kind kind;
    char *texts; /* see heard.c; NULL: an empty place */
    enum effect effect;
};

/* How often incidents were changed so far. */
struct changes {
    uint64_t opened;
    uint64_t moved; /* state, verdict, attempts or evidence */
    uint64_t ended;
};

/* Whom a counter's newest failure struck. */
struct newest {
    char *namespace; /* NULL: none yet */
    char *pod;
    int64_t at_us; /* wall */
};

struct registry {
    char *name;
    uint64_t attempts;
    uint64_t failures[CAUSE_MAX];
    struct newest newest[CAUSE_MAX];
    uint64_t bytes;         /* of images that were pulled */
    struct histogram pulls; /* good ones */
    int64_t used_us;        /* mono; last time a pod named it */
};

struct correlate {
    struct instant started;
    struct pod *pods[POD_BUCKETS];
    size_t n_pods;
    size_t waiting;      /* sum over all pods */
    uint32_t generation; /* of the current list */
    bool listing;
    bool listed;
    struct incident *incidents; /* oldest first */
    size_t n_incidents;
    struct image_state *images; /* the newest is first */
    struct image_state *image_buckets[IMAGE_BUCKETS];
    uint32_t wanted_round;
    struct ingest_state *ingests;
    size_t n_ingests;
    int64_t ingests_us;     /* mono; when they were last told */
    bool tells_ingests;     /* the runtime does */
    unsigned blind_looks;   /* at the runtime, since it last told them */
    int64_t stall_after_us; /* 0: nobody looks for stalls */
    char *fs_mountpoint;    /* where the runtime keeps images; NULL: not told */
    uint64_t fs_used_bytes;
    uint64_t fs_used_inodes;
    struct histogram recoveries[CAUSE_MAX];
    size_t evidence_bytes;       /* texts of all incidents' evidence */
    uint32_t look;               /* number of the current look at the runtime, from 1 */
    struct registry *registries; /* max_registries, then the one for all others */
    size_t n_registries;
    size_t max_registries;
    uint64_t reasons[REASON_MAX];
    uint64_t limit_hits[LIMIT_HIT_MAX];
    struct changes changes;
    struct heard heard[LIMIT_RECENT]; /* a ring */
    size_t heard_next;
    uint64_t n_recent;
    int64_t next_sweep_us; /* mono */
    char *runtime_name;
    char *runtime_version;
};

/* --- pods.c --------------------------------------------------------------- */

/* NULL: not of this node. */
struct pod *pod_find(const struct correlate *c, struct str uid);

/* Also by the uid that events and CRI use for a static pod. */
struct pod *pod_find_named(const struct correlate *c, struct str uid);

/* Brings the pod and its containers up to date. Keeps what the fact does not tell. */
int pod_upsert(struct correlate *c, const struct pod_fact *fact, struct pod **ret, bool *ret_new);
void pod_remove(struct correlate *c, struct pod *pod);
void pods_free(struct correlate *c);

struct container *pod_container(const struct pod *pod, struct str name);

/*
 * Whether the container waits now. Init containers and sidecars start one by one, the others after
 * them: ask in the pod's order, with `blocked` false before the first.
 */
bool container_waits(const struct container *container, bool *blocked);

/* Counts anew after the pod's containers changed. */
void pod_count_waiting(struct correlate *c, struct pod *pod);

/* Replaces the list `*list` of `*n` texts. On -ENOMEM it is as before. */
int texts_replace(char ***list, size_t *n, const struct str *texts, size_t n_texts);
void texts_free(char **list, size_t n);

/* --- incidents.c ----------------------------------------------------------- */

/* What an incident is about, and how the witness came to it. */
struct incident_key {
    struct pod *pod;
    struct str container;
    enum container_kind kind;
    struct str image; /* the spec's text */
};

struct incident *incident_find_open(struct correlate *c, const struct incident_key *key);

/* The newest one that ended, or NULL. */
struct incident *incident_find_ended(struct correlate *c, const struct incident_key *key);

/*
 * `fresh`: it began while this process was looking, so that all its attempts count. 0 and
 * *ret, -ENOMEM, or -ENOSPC: every place is taken by an open incident (counted as a limit hit).
 */
int incident_open(struct correlate *c, const struct incident_key *key, bool fresh,
                  struct instant now, struct incident **ret);

void incident_move(struct correlate *c, struct incident *incident, enum incident_state next);
void incident_end(struct correlate *c, struct incident *incident, struct pod *pod,
                  enum incident_state how, struct instant now);

/* Ends the pod's open incidents of one container, or of all (NULL). */
void incidents_end(struct correlate *c, struct pod *pod, const char *container,
                   enum incident_state how, struct instant now);

/* Over LIMIT_EVIDENCE_BYTES in all incidents together, the text is left out. */
int incident_evidence(struct correlate *c, struct incident *incident, enum witness witness,
                      struct str reason, struct str text, int64_t at_us);

/* How many of the pod's missing Secrets still explain this incident: all of them, or none. */
size_t incident_missing_secrets(const struct incident *incident, const struct pod *pod);

/* The verdict with what the pod itself tells: which pull Secrets it has, and whether they exist. */
struct verdict incident_verdict(const struct incident *incident, const struct pod *pod);
void incidents_forget(struct correlate *c, struct instant now);
void incidents_free(struct correlate *c);

/* --- attempts.c ------------------------------------------------------------ */

/* Recounts after a witness spoke. `said` is the cause its words name, NULL where they name none. */
void attempts_update(struct correlate *c, struct incident *incident, const struct pod *pod,
                     const struct verdict *said, struct instant now);

/* What people are shown: at least 1, since an incident is a failed attempt. */
uint64_t attempts_shown(const struct incident *incident);

/* An event can come when the incident has ended, and still name the cause that a status did not. */
void attempts_named(struct correlate *c, struct incident *ended, const struct message *message,
                    const struct verdict *verdict, struct instant now);

/* Books what waited too long for a cause (`all`: also what could still wait). */
void attempts_overdue(struct correlate *c, struct incident *incident, bool all, struct instant now);

/* Remembers what an Event object counts; `incident` is the one it speaks of, or NULL. */
int attempts_event(struct correlate *c, struct pod *pod, struct incident *incident,
                   const struct event_fact *fact, struct str container, struct str image);

/* Shares out what Event objects said already: an event can come before the status that opens an
 * incident. */
void attempts_start(struct pod *pod, struct incident *incident);

/* All they said so far is the ended incident's, not of the next one. */
void attempts_end(struct pod *pod, const struct incident *incident);
void event_seen_done(struct event_seen *seen);
void newest_done(struct newest *newest);

/* --- images.c --------------------------------------------------------------- */

/* The same for all spellings of one image. */
uint64_t image_hash(struct str image);
struct image_state *image_find(const struct correlate *c, struct str image); /* or NULL */
struct image_state *image_of(const struct correlate *c, const struct container *container);
int witness_image(struct correlate *c, const struct image_fact *fact, struct instant now);

/* A container was made of it: it is there, before the runtime was asked again. */
void image_used(struct correlate *c, struct str image, struct instant now);

/* Its pull has ended, if only nobody asked how: worth asking once more. */
bool image_is_awaited(const struct image_state *image);
void image_pull_failed(struct correlate *c, struct str image);

/* A container waits for it, and it is absent or may be pulled again. */
bool image_may_be_fetched(const struct image_state *image);

/* Brings `waiting` and `pulling` of all images up to date. */
void images_count(struct correlate *c);

/* The runtime has told all it was asked. */
void images_looked(struct correlate *c, struct instant now);
void images_forget(struct correlate *c, int64_t now_mono_us);
void images_free(struct correlate *c);

/* --- stalls.c --------------------------------------------------------------- */

int witness_ingests(struct correlate *c, const struct ingests_fact *fact, struct instant now);
int witness_blob(struct correlate *c, const struct blob_fact *fact, struct instant now);

/* Bytes have not come for so long that somebody should ask whose they are. */
bool ingest_is_idle(const struct correlate *c, const struct ingest_state *ingest,
                    struct instant now);

void stall_done(struct stall *stall);
void ingests_free(struct correlate *c);

/* Began or moved since then, or so shortly before that a look could not tell. */
bool ingest_is_since(const struct ingest_state *ingest, int64_t mono_us);

/* The runtime or the kubelet gave up: the try that stood still has failed. */
void stall_failed(struct correlate *c, struct incident *incident);

/* Another runtime answers, or it tells no more: what it told is of the past. */
void ingests_forget(struct correlate *c, struct instant now);

/* The runtime was looked at, and perhaps told no ingests. */
void ingests_looked(struct correlate *c, struct instant now);

/* Whether a manifest of the image's repository names it, as far as somebody asked. */
bool ingest_is_of(const struct ingest_state *ingest, const struct image_state *image);

/* --- view_pulls.c ----------------------------------------------------------- */

/* Fills what a snapshot says of images; 0 or -ENOMEM. */
int view_images(struct correlate *c, struct snapshot *ret);

/* The same of one registry's pulls, out of ret->images. */
void view_in_progress(const struct snapshot *from, struct snapshot_registry *to);

/* `open`: the views of all open incidents. NULL and 0: no stall. -ENOMEM. */
int view_stall(struct correlate *c, struct incident *incident, const struct snapshot_incident *open,
               struct arena *arena, const struct snapshot_stall **ret);

/* --- heard.c ---------------------------------------------------------------- */

/* After the observation was taken; `before` is c->changes before it. */
void heard_note(struct correlate *c, const struct observation *observation,
                const struct changes *before, struct instant now);
int view_heard(const struct correlate *c, struct snapshot *ret);
void heard_free(struct correlate *c);

/* --- registries.c ---------------------------------------------------------- */

/* The row that counts for the registry of `image`; over the cap, the row for all others. Never
 * NULL. */
struct registry *registry_of(struct correlate *c, struct str image, struct instant now);

/* A pod names it: it gets a row where there is room. `*unlisted`: that it got none was counted. */
void registry_named(struct correlate *c, struct str image, bool *unlisted, struct instant now);
void registries_forget(struct correlate *c, struct instant now);
void registries_free(struct correlate *c);

/* --- the witnesses --------------------------------------------------------- */

/* The pod has its sandbox after all: what blamed the sandbox's image is over. */
void sandbox_made(struct correlate *c, struct pod *pod, struct instant now);

int witness_pod(struct correlate *c, const struct pod_fact *fact, struct instant now);

/* "spec.initContainers{setup}" -> "setup"; empty where the event is about the pod. */
struct str event_container(struct str field_path);
int witness_event(struct correlate *c, const struct event_fact *told, struct instant now);
void witness_sandbox(struct correlate *c, const struct sandbox_fact *fact, struct instant now);
void witness_sandboxes_end(struct correlate *c, struct instant now);
void witness_created(struct correlate *c, const struct created_fact *fact, struct instant now);

/* Words of a witness about one pull. */
struct testimony {
    enum witness witness;
    struct str reason; /* waiting or event reason */
    struct str text;
    int64_t at_us; /* wall */
};

/* Whether the words behind the verdict name a cause; a bare "Back-off pulling image" does not. */
bool verdict_names_cause(const struct verdict *verdict, const struct message *message);

/* Takes the words into an open incident: message, evidence, and the verdict where they know better.
 */
int incident_hear(struct correlate *c, struct incident *incident, const struct testimony *testimony,
                  const struct message *message, const struct verdict *verdict);
