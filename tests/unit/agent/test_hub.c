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

/* A clock that the test moves; wait() goes by the real one. */
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
    const struct hub_config config = { .node = "n1", .max_registries = 4, .reads_pods = true };

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

static void say(struct node *node, enum observation_kind kind)
{
    node->sink->observe(node->sink->self, &(struct observation){ .kind = kind });
}

static void say_pod(struct node *node, const char *name, const char *reason)
{
    struct world w = { .now = node->now };
    struct pod_told told;
    struct observation observation = { .kind = OBSERVE_POD };

    pod_of(&w, &told, name);
    told.containers[0].waiting_reason = str_from(reason);
    observation.pod = told.fact;
    observation.pod.containers = told.containers;
    node->sink->observe(node->sink->self, &observation);
}

static void it_is_ready_once_the_first_list_is_complete(void **state)
{
    struct node *node = *state;
    struct snapshot snapshot;

    say(node, OBSERVE_PODS_BEGIN);
    take(node, &snapshot);
    assert_false(snapshot.ready);
    snapshot_done(&snapshot);

    say(node, OBSERVE_PODS_END);
    say(node, OBSERVE_PODS_BEGIN); /* a later list does not take it back */
    take(node, &snapshot);
    assert_true(snapshot.ready);
    assert_string_equal(snapshot.node, "n1");
    snapshot_done(&snapshot);
}

static void it_is_healthy_while_every_loop_ticks(void **state)
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
    assert_false(snapshot.healthy); /* cri hangs */
    snapshot_done(&snapshot);
}

static void a_loop_that_hangs_before_its_first_tick_is_no_healthy_one(void **state)
{
    struct node *node = *state;
    struct snapshot snapshot;

    node->now.mono_us += 61 * SEC;
    node->sink->tick(node->sink->self, SOURCE_PODS);
    take(node, &snapshot);
    assert_false(snapshot.healthy);
    snapshot_done(&snapshot);
}

static void a_new_waiting_container_wakes_the_sleeper_at_once(void **state)
{
    struct node *node = *state;
    int64_t far_us = clock_now(clock_system()).mono_us + HOUR;

    say_pod(node, "web-0", "ContainerCreating");
    assert_true(node->sink->wait(node->sink->self, far_us));

    /* Nothing new: it sleeps until its time, which has come. */
    assert_true(node->sink->wait(node->sink->self, 0));

    hub_stop(node->hub);
    assert_false(node->sink->wait(node->sink->self, far_us));
    assert_false(node->sink->wait(node->sink->self, far_us));
}

#define ROUNDS 2000

static void *chatter(void *arg)
{
    struct node *node = arg;
    char name[16];

    for (unsigned i = 0; i < ROUNDS; i++) {
        struct source_status status = { .enabled = true, .up = i % 2 };
        struct wanted wanted;

        snprintf(name, sizeof(name), "web-%u", i % 20);
        say_pod(node, name, i % 3 ? "ErrImagePull" : "ImagePullBackOff");
        node->sink->status(node->sink->self, SOURCE_PODS, &status);
        node->sink->tick(node->sink->self, SOURCE_PODS);
        node->sink->limit_hit(node->sink->self, LIMIT_HIT_WATCH_FRAME);
        node->sink->wanted(node->sink->self, &wanted);
        wanted_done(&wanted);
    }
    return NULL;
}

static void threads_may_talk_and_look_at_the_same_time(void **state)
{
    struct node *node = *state;
    struct snapshot snapshot;
    pthread_t threads[2];

    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, chatter, node), 0);
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
        HUB_TEST(it_is_ready_once_the_first_list_is_complete),
        HUB_TEST(it_is_healthy_while_every_loop_ticks),
        HUB_TEST(a_loop_that_hangs_before_its_first_tick_is_no_healthy_one),
        HUB_TEST(a_new_waiting_container_wakes_the_sleeper_at_once),
        HUB_TEST(threads_may_talk_and_look_at_the_same_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
