/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/cri.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/cri/cri_story.h"
#include "tests/unit/support/fault_heap.h"

static void upgrade_runtime(struct world *world)
{
    story_stop_runtime(world);
    story_start_runtime(world);
    double_answers(world->runtime, "Version", CONTAINERD_2);
}

static void a_container_waits(struct world *world)
{
    world->waiting = true;
    world->woken = true;
}

static void one_of_another_image_waits(struct world *world)
{
    world->other_image = "other";
    world->woken = true;
}

static void nothing_waits(struct world *world)
{
    world->waiting = false;
}

static void the_image_arrives(struct world *world)
{
    double_answers(world->runtime, "ImageStatus", PRESENT);
}

static void the_runtime_is_broken(struct world *world)
{
    double_answers(world->runtime, "Status", RUNTIME_BROKEN);
}

static void the_runtime_is_mended(struct world *world)
{
    double_answers(world->runtime, "Status", RUNTIME_READY);
}

static void an_idle_node_gets_three_calls_every_30_seconds(void **state)
{
    static const struct moment story[] = { { START + 601 * SEC, NULL } };
    struct world *world = *state;

    story_start_runtime(world);
    story_play(world, story);
    story_assert_observed(world, "0 runtime 1.6\n");
    assert_int_equal(story_calls(world, "Version"), 21);
    assert_int_equal(story_calls(world, "Status"), 21);
    assert_int_equal(story_calls(world, "ImageFsInfo"), 21);
    assert_int_equal(world->n_image_fs, 21);
    assert_int_equal(story_calls(world, "ListPodSandbox"), 0);
    assert_int_equal(story_calls(world, "ListContainers"), 0);
    assert_int_equal(story_calls(world, "ImageStatus"), 0);
    assert_int_equal(story_calls(world, "ListStatuses"), 0);
    assert_int_equal(story_calls(world, "List"), 0);
    assert_int_equal(double_unknown_calls(world->runtime), 0);
    assert_true(world->status.up);
    assert_int_equal(world->status_flips, 0);
    assert_int_equal(world->status.since_us, START + 50 * SEC);
    assert_int_equal(world->status.last_success_us, START + 650 * SEC);
    assert_true(world->status.received_bytes >= 21 * CONTAINERD_1.len);
    assert_string_equal(world->status.last_error, "");
}

#define POLLED(second, image)                                                                      \
    second " busybox " image "\n" second " sandbox u 1\n" second " created u/c\n" second           \
           " no more sandboxes\n"

static void a_waiting_container_is_polled_at_once_and_then_less_often(void **state)
{
    static const struct moment story[] = {
        { START + 15 * SEC, a_container_waits },
        { START + 24 * SEC, the_image_arrives },
        { START + 31 * SEC, nothing_waits },
        { START + 59 * SEC, NULL },
    };
    struct world *world = *state;

    story_start_runtime(world);
    story_play(world, story);
    story_assert_observed(world, "0 runtime 1.6\n" POLLED("15", "absent 0") POLLED("16", "absent 0")
                                     POLLED("18", "absent 0") POLLED("22", "absent 0")
                                         POLLED("27", "present 5"));
}

static void another_waiting_container_makes_polls_frequent_again(void **state)
{
    static const struct moment story[] = {
        { START + 1 * SEC, a_container_waits },
        { START + 14 * SEC, a_container_waits },
        { START + 16 * SEC, NULL },
    };
    struct world *world = *state;

    story_start_runtime(world);
    story_play(world, story);
    story_assert_observed(world, "0 runtime 1.6\n" POLLED("1", "absent 0") POLLED("2", "absent 0")
                                     POLLED("4", "absent 0") POLLED("8", "absent 0")
                                         POLLED("13", "absent 0") POLLED("14", "absent 0")
                                             POLLED("15", "absent 0"));
}

