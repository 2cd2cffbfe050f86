/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The recorded histories with unreliable witnesses: each event comes up to twenty seconds late,
 * some come twice, and so in another order each time; the runtime reports at random. After every
 * step the counters must balance, and at the end the incidents are the same as if all had come in
 * time.
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
#include "exporter/metrics/blocked.h"
#include "tests/unit/kube/kube_story.h"
#include "util.h"

#define NODE "lab-node"
#define LATE_MOST_US (20 * SEC)
#define FRAMES_MAX 4096u
#define PODS_MAX 64u

/* One frame of a recorded stream and when it is observed. */
struct delivery {
    const char *at;
    size_t len;
    bool is_event;
    uint64_t version;
    int64_t natural_us; /* when etcd wrote it, to the second */
    int64_t observed_us;
    unsigned order;
};

struct history {
    int64_t began_us; /* before the first pod */
    struct buf pods;
    struct buf events;
    struct delivery natural[FRAMES_MAX]; /* in the order in which etcd wrote them */
    size_t n;
};

struct observer {
    struct correlate *correlate;
    struct instant now;
    uint64_t random;
    struct sink sink;
    struct intake pods_intake;
    struct intake events_intake;
    struct watch pods;
    struct watch events;
    char seen[PODS_MAX][64];
    size_t n_seen;
    char deleted[PODS_MAX][64];
    size_t n_deleted;
    uint64_t booked; /* sum of all counters at the last step */
    uint64_t steps;
};

static uint64_t roll(struct observer *t, uint64_t below)
{
    t->random ^= t->random << 13; /* xorshift64 */
    t->random ^= t->random >> 7;
    t->random ^= t->random << 17;
    return t->random % below;
}

static bool has(char (*list)[64], size_t n, struct str text)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(str_from(list[i]), text))
            return true;
    return false;
}

static void remember(char (*list)[64], size_t *n, struct str text)
{
    if (has(list, *n, text))
        return;
    assert_true(*n < PODS_MAX && text.len < 64);
    memcpy(list[*n], text.at, text.len);
    (*n)++;
}

static void observe(void *self, const struct observation *observation)
{
    struct observer *t = self;

    if (observation->kind == OBSERVE_POD)
        remember(t->seen, &t->n_seen, observation->pod.uid);
    if (observation->kind == OBSERVE_POD_DELETED)
        remember(t->deleted, &t->n_deleted, observation->pod.uid);
    assert_int_equal(correlate_observe(t->correlate, observation, t->now), 0);
}

/* What the frame is about: its version, and its time where it is an event. */
struct probe {
    struct sink sink;
    int64_t event_us;
};

static void probe_observe(void *self, const struct observation *observation)
{
    struct probe *probe = self;

    if (observation->kind == OBSERVE_EVENT)
        probe->event_us = observation->event.last_us;
}

static void ignore_limit(void *self, enum limit limit)
{
    (void)self;
    fail_msg("limit %s was hit", limit_name(limit));
}

static void read_stream(struct history *h, const struct buf *bytes, bool is_event)
{
    struct probe probe = { .event_us = 0 };
    struct intake intake;
    struct watch watch;
    struct err err = ERR_INIT;

    probe.sink =
        (struct sink){ .self = &probe, .observe = probe_observe, .limit_hit = ignore_limit };
    intake_init(&intake, is_event ? KUBE_EVENTS : KUBE_PODS, &probe.sink, NODE);
    watch_init(&watch, &intake);
    watch_begin(&watch, false);
    for (size_t at = 0; at < bytes->len;) {
        const unsigned char *head = (const unsigned char *)bytes->at + at;
        size_t len =
            4 + ((size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3]);
        struct delivery *frame = &h->natural[h->n];

        assert_true(h->n++ < FRAMES_MAX);
        probe.event_us = 0;
        if (watch_feed(&watch, (struct str){ bytes->at + at, len }, &err) < 0)
            fail_msg("%s", err.text);
        *frame = (struct delivery){
            .at = bytes->at + at,
            .len = len,
            .is_event = is_event,
            .version = strtoull(intake.resource_version, NULL, 10),
            .natural_us = probe.event_us,
        };
        at += len;
    }
    watch_done(&watch);
    intake_done(&intake);
}

