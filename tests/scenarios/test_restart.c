/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An agent that starts while pods fail must say the same as one that was there before them: how
 * often each pull failed, when it last failed, and when the next attempt comes. It reads the lists
 * of the moment when it starts, and then what a real API server sent after it. It starts at many
 * moments of the recording.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/incidents/correlate.h"
#include "agent/kube/intake.h"
#include "agent/kube/watch.h"
#include "buf.h"
#include "tests/unit/kube/kube_story.h"
#include "util.h"

#define NODE "lab-node"
#define FRAMES_MAX 4000

/* A recorded change of one object. */
struct frame {
    enum kube_resource resource;
    struct str bytes;
    uint64_t version;
    char uid[48];
    bool gone;
    int64_t at_us; /* wall; when it was written */
};

struct recording {
    struct buf pods, events;
    struct frame frames[FRAMES_MAX];
    size_t n;
};

static void no_limit_is_hit(void *self, enum limit limit)
{
    (void)self;
    fail_msg("limit %s was hit", limit_name(limit));
}

/* --- the recording -------------------------------------------------------------------------- */

static void note(void *self, const struct observation *o)
{
    struct frame *frame = self;
    struct str uid = o->kind == OBSERVE_EVENT ? o->event.event_uid : o->pod.uid;

    snprintf(frame->uid, sizeof(frame->uid), "%.*s", STR_ARG(uid));
    frame->gone = o->kind == OBSERVE_POD_DELETED;
    if (o->kind == OBSERVE_EVENT)
        frame->at_us = o->event.last_us;
    else if (o->kind == OBSERVE_POD)
        frame->at_us = o->pod.status_us;
}

static void read_frames(struct recording *recording, enum kube_resource resource,
                        const struct buf *bytes)
{
    struct str rest = buf_str(bytes);

    while (rest.len > 4) {
        const unsigned char *head = (const unsigned char *)rest.at;
        const size_t len =
            4 + ((size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3]);
        struct frame *frame = &recording->frames[recording->n];
        const struct sink sink = { .self = frame, .observe = note, .limit_hit = no_limit_is_hit };
        struct err err = ERR_INIT;
        struct intake intake;
        struct watch watch;

        assert_true(recording->n < FRAMES_MAX && len <= rest.len);
        *frame = (struct frame){ .resource = resource, .bytes = str_head(rest, len) };
        intake_init(&intake, resource, &sink, NODE);
        watch_init(&watch, &intake);
        watch_begin(&watch, false);
        assert_int_equal(watch_feed(&watch, frame->bytes, &err), 0);
        frame->version = strtoull(intake.resource_version, NULL, 10);
        watch_done(&watch);
        intake_done(&intake);
        recording->n += frame->uid[0] != '\0'; /* not a bookmark */
        rest = str_skip(rest, len);
    }
}

static int by_version(const void *a, const void *b)
{
    const struct frame *first = a, *second = b;

    return first->version < second->version ? -1 : first->version > second->version;
}

static struct recording *recording_open(const char *folder)
{
    char path[64];
    struct recording *recording = calloc(1, sizeof(*recording));
    int64_t now_us = recording_fact(folder, "began") * SEC;

    assert_non_null(recording);
    snprintf(path, sizeof(path), "%spods.watch.pb", folder);
    recording_read(path, &recording->pods);
    snprintf(path, sizeof(path), "%sevents.watch.pb", folder);
    recording_read(path, &recording->events);
    read_frames(recording, KUBE_PODS, &recording->pods);
    read_frames(recording, KUBE_EVENTS, &recording->events);
    qsort(recording->frames, recording->n, sizeof(recording->frames[0]), by_version);
    for (size_t i = 0; i < recording->n; i++) {
        if (recording->frames[i].at_us > now_us)
            now_us = recording->frames[i].at_us;
        recording->frames[i].at_us = now_us;
    }
    return recording;
}

static void recording_close(struct recording *recording)
{
    buf_done(&recording->pods);
    buf_done(&recording->events);
    free(recording);
}

/* --- an agent ------------------------------------------------------------------------------- */

struct agent {
    struct correlate *correlate;
    struct instant now;
    struct sink sink;
    struct intake pods, events;
    struct watch pods_watch, events_watch;
};

static void take(void *self, const struct observation *observation)
{
    struct agent *agent = self;

    assert_int_equal(correlate_observe(agent->correlate, observation, agent->now), 0);
}

static void agent_start(struct agent *agent, int64_t wall_us)
{
    *agent = (struct agent){ .now = { .mono_us = HOUR, .wall_us = wall_us } };
    agent->correlate =
        correlate_new(&(struct correlate_config){ .max_registries = LIMIT_REGISTRIES_DEFAULT,
                                                  .stall_after_us = 2 * MINUTE },
                      agent->now);
    agent->sink = (struct sink){ .self = agent, .observe = take, .limit_hit = no_limit_is_hit };
    intake_init(&agent->pods, KUBE_PODS, &agent->sink, NODE);
    intake_init(&agent->events, KUBE_EVENTS, &agent->sink, NODE);
    watch_init(&agent->pods_watch, &agent->pods);
    watch_init(&agent->events_watch, &agent->events);
    watch_begin(&agent->pods_watch, false);
    watch_begin(&agent->events_watch, false);
}

