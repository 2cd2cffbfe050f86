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
    w->before_slot = false;
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

static void observe(struct world *w, const struct observation *observation)
{
    assert_int_equal(correlate_observe(w->correlate, observation, w->now), 0);
}

void pod_of(struct world *w, struct pod_facts *facts, const char *name)
{
    *facts = (struct pod_facts){
        .containers[0] = { .name = STR("app"),
                           .kind = CONTAINER_APP,
                           .image = STR(IMAGE),
                           .phase = PHASE_WAITING,
                           .waiting_reason = STR("ContainerCreating") },
        .fact = { .namespace = STR("default"),
                  .name = str_from(name),
                  .uid = str_from(name), /* names are usually unique within a test */
                  .phase = STR("Pending"),
                  .created_us = w->now.wall_us,
                  .n_containers = 1 },
    };
}

void observe_pod(struct world *w, const struct pod_facts *facts)
{
    struct observation observation = { .kind = OBSERVE_POD, .pod = facts->fact };

    observation.pod.containers = facts->containers;
    observation.pod.image_volumes = facts->volumes;
    observation.pod.pull_secrets = facts->secrets;
    observe(w, &observation);
}

void observe_waiting(struct world *w, const char *name, const char *reason, const char *message)
{
    struct pod_facts facts;

    pod_of(w, &facts, name);
    facts.containers[0].waiting_reason = str_from(reason);
    facts.containers[0].waiting_message = str_from(message);
    observe_pod(w, &facts);
}

void observe_running(struct world *w, const char *name)
{
    struct pod_facts facts;

    pod_of(w, &facts, name);
    facts.containers[0].phase = PHASE_RUNNING;
    facts.containers[0].waiting_reason = STR("");
    facts.fact.phase = STR("Running");
    observe_pod(w, &facts);
}

void observe_waiting_for(struct world *w, const char *name, const char *image)
{
    struct pod_facts facts;

    pod_of(w, &facts, name);
    facts.containers[0].image = str_from(image);
    observe_pod(w, &facts);
}

void observe_failing_at_start(struct world *w, const char *reason, const char *message)
{
    struct pod_facts facts;

    observe_list_begin(w);
    pod_of(w, &facts, "web-0");
    facts.fact.created_us = w->now.wall_us - HOUR;
    facts.containers[0].waiting_reason = str_from(reason);
    facts.containers[0].waiting_message = str_from(message);
    observe_pod(w, &facts);
    observe_list_end(w);
}

void observe_deleted(struct world *w, const char *name)
{
    observe(w,
            &(struct observation){ .kind = OBSERVE_POD_DELETED, .pod = { .uid = str_from(name) } });
}

void observe_list_begin(struct world *w)
{
    observe(w, &(struct observation){ .kind = OBSERVE_PODS_BEGIN });
}

void observe_list_end(struct world *w)
{
    observe(w, &(struct observation){ .kind = OBSERVE_PODS_END });
}

void observe_event(struct world *w, const char *name, const char *field_path, const char *object,
                   const char *reason, const char *message, int count)
{
    const int64_t at_us = w->now.wall_us / SEC * SEC;

    observe(w, &(struct observation){ .kind = OBSERVE_EVENT,
                                      .event = { .event_uid = str_from(object),
                                                 .namespace = STR("default"),
                                                 .pod_name = str_from(name),
                                                 .pod_uid = str_from(name),
                                                 .field_path = str_from(field_path),
                                                 .reason = str_from(reason),
                                                 .message = str_from(message),
                                                 .count = count,
                                                 .first_us = at_us,
                                                 .last_us = at_us } });
}

void observe_event_at(struct world *w, const char *field_path, const char *object,
                      const char *reason, const char *message, int count, int64_t first_us,
                      int64_t last_us)
{
    observe(w, &(struct observation){ .kind = OBSERVE_EVENT,
                                      .event = { .event_uid = str_from(object),
                                                 .namespace = STR("default"),
                                                 .pod_name = STR("web-0"),
                                                 .pod_uid = STR("web-0"),
                                                 .field_path = str_from(field_path),
                                                 .reason = str_from(reason),
                                                 .message = str_from(message),
                                                 .count = count,
                                                 .first_us = first_us,
                                                 .last_us = last_us } });
}

void observe_failed_at(struct world *w, const char *object, int count, int64_t first_us,
                       int64_t last_us)
{
    observe_event_at(w, APP_PATH, object, "Failed", PULL_FAILED(NOT_FOUND_TEXT), count, first_us,
                     last_us);
}

void observe_image(struct world *w, const char *image, bool present)
{
    observe(w, &(struct observation){ .kind = OBSERVE_IMAGE,
                                      .image = { .image = str_from(image), .present = present } });
}

void observe_size(struct world *w, const char *image, uint64_t size)
{
    observe(w, &(struct observation){ .kind = OBSERVE_IMAGE,
                                      .image = { .image = str_from(image),
                                                 .present = true,
                                                 .size = size,
                                                 .digest = STR("sha256:abcd") } });
}

