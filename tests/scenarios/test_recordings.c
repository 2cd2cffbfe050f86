/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a real API server sent about the failing pods of a real kubelet, replayed through the real
 * decoder and the incident table, with the recorded times. 100 s (CRI-O: 130 s) after the pods were
 * created, each line of expected.json must hold, however the bytes were cut. Then the pods with two
 * repaired Secrets recover, and one pod is deleted.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "agent/incidents/correlate.h"
#include "agent/kube/intake.h"
#include "agent/kube/watch.h"
#include "buf.h"
#include "exporter/http/limit_hits.h"
#include "exporter/metrics/metrics.h"
#include "exporter/metrics/process_metrics.h"
#include "tests/read_list.h"
#include "tests/unit/kube/kube_story.h"
#include "util.h"

static struct limit_hits limit_hits; /* of exporter/: none */

#define NODE "lab-node"

/* One recorded stream on its way into the core, `chunk` bytes at a time. */
struct stream {
    struct buf bytes;
    size_t framed; /* offset of the next frame that is not released yet */
    size_t fed;    /* offset of the next byte that was not fed yet */
    struct intake intake;
    struct watch watch;

    /* Reads ahead, to know each frame's resourceVersion before it is released. */
    struct intake probe_intake;
    struct watch probe;
};

struct replay {
    struct correlate *correlate;
    struct instant now;
    struct sink sink;
    struct sink nowhere;
    size_t chunk;
    struct stream pods;
    struct stream events;
};

static void move_time(struct replay *r, int64_t wall_us)
{
    if (wall_us > r->now.wall_us) {
        r->now.mono_us += wall_us - r->now.wall_us;
        r->now.wall_us = wall_us;
        correlate_tick(r->correlate, r->now);
    }
}

static void observe(void *self, const struct observation *observation)
{
    struct replay *r = self;

    if (observation->kind == OBSERVE_EVENT)
        move_time(r, observation->event.last_us);
    assert_int_equal(correlate_observe(r->correlate, observation, r->now), 0);
}

static void observe_nothing(void *self, const struct observation *observation)
{
    (void)self;
    (void)observation;
}

static void no_limit_is_hit(void *self, enum limit limit)
{
    (void)self;
    fail_msg("limit %s was hit", limit_name(limit));
}

static void stream_open(struct stream *s, struct replay *r, enum kube_resource resource,
                        const char *folder, const char *file, bool initial)
{
    char path[128];

    snprintf(path, sizeof(path), "%s%s", folder, file);
    recording_read(path, &s->bytes);
    intake_init(&s->intake, resource, &r->sink, NODE);
    watch_init(&s->watch, &s->intake);
    watch_begin(&s->watch, initial);
    intake_init(&s->probe_intake, resource, &r->nowhere, NODE);
    watch_init(&s->probe, &s->probe_intake);
    watch_begin(&s->probe, false);
}

static void stream_close(struct stream *s)
{
    watch_done(&s->watch);
    intake_done(&s->intake);
    watch_done(&s->probe);
    intake_done(&s->probe_intake);
    buf_done(&s->bytes);
}

static void feed(struct watch *watch, const char *at, size_t len)
{
    struct err err = ERR_INIT;

    if (watch_feed(watch, (struct str){ .at = at, .len = len }, &err) < 0)
        fail_msg("%s", err.text);
}

/* Hands over whole chunks of what is released; all of it with `flush`. */
static void stream_pour(struct stream *s, size_t chunk, bool flush)
{
    while (s->framed - s->fed >= chunk || (flush && s->fed < s->framed)) {
        size_t n = s->framed - s->fed < chunk ? s->framed - s->fed : chunk;

        feed(&s->watch, s->bytes.at + s->fed, n);
        s->fed += n;
    }
}

/* The next frame's resourceVersion, 0 at the end. Bookmarks and initial objects have one as well.
 */
