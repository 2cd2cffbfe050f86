/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/hub.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "agent/classify/redact.h"
#include "agent/incidents/correlate.h"
#include "log.h"
#include "mem.h"
#include "util.h"

/* A loop that has not ticked for this long hangs. Sources promise a tick every 30 s (sink.h). */
#define TICK_MAX_US MINUTE

struct hub {
    const struct clock *clock;
    const char *node;
    bool reads_pods;
    struct sink sink;
    struct snapshot_source snapshots;

    /* How often something was handed in. It grows under the mutex, and is read without it. */
    atomic_uint_fast64_t changes;

    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t wake;   /* for wait() */
    struct correlate *correlate;
    struct source_status sources[SOURCE_MAX];
    struct runtime_calls calls;
    int64_t ticked_us[SOURCE_MAX];              /* mono; 0: this source has no loop */
    size_t snapshot_bytes[SNAPSHOT_DETAIL + 1]; /* of the last snapshot of this kind */
    size_t waiting;
    bool changed; /* more containers wait than when wait() last returned */
    bool stopping;
};

/* Also if it turns out that nothing is different: then the next scrape is formatted in vain. */
static void note_change(struct hub *hub)
{
    atomic_fetch_add(&hub->changes, 1);
}

static void note_waiting(struct hub *hub)
{
    size_t waiting = correlate_waiting(hub->correlate);

    if (waiting > hub->waiting) {
        hub->changed = true;
        pthread_cond_signal(&hub->wake);
    }
    hub->waiting = waiting;
}

static void observe(void *self, const struct observation *observation)
{
    struct hub *hub = self;
    int r;

    pthread_mutex_lock(&hub->mutex);
    r = correlate_observe(hub->correlate, observation, clock_now(hub->clock));
    note_waiting(hub);
    note_change(hub);
    pthread_mutex_unlock(&hub->mutex);

    if (r < 0)
        log_error(
            "agent",
            "no memory: one observation is lost; the next one about the same object corrects it");
}

static void limit_hit(void *self, enum limit limit)
{
    struct hub *hub = self;

    pthread_mutex_lock(&hub->mutex);
    correlate_limit_hit(hub->correlate, limit);
    note_change(hub);
    pthread_mutex_unlock(&hub->mutex);
}

static void status(void *self, enum source_id source, const struct source_status *now)
{
    struct hub *hub = self;
    struct source_status shown = *now;

    shown.last_error[redact(shown.last_error, strlen(shown.last_error))] = '\0';
    pthread_mutex_lock(&hub->mutex);
    hub->sources[source] = shown;
    note_change(hub);
    pthread_mutex_unlock(&hub->mutex);
}

static void calls(void *self, const struct runtime_calls *now)
{
    struct hub *hub = self;

    pthread_mutex_lock(&hub->mutex);
    hub->calls = *now;
    note_change(hub);
    pthread_mutex_unlock(&hub->mutex);
}

static void tick(void *self, enum source_id source)
{
    struct hub *hub = self;
    struct instant now = clock_now(hub->clock);

    pthread_mutex_lock(&hub->mutex);
    hub->ticked_us[source] = now.mono_us;
    correlate_tick(hub->correlate, now);
    pthread_mutex_unlock(&hub->mutex);
}

static void wanted(void *self, struct wanted *ret)
{
    struct hub *hub = self;

    pthread_mutex_lock(&hub->mutex);
    correlate_wanted(hub->correlate, clock_now(hub->clock), ret);
    pthread_mutex_unlock(&hub->mutex);
}

static bool wait_for_change(void *self, int64_t until_mono_us)
{
    struct hub *hub = self;
    struct timespec until = {
        .tv_sec = (time_t)(until_mono_us / SEC),
        .tv_nsec = (long)(until_mono_us % SEC) * 1000,
    };
    int r = 0;
    bool go_on;

    pthread_mutex_lock(&hub->mutex);
    while (!hub->changed && !hub->stopping && r == 0)
        r = pthread_cond_timedwait(&hub->wake, &hub->mutex, &until);
    hub->changed = false;
    go_on = !hub->stopping;
    pthread_mutex_unlock(&hub->mutex);
    return go_on;
}

void hub_stop(struct hub *hub)
{
    pthread_mutex_lock(&hub->mutex);
    hub->stopping = true;
    pthread_cond_broadcast(&hub->wake);
    pthread_mutex_unlock(&hub->mutex);
}

