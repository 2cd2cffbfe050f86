/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a pod's status reports: the first witness, and the one that decides when an incident ends.
 */

#include "clock.h"
#include "observation.h"

struct correlate;

/* 0 or -ENOMEM. */
int witness_pod(struct correlate *c, const struct pod_fact *fact, struct instant now);
void witness_pod_deleted(struct correlate *c, struct str uid, struct instant now);

/* A complete list of pods begins, and ends: pods that it did not contain are gone. */
void witness_pods_begin(struct correlate *c);
void witness_pods_end(struct correlate *c, struct instant now);