static uint64_t stream_peek(struct stream *s, size_t *ret_len)
{
    const unsigned char *head = (const unsigned char *)s->bytes.at + s->framed;
    size_t len;

    if (s->framed >= s->bytes.len)
        return 0;
    len = 4 + ((size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3]);
    if (*ret_len != len) {
        feed(&s->probe, s->bytes.at + s->framed, len);
        *ret_len = len;
    }
    return strtoull(s->probe_intake.resource_version, NULL, 10);
}

static void replay_open(struct replay *r, const char *folder, const char *pods, size_t chunk)
{
    bool initial = strstr(pods, "watchlist") != NULL;

    memset(r, 0, sizeof(*r));
    r->now = (struct instant){ .mono_us = HOUR, .wall_us = recording_fact(folder, "began") * SEC };
    r->correlate =
        correlate_new(&(struct correlate_config){ .max_registries = LIMIT_REGISTRIES_DEFAULT,
                                                  .stall_after_us = 2 * MINUTE },
                      r->now);
    r->chunk = chunk;
    r->sink = (struct sink){ .self = r, .observe = observe, .limit_hit = no_limit_is_hit };
    r->nowhere = (struct sink){ .observe = observe_nothing, .limit_hit = no_limit_is_hit };
    stream_open(&r->pods, r, KUBE_PODS, folder, pods, initial);
    stream_open(&r->events, r, KUBE_EVENTS, folder, "events.watch.pb", false);
}

static void replay_close(struct replay *r)
{
    stream_close(&r->pods);
    stream_close(&r->events);
    correlate_free(r->correlate);
}

/* Both streams in the order in which etcd wrote the objects, up to a resourceVersion. */
static void replay_until(struct replay *r, uint64_t last)
{
    size_t pod_len = 0;
    size_t event_len = 0;

    for (;;) {
        uint64_t pod = stream_peek(&r->pods, &pod_len);
        uint64_t event = stream_peek(&r->events, &event_len);
        bool pod_next = pod && (!event || pod <= event);
        struct stream *next = pod_next ? &r->pods : &r->events;
        size_t *len = pod_next ? &pod_len : &event_len;

        if ((!pod && !event) || (pod_next ? pod : event) > last)
            break;
        next->framed += *len;
        *len = 0;
        stream_pour(next, r->chunk, false);
    }
    stream_pour(&r->pods, r->chunk, true);
    stream_pour(&r->events, r->chunk, true);
}

static json_t *load(const char *folder, const char *file)
{
    struct buf text;
    char path[128];
    json_error_t error;
    json_t *json;

    snprintf(path, sizeof(path), "%s%s", folder, file);
    recording_read(path, &text);
    json = json_loadb(text.at, text.len, 0, &error);
    if (!json)
        fail_msg("%s: %s", path, error.text);
    buf_done(&text);
    return json;
}

static void take_snapshot(struct replay *r, struct snapshot *ret)
{
    *ret = (struct snapshot){ .taken = r->now, .node = NODE };
    arena_init(&ret->arena, LIMIT_SNAPSHOT);
    assert_int_equal(correlate_snapshot(r->correlate, SNAPSHOT_DETAIL, ret), 0);
}

static const struct snapshot_incident *find(const struct snapshot *snapshot, const char *pod,
                                            const char *container, bool open)
{
    for (size_t i = 0; i < snapshot->n_incidents; i++) {
        const struct snapshot_incident *incident = &snapshot->incidents[i];

        if (incident_state_open(incident->state) == open && strcmp(incident->pod, pod) == 0 &&
            (!container || strcmp(incident->container, container) == 0))
            return incident;
    }
    return NULL;
}

static const char *word(const json_t *line, const char *key)
{
    return json_string_value(json_object_get(line, key));
}