static bool loops_tick(const struct hub *hub, struct instant now)
{
    for (size_t i = 0; i < SOURCE_MAX; i++)
        if (hub->ticked_us[i] && now.mono_us - hub->ticked_us[i] > TICK_MAX_US)
            return false;
    return true;
}

/* As much memory as the last snapshot of this kind needed, so that the next one is taken fast. */
static void reserve(struct hub *hub, enum snapshot_detail detail, struct arena *arena)
{
    size_t bytes;

    pthread_mutex_lock(&hub->mutex);
    bytes = hub->snapshot_bytes[detail];
    pthread_mutex_unlock(&hub->mutex);
    arena_reserve(arena, bytes);
}

static int take(void *self, enum snapshot_detail detail, struct snapshot *ret, struct err *err)
{
    struct hub *hub = self;
    struct instant now = clock_now(hub->clock);
    struct snapshot snapshot = { .taken = now, .node = hub->node };
    int r;

    arena_init(&snapshot.arena, LIMIT_SNAPSHOT);
    reserve(hub, detail, &snapshot.arena);
    pthread_mutex_lock(&hub->mutex);
    correlate_tick(hub->correlate, now);
    r = correlate_snapshot(hub->correlate, detail, &snapshot);
    for (size_t i = 0; i < SOURCE_MAX; i++)
        snapshot.sources[i] = hub->sources[i];
    snapshot.left_out[LIMIT_HIT_EVENT_BUDGET] = hub->sources[SOURCE_EVENTS].resting;
    snapshot.calls = hub->calls;
    snapshot.changes = atomic_load(&hub->changes);
    snapshot.healthy = loops_tick(hub, now);
    snapshot.ready = !hub->reads_pods || correlate_listed(hub->correlate);
    hub->snapshot_bytes[detail] = snapshot.arena.used;
    pthread_mutex_unlock(&hub->mutex);

    if (r == 0)
        r = correlate_complete(detail, &snapshot);
    if (r < 0) {
        snapshot_done(&snapshot);
        return err_set(err, r, "no memory for a snapshot of the incidents");
    }
    *ret = snapshot;
    return 0;
}

static uint64_t changes(void *self, struct instant *ret_now)
{
    struct hub *hub = self;

    *ret_now = clock_now(hub->clock);
    return atomic_load(&hub->changes);
}

struct hub *hub_new(const struct hub_config *config, const struct clock *clock)
{
    const struct correlate_config correlate = {
        .max_registries = config->max_registries,
        .stall_after_us = config->stall_after_us,
    };
    const struct instant now = clock_now(clock);
    struct hub *hub = mem_zalloc(sizeof(*hub));
    pthread_condattr_t attr;

    if (!hub)
        return NULL;
    hub->correlate = correlate_new(&correlate, now);
    if (!hub->correlate) {
        mem_free(hub);
        return NULL;
    }
    hub->clock = clock;
    hub->node = config->node;
    hub->reads_pods = config->reads_pods;
    /* Notice also a loop that hangs before its first tick. */
    if (config->reads_runtime) {
        hub->ticked_us[SOURCE_CRI] = now.mono_us;
        hub->sources[SOURCE_CRI] =
            (struct source_status){ .enabled = true, .up = true, .since_us = now.wall_us };
    }
    if (config->reads_pods)
        hub->ticked_us[SOURCE_PODS] = now.mono_us;
    hub->sink = (struct sink){
        .self = hub,
        .observe = observe,
        .limit_hit = limit_hit,
        .status = status,
        .calls = calls,
        .tick = tick,
        .wanted = wanted,
        .wait = wait_for_change,
    };
    hub->snapshots = (struct snapshot_source){ .self = hub, .take = take, .changes = changes };

    pthread_mutex_init(&hub->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&hub->wake, &attr);
    pthread_condattr_destroy(&attr);
    return hub;
}

void hub_free(struct hub *hub)
{
    if (!hub)
        return;
    correlate_free(hub->correlate);
    pthread_cond_destroy(&hub->wake);
    pthread_mutex_destroy(&hub->mutex);
    mem_free(hub);
}

const struct sink *hub_sink(struct hub *hub)
{
    return &hub->sink;
}

const struct snapshot_source *hub_snapshots(struct hub *hub)
{
    return &hub->snapshots;
}