static void a_new_image_is_asked_for_before_the_next_full_poll(void **state)
{
    static const struct moment story[] = {
        { START + 1000 * MSEC, a_container_waits },
        { START + 1010 * MSEC, a_container_waits },
        { START + 1020 * MSEC, one_of_another_image_waits },
        { START + 1500 * MSEC, one_of_another_image_waits },
        { START + 2200 * MSEC, NULL },
    };
    struct world *world = *state;

    story_start_runtime(world);
    story_play(world, story);
    story_assert_observed(
        world, "0 runtime 1.6\n" POLLED(
                   "1", "absent 0") "1.25 other absent 0\n"
                                    "2 busybox absent 0\n2 other absent 0\n2 sandbox u 1\n"
                                    "2 created u/c\n2 no more sandboxes\n");
}

static void many_wake_ups_cause_one_full_poll_per_second(void **state)
{
    static struct moment story[401];
    struct world *world = *state;

    for (int i = 0; i < 400; i++)
        story[i] = (struct moment){ START + SEC + i * 50 * MSEC,
                                    i % 2 ? one_of_another_image_waits : a_container_waits };
    story[400] = (struct moment){ START + 21 * SEC, NULL };
    story_start_runtime(world);
    world->pulling = true;
    story_play(world, story);
    assert_int_equal(story_calls(world, "ListContainers"), 20);
    assert_int_equal(story_calls(world, "ListPodSandbox"), 20);
    assert_int_equal(story_calls(world, "ListStatuses"), 21);
    assert_int_equal(story_calls(world, "ImageStatus"), 40); /* two images */
}

static void a_restart_of_the_runtime_is_not_a_failure(void **state)
{
    static const struct moment story[] = {
        { START + 10 * SEC, upgrade_runtime },
        { START + 31 * SEC, NULL },
    };
    struct world *world = *state;

    story_start_runtime(world);
    story_play(world, story);
    story_assert_observed(world, "0 runtime 1.6\n30 runtime 2.1\n");
    assert_int_equal(world->status_flips, 0);
    assert_int_equal(story_logged(world, "retrying"), 0);
    /* CLOSED may be counted or not: gRPC may notice the restart and reconnect by itself. */
    assert_int_equal(world->status.reconnects[RECONNECT_NETWORK], 0);
}

static void an_outage_is_logged_once_and_retried_less_and_less_often(void **state)
{
    static const struct moment story[] = {
        { START + 1 * SEC, story_stop_runtime },
        { START + 70 * SEC, story_start_runtime },
        { START + 95 * SEC, NULL },
    };
    struct world *world = *state;

    story_start_runtime(world);
    story_play(world, story);
    /* Noticed at 30; tried at 31, 33, 37, 45, 60 and 75. */
    story_assert_observed(world, "0 runtime 1.6\n75 runtime 1.6\n");
    assert_int_equal(world->status_flips, 2);
    assert_true(world->status.up);
    assert_int_equal(world->status.since_us, START + 125 * SEC);
    assert_non_null(strstr(world->status.last_error, world->path)); /* kept after recovery */
    assert_int_equal(world->status.last_error_us, START + 110 * SEC);
    assert_int_equal(world->status.reconnects[RECONNECT_CLOSED], 1);
    assert_int_equal(story_logged(world, "retrying"), 1);
    assert_int_equal(story_logged(world, "answers again"), 1);
}

static void a_missing_socket_is_logged_once_and_found_when_it_appears(void **state)
{
    static const struct moment story[] = {
        { START + 100 * SEC, story_start_runtime },
        { START + 106 * SEC, NULL },
    };
    struct world *world = *state;

    story_play(world, story);
    story_assert_observed(world, "105 runtime 1.6\n");
    assert_int_equal(world->status_flips, 2);
    assert_int_equal(story_logged(world, "No such file"), 1);
    assert_int_equal(story_logged(world, "level=warn"), 1);
    for (size_t i = 0; i < RECONNECT_MAX; i++)
        assert_int_equal(world->status.reconnects[i], 0);
}

static void a_waiting_container_does_not_shorten_the_back_off(void **state)
{
    static const struct moment story[] = {
        { START + 20 * SEC, a_container_waits },
        { START + 29 * SEC, NULL },
    };
    struct world *world = *state;

    world->rude = rude_new(world->path, RUDE_CLOSES);
    story_play(world, story);
    /* Tried at 0, 1, 3, 7 and 15, and not yet at 30. */
    assert_int_equal(world->status.reconnects[RECONNECT_NETWORK], 5);
    assert_false(world->status.up);
}