static void expect_line(const struct snapshot *snapshot, const json_t *line)
{
    const char *pod = word(line, "pod");
    const struct snapshot_incident *incident = find(snapshot, pod, word(line, "container"), true);
    const json_t *missing = json_object_get(line, "missing_pull_secrets");

    if (!word(line, "cause")) {
        /* "no error is ever reported": only the runtime could show it. */
        assert_null(incident);
        return;
    }
    if (!incident)
        fail_msg("%s: no incident", pod);
    if (strcmp(cause_name(incident->verdict.cause), word(line, "cause")) != 0)
        fail_msg("%s: %s is expected, got %s (%s): %s", pod, word(line, "cause"),
                 cause_name(incident->verdict.cause), reason_name(incident->verdict.reason),
                 incident->message);
    if (word(line, "reason"))
        assert_string_equal(reason_name(incident->verdict.reason), word(line, "reason"));
    assert_string_equal(container_kind_name(incident->kind),
                        word(line, "kind") ? word(line, "kind") : "container");
    if (word(line, "image"))
        assert_string_equal(incident->image, word(line, "image"));
    assert_int_equal(incident->n_missing_pull_secrets, json_array_size(missing));
    for (size_t i = 0; i < json_array_size(missing); i++)
        assert_string_equal(incident->missing_pull_secrets[i],
                            json_string_value(json_array_get(missing, i)));
}

static void expect_all_lines(const struct snapshot *snapshot, const json_t *expected,
                             size_t at_least)
{
    size_t with_cause = 0;
    size_t open = 0;

    assert_true(json_array_size(expected) >= at_least);
    for (size_t i = 0; i < json_array_size(expected); i++) {
        const json_t *line = json_array_get(expected, i);

        expect_line(snapshot, line);
        with_cause += word(line, "cause") != NULL;
    }
    for (size_t i = 0; i < snapshot->n_incidents; i++)
        open += incident_state_open(snapshot->incidents[i].state);
    assert_int_equal(open, with_cause); /* and no other pod has an incident */
}

/* The count of the recorded Event objects of a pod's container; 0: there are none.
 */
static uint64_t pulls_failed(const json_t *events, const struct snapshot_incident *incident)
{
    const json_t *items = json_object_get(events, "items");
    char path[128];
    uint64_t n = 0;

    snprintf(path, sizeof(path), "{%s}", incident->container);
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *event = json_array_get(items, i);
        const json_t *object = json_object_get(event, "involvedObject");
        const char *field = word(object, "fieldPath");

        if (strcmp(word(object, "uid"), incident->pod_uid) != 0 ||
            strncmp(word(event, "message"), "Failed to pull image", 20) != 0)
            continue;
        if (incident->kind == CONTAINER_IMAGE_VOLUME ? field == NULL : field && strstr(field, path))
            n += (uint64_t)json_integer_value(json_object_get(event, "count"));
    }
    return n;
}

/*
 * The kubelet lets 25 events of a pod through at once and then one in 300 s. Under CRI-O a
 * container of this pod could not be created and used up the 25, so its status shows one attempt
 * more than its events.
 */
static bool lost_events(const struct snapshot_incident *incident, const char *folder)
{
    return strcmp(folder, "crio/") == 0 && strcmp(incident->pod, "two-causes") == 0;
}

static void expect_attempts_as_events_say(const struct snapshot *snapshot, const char *folder)
{
    json_t *events = load(folder, "events.list.json");
    size_t checked = 0;

    for (size_t i = 0; i < snapshot->n_incidents; i++) {
        const struct snapshot_incident *incident = &snapshot->incidents[i];
        uint64_t n = pulls_failed(events, incident);

        if (n == 0)
            continue;
        if (lost_events(incident, folder))
            assert_true(incident->attempts >= n);
        else if (incident->attempts != n)
            fail_msg("%s/%s: %lu attempts, its events say %lu", incident->pod, incident->container,
                     (unsigned long)incident->attempts, (unsigned long)n);
        checked++;
    }
    assert_true(checked > 10);
    json_decref(events);
}

static uint64_t list_version(const char *folder, const char *file)
{
    json_t *list = load(folder, file);
    uint64_t version =
        strtoull(word(json_object_get(list, "metadata"), "resourceVersion"), NULL, 10);

    json_decref(list);
    return version;
}

static const size_t chunks[] = { 1, 3, 7, 64, 4096, SIZE_MAX };

