/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>

#include "agent/hub.h"
#include "tests/unit/incidents/world.h"

/* A clock that the test moves; wait() uses the real one. */
static struct instant fake_now(void *self)
{
    return *(struct instant *)self;
}

struct node {
    struct instant now;
    struct clock clock;
    struct hub *hub;
    const struct sink *sink;
};

static int begin(void **state)
{
    static struct node node;
    const struct hub_config config = {
        .node = "n1", .max_registries = 4, .reads_pods = true, .reads_runtime = true
    };

    node.now = (struct instant){ .mono_us = HOUR, .wall_us = 1000 * HOUR };
    node.clock = (struct clock){ .self = &node.now, .now = fake_now };
    node.hub = hub_new(&config, &node.clock);
    assert_non_null(node.hub);
    node.sink = hub_sink(node.hub);
    *state = &node;
    return 0;
}

static int end(void **state)
{
    struct node *node = *state;

    hub_free(node->hub);
    return 0;
}

static void take(struct node *node, struct snapshot *ret)
{
    const struct snapshot_source *source = hub_snapshots(node->hub);
    struct err err = ERR_INIT;

    assert_int_equal(source->take(source->self, SNAPSHOT_DETAIL, ret, &err), 0);
}

static void observe_kind(struct node *node, enum observation_kind kind)
{
    node->sink->observe(node->sink->self, &(struct observation){ .kind = kind });
}

static void observe_waiting_pod(struct node *node, const char *name, const char *reason)
{
    struct world w = { .now = node->now };
    struct pod_facts facts;
    struct observation observation = { .kind = OBSERVE_POD };

    pod_of(&w, &facts, name);
    facts.containers[0].waiting_reason = str_from(reason);
    observation.pod = facts.fact;
    observation.pod.containers = facts.containers;
    node->sink->observe(node->sink->self, &observation);
}

static void agent_is_ready_when_the_first_list_is_complete(void **state)
{
    struct node *node = *state;
    struct snapshot snapshot;

    observe_kind(node, OBSERVE_PODS_BEGIN);
    take(node, &snapshot);
    assert_false(snapshot.ready);
    snapshot_done(&snapshot);

    observe_kind(node, OBSERVE_PODS_END);
    observe_kind(node, OBSERVE_PODS_BEGIN); /* a later list does not change it */
    take(node, &snapshot);
    assert_true(snapshot.ready);
    assert_string_equal(snapshot.node, "n1");
    snapshot_done(&snapshot);
}

static uint64_t changes(struct node *node)
{
    const struct snapshot_source *source = hub_snapshots(node->hub);
    struct instant now;
    uint64_t n = source->changes(source->self, &now);

    assert_int_equal(now.mono_us, node->now.mono_us);
    return n;
}

/* A reader that sees the same number may show what it has shown before. */
static void all_that_is_handed_in_is_a_change(void **state)
{
    struct node *node = *state;
    const struct source_status status = { .enabled = true, .up = true };
    const struct runtime_calls calls = { .durations[METHOD_VERSION].count = 1 };
    struct snapshot snapshot;
    uint64_t before = changes(node);

    observe_waiting_pod(node, "web-0", "ErrImagePull");
    assert_true(changes(node) > before);
    before = changes(node);
    node->sink->limit_hit(node->sink->self, LIMIT_HIT_WATCH_FRAME);
    assert_true(changes(node) > before);
    before = changes(node);
    node->sink->status(node->sink->self, SOURCE_PODS, &status);
    assert_true(changes(node) > before);
    before = changes(node);
    node->sink->calls(node->sink->self, &calls);
    assert_true(changes(node) > before);

    before = changes(node);
    take(node, &snapshot);
    assert_int_equal(snapshot.changes, before);
    assert_int_equal(changes(node), before);
    snapshot_done(&snapshot);
}

static void agent_is_healthy_while_every_loop_ticks(void **state)
{
    struct node *node = *state;
    struct snapshot snapshot;

    node->sink->tick(node->sink->self, SOURCE_PODS);
    node->sink->tick(node->sink->self, SOURCE_CRI);
    node->now.mono_us += 50 * SEC;
    node->sink->tick(node->sink->self, SOURCE_PODS);
    take(node, &snapshot);
    assert_true(snapshot.healthy);
    snapshot_done(&snapshot);

    node->now.mono_us += 20 * SEC;
    take(node, &snapshot);
    assert_false(snapshot.healthy); /* the loop of cri hangs */
    snapshot_done(&snapshot);
}

static void loop_that_hangs_before_its_first_tick_is_not_healthy(void **state)
{
    struct node *node = *state;
    struct snapshot snapshot;

    node->now.mono_us += 61 * SEC;
    node->sink->tick(node->sink->self, SOURCE_PODS);
    take(node, &snapshot);
    assert_false(snapshot.healthy);
    snapshot_done(&snapshot);
}

