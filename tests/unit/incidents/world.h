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
#define PULL_FAILED(text) "Failed to pull image \"" IMAGE "\": " text
#define BACK_OFF_TEXT "Back-off pulling image \"" IMAGE "\""
#define NEVER_PULL_TEXT "Container image \"" IMAGE "\" is not present with pull policy of Never"

struct world {
    struct correlate *correlate;
    struct instant now;
    bool before_slot; /* the runtime is containerd 2.1: it lists blobs before they have a slot */
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
/* Its container "app" waits for `image`, without an error. */
void observe_waiting_for(struct world *w, const char *name, const char *image);
/* web-0 fails for this reason; it is in the first list, and was created before this process
 * started.
 */
void observe_failing_at_start(struct world *w, const char *reason, const char *message);
void observe_deleted(struct world *w, const char *name);
void observe_list_begin(struct world *w);
void observe_list_end(struct world *w);

/* An event of pod `name`, container "app" (field_path "" for none); its Event object is `object`.
 */
void observe_event(struct world *w, const char *name, const char *field_path, const char *object,
                   const char *reason, const char *message, int count);
#define APP_PATH "spec.containers{app}"
/* An event of web-0 with these times; and one that its pull of IMAGE failed. */
void observe_event_at(struct world *w, const char *field_path, const char *object,
                      const char *reason, const char *message, int count, int64_t first_us,
                      int64_t last_us);
void observe_failed_at(struct world *w, const char *object, int count, int64_t first_us,
                       int64_t last_us);

void observe_image(struct world *w, const char *image, bool present);
/* `image` is present with this size, and the digest "sha256:abcd". */
void observe_size(struct world *w, const char *image, uint64_t size);
/* The sandboxes of one poll: each of them, then the end of the list. */
void observe_sandbox(struct world *w, const char *name, bool ready);
void observe_sandboxes_end(struct world *w);
/* A poll of the runtime that found a ready sandbox for this pod only. */
void observe_polled(struct world *w, const char *name);
/* The pod waits in its sandbox for IMAGE, which is absent: the kubelet pulls it. */
void observe_pulling(struct world *w, const char *name);

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
void observe_blob_owners(struct world *w, const char *digest, const struct str *repositories,
                         size_t n);

/* When the runtime last noted a blob of the repository (wall; 0: it has none). */
void observe_repository(struct world *w, const char *repository, int64_t updated_us);

void observe_created(struct world *w, const char *name, const char *container);

/* Advances no time. Call snapshot_done() before the next one. */
void world_snapshot(struct world *w, struct snapshot *snapshot);

/* The only incident of pod `name`; fails the test unless there is exactly one. */
const struct snapshot_incident *incident_of(const struct snapshot *snapshot, const char *name);
size_t incidents_of_pod(const struct snapshot *snapshot, const char *name);

/* The same of a snapshot of this moment. */
enum incident_state state_of(struct world *w, const char *name);
size_t count_incidents(struct world *w, const char *name);
uint64_t hits_of(struct world *w, enum limit limit);

/* The row of one registry; fails the test if there is none. */
const struct snapshot_registry *registry_row(const struct snapshot *snapshot, const char *registry);

/* Failures of all registries with one cause; attempts of one registry, UINT64_MAX: no such row. */
uint64_t failures_of(const struct snapshot *snapshot, enum cause cause);
uint64_t attempts_of(const struct snapshot *snapshot, const char *registry);

/* cmocka's setup and teardown: *state is a struct world. */
int world_setup(void **state);
int world_teardown(void **state);
#define WORLD_TEST(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)