static void a_false_runtime_condition_is_logged_but_the_source_is_up(void **state)
{
    static const struct moment story[] = {
        { START + 1 * SEC, the_runtime_is_broken },
        { START + 100 * SEC, the_runtime_is_mended },
        { START + 130 * SEC, NULL },
    };
    struct world *world = *state;

    story_start_runtime(world);
    story_play(world, story);
    assert_true(world->status.up);
    assert_int_equal(world->status_flips, 0);
    assert_string_equal(world->status.last_error,
                        "the container runtime reports RuntimeReady=false");
    assert_int_equal(world->status.last_error_us, START + 140 * SEC); /* at 30, 60 and 90 */
    assert_int_equal(story_logged(world, "RuntimeReady=false"), 1);
    assert_int_equal(story_logged(world, "reports no more problems"), 1);
}

static void each_poll_reports_its_calls(void **state)
{
    static const struct moment story[] = {
        { START + 1 * SEC, a_container_waits },
        { START + 1500 * MSEC, story_stop_runtime },
        { START + 2500 * MSEC, NULL },
    };
    struct world *world = *state;

    story_start_runtime(world);
    story_play(world, story);
    /* It answered at 0 and 1, and was gone at 2. */
    assert_int_equal(world->n_calls, 3);
    assert_int_equal(world->calls.durations[METHOD_VERSION].count, 1);
    assert_int_equal(world->calls.durations[METHOD_STATUS].count, 1);
    assert_int_equal(world->calls.durations[METHOD_IMAGE_FS_INFO].count, 1);
    assert_int_equal(world->calls.durations[METHOD_IMAGE_STATUS].count, 2);
    assert_int_equal(world->calls.errors[METHOD_IMAGE_STATUS][14], 1);
    assert_int_equal(world->calls.durations[METHOD_LIST_CONTAINERS].count, 1);
    assert_int_equal(world->calls.durations[METHOD_LIST_POD_SANDBOX].count, 1);
}

static void runtime_is_too_slow(struct world *world)
{
    const struct double_answer late = { .status = 4, .details = "context deadline exceeded" };

    double_set(world->runtime, "Version", &late);
}

static void runtime_is_fast_again(struct world *world)
{
    double_answers(world->runtime, "Version", CONTAINERD_1);
}

static void source_is_up(struct world *world)
{
    assert_true(world->status.up);
    assert_non_null(strstr(world->status.last_error, "DeadlineExceeded"));
}

static void one_missed_answer_is_not_an_outage(void **state)
{
    static const struct moment story[] = {
        { START + 10 * SEC, runtime_is_too_slow },
        { START + 30500 * MSEC, source_is_up },
        { START + 30900 * MSEC, runtime_is_fast_again },
        { START + 31500 * MSEC, NULL },
    };
    struct world *world = *state;

    story_start_runtime(world);
    story_play(world, story);
    assert_int_equal(story_calls(world, "Version"), 3);
    assert_true(world->status.up);
    assert_int_equal(world->status_flips, 0);
    assert_int_equal(world->status.reconnects[RECONNECT_NETWORK], 1);
    assert_int_equal(story_logged(world, "retrying"), 0);
}

/* A node at load 50: every second answer comes too late. */
static void answers_that_are_late_now_and_then_do_not_make_the_source_flap(void **state)
{
    static const struct moment story[] = {
        { START + 10 * SEC, runtime_is_too_slow },
        { START + 30500 * MSEC, runtime_is_fast_again },
        { START + 32 * SEC, runtime_is_too_slow },
        { START + 61500 * MSEC, runtime_is_fast_again },
        { START + 70 * SEC, runtime_is_too_slow },
        { START + 91500 * MSEC, source_is_up },
        { START + 95 * SEC, runtime_is_fast_again },
        { START + 120 * SEC, NULL },
    };
    struct world *world = *state;

    story_start_runtime(world);
    story_play(world, story);
    assert_true(world->status.up);
    assert_int_equal(world->status_flips, 0);
}