static void new_waiting_container_ends_the_wait(void **state)
{
    struct node *node = *state;
    int64_t far_us = clock_now(clock_system()).mono_us + HOUR;

    observe_waiting_pod(node, "web-0", "ContainerCreating");
    assert_true(node->sink->wait(node->sink->self, far_us));

    /* No new container waits: wait() sleeps until its time, which is in the past. */
    assert_true(node->sink->wait(node->sink->self, 0));

    hub_stop(node->hub);
    assert_false(node->sink->wait(node->sink->self, far_us));
    assert_false(node->sink->wait(node->sink->self, far_us));
}

/* Returns whether wait() slept until its time was over, because nothing woke it. */
static bool sleeps(struct node *node)
{
    int64_t until_us = clock_now(clock_system()).mono_us + 20 * MSEC;

    assert_true(node->sink->wait(node->sink->self, until_us));
    return clock_now(clock_system()).mono_us >= until_us;
}

static void wait_ends_only_when_more_containers_wait(void **state)
{
    struct node *node = *state;

    observe_waiting_pod(node, "web-0", "ContainerCreating");
    observe_waiting_pod(node, "web-1", "ContainerCreating");
    assert_true(node->sink->wait(node->sink->self, INT64_MAX / 2));
    assert_true(sleeps(node));                               /* this was reported already */
    observe_waiting_pod(node, "web-0", "ContainerCreating"); /* the same again */
    assert_true(sleeps(node));
    observe_waiting_pod(node, "web-1", "CrashLoopBackOff"); /* one less */
    assert_true(sleeps(node));
}

static void loop_is_healthy_for_a_minute_after_its_tick(void **state)
{
    struct node *node = *state;
    struct snapshot snapshot;

    node->now.mono_us += MINUTE;
    take(node, &snapshot);
    assert_true(snapshot.healthy);
    snapshot_done(&snapshot);
    node->now.mono_us++;
    node->sink->tick(node->sink->self, SOURCE_CRI);
    take(node, &snapshot);
    assert_false(snapshot.healthy); /* the loop of pods has never ticked */
    snapshot_done(&snapshot);
    node->sink->tick(node->sink->self, SOURCE_PODS);
    take(node, &snapshot);
    assert_true(snapshot.healthy);
    snapshot_done(&snapshot);
}

static void node_without_kubernetes_is_ready_at_once(void **state)
{
    const struct hub_config config = { .node = "", .max_registries = 1, .reads_runtime = true };
    struct node *node = *state;
    struct node other = { .hub = hub_new(&config, &node->clock) };
    struct snapshot snapshot;

    take(&other, &snapshot);
    assert_true(snapshot.ready);
    snapshot_done(&snapshot);
    node->now.mono_us += 2 * MINUTE;
    hub_sink(other.hub)->tick(hub_sink(other.hub)->self, SOURCE_CRI);
    take(&other, &snapshot);
    assert_true(snapshot.healthy); /* there is no loop of pods */
    snapshot_done(&snapshot);
    hub_free(other.hub);
}

static void runtime_that_is_not_read_has_no_loop(void **state)
{
    struct node *node = *state;
    const struct hub_config config = { .node = "n1", .max_registries = 1, .reads_pods = true };
    struct node other = { .hub = hub_new(&config, &node->clock) };
    struct snapshot snapshot;

    take(node, &snapshot);
    assert_true(snapshot.sources[SOURCE_CRI].enabled); /* before its first status */
    assert_true(snapshot.sources[SOURCE_CRI].up);
    snapshot_done(&snapshot);

    node->now.mono_us += 2 * MINUTE;
    hub_sink(other.hub)->tick(hub_sink(other.hub)->self, SOURCE_PODS);
    take(&other, &snapshot);
    assert_true(snapshot.healthy);
    assert_false(snapshot.sources[SOURCE_CRI].enabled);
    snapshot_done(&snapshot);
    hub_free(other.hub);
}

static void status_and_calls_of_sources_are_in_the_snapshot(void **state)
{
    static const struct source_status status = {
        .enabled = true, .up = true, .since_us = 7, .resting = 2
    };
    static const struct runtime_calls calls = { .errors = { [METHOD_VERSION] = { [14] = 3 } } };
    struct node *node = *state;
    struct snapshot snapshot;

    node->sink->status(node->sink->self, SOURCE_EVENTS, &status);
    node->sink->calls(node->sink->self, &calls);
    take(node, &snapshot);
    assert_int_equal(snapshot.sources[SOURCE_EVENTS].since_us, 7);
    assert_int_equal(snapshot.left_out[LIMIT_HIT_EVENT_BUDGET], 2);
    assert_false(snapshot.sources[SOURCE_PODS].enabled);
    assert_int_equal(snapshot.calls.errors[METHOD_VERSION][14], 3);
    snapshot_done(&snapshot);
}

