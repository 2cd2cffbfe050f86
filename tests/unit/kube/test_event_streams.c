/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/kube/event_streams.h"
#include "tests/unit/kube/kube_story.h"
#include "tests/unit/support/fault_heap.h"
#include "util.h"

/* Event streams with a client that never runs, so nothing is sent. The time is a number that the
 * test sets. */
struct world {
    struct story story;
    struct health health;
    struct credentials credentials;
    struct client *client;
    struct clock clock;
    struct instant now;
    struct event_streams events;
};

static struct instant now(void *self)
{
    return ((struct world *)self)->now;
}

static void begin(struct world *w)
{
    static char server[] = "http://127.0.0.1:9";
    const struct client_config client = { .credentials = &w->credentials, .user_agent = "test" };
    struct event_streams_config config = { .node_name = "lab-node",
                                           .sink = &w->story.sink,
                                           .health = &w->health,
                                           .clock = &w->clock,
                                           .seed = 7 };

    *w = (struct world){ .clock = { .self = w, .now = now } };
    story_init(&w->story);
    w->credentials.server = server;
    w->now = (struct instant){ .mono_us = 1000 * SEC, .wall_us = 1795297282 * SEC };
    assert_int_equal(client_new(&client, &w->client, NULL), 0);
    health_init(&w->health, SOURCE_EVENTS, &w->story.sink, true, w->now);
    config.client = w->client;
    event_streams_init(&w->events, &config);
}

static void end(struct world *w)
{
    event_streams_done(&w->events);
    client_free(w->client);
    story_done(&w->story);
}

