/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Prepared snapshots and a source of them: the agent as exporter/ sees it. Change a snapshot only
 * while no request is running. */

#include <stdatomic.h>

#include "snapshot.h"

#define FIXTURE_INCIDENTS 2048u
#define FIXTURE_REGISTRIES 32u

/* the time of all snapshots: 2026-11-21T22:40:00Z */
#define FIXTURE_NOW (INT64_C(1795300800) * SEC)

struct fixture {
    struct snapshot snapshot;
    struct snapshot_incident incidents[FIXTURE_INCIDENTS];
    struct snapshot_registry registries[FIXTURE_REGISTRIES];
    atomic_uint taken; /* how many snapshots were taken ... */
    atomic_int detail; /* ... and the detail of the last one */
    int error;         /* what take() returns, if not 0 */
    /* The test says with `snapshot.changes` when something has changed. Else something has always
     * changed. */
    bool counts_changes;
    atomic_uint asked;
};

/* A healthy, ready node "node-1" with containerd 2.1.9, the sources pods and cri, and no failures.
 */
void fixture_init(struct fixture *fixture);

/* Adds an incident: blocked for two minutes by a missing manifest. Change it as the test needs. The
 * texts are kept, not copied. */
struct snapshot_incident *fixture_incident(struct fixture *fixture, const char *namespace,
                                           const char *pod, const char *container,
                                           const char *image);

/* Adds a registry; all counters are 0. */
struct snapshot_registry *fixture_registry(struct fixture *fixture, const char *registry);

/* Points at `fixture`. */
struct snapshot_source fixture_source(struct fixture *fixture);

/* The node of the golden files: an incident for each form of the debug JSON, two registries and
 * "other", and counters that are not 0. */
void fixture_golden(struct fixture *fixture);