static void agent_stop(struct agent *agent)
{
    watch_done(&agent->pods_watch);
    watch_done(&agent->events_watch);
    intake_done(&agent->pods);
    intake_done(&agent->events);
    correlate_free(agent->correlate);
}

/* Time passes until then. */
static void agent_wait(struct agent *agent, int64_t wall_us)
{
    if (wall_us <= agent->now.wall_us)
        return;
    agent->now.mono_us += wall_us - agent->now.wall_us;
    agent->now.wall_us = wall_us;
    correlate_tick(agent->correlate, agent->now);
}

static void agent_read(struct agent *agent, const struct frame *frame)
{
    struct watch *watch = frame->resource == KUBE_PODS ? &agent->pods_watch : &agent->events_watch;
    struct err err = ERR_INIT;

    agent_wait(agent, frame->at_us);
    assert_int_equal(watch_feed(watch, frame->bytes, &err), 0);
}

/* Whether it is the newest frame of its object among the first `n`. */
static bool is_newest(const struct recording *recording, size_t i, size_t n)
{
    for (size_t j = i + 1; j < n; j++)
        if (strcmp(recording->frames[j].uid, recording->frames[i].uid) == 0)
            return false;
    return !recording->frames[i].gone;
}

static void read_list(struct agent *agent, const struct recording *recording,
                      enum kube_resource resource, size_t n)
{
    struct intake *intake = resource == KUBE_PODS ? &agent->pods : &agent->events;

    intake_list_begin(intake);
    for (size_t i = 0; i < n; i++)
        if (recording->frames[i].resource == resource && is_newest(recording, i, n))
            agent_read(agent, &recording->frames[i]);
    intake_list_end(intake);
}

static void take_snapshot(struct agent *agent, struct snapshot *ret)
{
    *ret = (struct snapshot){ .taken = agent->now, .node = NODE };
    arena_init(&ret->arena, LIMIT_SNAPSHOT);
    assert_int_equal(correlate_snapshot(agent->correlate, SNAPSHOT_DETAIL, ret), 0);
}

static const struct snapshot_incident *same(const struct snapshot *snapshot,
                                            const struct snapshot_incident *incident)
{
    for (size_t i = 0; i < snapshot->n_incidents; i++)
        if (strcmp(snapshot->incidents[i].pod_uid, incident->pod_uid) == 0 &&
            strcmp(snapshot->incidents[i].container, incident->container) == 0 &&
            incident_state_open(snapshot->incidents[i].state))
            return &snapshot->incidents[i];
    return NULL;
}

/* --- the test ------------------------------------------------------------------------------- */

static bool is_near(int64_t a_us, int64_t b_us, int64_t tolerance_us)
{
    return (a_us > b_us ? a_us - b_us : b_us - a_us) <= tolerance_us;
}

/* Returns the number of incidents that were compared. `lost`: not this pod; NULL: all. */
static size_t compare(const struct snapshot *there, const struct snapshot *started,
                      const char *lost, size_t start)
{
    size_t n = 0;

    for (size_t i = 0; i < there->n_incidents; i++) {
        const struct snapshot_incident *want = &there->incidents[i];
        const struct snapshot_incident *got = same(started, want);

        /* The kubelet's spam filter held back Events of "two-causes", and the status of a pod with
         * two containers does not tell when each of them failed. */
        if (!incident_state_open(want->state) || want->kind == CONTAINER_IMAGE_VOLUME ||
            strcmp(want->pod, "two-causes") == 0 || (lost && strcmp(want->pod, lost) == 0))
            continue;
        if (!got)
            fail_msg("start %zu: %s is not shown", start, want->pod);
        if (got->attempts != want->attempts)
            fail_msg("start %zu: %s: %lu attempts instead of %lu", start, want->pod,
                     (unsigned long)got->attempts, (unsigned long)want->attempts);
        if (!is_near(got->last_failure_us, want->last_failure_us, 5 * SEC))
            fail_msg("start %zu: %s: last failure is %ld s later", start, want->pod,
                     (long)((got->last_failure_us - want->last_failure_us) / SEC));
        if (!is_near(got->next_retry_us, want->next_retry_us, 5 * SEC))
            fail_msg("start %zu: %s: next retry is %ld s later", start, want->pod,
                     (long)((got->next_retry_us - want->next_retry_us) / SEC));
        n++;
    }
    return n;
}

static uint64_t failures(const struct snapshot *snapshot)
{
    uint64_t n = 0;

    for (size_t i = 0; i < snapshot->n_registries; i++)
        for (enum cause cause = 0; cause < CAUSE_MAX; cause++)
            n += snapshot->registries[i].failures[cause];
    return n;
}