static void a_runtime_that_is_silent_for_10_seconds_is_down(void **state)
{
    /* It is asked at 30, 31, 33, 37 and 45 s. */
    static const struct moment story[] = {
        { START + 10 * SEC, runtime_is_too_slow },
        { START + 44 * SEC, source_is_up },
        { START + 46 * SEC, NULL },
    };
    struct world *world = *state;

    story_start_runtime(world);
    story_play(world, story);
    assert_false(world->status.up);
    assert_int_equal(world->status_flips, 1);
    assert_int_equal(story_logged(world, "retrying"), 1);
}

static void stop_it(void *arg)
{
    struct world *world = arg;

    cri_stop(world->playing);
}

static void stop_does_not_wait_for_a_runtime_that_hangs(void **state)
{
    static const struct moment story[] = { { START + 3600 * SEC, NULL } };
    const struct double_answer silence = { .hangs = true };
    struct world *world = *state;

    story_start_runtime(world);
    double_set(world->runtime, "ListContainers", &silence);
    double_set(world->runtime, "Version", &silence);
    double_on_call(world->runtime, stop_it, world);
    story_play(world, story);
    assert_int_equal(world->now_us, START); /* it did not sleep any more */
    assert_true(world->status.up);          /* and a stop is not a failure */
    assert_int_equal(story_logged(world, "retrying"), 0);
}

static void stop_before_run_is_kept(void **state)
{
    const struct cri_config config = { .endpoint = "unix:///nonexistent/x.sock" };
    struct world *world = *state;

    assert_int_equal(cri_new(&config, &world->sink, &world->clock, &world->cri, NULL), 0);
    cri_stop(world->cri);
    cri_run(world->cri);
    story_assert_observed(world, "");
}

static void a_malformed_endpoint_is_refused_by_name(void **state)
{
    const struct cri_config config = { .endpoint = "tcp://127.0.0.1:1" };
    struct world *world = *state;
    struct err err = ERR_INIT;

    assert_int_equal(cri_new(&config, &world->sink, &world->clock, &world->cri, &err), -EINVAL);
    assert_non_null(strstr(err.text, "tcp://127.0.0.1:1"));
    assert_null(world->cri);
}

static void failed_allocations_are_errors_without_leaks(void **state)
{
    const struct cri_config config = { .endpoint = "/run/x.sock" };
    struct world *world = *state;
    size_t before = fault_heap_live();

    for (size_t n = 0;; n++) {
        struct err err = ERR_INIT;
        int r;

        fault_heap_fail_at(n);
        r = cri_new(&config, &world->sink, &world->clock, &world->cri, &err);
        if (!fault_heap_fired()) {
            assert_int_equal(r, 0);
            return;
        }
        assert_int_equal(r, -ENOMEM);
        assert_null(world->cri);
        assert_int_equal(fault_heap_live(), before);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, story_new, story_free)
    const struct CMUnitTest tests[] = {
        TEST(an_idle_node_gets_three_calls_every_30_seconds),
        TEST(a_waiting_container_is_polled_at_once_and_then_less_often),
        TEST(another_waiting_container_makes_polls_frequent_again),
        TEST(a_new_image_is_asked_for_before_the_next_full_poll),
        TEST(many_wake_ups_cause_one_full_poll_per_second),
        TEST(a_restart_of_the_runtime_is_not_a_failure),
        TEST(an_outage_is_logged_once_and_retried_less_and_less_often),
        TEST(a_missing_socket_is_logged_once_and_found_when_it_appears),
        TEST(a_waiting_container_does_not_shorten_the_back_off),
        TEST(a_false_runtime_condition_is_logged_but_the_source_is_up),
        TEST(each_poll_reports_its_calls),
        TEST(one_missed_answer_is_not_an_outage),
        TEST(answers_that_are_late_now_and_then_do_not_make_the_source_flap),
        TEST(a_runtime_that_is_silent_for_10_seconds_is_down),
        TEST(stop_does_not_wait_for_a_runtime_that_hangs),
        TEST(stop_before_run_is_kept),
        TEST(a_malformed_endpoint_is_refused_by_name),
        TEST(failed_allocations_are_errors_without_leaks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
