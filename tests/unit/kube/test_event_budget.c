/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/kube/event_budget.h"
#include "tests/unit/support/fault_heap.h"
#include "util.h"

#define START (500 * SEC)
#define KIB 1024u

struct world {
    struct event_budgets budgets;
    struct jitter jitter;
    int64_t now_us;
};

static int setup(void **state)
{
    struct world *w = test_calloc(1, sizeof(*w));

    w->now_us = START;
    w->jitter.state = 7;
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    test_free(*state);
    return 0;
}

static struct event_budget *take(struct world *w, const char *namespace)
{
    return event_budget_take(&w->budgets, str_from(namespace), w->now_us);
}

/* Reads in parts, as they arrive. Returns how many bytes were read before it was used up. */
static size_t read_all(struct world *w, struct event_budget *budget)
{
    size_t n = 0;

    do
        n += 16 * KIB;
    while (event_budget_use(budget, 16 * KIB, w->now_us));
    return n;
}

/* 100 pods fail: 25 events each, and again when the stream is opened again and they are listed. */
static void hundred_failing_pods_are_read_completely(void **state)
{
    struct world *w = *state;
    struct event_budget *budget = take(w, "shop");

    for (int minute = 0; minute < 60; minute++) {
        const unsigned events = minute < 3 ? 800 : 20;

        for (unsigned i = 0; i < events; i++)
            assert_true(event_budget_use(budget, 800, w->now_us + i * 50 * MSEC));
        w->now_us += MINUTE;
    }
    assert_false(event_budget_is_spent(budget, w->now_us));
    for (unsigned i = 0; i < 500; i++)
        assert_true(event_budget_use(budget, 900, w->now_us));
}

static void rest_ends_when_enough_has_come_back(void **state)
{
    struct world *w = *state;
    struct event_budget *budget = take(w, "shop");
    int64_t rest_us;
    size_t n;

    assert_int_equal(read_all(w, budget), LIMIT_EVENT_BUDGET);
    assert_int_equal(event_budget_rests_us(budget, w->now_us), 0);
    rest_us = event_budget_rest(budget, &w->jitter, w->now_us);
    assert_in_range(rest_us, 8 * MINUTE, 10 * MINUTE - 1);
    assert_int_equal(event_budget_rests_us(budget, w->now_us), rest_us);
    w->now_us += rest_us;
    assert_int_equal(event_budget_rests_us(budget, w->now_us), 0);
    assert_true(event_budget_is_spent(budget, w->now_us));
    n = read_all(w, budget);
    assert_in_range(n, LIMIT_EVENT_BUDGET_RESUME, LIMIT_EVENT_BUDGET_RESUME + 144 * KIB);
}

/* One large chunk can be more than what is left. */
static void what_was_read_too_much_is_made_up_for(void **state)
{
    struct world *w = *state;
    struct event_budget *budget = take(w, "shop");

    assert_false(event_budget_use(budget, LIMIT_EVENT_BUDGET + LIMIT_EVENT_BUDGET_RESUME, START));
    assert_true(event_budget_rest(budget, &w->jitter, START) >= 16 * MINUTE);
}

static void agents_do_not_come_back_together(void **state)
{
    struct world *w = *state;
    unsigned early = 0;

    for (unsigned i = 0; i < 200; i++) {
        struct event_budgets budgets = { .n = 0 };
        struct jitter jitter = { .state = i };
        struct event_budget *budget = event_budget_take(&budgets, STR("shop"), START);

        event_budget_use(budget, LIMIT_EVENT_BUDGET, START);
        early += event_budget_rest(budget, &jitter, START) < 9 * MINUTE;
    }
    (void)w;
    assert_in_range(early, 60, 140);
}

/* In a day of too many events, no more than the budget and what comes back. */
static void sum_is_bounded(void **state)
{
    struct world *w = *state;
    struct event_budget *budget = take(w, "shop");
    const int64_t day_us = 24 * HOUR;
    uint64_t sum = 0;

    while (w->now_us < START + day_us) {
        sum += read_all(w, budget);
        w->now_us += event_budget_rest(budget, &w->jitter, w->now_us);
    }
    assert_in_range(sum, day_us / MINUTE * LIMIT_EVENT_BUDGET_PER_MINUTE / 2,
                    LIMIT_EVENT_BUDGET + day_us / MINUTE * LIMIT_EVENT_BUDGET_PER_MINUTE);
}

static void budget_outlives_the_stream(void **state)
{
    struct world *w = *state;
    struct event_budget *budget = take(w, "shop");
    int64_t rest_us;

    read_all(w, budget);
    rest_us = event_budget_rest(budget, &w->jitter, w->now_us);
    event_budget_release(budget);
    w->now_us += MINUTE;
    budget = take(w, "shop");
    assert_int_equal(event_budget_rests_us(budget, w->now_us), rest_us - MINUTE);
    assert_true(event_budget_is_spent(budget, w->now_us));
    w->now_us += HOUR;
    assert_false(event_budget_is_spent(budget, w->now_us));
    assert_int_equal(read_all(w, budget), LIMIT_EVENT_BUDGET);
}

static void namespaces_have_a_budget_each(void **state)
{
    struct world *w = *state;
    struct event_budget *shop = take(w, "shop");

    read_all(w, shop);
    event_budget_rest(shop, &w->jitter, w->now_us);
    assert_int_equal(event_budget_rests_us(take(w, "bank"), w->now_us), 0);
    assert_int_equal(read_all(w, take(w, "bank")), LIMIT_EVENT_BUDGET);
}

/* More namespaces than rows: those that rest, and those of open streams, keep theirs. */
static void full_table_drops_the_budget_with_most_left(void **state)
{
    struct world *w = *state;
    struct event_budget *open = take(w, "open"), *resting = take(w, "resting");
    char name[32];

    read_all(w, resting);
    event_budget_rest(resting, &w->jitter, w->now_us);
    event_budget_release(resting);
    for (unsigned i = 0; i < 1000; i++) {
        struct event_budget *budget;

        snprintf(name, sizeof(name), "other-%u", i);
        budget = take(w, name);
        assert_true(event_budget_use(budget, KIB, w->now_us));
        event_budget_release(budget);
    }
    assert_int_equal(w->budgets.n, LIMIT_EVENT_BUDGETS);
    assert_ptr_equal(take(w, "open"), open);
    assert_true(event_budget_rests_us(take(w, "resting"), w->now_us) > 0);
}

static void name_that_is_too_long_for_the_table_has_a_budget(void **state)
{
    struct world *w = *state;
    char name[254];

    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_ptr_equal(take(w, name), take(w, name));
    assert_int_equal(w->budgets.n, 1);
}

static void long_time_does_not_overflow(void **state)
{
    struct world *w = *state;
    struct event_budget *budget = take(w, "shop");

    read_all(w, budget);
    w->now_us = INT64_MAX / 2;
    assert_int_equal(read_all(w, budget), LIMIT_EVENT_BUDGET);
}

#define BUDGET_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BUDGET_TEST(hundred_failing_pods_are_read_completely),
        BUDGET_TEST(rest_ends_when_enough_has_come_back),
        BUDGET_TEST(what_was_read_too_much_is_made_up_for),
        BUDGET_TEST(agents_do_not_come_back_together),
        BUDGET_TEST(sum_is_bounded),
        BUDGET_TEST(budget_outlives_the_stream),
        BUDGET_TEST(namespaces_have_a_budget_each),
        BUDGET_TEST(full_table_drops_the_budget_with_most_left),
        BUDGET_TEST(name_that_is_too_long_for_the_table_has_a_budget),
        BUDGET_TEST(long_time_does_not_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