static void replay_holds(const char *folder, const char *pods)
{
    json_t *expected = load(folder, "expected.json");
    uint64_t version = list_version(folder, "events.list.json");
    struct snapshot snapshot;
    struct replay replay;

    for (size_t i = 0; i < ARRAY_SIZE(chunks); i++) {
        replay_open(&replay, folder, pods, chunks[i]);
        replay_until(&replay, version);
        take_snapshot(&replay, &snapshot);
        expect_all_lines(&snapshot, expected, 21);
        expect_attempts_as_events_say(&snapshot, folder);
        snapshot_done(&snapshot);
        replay_close(&replay);
    }
    json_decref(expected);
}

static void all_failures_of_containerd_have_their_cause(void **state)
{
    (void)state;
    replay_holds("", "pods.watch.pb");
}

static void all_failures_of_crio_have_their_cause(void **state)
{
    (void)state;
    replay_holds("crio/", "pods.watch.pb");
}

static void streaming_list_gives_the_same_incidents(void **state)
{
    (void)state;
    replay_holds("", "pods.watchlist.pb");
}

/*
 * Deployments, a StatefulSet, Jobs, a CronJob, an ephemeral container, image volumes. The kubelet
 * was restarted, and told its Events up to four minutes late and only half of them: the statuses
 * must be enough.
 */
static void pods_of_controllers_have_their_cause_although_events_are_late(void **state)
{
    json_t *expected = load("workloads/", "expected.json");
    const uint64_t version = (uint64_t)recording_fact("workloads/", "list_version");
    const struct snapshot_incident *first, *second;
    struct snapshot snapshot;
    struct replay replay;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(chunks); i++) {
        replay_open(&replay, "workloads/", "pods.watch.pb", chunks[i]);
        replay_until(&replay, version);
        take_snapshot(&replay, &snapshot);
        expect_all_lines(&snapshot, expected, 9);
        /* The pod was replaced by one of the same name. */
        first = find(&snapshot, "db-0", NULL, false);
        second = find(&snapshot, "db-0", NULL, true);
        assert_non_null(first);
        assert_int_equal(first->state, INCIDENT_GONE);
        assert_string_not_equal(first->pod_uid, second->pod_uid);
        snapshot_done(&snapshot);
        replay_close(&replay);
    }
    json_decref(expected);
}

static void metrics_text(struct replay *r, struct buf *out)
{
    const struct process_stats process = { 0 };
    struct snapshot snapshot = { .taken = r->now, .node = NODE };
    struct err err = ERR_INIT;
    size_t left_out;

    arena_init(&snapshot.arena, LIMIT_SNAPSHOT);
    assert_int_equal(correlate_snapshot(r->correlate, SNAPSHOT_METRICS, &snapshot), 0);
    buf_init(out, LIMIT_METRICS_BODY);
    const struct metrics_input input = { .limit_hits = &limit_hits,
                                         .snapshot = &snapshot,
                                         .process = &process,
                                         .version = "1",
                                         .revision = "r",
                                         .compiler = "c" };
    assert_int_equal(metrics_write(out, &input, &left_out, &err), 0);
    snapshot_done(&snapshot);
}

static void repaired_pods_recover_and_series_of_a_deleted_pod_end(void **state)
{
    static const char *const repaired[] = { "unauth-wrong", "unauth-other-registry",
                                            "notfound-tag" };
    const struct snapshot_incident *gone;
    struct snapshot snapshot;
    struct replay replay;
    struct buf metrics;
    char counted[256];

    (void)state;
    replay_open(&replay, "", "pods.watch.pb", 4096);
    replay_until(&replay, list_version("", "events.list.json"));
    metrics_text(&replay, &metrics);
    assert_non_null(strstr(metrics.at, "pod=\"ratelimit\""));
    buf_done(&metrics);

    replay_until(&replay, UINT64_MAX);
    take_snapshot(&replay, &snapshot);
    for (size_t i = 0; i < ARRAY_SIZE(repaired); i++) {
        assert_null(find(&snapshot, repaired[i], NULL, true));
        assert_non_null(find(&snapshot, repaired[i], NULL, false));
        assert_int_equal(find(&snapshot, repaired[i], NULL, false)->state, INCIDENT_RECOVERED);
    }
    assert_null(find(&snapshot, "ratelimit", NULL, true));
    gone = find(&snapshot, "ratelimit", NULL, false);
    assert_non_null(gone);
    assert_int_equal(gone->state, INCIDENT_GONE);
    /* Every attempt stays counted. */
    snprintf(counted, sizeof(counted),
             "imagepull_failures_total{registry=\"%s\",cause=\"rate_limited\"} %lu\n",
             gone->registry, (unsigned long)gone->attempts);
    assert_true(gone->attempts > 1);
    assert_non_null(find(&snapshot, "notfound-name", NULL, true));
    snapshot_done(&snapshot);

    metrics_text(&replay, &metrics);
    assert_null(strstr(metrics.at, "pod=\"ratelimit\""));
    assert_null(strstr(metrics.at, "pod=\"unauth-wrong\""));
    assert_non_null(strstr(metrics.at, "pod=\"notfound-name\""));
    assert_non_null(strstr(metrics.at, counted));
    buf_done(&metrics);
    replay_close(&replay);
}

