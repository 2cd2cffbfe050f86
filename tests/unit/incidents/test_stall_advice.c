/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/stall_advice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "limit.h"
#include "util.h"

#define SINCE_US (1795000000LL * SEC) /* 2026-11-18T11:06:40Z */

static char text[4096];

static const char *advice_of(const struct snapshot_stall *stall, const char *registry)
{
    const struct snapshot_incident incident = { .registry = registry,
                                                .first_failure_us = SINCE_US,
                                                .stall = stall };
    struct buf out;

    buf_init(&out, sizeof(text));
    stall_advice_write(&out, &incident);
    assert_true(out.len < sizeof(text));
    memcpy(text, out.at, out.len);
    text[out.len] = '\0';
    buf_done(&out);
    return text;
}

static void stall_that_goes_on_is_told_in_the_present(void **state)
{
    const struct snapshot_stall stall = { .waits_for = STALL_BYTES,
                                          .layer = "sha256:1",
                                          .last_progress_us = SINCE_US };

    (void)state;
    assert_string_equal(
        advice_of(&stall, "r.example.com"),
        "r.example.com has sent nothing of a layer since 2026-11-18T11:06:40Z, and the runtime "
        "still waits for it: check the registry, its blob store and the network on the path; a "
        "restart of the container runtime ends the wait, and the kubelet then tries again.");
    assert_non_null(strstr(advice_of(&stall, "invalid"), "The registry has sent nothing"));
}

static void containers_over_three_are_counted(void **state)
{
    static const struct snapshot_waiter behind[] = {
        { "shop", "a", "app", "r.io/a:1" },
        { "shop", "b", "app", "r.io/b:1" },
        { "shop", "c", "app", "r.io/c:1" },
        { "shop", "d", "app", "r.io/d:1" },
    };
    struct snapshot_stall stall = { .waits_for = STALL_BYTES,
                                    .layer = "sha256:1",
                                    .waiting_behind = behind };

    (void)state;
    stall.n_waiting_behind = 3;
    assert_non_null(strstr(advice_of(&stall, "r.io"),
                           "; behind it also wait shop/a (r.io/a:1), shop/b (r.io/b:1), shop/c "
                           "(r.io/c:1)."));
    assert_null(strstr(text, "slots"));
    stall.n_waiting_behind = 4;
    stall.holds_slot = true;
    stall.slots = 3;
    assert_non_null(strstr(advice_of(&stall, "r.io"), "shop/c (r.io/c:1) and 1 more."));
    assert_non_null(strstr(text, "hold 3 download slots of the node; behind it"));
}

static void pull_without_a_slot_names_who_holds_them(void **state)
{
    static const struct snapshot_waiter holder = { "shop", "a", "app", "r.io/a:1" };
    struct snapshot_stall stall = { .waits_for = STALL_SLOT, .slots = 3 };

    (void)state;
    assert_non_null(strstr(advice_of(&stall, "r.io"), "slots are held by other pulls, whose"));
    stall.held_by = &holder;
    stall.n_held_by = 1;
    assert_non_null(strstr(advice_of(&stall, "r.io"),
                           "its registry is not the cause: the node's 3 download slots are held by "
                           "shop/a (r.io/a:1), whose layers get no bytes"));
}

static void silence_is_told_as_an_inference(void **state)
{
    static const char *const others[] = { "quay.io/a/b:1" };
    struct snapshot_stall stall = { .waits_for = STALL_ANSWER };

    (void)state;
    assert_non_null(strstr(advice_of(&stall, "r.io"),
                           "Nothing of this image has come since 2026-11-18T11:06:40Z. Probably "
                           "r.io accepts connections and does not answer"));
    assert_non_null(strstr(text, "It can also be that the pull waits in the kubelet's queue"));
    stall.ambiguous_with = others;
    stall.n_ambiguous_with = 1;
    assert_non_null(
        strstr(advice_of(&stall, "r.io"),
               "since 2026-11-18T11:06:40Z, nor of quay.io/a/b:1: by default the kubelet "
               "pulls one image after the other, so one of them may only wait for the "
               "other. Perhaps r.io accepts connections and does not answer"));
}

static void longest_names_fit(void **state)
{
    static char name[LIMIT_NAME_TEXT], image[LIMIT_IMAGE_TEXT];
    const struct snapshot_waiter waiter = { name, name, name, image };
    const struct snapshot_waiter behind[] = { waiter, waiter, waiter, waiter };
    const char *const ambiguous_with[] = { image };
    const struct snapshot_stall stall = { .waits_for = STALL_BYTES,
                                          .layer = "sha256:1",
                                          .last_progress_us = SINCE_US,
                                          .holds_slot = true,
                                          .slots = SIZE_MAX,
                                          .waiting_behind = behind,
                                          .n_waiting_behind = SIZE_MAX,
                                          .ambiguous_with = ambiguous_with,
                                          .n_ambiguous_with = 1 };
    const struct snapshot_incident incident = { .registry = name, .stall = &stall };
    struct buf out;

    (void)state;
    memset(name, 'n', sizeof(name) - 1);
    memset(image, 'i', sizeof(image) - 1);
    buf_init(&out, STALL_ADVICE_MAX);
    stall_advice_write(&out, &incident);
    assert_int_equal(buf_error(&out), 0);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stall_that_goes_on_is_told_in_the_present),
        cmocka_unit_test(containers_over_three_are_counted),
        cmocka_unit_test(pull_without_a_slot_names_who_holds_them),
        cmocka_unit_test(silence_is_told_as_an_inference),
        cmocka_unit_test(longest_names_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
