/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The blobs in flight, and blobs that a failed attempt left behind: the runtime keeps half a layer
 * for the next attempt. Only containerd lists them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/incidents/counters.h"
#include "agent/incidents/names.h"
#include "clock.h"
#include "observation.h"

struct ingest_state {
    const char *digest; /* shared */
    uint64_t bytes;
    uint64_t total;
    int64_t moved_wall_us;
    int64_t begun_us;                 /* mono */
    int64_t moved_us;                 /* mono; when bytes last came */
    bool queued;                      /* no byte has come, and it may still wait for a slot */
    bool proven;                      /* a container is known to be stalled by it */
    bool claimed;                     /* a pull that is known to run can own it, as last judged */
    bool holds_slot;                  /* stands still in a download slot, as last judged */
    size_t held_up;                   /* number of containers that it holds up, as last judged */
    int64_t asked_us;                 /* mono; when the runtime last named its owner; 0: never */
    const struct names *repositories; /* the repositories that own it */
};

struct ingests {
    struct counters *counters;
    int64_t stall_after_us; /* 0: stalls are not detected */
    struct ingest_state *list;
    size_t n;
    int64_t listed_us;     /* mono; when the runtime last listed them */
    int64_t active_us;     /* mono; when bytes last came for one of them, or one of them ended */
    int64_t ended_us;      /* mono; when the youngest began of those that ended, have no known owner
                              and were in the last list; 0: none */
    int64_t runtime_us;    /* mono; since when the present run of the runtime answers */
    bool before_slot;      /* the runtime lists a blob before it has a download slot */
    bool known;            /* the runtime lists them */
    bool cut;              /* it lists more than have a place here */
    unsigned silent_polls; /* polls of the runtime since `listed_us` */
};

void ingests_init(struct ingests *ingests, struct counters *counters, int64_t stall_after_us);
void ingests_done(struct ingests *ingests);

/* The runtime's new list, or the owner of one blob. 0 or -ENOMEM. */
int ingests_take(struct ingests *ingests, const struct ingests_fact *fact, struct instant now);
int ingests_take_owner(struct ingests *ingests, const struct blob_fact *fact, struct instant now);

/* The runtime answers on a new connection: it may have been restarted. */
void ingests_connected(struct ingests *ingests, struct instant now);

/* The runtime does not list them any more. */
void ingests_clear(struct ingests *ingests);

/* A poll of the runtime has ended, perhaps without a list. Returns whether the last list is too old
 * now. */
bool ingests_polled(struct ingests *ingests);

/* NULL: not in flight. */
struct ingest_state *ingest_find(const struct ingests *ingests, struct str digest);

/*
 * Whether bytes came within the last `stall_after`. A queued blob gets its slot when bytes complete
 * another blob, so its own time begins at the last activity of any blob.
 */
bool ingest_moves(const struct ingests *ingests, const struct ingest_state *ingest,
                  struct instant now);

/* Whether any blob does; one that is queued only waits. */
bool ingests_any_moves(const struct ingests *ingests, struct instant now);

/* Whether bytes are missing and none came within the last `stall_after`. */
bool ingest_waits_for_bytes(const struct ingests *ingests, const struct ingest_state *ingest,
                            struct instant now);

/* Whether the blob began or moved since `mono_us`. */
bool ingest_is_since(const struct ingest_state *ingest, int64_t mono_us);

/* The same, with the tolerance of one poll of the runtime. */
bool ingest_is_about_since(const struct ingest_state *ingest, int64_t mono_us);

/* Whether the first time is not after the second one, with the same tolerance. */
bool ingest_poll_before(int64_t mono_us, int64_t other_us);

/* Whether the blob began after `mono_us`, with the same tolerance. */
bool ingest_begun_after(const struct ingest_state *ingest, int64_t mono_us);

/* The repository of a canonical image as the runtime names it, "host/path" without the port; false:
 * there is none. */
bool image_repository(const char *canonical, char ret[LIMIT_IMAGE_TEXT]);
bool image_is_of_repository(const char *canonical, struct str repository);

/* Whether two canonical images are of one repository as the runtime names it: without the port. */
bool image_same_repository(const char *canonical, const char *other);

/* Whether the runtime named the image's repository as an owner of the blob. False if the runtime
 * was not asked. */
bool ingest_is_of(const struct ingest_state *ingest, const char *canonical_image);