/* After 5 minutes containerd gives the pull up, and the one that waited for its layer goes on. */
static void stalled_pull_is_blocked_when_the_runtime_gives_up(void **state)
{
    const struct snapshot_incident *stalled;
    struct snapshot snapshot;
    struct replay replay;

    (void)state;
    replay_open(&replay, "", "pods.watch.pb", 4096);
    replay_until(&replay, UINT64_MAX);
    take_snapshot(&replay, &snapshot);
    stalled = find(&snapshot, "stall", "app", true);
    assert_non_null(stalled);
    assert_string_equal(cause_name(stalled->verdict.cause), "network");
    assert_int_equal(stalled->attempts, 1);
    assert_null(find(&snapshot, "behind-stall", "app", true));
    assert_null(find(&snapshot, "behind-stall", "app", false));
    snapshot_done(&snapshot);
    replay_close(&replay);
}

static void list_at_the_start_gives_the_same_as_the_watch(void **state)
{
    json_t *expected = load("", "expected.json");
    struct snapshot snapshot;
    struct replay replay;
    struct buf body;
    struct str rest;
    struct err err = ERR_INIT;

    /* A restart: the agent starts late, with lists instead of streams. */
    (void)state;
    replay_open(&replay, "", "pods.watch.pb", SIZE_MAX);
    move_time(&replay, (recording_fact("", "listed") + 10) * SEC);
    correlate_free(replay.correlate);
    replay.correlate =
        correlate_new(&(struct correlate_config){ .max_registries = LIMIT_REGISTRIES_DEFAULT,
                                                  .stall_after_us = 2 * MINUTE },
                      replay.now);

    recording_read("pods.list.pb", &body);
    assert_int_equal(list_take(&replay.pods.intake, buf_str(&body), true, &rest, &err), 0);
    buf_done(&body);
    recording_read("events.list.pb", &body);
    assert_int_equal(list_take(&replay.events.intake, buf_str(&body), true, &rest, &err), 0);
    buf_done(&body);

    take_snapshot(&replay, &snapshot);
    expect_all_lines(&snapshot, expected, 21);
    expect_attempts_as_events_say(&snapshot, "");
    for (size_t i = 0; i < snapshot.n_incidents; i++)
        assert_false(snapshot.incidents[i].first_failure_exact);
    for (size_t i = 0; i < snapshot.n_registries; i++) /* another process counted them */
        assert_int_equal(snapshot.registries[i].attempts, 0);
    snapshot_done(&snapshot);
    replay_close(&replay);
    json_decref(expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_failures_of_containerd_have_their_cause),
        cmocka_unit_test(all_failures_of_crio_have_their_cause),
        cmocka_unit_test(pods_of_controllers_have_their_cause_although_events_are_late),
        cmocka_unit_test(streaming_list_gives_the_same_incidents),
        cmocka_unit_test(repaired_pods_recover_and_series_of_a_deleted_pod_end),
        cmocka_unit_test(stalled_pull_is_blocked_when_the_runtime_gives_up),
        cmocka_unit_test(list_at_the_start_gives_the_same_as_the_watch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
