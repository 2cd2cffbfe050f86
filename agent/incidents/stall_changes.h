/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a stall changes in an incident: how it begins, continues and ends. */

#include "agent/incidents/incidents.h"
#include "agent/incidents/ingests.h"
#include "agent/incidents/pods.h"
#include "clock.h"
#include "limit.h"

/* A container that is found to be stalled. */
struct stall_found {
    enum stall_kind waits_for;
    const struct ingest_state *ingest; /* the blob that stands still; NULL: none is known */
    int64_t since_us;                  /* wall */
    size_t slots;                      /* how many slots are held by blobs that stand still */
    bool holds_slot;                   /* by blobs of this pull, too */
    bool doubtful;                     /* see struct stall */
};

/* The text about one blob, written once for all the containers that it holds up. */
struct stall_text {
    const struct ingest_state *about;
    char text[LIMIT_MESSAGE_TEXT];
};

/* Opens the incident if there is none (*incident is NULL), and moves it to STALLED. 0, also if
 * there is no room for it, or -ENOMEM. */
int stall_begin(struct incidents *incidents, const struct incident_key *key,
                struct incident **incident, const struct stall_found *found,
                struct stall_text *text, struct instant now);

/* The incident continues as a failed attempt; if it was only a stall, it ends. */
void stall_over(struct incidents *incidents, struct pods *pods, struct incident *incident,
                enum incident_state how, struct instant now);

/* The runtime or the kubelet gave up: the attempt that stood still has failed. */
void stall_failed(struct incidents *incidents, struct incident *incident, struct instant now);
