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
        EVENT_STREAMS_TEST(failed_allocation_does_not_leave_a_slot_without_a_stream),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
