/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A node as the incident table sees it: pods whose containers wait or run, events, the runtime, and
 * a clock that only the test moves.
 */

#include <stdbool.h>
#include <stdint.h>

#include "agent/incidents/correlate.h"
#include "observation.h"
#include "snapshot.h"
#include "util.h"

#define REGISTRY "registry.example.com"
#define IMAGE REGISTRY "/team/app:v1"
#define UNAUTHORIZED_TEXT                                                                          \
    "failed to pull and unpack image \"" IMAGE "\": failed to resolve image: unexpected status "   \
    "from HEAD request to https://" REGISTRY "/v2/team/app/manifests/v1: 401 Unauthorized"
#define NOT_FOUND_TEXT                                                                             \
    "rpc error: code = NotFound desc = failed to pull and unpack image \"" IMAGE                   \
    "\": failed to resolve image: " IMAGE ": not found"
#define BACK_OFF_TEXT "Back-off pulling image \"" IMAGE "\""

struct world {
    struct correlate *correlate;
    struct instant now;
};

/* The process starts; there is no pod list yet. */
void world_begin(struct world *w);
void world_end(struct world *w);
void world_advance(struct world *w, int64_t by_us);

/* A pod with one waiting container "app" of IMAGE; the caller may change it before observe_pod().
 */
struct pod_facts {
    struct pod_fact fact;
    struct container_fact containers[4];
    struct image_volume_fact volumes[2];
    struct str secrets[2];
};
void pod_of(struct world *w, struct pod_facts *facts, const char *name);
void observe_pod(struct world *w, const struct pod_facts *facts);

/* The same with app's state: a waiting reason and message, or running. */
void observe_waiting(struct world *w, const char *name, const char *reason, const char *message);
void observe_running(struct world *w, const char *name);
void observe_deleted(struct world *w, const char *name);
void observe_list_begin(struct world *w);
void observe_list_end(struct world *w);

/* An event of pod `name`, container "app" (field_path "" for none); its Event object is `object`.
 */
void observe_event(struct world *w, const char *name, const char *field_path, const char *object,
                   const char *reason, const char *message, int count);
#define APP_PATH "spec.containers{app}"

void observe_image(struct world *w, const char *image, bool present);
/* A poll of the runtime that found a ready sandbox for this pod only. */
void observe_polled(struct world *w, const char *name);

/* A blob in flight: its bytes so far, and how long ago the last byte came. */
struct blob_seen {
    const char *digest;
    uint64_t bytes;
    int64_t idle_us;
};
void observe_ingests(struct world *w, const struct blob_seen *blobs, size_t n);
#define OBSERVE_BLOBS(w, ...)                                                                      \
    observe_ingests(w, (const struct blob_seen[]){ __VA_ARGS__ },                                  \
                    sizeof((const struct blob_seen[]){ __VA_ARGS__ }) / sizeof(struct blob_seen))
void observe_blob_owner(struct world *w, const char *digest, const char *repository);

void observe_created(struct world *w, const char *name, const char *container);

/* Advances no time. Call snapshot_done() before the next one. */
void world_snapshot(struct world *w, struct snapshot *snapshot);

/* The only incident of pod `name`; fails the test unless there is exactly one. */
const struct snapshot_incident *incident_of(const struct snapshot *snapshot, const char *name);
size_t incidents_of_pod(const struct snapshot *snapshot, const char *name);

/* Failures of all registries with one cause; attempts of one registry, UINT64_MAX: no such row. */
uint64_t failures_of(const struct snapshot *snapshot, enum cause cause);
uint64_t attempts_of(const struct snapshot *snapshot, const char *registry);

/* cmocka's setup and teardown: *state is a struct world. */
int world_setup(void **state);
int world_teardown(void **state);
#define WORLD_TEST(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)