static void says_the_same(const char *folder)
{
    struct recording *recording = recording_open(folder);
    struct snapshot there, started;
    struct agent first, later;
    size_t compared = 0;
    /* Creation times are whole seconds: a pod of the first second counts as new. */
    const int64_t created_us = recording->frames[0].at_us + 5 * SEC;

    agent_start(&first, recording->frames[0].at_us - MINUTE);
    read_list(&first, recording, KUBE_PODS, 0);
    for (size_t i = 0; i < recording->n; i++) {
        agent_read(&first, &recording->frames[i]);
        if (i % 20 != 19 || recording->frames[i].at_us < created_us)
            continue;
        agent_wait(&first, recording->frames[i].at_us + 2 * SEC);
        take_snapshot(&first, &there);
        agent_start(&later, recording->frames[i].at_us + 2 * SEC);
        read_list(&later, recording, KUBE_PODS, i + 1);
        read_list(&later, recording, KUBE_EVENTS, i + 1);
        take_snapshot(&later, &started);
        compared += compare(&there, &started, NULL, i);
        assert_int_equal(failures(&started), 0); /* another process counted them */
        snapshot_done(&started);
        snapshot_done(&there);
        agent_stop(&later);
    }
    assert_true(compared > 200);
    agent_stop(&first);
    recording_close(recording);
}

/* The agent reads the events `late_us` after the pods: its event watches open with jitter. */
static void goes_on_to_say_the_same(const char *folder, int64_t late_us)
{
    struct recording *recording = recording_open(folder);
    struct snapshot there, started;
    struct agent first, later;
    int64_t events_us;

    agent_start(&first, recording->frames[0].at_us - MINUTE);
    read_list(&first, recording, KUBE_PODS, 0);
    for (size_t i = 0; i < recording->n; i++)
        agent_read(&first, &recording->frames[i]);
    take_snapshot(&first, &there);
    for (size_t start = 39; start < recording->n; start += 20) {
        agent_start(&later, recording->frames[start].at_us + 2 * SEC);
        events_us = later.now.wall_us + late_us;
        read_list(&later, recording, KUBE_PODS, start + 1);
        for (size_t i = start + 1; i < recording->n; i++) {
            const struct frame *frame = &recording->frames[i];

            if (events_us && frame->at_us >= events_us) {
                read_list(&later, recording, KUBE_EVENTS, i);
                events_us = 0;
            }
            if (frame->resource == KUBE_PODS || !events_us)
                agent_read(&later, frame);
        }
        if (events_us)
            read_list(&later, recording, KUBE_EVENTS, recording->n);
        take_snapshot(&later, &started);
        assert_true(compare(&there, &started, NULL, start) > 10);
        snapshot_done(&started);
        agent_stop(&later);
    }
    snapshot_done(&there);
    agent_stop(&first);
    recording_close(recording);
}

/* The API server cannot be reached for a while, and then the agent reads new lists. */
static void goes_on_after_an_outage(const char *folder, int64_t outage_us)
{
    struct recording *recording = recording_open(folder);
    struct snapshot there, cut_off;
    struct agent first, other;
    int64_t until_us;

    agent_start(&first, recording->frames[0].at_us - MINUTE);
    read_list(&first, recording, KUBE_PODS, 0);
    for (size_t i = 0; i < recording->n; i++)
        agent_read(&first, &recording->frames[i]);
    take_snapshot(&first, &there);
    for (size_t start = 9; start < recording->n; start += 30) {
        agent_start(&other, recording->frames[0].at_us - MINUTE);
        read_list(&other, recording, KUBE_PODS, 0);
        for (size_t i = 0; i < start; i++)
            agent_read(&other, &recording->frames[i]);
        until_us = recording->frames[start].at_us + outage_us;
        for (size_t i = start; i < recording->n; i++) {
            if (until_us && recording->frames[i].at_us < until_us)
                continue;
            if (until_us) {
                agent_wait(&other, recording->frames[i].at_us);
                read_list(&other, recording, KUBE_PODS, i);
                read_list(&other, recording, KUBE_EVENTS, i);
                until_us = 0;
            }
            agent_read(&other, &recording->frames[i]);
        }
        take_snapshot(&other, &cut_off);
        if (!until_us) {
            /* The last Event of this pod was held back: if its status is missed, too, nothing tells
             * of that attempt. The same for pods that are deleted or repaired meanwhile. */
            compare(&there, &cut_off, "unauth-secret-missing", start);
            assert_true(failures(&cut_off) <= failures(&there));
        }
        snapshot_done(&cut_off);
        agent_stop(&other);
    }
    snapshot_done(&there);
    agent_stop(&first);
    recording_close(recording);
}

static const char *const folders[] = { "", "crio/" };

static void agent_that_starts_later_says_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
        says_the_same(folders[i]);
}

static void agent_that_starts_later_goes_on_to_say_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
        for (int64_t late_us = 0; late_us <= 10 * SEC; late_us += 5 * SEC)
            goes_on_to_say_the_same(folders[i], late_us);
}

static void attempts_during_an_outage_are_counted(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
        for (int64_t outage_us = 30 * SEC; outage_us <= 2 * MINUTE; outage_us += 45 * SEC)
            goes_on_after_an_outage(folders[i], outage_us);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agent_that_starts_later_says_the_same),
        cmocka_unit_test(agent_that_starts_later_goes_on_to_say_the_same),
        cmocka_unit_test(attempts_during_an_outage_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
