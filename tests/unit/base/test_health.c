/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "health.h"
#include "util.h"

/* A sink that keeps the last status. */
struct published {
    struct sink sink;
    struct source_status status;
    enum source_id source;
    unsigned times;
};

static void on_status(void *self, enum source_id source, const struct source_status *status)
{
    struct published *published = self;

    published->source = source;
    published->status = *status;
    published->times++;
}

static struct instant at(int64_t seconds)
{
    return (struct instant){ .mono_us = seconds * SEC, .wall_us = seconds * SEC };
}

static void start(struct published *published, struct health *health)
{
    *published = (struct published){ .sink = { .self = published, .status = on_status } };
    health_init(health, SOURCE_EVENTS, &published->sink, true, at(100));
}

static void source_is_published_as_up_at_the_start(void **state)
{
    struct published published;
    struct health health;

    (void)state;
    start(&published, &health);
    assert_int_equal(published.times, 1);
    assert_int_equal(published.source, SOURCE_EVENTS);
    assert_true(published.status.enabled && published.status.up);
    assert_true(published.status.since_us == 100 * SEC);
    health_publish(&health); /* nothing has changed */
    assert_int_equal(published.times, 1);
}

static void source_is_up_only_while_no_stream_fails(void **state)
{
    bool first_fails = false, second_fails = false;
    struct published published;
    struct health health;

    (void)state;
    start(&published, &health);
    health_failed(&health, &first_fails, "no route", at(110));
    health_failed(&health, &second_fails, "refused", at(120));
    health_failed(&health, &second_fails, "refused again", at(125));
    assert_false(health.status.up);
    assert_true(health.status.since_us == 110 * SEC);
    health_worked(&health, &first_fails, at(130));
    assert_false(health.status.up);
    health_forget(&health, &second_fails, at(140)); /* its namespace is not watched any more */
    assert_true(health.status.up);
    assert_true(health.status.since_us == 140 * SEC);
    assert_true(health.status.last_success_us == 130 * SEC);
    assert_string_equal(health.status.last_error, "refused again");
    assert_true(health.status.last_error_us == 125 * SEC);
}

static void remark_and_success_leave_up_as_it_is(void **state)
{
    struct published published;
    struct health health;
    bool fails = false;

    (void)state;
    start(&published, &health);
    health_remark(&health, "disk pressure", at(110));
    assert_true(health.status.up);
    assert_string_equal(health.status.last_error, "disk pressure");
    health_failed(&health, &fails, "refused", at(120));
    health_success(&health, at(130));
    assert_false(health.status.up);
}

static void counters_grow_and_are_published(void **state)
{
    struct published published;
    struct health health;

    (void)state;
    start(&published, &health);
    health_reconnect(&health, RECONNECT_EXPIRED, at(110));
    health_reconnect(&health, RECONNECT_EXPIRED, at(120));
    health_received(&health, 1000);
    health_received(&health, 24);
    health_watch_opened(&health);
    health_watch_opened(&health);
    health_watch_closed(&health);
    health_version(&health, "3997");
    health_publish(&health);
    assert_int_equal(published.times, 2);
    assert_int_equal(published.status.reconnects[RECONNECT_EXPIRED], 2);
    assert_int_equal(published.status.reconnects_since_us[RECONNECT_EXPIRED], 110 * SEC);
    assert_int_equal(published.status.reconnects_since_us[RECONNECT_CLOSED], 0);
    assert_int_equal(published.status.received_bytes, 1024);
    assert_int_equal(published.status.watches_open, 1);
    assert_string_equal(published.status.resource_version, "3997");
}

static void resting_streams_are_published_and_leave_up_as_it_is(void **state)
{
    struct published published;
    struct health health;

    (void)state;
    start(&published, &health);
    health_resting(&health, 0);
    health_publish(&health);
    assert_int_equal(published.times, 1); /* nothing changed */
    health_resting(&health, 2);
    health_publish(&health);
    assert_int_equal(published.times, 2);
    assert_int_equal(published.status.resting, 2);
    assert_true(published.status.up);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(source_is_published_as_up_at_the_start),
        cmocka_unit_test(source_is_up_only_while_no_stream_fails),
        cmocka_unit_test(remark_and_success_leave_up_as_it_is),
        cmocka_unit_test(counters_grow_and_are_published),
        cmocka_unit_test(resting_streams_are_published_and_leave_up_as_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
