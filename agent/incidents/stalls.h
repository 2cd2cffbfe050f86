/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Pulls that stand still without any error. When a registry stops sending, the pod stays in
 * ContainerCreating. The runtime fetches a blob only once, so every other pull that shares it waits
 * in silence too (containerd: core/content, "locked for"; seen on 1.6 and 2.1).
 */

#include "agent/incidents/images.h"
#include "agent/incidents/incidents.h"
#include "agent/incidents/ingests.h"
#include "agent/incidents/pods.h"
#include "clock.h"
#include "observation.h"

/* What is needed to judge; no state of its own. */
struct stalls {
    struct pods *pods;
    struct incidents *incidents;
    struct ingests *ingests;
    struct images *images;
};

/* The runtime listed its blobs, or named the owner of one: stalls begin, continue or end. 0 or
 * -ENOMEM. */
int stalls_take_ingests(struct stalls *stalls, const struct ingests_fact *fact, struct instant now);
int stalls_take_owner(struct stalls *stalls, const struct blob_fact *fact, struct instant now);

/* The runtime told what it has of a repository. */
int stalls_take_repository(struct stalls *stalls, const struct repository_fact *fact,
                           struct instant now);

/* A poll of the runtime has ended, perhaps without a list of blobs. */
void stalls_polled(struct stalls *stalls, struct instant now);

/* Ends all stalls: another runtime answers, or the runtime lists no blobs any more. */
void stalls_clear(struct stalls *stalls, struct instant now);

/* Whether a blob got no new bytes for so long that the runtime should be asked for its owner.
 * `any_moves`: ingests_any_moves(). */
bool ingest_is_idle(const struct ingests *ingests, const struct images *images,
                    const struct ingest_state *ingest, bool any_moves, struct instant now);
