/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/kube/event_slots.h"
#include "util.h"

#define START (500 * SEC)

/* Slots, the wanted namespaces, and the time, which is a number that the test sets. */
struct world {
    struct event_slots slots;
    struct wanted wanted;
    int64_t now_us;
    unsigned opened, closed;
};

static void world_init(struct world *w, uint64_t seed)
{
    *w = (struct world){ .now_us = START };
    event_slots_init(&w->slots, seed);
}

static void want(struct world *w, size_t n, const char *const *namespaces)
{
    w->wanted.n_namespaces = n;
    for (size_t i = 0; i < n; i++)
        w->wanted.namespaces[i] = str_from(namespaces[i]);
}

/* One turn of the loop. */
static void turn(struct world *w)
{
    event_slots_want(&w->slots, &w->wanted, w->now_us);
    for (size_t i = 0; i < LIMIT_EVENT_NAMESPACES; i++) {
        const enum event_slot_step step = event_slots_step(&w->slots, i, w->now_us);

        w->opened += step == SLOT_STEP_OPEN;
        w->closed += step == SLOT_STEP_CLOSE;
    }
}

/* Turns once a second, and at each deadline. */
static void pass(struct world *w, int64_t us)
{
    const int64_t until_us = w->now_us + us;

    turn(w);
    while (w->now_us < until_us) {
        const int64_t deadline_us = event_slots_deadline_us(&w->slots);
        const int64_t second_us = w->now_us + SEC;
        int64_t next_us = deadline_us < second_us ? deadline_us : second_us;

        assert_true(next_us > w->now_us); /* otherwise the loop would spin */
        w->now_us = next_us < until_us ? next_us : until_us;
        turn(w);
    }
}

static void nothing_is_opened_unless_wanted(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, 1);
    pass(&w, HOUR);
    assert_int_equal(w.opened, 0);
    assert_true(event_slots_deadline_us(&w.slots) == INT64_MAX);
}

static void opening_is_spread_over_ten_seconds(void **state)
{
    static const char *const one[] = { "default" };
    unsigned early = 0, late = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct world w;

        world_init(&w, seed);
        want(&w, 1, one);
        pass(&w, 5 * SEC);
        early += w.opened;
        pass(&w, 5 * SEC);
        assert_int_equal(w.opened, 1);
        late++;
    }
    late -= early;
    assert_true(early > 60 && late > 60);
}

static void slot_stays_open_for_a_minute(void **state)
{
    static const char *const one[] = { "default" };
    struct world w;

    (void)state;
    world_init(&w, 1);
    want(&w, 1, one);
    pass(&w, 10 * SEC);
    want(&w, 0, NULL);
    pass(&w, 59 * SEC);
    assert_int_equal(w.closed, 0);
    want(&w, 1, one); /* the next failure: the minute starts again */
    pass(&w, 59 * SEC);
    want(&w, 0, NULL);
    pass(&w, 59 * SEC);
    assert_int_equal(w.closed, 0);
    pass(&w, 1 * SEC);
    assert_int_equal(w.closed, 1);
    assert_int_equal(w.opened, 1);
}

static void namespace_that_is_not_wanted_any_more_is_not_opened(void **state)
{
    static const char *const one[] = { "default" };

    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct world w;

        world_init(&w, seed);
        want(&w, 1, one);
        turn(&w);
        if (w.opened)
            continue; /* its random delay is 0 */
        want(&w, 0, NULL);
        pass(&w, HOUR);
        assert_int_equal(w.opened, 0);
    }
}

static const char *const many[] = { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j" };

static void new_namespace_gets_the_slot_that_is_unwanted_for_longest(void **state)
{
    struct world w;
    bool has_first = false, has_new = false;

    (void)state;
    world_init(&w, 1);
    want(&w, 8, many);
    pass(&w, 10 * SEC);
    assert_int_equal(w.opened, 8);
    want(&w, 7, many + 1); /* "a" is unwanted first */
    pass(&w, 5 * SEC);
    want(&w, 6, many + 2);
    pass(&w, 5 * SEC);
    want(&w, 7, many + 2); /* "i" is new */
    pass(&w, 15 * SEC);
    assert_int_equal(w.closed, 1);
    assert_int_equal(w.opened, 9);
    for (size_t i = 0; i < LIMIT_EVENT_NAMESPACES; i++) {
        has_first |= strcmp(w.slots.at[i].namespace, "a") == 0;
        has_new |= strcmp(w.slots.at[i].namespace, "i") == 0;
    }
    assert_false(has_first);
    assert_true(has_new);
}

static void invalid_names_are_skipped(void **state)
{
    char long_name[NAMESPACE_SIZE + 1];
    const char *names[] = { "", long_name };
    struct world w;

    (void)state;
    memset(long_name, 'a', NAMESPACE_SIZE);
    long_name[NAMESPACE_SIZE] = '\0';
    world_init(&w, 1);
    want(&w, 2, names);
    pass(&w, MINUTE);
    assert_int_equal(w.opened, 0);
    long_name[NAMESPACE_SIZE - 1] = '\0';
    pass(&w, MINUTE);
    assert_int_equal(w.opened, 0); /* `wanted` still has the old length */
    want(&w, 2, names);
    pass(&w, MINUTE);
    assert_int_equal(w.opened, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_opened_unless_wanted),
        cmocka_unit_test(opening_is_spread_over_ten_seconds),
        cmocka_unit_test(slot_stays_open_for_a_minute),
        cmocka_unit_test(namespace_that_is_not_wanted_any_more_is_not_opened),
        cmocka_unit_test(new_namespace_gets_the_slot_that_is_unwanted_for_longest),
        cmocka_unit_test(invalid_names_are_skipped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
