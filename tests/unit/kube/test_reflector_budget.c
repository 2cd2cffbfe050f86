/* SPDX-License-Identifier: Apache-2.0 */

/* A namespace with more events than an agent may read: it rests, and goes on without the old ones.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "limit.h"
#include "tests/unit/kube/kube_world.h"

#define NOTHING "/api/v1/namespaces/default/events?fieldSelector=metadata.name%3Dnone_"
#define LIST "&limit=500"
#define WATCH "&watch=true&allowWatchBookmarks=true&resourceVersion="
#define RESTS "namespace default has too many events; reading again in "

/* An EventList without items, of version 4711. */
#define NO_EVENTS                                                                                  \
    STR("k8s\0\x0a\x0f\x0a\x02v1\x12\x09"                                                          \
        "EventList\x12\x08\x0a\x06\x12\x04"                                                        \
        "4711")

static int setup(void **state)
{
    struct kube_world *w;

    if (kube_world_setup(state) != 0)
        return -1;
    w = *state;
    reflector_done(&w->reflector, w->now);
    kube_world_begin(w, KUBE_EVENTS);
    return 0;
}

/* Receives the body in parts of 1 KiB until the reflector has enough. Returns how much it read. */
static size_t receive_until_used_up(struct kube_world *w, struct str body)
{
    size_t n = 0;
    int r = 0;

    while (r == 0 && n < body.len) {
        const struct str part = str_head(str_skip(body, n), 1024);

        r = kube_world_receive(w, part);
        n += part.len;
    }
    assert_true(r < 0);
    assert_true(reflector_late(&w->reflector, w->now));
    kube_world_cut(w, false, "cancelled");
    return n;
}

static void read_recording(struct kube_world *w, const char *name, size_t bytes)
{
    struct buf body;

    recording_read(name, &body);
    w->budget->bytes = (int64_t)bytes;
    w->budget->at_us = w->now.mono_us;
    kube_world_answer(w, 200);
    assert_int_equal(receive_until_used_up(w, buf_str(&body)), bytes);
    buf_done(&body);
}

static void use_up_in_list(struct kube_world *w)
{
    kube_world_ask(w);
    kube_world_assert_asked(w, LIST);
    read_recording(w, "events.list.pb", 20480);
}

static void answer(struct kube_world *w, struct str body)
{
    kube_world_answer(w, 200);
    assert_int_equal(kube_world_receive(w, body), 0);
    kube_world_end(w);
}

/* The next request of a watch, which begins with what happens now. */
static void goes_on(struct kube_world *w)
{
    kube_world_ask(w);
    assert_string_equal(w->target.at, NOTHING);
    answer(w, NO_EVENTS);
    kube_world_ask(w);
    kube_world_assert_asked(w, WATCH "4711&");
}

static void assert_works(const struct kube_world *w)
{
    assert_true(w->health.status.up);
    assert_int_equal(w->health.failing, 0);
    kube_world_assert_reconnects(w, RECONNECT_CLOSED, 0);
}

static void list_that_uses_up_the_budget_is_not_read_again(void **state)
{
    struct kube_world *w = *state;

    use_up_in_list(w);
    assert_true(story_count(&w->story, "EVENT") > 0); /* what had arrived */
    assert_in_range(kube_world_waits(w), 8 * MINUTE, 10 * MINUTE);
    kube_world_assert_change(w, CHANGE_RESTS, RESTS);
    assert_non_null(str_find(str_from(w->health.status.last_error), STR(RESTS)));
    assert_int_equal(w->story.limit_hits[LIMIT_HIT_EVENT_BUDGET], 1);
    assert_works(w);
    goes_on(w);
}

static void watch_that_uses_up_the_budget_goes_on_with_new_events(void **state)
{
    struct kube_world *w = *state;
    struct buf list;
    size_t listed;

    recording_read("events.list.pb", &list);
    kube_world_ask(w);
    answer(w, buf_str(&list));
    buf_done(&list);
    listed = story_count(&w->story, "EVENT");
    kube_world_ask(w);
    read_recording(w, "events.watch.pb", 30720);
    assert_true(story_count(&w->story, "EVENT") > listed);
    assert_in_range(kube_world_waits(w), 8 * MINUTE, 10 * MINUTE);
    assert_works(w);
    goes_on(w);
}