void observe_sandbox(struct world *w, const char *name, bool ready)
{
    observe(w, &(struct observation){ .kind = OBSERVE_SANDBOX,
                                      .sandbox = { .pod_uid = str_from(name), .ready = ready } });
}

void observe_sandboxes_end(struct world *w)
{
    observe(w, &(struct observation){ .kind = OBSERVE_SANDBOXES_END });
}

void observe_polled(struct world *w, const char *name)
{
    observe_sandbox(w, name, true);
    observe_sandboxes_end(w);
}

void observe_pulling(struct world *w, const char *name)
{
    observe_waiting_for(w, name, IMAGE);
    observe_image(w, IMAGE, false);
    observe_polled(w, name);
}

void observe_ingests(struct world *w, const struct blob_seen *blobs, size_t n)
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
    observe(w, &(struct observation){
                   .kind = OBSERVE_INGESTS,
                   .ingests = { .ingests = ingests, .n = n, .before_slot = w->before_slot } });
}

void observe_blob_owner(struct world *w, const char *digest, const char *repository)
{
    observe_blob_owners(w, digest, (const struct str[]){ str_from(repository) }, 1);
}

void observe_blob_owners(struct world *w, const char *digest, const struct str *repositories,
                         size_t n)
{
    observe(w, &(struct observation){
                   .kind = OBSERVE_BLOB,
                   .blob = { .digest = str_from(digest), .repositories = repositories, .n = n } });
}

void observe_repository(struct world *w, const char *repository, int64_t updated_us)
{
    observe(w, &(struct observation){ .kind = OBSERVE_REPOSITORY,
                                      .repository = { .repository = str_from(repository),
                                                      .updated_us = updated_us } });
}

void observe_created(struct world *w, const char *name, const char *container)
{
    observe(w, &(struct observation){ .kind = OBSERVE_CREATED,
                                      .created = { .pod_uid = str_from(name),
                                                   .container = str_from(container),
                                                   .created_us = w->now.wall_us } });
}

void world_snapshot(struct world *w, struct snapshot *snapshot)
{
    *snapshot = (struct snapshot){ .taken = w->now };
    arena_init(&snapshot->arena, LIMIT_SNAPSHOT);
    correlate_tick(w->correlate, w->now);
    assert_int_equal(correlate_snapshot(w->correlate, SNAPSHOT_DETAIL, snapshot), 0);
    assert_int_equal(correlate_complete(SNAPSHOT_DETAIL, snapshot), 0);
}

size_t incidents_of_pod(const struct snapshot *snapshot, const char *name)
{
    size_t n = 0;

    for (size_t i = 0; i < snapshot->n_incidents; i++)
        n += strcmp(snapshot->incidents[i].pod, name) == 0;
    return n;
}

const struct snapshot_incident *incident_of(const struct snapshot *snapshot, const char *name)
{
    assert_int_equal(incidents_of_pod(snapshot, name), 1);
    for (size_t i = 0; i < snapshot->n_incidents; i++)
        if (strcmp(snapshot->incidents[i].pod, name) == 0)
            return &snapshot->incidents[i];
    return NULL;
}

enum incident_state state_of(struct world *w, const char *name)
{
    struct snapshot snapshot;
    enum incident_state state;

    world_snapshot(w, &snapshot);
    state = incident_of(&snapshot, name)->state;
    snapshot_done(&snapshot);
    return state;
}

size_t count_incidents(struct world *w, const char *name)
{
    struct snapshot snapshot;
    size_t n;

    world_snapshot(w, &snapshot);
    n = incidents_of_pod(&snapshot, name);
    snapshot_done(&snapshot);
    return n;
}

uint64_t hits_of(struct world *w, enum limit limit)
{
    struct snapshot snapshot;
    uint64_t hits;

    world_snapshot(w, &snapshot);
    hits = snapshot.limit_hits[limit];
    snapshot_done(&snapshot);
    return hits;
}

const struct snapshot_registry *registry_row(const struct snapshot *snapshot, const char *registry)
{
    for (size_t i = 0; i < snapshot->n_registries; i++)
        if (strcmp(snapshot->registries[i].registry, registry) == 0)
            return &snapshot->registries[i];
    fail_msg("no registry %s", registry);
    return NULL;
}

uint64_t failures_of(const struct snapshot *snapshot, enum cause cause)
{
    uint64_t n = 0;

    for (size_t i = 0; i < snapshot->n_registries; i++)
        n += snapshot->registries[i].failures[cause];
    return n;
}

uint64_t attempts_of(const struct snapshot *snapshot, const char *registry)
{
    for (size_t i = 0; i < snapshot->n_registries; i++)
        if (strcmp(snapshot->registries[i].registry, registry) == 0)
            return snapshot->registries[i].attempts;
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
