/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Snapshots made by hand, and a source that hands them out: the agent as
 * exporter/ sees it. Change the picture only while no request is under way.
 */

#include <stdatomic.h>

#include "snapshot.h"

#define FIXTURE_INCIDENTS 2048u
#define FIXTURE_REGISTRIES 32u

/* 2026-11-21T22:40:00Z, when all pictures are taken. */
#define FIXTURE_NOW (INT64_C(1795300800) * SEC)

struct fixture {
    struct snapshot snapshot;
    struct snapshot_incident incidents[FIXTURE_INCIDENTS];
    struct snapshot_registry registries[FIXTURE_REGISTRIES];
    atomic_uint taken; /* how many pictures were taken ... */
    atomic_int detail; /* ... and with which detail the last one */
    int error;         /* what take() returns, if not 0 */
};

/* A healthy, ready node "node-1" with containerd 2.1.9, pods and cri switched on, and nothing
 * wrong.
 */
void fixture_init(struct fixture *fixture);

/* One more incident, blocked for two minutes by a missing manifest; change what a test needs other.
 * The texts are kept, not copied. */
struct snapshot_incident *fixture_incident(struct fixture *fixture, const char *namespace,
                                           const char *pod, const char *container,
                                           const char *image);

/* One more registry, all counters 0. */
struct snapshot_registry *fixture_registry(struct fixture *fixture, const char *registry);

/* Points at `fixture`. */
struct snapshot_source fixture_source(struct fixture *fixture);

/*
 * The node of the golden files: an incident for each shape that the debug JSON
 * has, two registries and "other", counters that are not 0.
 */
void fixture_golden(struct fixture *fixture);
