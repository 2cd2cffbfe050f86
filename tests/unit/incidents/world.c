/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/incidents/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define START_WALL (INT64_C(1795300000) * SEC)

void world_begin(struct world *w)
{
    w->now = (struct instant){ .mono_us = HOUR, .wall_us = START_WALL };
    w->correlate = correlate_new(
        &(struct correlate_config){ .max_registries = 4, .stall_after_us = 2 * MINUTE }, w->now);
    assert_non_null(w->correlate);
}

void world_end(struct world *w)
{
    correlate_free(w->correlate);
}

void world_advance(struct world *w, int64_t by_us)
{
    w->now.mono_us += by_us;
    w->now.wall_us += by_us;
    correlate_tick(w->correlate, w->now);
}

static void tell(struct world *w, const struct observation *observation)
{
    assert_int_equal(correlate_observe(w->correlate, observation, w->now), 0);
}

void pod_of(struct world *w, struct pod_told *told, const char *name)
{
    *told = (struct pod_told){
        .containers[0] = { .name = STR("app"),
                           .kind = CONTAINER_APP,
                           .image = STR(IMAGE),
                           .phase = PHASE_WAITING,
                           .waiting_reason = STR("ContainerCreating") },
        .fact = { .namespace = STR("default"),
                  .name = str_from(name),
                  .uid =
                      str_from(name), /* a test's pod names are unique unless it says otherwise */
                  .phase = STR("Pending"),
                  .created_us = w->now.wall_us,
                  .n_containers = 1 },
    };
}

void tell_pod(struct world *w, const struct pod_told *told)
{
    struct observation observation = { .kind = OBSERVE_POD, .pod = told->fact };

    observation.pod.containers = told->containers;
    observation.pod.image_volumes = told->volumes;
    observation.pod.pull_secrets = told->secrets;
    tell(w, &observation);
}

void tell_waiting(struct world *w, const char *name, const char *reason, const char *message)
{
    struct pod_told told;

    pod_of(w, &told, name);
    told.containers[0].waiting_reason = str_from(reason);
    told.containers[0].waiting_message = str_from(message);
    tell_pod(w, &told);
}

void tell_running(struct world *w, const char *name)
{
    struct pod_told told;

    pod_of(w, &told, name);
    told.containers[0].phase = PHASE_RUNNING;
    told.containers[0].waiting_reason = STR("");
    told.fact.phase = STR("Running");
    tell_pod(w, &told);
}

void tell_deleted(struct world *w, const char *name)
{
    tell(w, &(struct observation){ .kind = OBSERVE_POD_DELETED, .pod = { .uid = str_from(name) } });
}

void tell_list_begin(struct world *w)
{
    tell(w, &(struct observation){ .kind = OBSERVE_PODS_BEGIN });
}

void tell_list_end(struct world *w)
{
    tell(w, &(struct observation){ .kind = OBSERVE_PODS_END });
}

void tell_event(struct world *w, const char *name, const char *field_path, const char *object,
                const char *reason, const char *message, int count)
{
    const struct observation observation = {
        .kind = OBSERVE_EVENT,
        .event = { .event_uid = str_from(object),
                   .namespace = STR("default"),
                   .pod_name = str_from(name),
                   .pod_uid = str_from(name),
                   .field_path = str_from(field_path),
                   .reason = str_from(reason),
                   .message = str_from(message),
                   .count = count,
                   .first_us = w->now.wall_us / SEC * SEC,
                   .last_us = w->now.wall_us / SEC * SEC },
    };

    tell(w, &observation);
}

void tell_image(struct world *w, const char *image, bool present)
{
    tell(w, &(struct observation){ .kind = OBSERVE_IMAGE,
                                   .image = { .image = str_from(image), .present = present } });
}

void tell_looked(struct world *w, const char *name)
{
    tell(w, &(struct observation){ .kind = OBSERVE_SANDBOX,
                                   .sandbox = { .pod_uid = str_from(name), .ready = true } });
    tell(w, &(struct observation){ .kind = OBSERVE_SANDBOXES_END });
}

void tell_ingests(struct world *w, const struct blob_told *blobs, size_t n)
{
    struct ingest ingests[8];

    assert_true(n <= ARRAY_SIZE(ingests));
    for (size_t i = 0; i < n; i++)
        ingests[i] = (struct ingest){
            .digest = str_from(blobs[i].digest),
            .bytes = blobs[i].bytes,
            .total = 1000,
            .begun_us = w->now.wall_us - blobs[i].idle_us - SEC,
            .moved_us = w->now.wall_us - blobs[i].idle_us,
        };
    tell(w, &(struct observation){ .kind = OBSERVE_INGESTS,
                                   .ingests = { .ingests = ingests, .n = n } });
}

void tell_blob_owner(struct world *w, const char *digest, const char *repository)
{
    const struct str repositories[] = { str_from(repository) };

    tell(w, &(struct observation){
                .kind = OBSERVE_BLOB,
                .blob = { .digest = str_from(digest), .repositories = repositories, .n = 1 } });
}

void tell_created(struct world *w, const char *name, const char *container)
{
    tell(w, &(struct observation){ .kind = OBSERVE_CREATED,
                                   .created = { .pod_uid = str_from(name),
                                                .container = str_from(container),
                                                .created_us = w->now.wall_us } });
}

void world_look(struct world *w, struct look *look)
{
    look->snapshot = (struct snapshot){ .taken = w->now };
    arena_init(&look->snapshot.arena, LIMIT_SNAPSHOT);
    correlate_tick(w->correlate, w->now);
    assert_int_equal(correlate_snapshot(w->correlate, SNAPSHOT_DETAIL, &look->snapshot), 0);
    assert_int_equal(correlate_complete(SNAPSHOT_DETAIL, &look->snapshot), 0);
}

void world_look_done(struct look *look)
{
    snapshot_done(&look->snapshot);
}

size_t look_count(const struct look *look, const char *name)
{
    size_t n = 0;

    for (size_t i = 0; i < look->snapshot.n_incidents; i++)
        n += strcmp(look->snapshot.incidents[i].pod, name) == 0;
    return n;
}

const struct snapshot_incident *look_one(const struct look *look, const char *name)
{
    assert_int_equal(look_count(look, name), 1);
    for (size_t i = 0; i < look->snapshot.n_incidents; i++)
        if (strcmp(look->snapshot.incidents[i].pod, name) == 0)
            return &look->snapshot.incidents[i];
    return NULL;
}

uint64_t look_failures(const struct look *look, enum cause cause)
{
    uint64_t n = 0;

    for (size_t i = 0; i < look->snapshot.n_registries; i++)
        n += look->snapshot.registries[i].failures[cause];
    return n;
}

uint64_t look_attempts(const struct look *look, const char *registry)
{
    for (size_t i = 0; i < look->snapshot.n_registries; i++)
        if (strcmp(look->snapshot.registries[i].registry, registry) == 0)
            return look->snapshot.registries[i].attempts;
    return UINT64_MAX;
}

int world_setup(void **state)
{
    static struct world w;

    world_begin(&w);
    *state = &w;
    return 0;
}

int world_teardown(void **state)
{
    world_end(*state);
    return 0;
}