/* One line in the log, and one more only after the budget was full. */
static void next_rest_is_counted_and_not_logged(void **state)
{
    struct kube_world *w = *state;

    use_up_in_list(w);
    kube_world_assert_change(w, CHANGE_RESTS, RESTS);
    for (unsigned i = 2; i < 5; i++) {
        goes_on(w);
        read_recording(w, "events.watch.pb", 30720);
        kube_world_assert_change(w, CHANGE_NONE, NULL);
        assert_int_equal(w->story.limit_hits[LIMIT_HIT_EVENT_BUDGET], i);
    }
    assert_works(w);
}

static void old_version_during_the_watch_does_not_lead_to_a_list(void **state)
{
    struct kube_world *w = *state;

    use_up_in_list(w);
    goes_on(w);
    kube_world_answer(w, 200);
    kube_world_expire(w);
    goes_on(w);
}

static void list_is_read_again_when_the_budget_was_full(void **state)
{
    struct kube_world *w = *state;

    use_up_in_list(w);
    goes_on(w);
    kube_world_answer(w, 200);
    kube_world_advance(w, HOUR);
    kube_world_expire(w);
    kube_world_ask(w);
    kube_world_assert_asked(w, LIST);
}

/* The stream was closed meanwhile: its namespace waited for its turn. */
static void new_stream_of_a_resting_namespace_waits(void **state)
{
    struct kube_world *w = *state;
    int64_t waits_us;

    use_up_in_list(w);
    waits_us = kube_world_waits(w);
    reflector_done(&w->reflector, w->now);
    event_budget_release(w->budget);
    kube_world_begin(w, KUBE_EVENTS);
    assert_int_equal(kube_world_waits(w), waits_us);
    assert_false(reflector_due(&w->reflector, w->now));
    goes_on(w);
}

static void stream_that_failed_before_works(void **state)
{
    struct kube_world *w = *state;

    kube_world_ask(w);
    kube_world_refuse(w, 503);
    assert_false(w->health.status.up);
    use_up_in_list(w);
    assert_true(w->health.status.up);
    assert_int_equal(w->health.failing, 0);
}

static void refusal_is_a_failure_also_with_the_last_byte_of_the_budget(void **state)
{
    struct kube_world *w = *state;

    kube_world_ask(w);
    w->budget->bytes = 1;
    kube_world_answer(w, 403);
    assert_int_equal(kube_world_receive(w, recording_body(&w->forbidden)), 0);
    kube_world_end(w);
    kube_world_assert_change(w, CHANGE_FAILED, "403");
    assert_int_equal(w->story.limit_hits[LIMIT_HIT_EVENT_BUDGET], 0);
}

/* The server does not answer after the rest: the next try asks for the same. */
static void failure_after_the_rest_does_not_lead_to_a_list(void **state)
{
    struct kube_world *w = *state;

    use_up_in_list(w);
    kube_world_ask(w);
    kube_world_refuse(w, 503);
    goes_on(w);
    kube_world_cut(w, true, "connection closed");
    kube_world_ask(w);
    kube_world_assert_asked(w, WATCH "4711&");
}

#define BUDGET_TEST(test) cmocka_unit_test_setup_teardown(test, setup, kube_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BUDGET_TEST(list_that_uses_up_the_budget_is_not_read_again),
        BUDGET_TEST(watch_that_uses_up_the_budget_goes_on_with_new_events),
        BUDGET_TEST(next_rest_is_counted_and_not_logged),
        BUDGET_TEST(old_version_during_the_watch_does_not_lead_to_a_list),
        BUDGET_TEST(list_is_read_again_when_the_budget_was_full),
        BUDGET_TEST(new_stream_of_a_resting_namespace_waits),
        BUDGET_TEST(stream_that_failed_before_works),
        BUDGET_TEST(refusal_is_a_failure_also_with_the_last_byte_of_the_budget),
        BUDGET_TEST(failure_after_the_rest_does_not_lead_to_a_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