static int by_version(const void *left, const void *right)
{
    const struct delivery *a = left, *b = right;

    return (a->version > b->version) - (a->version < b->version);
}

static int by_time(const void *left, const void *right)
{
    const struct delivery *a = left, *b = right;

    if (a->observed_us != b->observed_us)
        return a->observed_us < b->observed_us ? -1 : 1;
    return (a->order > b->order) - (a->order < b->order);
}

static void history_read(struct history *h, const char *folder)
{
    int64_t now_us = recording_fact(folder, "began") * SEC;
    char path[128];

    memset(h, 0, sizeof(*h));
    h->began_us = now_us;
    snprintf(path, sizeof(path), "%spods.watch.pb", folder);
    recording_read(path, &h->pods);
    snprintf(path, sizeof(path), "%sevents.watch.pb", folder);
    recording_read(path, &h->events);
    read_stream(h, &h->pods, false);
    read_stream(h, &h->events, true);
    qsort(h->natural, h->n, sizeof(h->natural[0]), by_version);
    for (size_t i = 0; i < h->n; i++) {
        if (h->natural[i].natural_us > now_us)
            now_us = h->natural[i].natural_us;
        h->natural[i].natural_us = now_us; /* a pod has the time of the event before it */
    }
}

static void history_done(struct history *h)
{
    buf_done(&h->pods);
    buf_done(&h->events);
}

static void observer_init(struct observer *t, const struct history *h, uint64_t seed)
{
    memset(t, 0, sizeof(*t));
    t->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    t->now = (struct instant){ .mono_us = HOUR, .wall_us = h->began_us };
    t->correlate =
        correlate_new(&(struct correlate_config){ .max_registries = LIMIT_REGISTRIES_DEFAULT,
                                                  .stall_after_us = 2 * MINUTE },
                      t->now);
    assert_non_null(t->correlate);
    t->sink = (struct sink){ .self = t, .observe = observe, .limit_hit = ignore_limit };
    intake_init(&t->pods_intake, KUBE_PODS, &t->sink, NODE);
    intake_init(&t->events_intake, KUBE_EVENTS, &t->sink, NODE);
    watch_init(&t->pods, &t->pods_intake);
    watch_init(&t->events, &t->events_intake);
    watch_begin(&t->pods, false);
    watch_begin(&t->events, false);
}

static void observer_done(struct observer *t)
{
    watch_done(&t->pods);
    watch_done(&t->events);
    intake_done(&t->pods_intake);
    intake_done(&t->events_intake);
    correlate_free(t->correlate);
}

static void take_snapshot(struct observer *t, enum snapshot_detail detail, struct snapshot *ret)
{
    *ret = (struct snapshot){ .taken = t->now, .node = NODE };
    arena_init(&ret->arena, LIMIT_SNAPSHOT);
    correlate_tick(t->correlate, t->now);
    assert_int_equal(correlate_snapshot(t->correlate, detail, ret), 0);
}

/* How many containers are blocked: one that fails on two images is one. */
static size_t blocked_containers(const struct snapshot *snapshot)
{
    size_t n = 0;

    for (size_t i = 0; i < snapshot->n_incidents; i++) {
        const struct snapshot_incident *a = &snapshot->incidents[i];
        bool first = true;

        for (size_t j = 0; j < i && first; j++)
            first = strcmp(a->pod_uid, snapshot->incidents[j].pod_uid) != 0 ||
                    strcmp(a->container, snapshot->incidents[j].container) != 0;
        n += first;
    }
    return n;
}

