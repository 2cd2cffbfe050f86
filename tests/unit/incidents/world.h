/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A node as the incident table sees it, told in a few words: pods whose
 * containers wait or run, events, what the runtime says, and time that passes
 * when the test says so.
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

/* The process begins to look; no pod list yet. */
void world_begin(struct world *w);
void world_end(struct world *w);
void world_advance(struct world *w, int64_t by_us);

/* A pod with one container "app" of IMAGE; the caller may change it before telling it. */
struct pod_told {
    struct pod_fact fact;
    struct container_fact containers[4];
    struct image_volume_fact volumes[2];
    struct str secrets[2];
};
void pod_of(struct world *w, struct pod_told *told, const char *name);
void tell_pod(struct world *w, const struct pod_told *told);

/* The same with app's state: a waiting reason and message, or running. */
void tell_waiting(struct world *w, const char *name, const char *reason, const char *message);
void tell_running(struct world *w, const char *name);
void tell_deleted(struct world *w, const char *name);
void tell_list_begin(struct world *w);
void tell_list_end(struct world *w);

/* An event of pod `name`, container "app" (field_path "" for none); its Event object is `object`.
 */
void tell_event(struct world *w, const char *name, const char *field_path, const char *object,
                const char *reason, const char *message, int count);
#define APP_PATH "spec.containers{app}"

void tell_image(struct world *w, const char *image, bool present);
/* The container's sandbox is ready, and this look at the runtime is over. */
void tell_looked(struct world *w, const char *name);

/* A blob in flight: these many bytes so far, the last of them now or as long ago as said. */
struct blob_told {
    const char *digest;
    uint64_t bytes;
    int64_t idle_us;
};
void tell_ingests(struct world *w, const struct blob_told *blobs, size_t n);
#define TELL_INGESTS(w, ...)                                                                       \
    tell_ingests(w, (const struct blob_told[]){ __VA_ARGS__ },                                     \
                 sizeof((const struct blob_told[]){ __VA_ARGS__ }) / sizeof(struct blob_told))
void tell_blob_owner(struct world *w, const char *digest, const char *repository);

void tell_created(struct world *w, const char *name, const char *container);

/* A picture with all detail; world_look_done() before the next. */
struct look {
    struct snapshot snapshot;
};
void world_look(struct world *w, struct look *look);
void world_look_done(struct look *look);

/* The only incident of pod `name`; fails the test where there is none or more. */
const struct snapshot_incident *look_one(const struct look *look, const char *name);
size_t look_count(const struct look *look, const char *name);

/* Booked failures of all registries under a cause, and of one registry. */
uint64_t look_failures(const struct look *look, enum cause cause);
uint64_t look_attempts(const struct look *look, const char *registry);

/* cmocka's setup and teardown: *state is a struct world. */
int world_setup(void **state);
int world_teardown(void **state);
#define WORLD_TEST(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)
