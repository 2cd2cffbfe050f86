/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Who gets a place in a full table, so that no namespace can take all places, and what needs its
 * place most has one:
 *
 *   1. The namespace with the most places gives one up for a namespace that has at least two less.
 *   2. Within a namespace, what needs its place least gives it up.
 *
 * Each step makes the shares more equal, or gives a place to what needs it more: two newcomers
 * never displace each other in turn.
 */

#include <stddef.h>
#include <stdint.h>

#include "observation.h"

struct incident;
struct incidents;
struct pod;
struct pods;

/* Which pod gives up its place for this one. NULL: none does. */
struct pod *places_pod(const struct pods *pods, const struct pod_fact *newcomer);

/* Which incident gives up its place for a new one of this pod: first those that have ended. NULL:
 * none does. */
struct incident *places_incident(const struct incidents *incidents, const struct pod *newcomer);

/* Pods without a place, by the hash of their uid. */
struct left_out_pod {
    uint64_t hash;
    uint32_t generation; /* the last list that had it */
};

/* A pod has no place now; it has one, or is gone. */
void places_leave_out(struct pods *pods, struct str uid);
void places_found(struct pods *pods, struct str uid);

/* A complete list has ended: pods that it did not contain are gone. */
void places_listed(struct pods *pods);