static void books_balance(struct observer *t)
{
    struct blocked blocked = { .n_groups = 0 };
    struct err err = ERR_INIT;
    struct snapshot snapshot;
    uint64_t booked = 0, by_reason = 0, failures = 0;
    size_t gauge = 0;

    take_snapshot(t, SNAPSHOT_METRICS, &snapshot);
    assert_int_equal(blocked_collect(&snapshot, &blocked, &err), 0);
    for (size_t i = 0; i < blocked.n_groups; i++)
        gauge += blocked.groups[i].containers;
    assert_int_equal(gauge, blocked_containers(&snapshot));

    for (size_t i = 0; i < snapshot.n_incidents; i++) {
        const struct snapshot_incident *incident = &snapshot.incidents[i];

        assert_true(incident_state_open(incident->state));
        if (has(t->deleted, t->n_deleted, str_from(incident->pod_uid)))
            fail_msg("%s is deleted and still blocked", incident->pod);
    }
    for (size_t i = 0; i < snapshot.n_registries; i++) {
        uint64_t here = 0;

        for (enum cause cause = 0; cause < CAUSE_MAX; cause++)
            here += snapshot.registries[i].failures[cause];
        assert_true(snapshot.registries[i].attempts >= here);
        failures += here;
        booked += here + snapshot.registries[i].attempts;
    }
    for (enum reason reason = 0; reason < REASON_MAX; reason++)
        by_reason += snapshot.reasons[reason];
    assert_int_equal(by_reason, failures);
    assert_true(booked >= t->booked);
    t->booked = booked;
    t->steps++;
    blocked_done(&blocked);
    snapshot_done(&snapshot);
}

/* The runtime reports the sandbox of some pod, or an absent image. */
static void runtime_reports(struct observer *t)
{
    struct observation said = { .kind = OBSERVE_SANDBOX };
    struct wanted wanted;

    if (t->n_seen == 0)
        return;
    said.sandbox =
        (struct sandbox_fact){ .pod_uid = str_from(t->seen[roll(t, t->n_seen)]), .ready = true };
    correlate_wanted(t->correlate, t->now, &wanted);
    if (wanted.n_images && roll(t, 2)) {
        said.kind = OBSERVE_IMAGE;
        said.image = (struct image_fact){ .image = wanted.images[roll(t, wanted.n_images)] };
    }
    assert_int_equal(correlate_observe(t->correlate, &said, t->now), 0);
    wanted_done(&wanted);
}

static void deliver(struct observer *t, const struct delivery *delivery)
{
    struct err err = ERR_INIT;
    const struct str bytes = { delivery->at, delivery->len };

    if (delivery->observed_us > t->now.wall_us) {
        t->now.mono_us += delivery->observed_us - t->now.wall_us;
        t->now.wall_us = delivery->observed_us;
    }
    if (watch_feed(delivery->is_event ? &t->events : &t->pods, bytes, &err) < 0)
        fail_msg("%s", err.text);
}

/* When and how often each frame is observed this time. */
static size_t schedule(struct observer *t, const struct history *h, bool reliable,
                       struct delivery *list)
{
    size_t n = 0;

    for (size_t i = 0; i < h->n; i++) {
        struct delivery one = h->natural[i];

        one.observed_us = one.natural_us;
        one.order = (unsigned)i;
        if (one.is_event && !reliable)
            one.observed_us += (int64_t)roll(t, LATE_MOST_US);
        list[n++] = one;
        if (one.is_event && !reliable && roll(t, 4) == 0) {
            one.observed_us += (int64_t)roll(t, LATE_MOST_US);
            list[n++] = one;
        }
    }
    qsort(list, n, sizeof(*list), by_time);
    return n;
}

static void observe_all(struct observer *t, const struct history *h, bool reliable)
{
    static struct delivery list[2 * FRAMES_MAX];
    size_t n = schedule(t, h, reliable, list);

    for (size_t i = 0; i < n; i++) {
        deliver(t, &list[i]);
        books_balance(t);
        if (!reliable && roll(t, 4) == 0) {
            runtime_reports(t);
            books_balance(t);
        }
    }
    t->now.mono_us += MINUTE; /* attempts that waited for a cause are booked */
    t->now.wall_us += MINUTE;
    books_balance(t);
}

static const struct snapshot_incident *same_in(const struct snapshot *snapshot,
                                               const struct snapshot_incident *like)
{
    for (size_t i = 0; i < snapshot->n_incidents; i++) {
        const struct snapshot_incident *incident = &snapshot->incidents[i];

        if (strcmp(incident->pod_uid, like->pod_uid) == 0 &&
            strcmp(incident->container, like->container) == 0 && incident->kind == like->kind &&
            strcmp(incident->image, like->image) == 0)
            return incident;
    }
    return NULL;
}