static void ticks_and_snapshots_book_overdue_attempts(void **state)
{
    struct node *node = *state;
    int64_t ticked_us;
    struct snapshot snapshot;

    for (int tick = 0; tick < 2; tick++) {
        observe_waiting_pod(node, tick ? "web-1" : "web-0",
                            "ImagePullBackOff"); /* without a cause */
        node->now.mono_us += 30 * SEC;
        node->now.wall_us += 30 * SEC;
        ticked_us = node->now.wall_us;
        if (tick) {
            node->sink->tick(node->sink->self, SOURCE_PODS);
            node->now.mono_us += SEC;
            node->now.wall_us += SEC;
        }
        take(node, &snapshot);
        assert_int_equal(snapshot.reasons[REASON_BACK_OFF_ONLY], tick + 1);
        assert_int_equal(snapshot.registries[0].newest[CAUSE_UNKNOWN].at_us, ticked_us);
        snapshot_done(&snapshot);
    }
}

static bool asks_for_blobs(struct node *node, int64_t stall_after_us)
{
    const struct hub_config config = { .max_registries = 1, .stall_after_us = stall_after_us };
    struct node other = { .now = node->now, .hub = hub_new(&config, &node->clock) };
    struct wanted wanted;
    bool asks;

    other.sink = hub_sink(other.hub);
    observe_waiting_pod(&other, "web-0", "ContainerCreating");
    other.sink->observe(
        other.sink->self,
        &(struct observation){ .kind = OBSERVE_IMAGE, .image = { .image = STR(IMAGE) } });
    other.sink->wanted(other.sink->self, &wanted);
    asks = wanted.ingests;
    wanted_done(&wanted);
    hub_free(other.hub);
    return asks;
}

static void blobs_are_wanted_only_if_stalls_are_detected(void **state)
{
    assert_true(asks_for_blobs(*state, MINUTE));
    assert_false(asks_for_blobs(*state, 0));
}

#define ROUNDS 2000

static void *observe_and_ask(void *arg)
{
    struct node *node = arg;
    char name[16];

    for (unsigned i = 0; i < ROUNDS; i++) {
        struct source_status status = { .enabled = true, .up = i % 2 };
        struct wanted wanted;

        snprintf(name, sizeof(name), "web-%u", i % 20);
        observe_waiting_pod(node, name, i % 3 ? "ErrImagePull" : "ImagePullBackOff");
        node->sink->status(node->sink->self, SOURCE_PODS, &status);
        node->sink->tick(node->sink->self, SOURCE_PODS);
        node->sink->limit_hit(node->sink->self, LIMIT_HIT_WATCH_FRAME);
        node->sink->wanted(node->sink->self, &wanted);
        wanted_done(&wanted);
    }
    return NULL;
}

static void threads_can_observe_and_read_at_the_same_time(void **state)
{
    struct node *node = *state;
    struct snapshot snapshot;
    pthread_t threads[2];

    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, observe_and_ask, node), 0);
    for (unsigned i = 0; i < 200; i++) {
        take(node, &snapshot);
        assert_true(snapshot.n_incidents <= 20);
        snapshot_done(&snapshot);
    }
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        pthread_join(threads[i], NULL);
    take(node, &snapshot);
    assert_int_equal(snapshot.limit_hits[LIMIT_HIT_WATCH_FRAME], 2 * ROUNDS);
    snapshot_done(&snapshot);
}

#define HUB_TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HUB_TEST(agent_is_ready_when_the_first_list_is_complete),
        HUB_TEST(all_that_is_handed_in_is_a_change),
        HUB_TEST(agent_is_healthy_while_every_loop_ticks),
        HUB_TEST(loop_that_hangs_before_its_first_tick_is_not_healthy),
        HUB_TEST(new_waiting_container_ends_the_wait),
        HUB_TEST(wait_ends_only_when_more_containers_wait),
        HUB_TEST(loop_is_healthy_for_a_minute_after_its_tick),
        HUB_TEST(node_without_kubernetes_is_ready_at_once),
        HUB_TEST(runtime_that_is_not_read_has_no_loop),
        HUB_TEST(status_and_calls_of_sources_are_in_the_snapshot),
        HUB_TEST(ticks_and_snapshots_book_overdue_attempts),
        HUB_TEST(blobs_are_wanted_only_if_stalls_are_detected),
        HUB_TEST(threads_can_observe_and_read_at_the_same_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