static int setup(void **state)
{
    struct world *w = test_calloc(1, sizeof(*w));

    begin(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    end(*state);
    test_free(*state);
    return 0;
}

static void want(struct world *w, const char *namespace)
{
    w->story.wanted[0] = namespace;
    w->story.n_wanted = namespace ? 1 : 0;
}

/* Steps until `us` have passed. */
static void pass(struct world *w, int64_t us)
{
    const int64_t until_us = w->now.mono_us + us;

    while (w->now.mono_us < until_us) {
        const int64_t next_us = event_streams_step(&w->events, w->story.n_wanted);

        w->now.mono_us = next_us < until_us && next_us > w->now.mono_us ? next_us : until_us;
    }
    event_streams_step(&w->events, w->story.n_wanted);
}

static size_t requests(const struct world *w)
{
    size_t n = 0;

    for (size_t i = 0; i < LIMIT_EVENT_NAMESPACES; i++)
        n += w->events.open[i] && w->events.streams[i].request;
    return n;
}

static void wanted_namespace_gets_a_stream(void **state)
{
    struct world *w = *state;

    pass(w, 10 * SEC);
    assert_int_equal(requests(w), 0);
    want(w, "default");
    pass(w, 11 * SEC);
    assert_int_equal(requests(w), 1);
}

static void stream_is_closed_a_minute_after_it_was_wanted(void **state)
{
    struct world *w = *state;

    want(w, "default");
    pass(w, 11 * SEC);
    want(w, NULL);
    pass(w, 50 * SEC);
    assert_true(w->events.open[0]);
    pass(w, 12 * SEC);
    assert_false(w->events.open[0]);
}

/* Events of pods that were not known yet were skipped. */
static void open_stream_can_begin_with_its_list_again(void **state)
{
    struct world *w = *state;
    struct client_request *first;

    want(w, "default");
    pass(w, 11 * SEC);
    first = w->events.streams[0].request;
    w->events.streams[0].reflector.mode = REFLECTOR_WATCH;
    event_streams_list_anew(&w->events);
    assert_int_equal(requests(w), 0);
    assert_int_equal(w->events.streams[0].reflector.mode, REFLECTOR_LIST);
    pass(w, 1);
    assert_int_equal(requests(w), 1);
    assert_non_null(first);
    assert_false(w->events.open[1]);
}

static struct reflector *reflector(struct world *w, size_t i)
{
    return &w->events.streams[i].reflector;
}

/* The first answer to stream `i` has more bytes than its namespace may have. */
static void use_up(struct world *w, size_t i)
{
    reflector(w, i)->config.budget->bytes = 1;
    reflector(w, i)->config.budget->at_us = w->now.mono_us;
    reflector_answered(reflector(w, i), w->now, 200, "application/vnd.kubernetes.protobuf");
    assert_true(reflector_received(reflector(w, i), w->now, STR("k8s")) < 0);
    pass(w, 1);
}

static size_t resting(const struct world *w)
{
    return w->health.status.resting;
}

/* Returns how long it takes. */
static int64_t pass_rest(struct world *w)
{
    const int64_t start_us = w->now.mono_us;

    while (resting(w) && w->now.mono_us < start_us + HOUR)
        pass(w, SEC);
    return w->now.mono_us - start_us;
}

static void namespace_with_too_many_events_rests_and_no_other_one(void **state)
{
    struct world *w = *state;

    w->story.wanted[0] = "shop";
    w->story.wanted[1] = "bank";
    w->story.n_wanted = 2;
    pass(w, 11 * SEC);
    assert_int_equal(requests(w), 2);
    assert_int_equal(resting(w), 0);
    use_up(w, 0);
    assert_int_equal(requests(w), 1);
    assert_non_null(w->events.streams[1].request);
    assert_int_equal(resting(w), 1);
    assert_true(w->health.status.up);
    pass(w, MINUTE);
    assert_null(w->events.streams[0].request);
    assert_in_range(pass_rest(w), 6 * MINUTE, 10 * MINUTE);
    assert_non_null(w->events.streams[0].request);
}

/* It waits for its next turn meanwhile, or no container of it fails. */
static void rest_goes_on_while_the_stream_is_closed(void **state)
{
    struct world *w = *state;

    want(w, "shop");
    pass(w, 11 * SEC);
    use_up(w, 0);
    want(w, NULL);
    pass(w, 2 * MINUTE);
    assert_false(w->events.open[0]);
    assert_int_equal(resting(w), 0); /* nobody wants its events */
    want(w, "shop");
    pass(w, 11 * SEC);
    assert_true(w->events.open[0]);
    assert_int_equal(requests(w), 0);
    assert_int_equal(resting(w), 1);
    event_streams_list_anew(&w->events);
    pass(w, SEC);
    assert_int_equal(requests(w), 0);
    assert_in_range(pass_rest(w), 4 * MINUTE, 8 * MINUTE);
    assert_int_equal(requests(w), 1);
    assert_int_equal(reflector(w, 0)->list, TARGET_LIST_NONE);
}

/* Each allocation on the way from "wanted" to the request fails once: the namespace gets its
 * request a little later. */
static void failed_allocation_does_not_leave_a_slot_without_a_stream(void **state)
{
    struct world *w = *state;
    bool fired = true;
    size_t n;

    for (n = 0; fired; n++) {
        end(w);
        begin(w);
        want(w, "default");
        fault_heap_fail_at(n);
        pass(w, 11 * SEC);
        fired = fault_heap_fired();
        pass(w, 3 * SEC);
        assert_int_equal(requests(w), 1);
    }
    assert_true(n > 1);
}

#define EVENT_STREAMS_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EVENT_STREAMS_TEST(wanted_namespace_gets_a_stream),
        EVENT_STREAMS_TEST(stream_is_closed_a_minute_after_it_was_wanted),
        EVENT_STREAMS_TEST(open_stream_can_begin_with_its_list_again),
        EVENT_STREAMS_TEST(namespace_with_too_many_events_rests_and_no_other_one),
        EVENT_STREAMS_TEST(rest_goes_on_while_the_stream_is_closed),
        EVENT_STREAMS_TEST(failed_allocation_does_not_leave_a_slot_without_a_stream),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