/* An event about a deleted pod is ignored. */
static uint64_t came_too_late(const struct snapshot_incident *in_time,
                              const struct snapshot_incident *late)
{
    if (late->state != INCIDENT_GONE || late->attempts > in_time->attempts)
        return 0;
    return in_time->attempts - late->attempts;
}

static void same_incident(const struct snapshot_incident *a, const struct snapshot_incident *b,
                          uint64_t seed)
{
    if (a->state != b->state || a->verdict.cause != b->verdict.cause ||
        a->verdict.reason != b->verdict.reason ||
        a->attempts != b->attempts + came_too_late(a, b) ||
        a->n_missing_pull_secrets != b->n_missing_pull_secrets)
        fail_msg("seed %lu: %s/%s is %s %s %s after %lu attempts; in time it was %s %s %s after "
                 "%lu",
                 (unsigned long)seed, a->pod, a->container, incident_state_name(b->state),
                 cause_name(b->verdict.cause), reason_name(b->verdict.reason),
                 (unsigned long)b->attempts, incident_state_name(a->state),
                 cause_name(a->verdict.cause), reason_name(a->verdict.reason),
                 (unsigned long)a->attempts);
}

static uint64_t failures_of(const struct snapshot_registry *registry)
{
    uint64_t n = 0;

    for (enum cause cause = 0; cause < CAUSE_MAX; cause++)
        n += registry->failures[cause];
    return n;
}

static void same_end(const struct snapshot *in_time, const struct snapshot *late, uint64_t seed)
{
    uint64_t too_late = 0, in_time_all = 0, late_all = 0;

    assert_int_equal(late->n_incidents, in_time->n_incidents);
    for (size_t i = 0; i < in_time->n_incidents; i++) {
        const struct snapshot_incident *a = &in_time->incidents[i];
        const struct snapshot_incident *b = same_in(late, a);

        if (!b)
            fail_msg("seed %lu: nothing is known of %s/%s", (unsigned long)seed, a->pod,
                     a->container);
        same_incident(a, b, seed);
        too_late += came_too_late(a, b);
    }
    for (size_t i = 0; i < in_time->n_registries; i++) {
        in_time_all += failures_of(&in_time->registries[i]);
        late_all += failures_of(&late->registries[i]);
    }
    assert_int_equal(late_all + too_late, in_time_all);
}

static uint64_t any_order(const char *folder, uint64_t rounds)
{
    static struct history history;
    static struct observer observer;
    struct snapshot in_time;
    uint64_t steps = 0;

    history_read(&history, folder);
    observer_init(&observer, &history, 0);
    observe_all(&observer, &history, true);
    take_snapshot(&observer, SNAPSHOT_DETAIL, &in_time);
    assert_true(in_time.n_incidents > 15);
    observer_done(&observer);

    for (uint64_t seed = 1; seed <= rounds; seed++) {
        struct snapshot late;

        observer_init(&observer, &history, seed);
        observe_all(&observer, &history, false);
        take_snapshot(&observer, SNAPSHOT_DETAIL, &late);
        same_end(&in_time, &late, seed);
        snapshot_done(&late);
        steps += observer.steps;
        observer_done(&observer);
    }
    snapshot_done(&in_time);
    history_done(&history);
    return steps;
}

/* INTERLEAVINGS=N tries more of them. */
static uint64_t rounds(void)
{
    const char *text = getenv("INTERLEAVINGS");

    return text ? strtoull(text, NULL, 10) : 100;
}

static void containerd_history_ends_the_same_in_any_order(void **state)
{
    (void)state;
    print_message("%lu steps\n", (unsigned long)any_order("", rounds()));
}

static void crio_history_ends_the_same_in_any_order(void **state)
{
    (void)state;
    print_message("%lu steps\n", (unsigned long)any_order("crio/", rounds()));
}

static void history_of_controllers_ends_the_same_in_any_order(void **state)
{
    (void)state;
    print_message("%lu steps\n", (unsigned long)any_order("workloads/", rounds()));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(history_of_controllers_ends_the_same_in_any_order),
        cmocka_unit_test(containerd_history_ends_the_same_in_any_order),
        cmocka_unit_test(crio_history_ends_the_same_in_any_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
