/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arena.h"
#include "tests/unit/support/fault_heap.h"

static void memory_is_zeroed_aligned_and_freed_as_a_whole(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 1 << 20);
    for (size_t size = 1; size < 3000; size = size * 3 + 1) {
        unsigned char *at = arena_alloc(&arena, size);

        assert_non_null(at);
        assert_int_equal((uintptr_t)at % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(at[i], 0);
        memset(at, 0xff, size);
    }
    arena_done(&arena);
    assert_int_equal(fault_heap_live(), 0);
}

static void allocations_over_the_limit_fail(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 10000);
    assert_null(arena_alloc(&arena, 10001));
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_non_null(arena_alloc(&arena, 9000));
    assert_null(arena_alloc(&arena, 2000));
    assert_non_null(arena_alloc(&arena, 900));
    arena_done(&arena);
}

static void a_reset_arena_reuses_its_block(void **state)
{
    struct arena arena;
    char *at;

    (void)state;
    arena_init(&arena, 1 << 20);
    assert_non_null(arena_alloc(&arena, 100000));
    assert_non_null(arena_alloc(&arena, 100));
    arena_reset(&arena);
    assert_int_equal(arena.used, 0);
    fault_heap_fail_at(0);
    at = arena_str(&arena, str_from("text"));
    assert_false(fault_heap_fired());
    assert_string_equal(at, "text");
    arena_done(&arena);
    arena_reset(&arena); /* an empty arena can be reset */
    assert_int_equal(fault_heap_live(), 0);
}

static void reserved_memory_is_ready_and_within_the_limit(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 10000);
    arena_reserve(&arena, SIZE_MAX);
    fault_heap_fail_at(0);
    assert_non_null(arena_alloc(&arena, 6000));
    assert_non_null(arena_alloc(&arena, 3000));
    assert_false(fault_heap_fired());
    assert_null(arena_alloc(&arena, 2000));
    assert_true(arena.limit_reached);
    fault_heap_fail_at(0);
    arena_reserve(&arena, 100); /* it has a block */
    assert_false(fault_heap_fired());
    arena_done(&arena);
    assert_int_equal(fault_heap_live(), 0);
}

static void a_failed_reservation_changes_nothing(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 1 << 20);
    fault_heap_fail_at(0);
    arena_reserve(&arena, 5000);
    assert_true(fault_heap_fired());
    assert_non_null(arena_alloc(&arena, 5000));
    arena_done(&arena);
}

static void a_failed_allocation_returns_null(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 1 << 20);
    fault_heap_fail_at(0);
    assert_null(arena_alloc(&arena, 10));
    assert_true(fault_heap_fired());
    assert_non_null(arena_alloc(&arena, 10));
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_aligned_and_freed_as_a_whole),
        cmocka_unit_test(allocations_over_the_limit_fail),
        cmocka_unit_test(a_reset_arena_reuses_its_block),
        cmocka_unit_test(reserved_memory_is_ready_and_within_the_limit),
        cmocka_unit_test(a_failed_reservation_changes_nothing),
        cmocka_unit_test(a_failed_allocation_returns_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
