/* SPDX-License-Identifier: Apache-2.0 */
/* Stories of what runtimes do beyond CRI: containerd's content service, peculiarities of CRI-O.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/cri/cri_story.h"

#define CRIO_VERSION                                                                               \
    STR("\x0a\x05"                                                                                 \
        "0.1.0\x12\x05"                                                                            \
        "cri-o\x1a\x06"                                                                            \
        "1.37.0\x22\x02v1")
/* CRI-O while its network is not ready: server/runtime_status.go. */
#define CRIO_STATUS                                                                                \
    STR("\x0a\x81\x01\x0a\x10\x0a\x0cRuntimeReady\x10\x01"                                         \
        "\x0a\x6d\x0a\x0cNetworkReady\x1a\x15NetworkPluginNotReady"                                \
        "\x22\x46Network plugin returns error: No CNI configuration file in /etc/cni/n/")
/* A container whose image CRI-O names by its ID; the name in the pod spec is in a field of its own.
 */
#define HEX64 HEX32 HEX32
#define CRIO_CONTAINERS                                                                            \
    STR("\x0a\x59\x12\x01s\x1a\x05\x0a\x01"                                                        \
        "c\x10\x02\x22\x47\x0a\x40" HEX64 "\x92\x01\x02"                                           \
        "bb\x38\x80\x94\xeb\xdc\x03")

/* --- events of the stories
 * ----------------------------------------------------------------------------- */

static void a_pull_begins(struct world *world)
{
    world->pulling = world->woken = true;
}

static void it_stalls(struct world *world)
{
    world->stalled = true;
}

static void it_moves_again(struct world *world)
{
    world->stalled = false;
}

static void nothing_is_pulled(struct world *world)
{
    world->pulling = world->stalled = false;
}

static void the_runtime_is_upgraded(struct world *world)
{
    story_stop_runtime(world);
    story_start_runtime(world);
    double_answers(world->runtime, "Version", CONTAINERD_2);
}

/* --- blobs in flight ------------------------------------------------------------------------ */

/* Starts at the very end of a slice of sleep, where a wake-up looks like the end of the slice. */
static void blobs_in_flight_are_polled_during_a_pull(void **state)
{
    static const struct moment story[] = {
        { START + 10 * SEC, a_pull_begins },
        { START + 20 * SEC, nothing_is_pulled },
        { START + 70 * SEC, NULL },
    };
    struct world *world = *state;

    story_start_runtime(world);
    story_play(world, story);
    story_assert_observed(world, "0 runtime 1.6\n"
                                 "10 1 in flight sha256:01\n11 1 in flight sha256:01\n"
                                 "13 1 in flight sha256:01\n17 1 in flight sha256:01\n");
    assert_int_equal(story_calls(world, "List"), 0);
    assert_string_equal(world->status.last_error, "");
}

static void an_empty_list_of_blobs_is_observed(void **state)
{
    static const struct moment story[] = { { START + 500 * MSEC, NULL } };
    struct world *world = *state;

    story_start_runtime(world);
    double_answers(world->runtime, "ListStatuses", STR(""));
    world->pulling = true;
    story_play(world, story);
    story_assert_observed(world, "0 runtime 1.6\n0 0 in flight\n");
    assert_false(world->before_slot);
}

static void owners_of_a_blob_are_polled_at_most_every_30_seconds(void **state)
{
    static const struct moment story[] = {
        { START + 2 * SEC, it_stalls },  { START + 41 * SEC, it_moves_again },
        { START + 46 * SEC, it_stalls }, { START + 48 * SEC, nothing_is_pulled },
        { START + 100 * SEC, NULL },
    };
    struct world *world = *state;

    story_start_runtime(world);
    double_answers(world->runtime, "ListStatuses", STR(""));
    world->pulling = true;
    story_play(world, story);
    /* Polled after 3, 7, 12, 17 and so on, and as soon as it is wanted again. */
    story_assert_observed(world, "0 runtime 1.6\n0 0 in flight\n1 0 in flight\n"
                                 "3 0 in flight\n3 sha256:01 is of h/r\n"
                                 "7 0 in flight\n12 0 in flight\n17 0 in flight\n22 0 in flight\n"
                                 "27 0 in flight\n32 0 in flight\n"
                                 "37 0 in flight\n37 sha256:01 is of h/r\n"
                                 "42 0 in flight\n47 0 in flight\n47 sha256:01 is of h/r\n");
}

/* ListContentResponse: a blob of "h"/"r" was complete at 77 s. */
#define CAME                                                                                       \
    STR("\x0a\x2e\x1a\x02\x08\x4d\x2a\x28\x0a\x23"                                                 \
        "containerd.io/distribution.source.h\x12\x01r")

static void what_came_of_a_repository_is_observed(void **state)
{
    static const struct moment story[] = { { START + 500 * MSEC, NULL } };
    struct world *world = *state;

    story_start_runtime(world);
    double_answers(world->runtime, "ListStatuses", STR(""));
    double_answers(world->runtime, "List", CAME);
    world->pulling = true;
    world->silent = "h/r";
    story_play(world, story);
    story_assert_observed(world, "0 runtime 1.6\n0 0 in flight\n0 h/r last came at 77\n");
}

static void it_is_counted(struct world *world)
{
    world->fetched = NULL;
}

/* No container waits any more: the loop does not sleep before it has asked. */
static void what_was_fetched_is_asked_for_after_the_pull(void **state)
{
    static const struct moment story[] = {
        { START + 2 * SEC, it_is_counted },
        { START + 60 * SEC, NULL },
    };
    struct world *world = *state;

    story_start_runtime(world);
    double_answers(world->runtime, "List", CAME);
    world->fetched = "h/r";
    story_play(world, story);
    story_assert_observed(world, "0 runtime 1.6\n0 h/r last came at 77\n1 h/r last came at 77\n");
    assert_int_equal(world->n_blobs, 1);
}

/* ... so the core asks for others. */
static void of_a_name_that_no_runtime_has_nothing_was_fetched(void **state)
{
    static const struct moment story[] = { { START + 500 * MSEC, NULL } };
    struct world *world = *state;

    story_start_runtime(world);
    world->fetched = "h/r\",id==x";
    story_play(world, story);
    story_assert_observed(world, "0 runtime 1.6\n0 h/r\",id==x last came at 0\n");
    assert_int_equal(story_calls(world, "List"), 0);
}

/* A tenant chooses the image's name. */
static void a_repository_that_cannot_be_in_a_filter_is_not_asked_for(void **state)
{
    static const struct moment story[] = { { START + 500 * MSEC, NULL } };
    struct world *world = *state;

    story_start_runtime(world);
    double_answers(world->runtime, "ListStatuses", STR(""));
    world->pulling = true;
    world->silent = "h/r\",id==x";
    story_play(world, story);
    story_assert_observed(world, "0 runtime 1.6\n0 0 in flight\n");
    assert_int_equal(story_calls(world, "List"), 0);
}

static void a_failed_answer_about_a_repository_is_not_observed(void **state)
{
    static const struct moment story[] = { { START + 500 * MSEC, NULL } };
    static const struct str messages[] = { CAME, STR("<html>") };
    struct world *world = *state;

    story_start_runtime(world);
    double_answers(world->runtime, "ListStatuses", STR(""));
    double_set(world->runtime, "List",
               &(struct double_answer){ .messages = messages, .n_messages = 2, .endless = true });
    world->pulling = true;
    world->silent = "h/r";
    story_play(world, story);
    story_assert_observed(world, "0 runtime 1.6\n0 0 in flight\n");
    assert_true(world->status.up);
}

static void a_blob_without_owners_is_observed(void **state)
{
    static const struct moment story[] = { { START + 500 * MSEC, NULL } };
    struct world *world = *state;

    story_start_runtime(world);
    double_set(world->runtime, "List", &(struct double_answer){ .no_message = true });
    world->stalled = true;
    story_play(world, story);
    story_assert_observed(world, "0 runtime 1.6\n0 sha256:01 is of\n");
}

static void blobs_over_the_limit_are_counted(void **state)
{
    static const struct moment story[] = { { START + 20 * SEC, NULL } };
    struct world *world = *state;
    struct str one = IN_FLIGHT;
    char *many = malloc(one.len * (LIMIT_INGESTS + 1));

    assert_non_null(many);
    for (size_t i = 0; i <= LIMIT_INGESTS; i++)
        memcpy(many + i * one.len, one.at, one.len);
    story_start_runtime(world);
    double_answers(world->runtime, "ListStatuses",
                   (struct str){ .at = many, .len = one.len * (LIMIT_INGESTS + 1) });
    world->pulling = true;
    story_play(world, story);
    assert_non_null(strstr(world->observed.at, "0 256 in flight"));
    assert_true(story_calls(world, "ListStatuses") > 5); /* counted once, not at each poll */
    assert_int_equal(world->limit_hits, 1);
    assert_int_equal(world->limit_hit, LIMIT_HIT_INGESTS);
    free(many);
}

static void owners_over_the_limit_are_counted_once_per_blob(void **state)
{
    static const struct moment story[] = { { START + 100 * SEC, NULL } };
    static char texts[LIMIT_BLOB_REPOSITORIES + 1][256];
    struct str messages[LIMIT_BLOB_REPOSITORIES + 1];
    struct world *world = *state;

    for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
        messages[i] = (struct str){ .at = texts[i], .len = OWNER.len };
        memcpy(texts[i], OWNER.at, OWNER.len);
        texts[i][OWNER.len - 1] = (char)('0' + i); /* the name of the repository */
    }
    story_start_runtime(world);
    double_set(world->runtime, "List",
               &(struct double_answer){ .messages = messages, .n_messages = ARRAY_SIZE(messages) });
    world->pulling = world->stalled = true;
    story_play(world, story);
    assert_true(story_calls(world, "List") > 2);
    assert_int_equal(world->limit_hits, 1);
    assert_int_equal(world->limit_hit, LIMIT_HIT_BLOB_REPOSITORIES);
}

/* --- a content service that is missing or fails --- */

static void a_refused_content_service_is_not_called_again(void **state)
{
    static const struct moment story[] = {
        { START + 60 * SEC, NULL },
    };
    static const int statuses[] = { 12, 7, 16 }; /* Unimplemented, denied, unauthenticated */
    struct world *world = *state;

    for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
        const struct double_answer refusal = { .status = statuses[i], .details = "no" };

        story_start_runtime(world);
        double_set(world->runtime, "ListStatuses", &refusal);
        world->pulling = world->stalled = true;
        story_play(world, story);
        assert_int_equal(story_calls(world, "ListStatuses"), 1);
        assert_int_equal(story_calls(world, "List"), 0);
        assert_true(world->status.up);
        assert_string_equal(world->status.last_error, "");
        assert_int_equal(story_logged(world, "not calling it again"), 1);
        assert_true(world->no_blobs);
        assert_int_equal(story_logged(world, "level=warn"), 0);
        story_free(state);
        assert_int_equal(story_new(state), 0);
        world = *state;
    }
}

static void a_new_connection_calls_the_content_service_again(void **state)
{
    static const struct moment story[] = {
        { START + 2 * SEC, the_runtime_is_upgraded },
        { START + 33 * SEC, NULL },
    };
    const struct double_answer refusal = { .status = 12 };
    struct world *world = *state;

    story_start_runtime(world);
    double_set(world->runtime, "ListStatuses", &refusal);
    world->pulling = true;
    story_play(world, story);
    /* gRPC may notice the restart and reconnect by itself; then Version shows it, at 32 at the
     * latest. */
    assert_non_null(strstr(world->observed.at, "runtime 2.1\n"));
    assert_non_null(strstr(world->observed.at, "1 in flight sha256:01\n"));
    assert_true(world->before_slot); /* since 2.1 */
}

static void a_failing_content_service_is_called_again_after_a_pause(void **state)
{
    static const struct moment story[] = { { START + 45 * SEC, NULL } };
    static const struct {
        struct double_answer answer;
        const char *error;
    } rows[] = {
        { { .status = 13, .details = "bolt is broken" }, "Internal: bolt is broken" },
        { { .status = 4, .details = "too slow" }, "DeadlineExceeded: too slow" },
        { { .message = STR("<html>") }, "6 bytes are not a valid ListStatusesResponse" },
    };
    struct world *world = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        story_start_runtime(world);
        double_set(world->runtime, "ListStatuses", &rows[i].answer);
        world->pulling = world->stalled = true;
        story_play(world, story);
        /* Called at 0 and, since polls are at 27 and 32, at 32. */
        assert_int_equal(story_calls(world, "ListStatuses"), 2);
        assert_int_equal(story_calls(world, "List"), 0);
        assert_true(world->status.up);
        assert_int_equal(world->status_flips, 0);
        assert_non_null(strstr(world->status.last_error, rows[i].error));
        story_free(state);
        assert_int_equal(story_new(state), 0);
        world = *state;
    }
}

static void a_failed_stream_of_owners_is_not_observed(void **state)
{
    static const struct moment story[] = { { START + 500 * MSEC, NULL } };
    static const struct str messages[] = { OWNER, STR("<html>") };
    struct world *world = *state;

    story_start_runtime(world);
    double_set(world->runtime, "List",
               &(struct double_answer){ .messages = messages, .n_messages = 2, .endless = true });
    world->stalled = true;
    story_play(world, story);
    story_assert_observed(world, "0 runtime 1.6\n");
    assert_true(world->status.up);
    assert_non_null(strstr(world->status.last_error, "are not a valid ListContentResponse"));
}

static void a_connection_lost_in_the_content_service_is_lost(void **state)
{
    static const struct moment story[] = { { START + 500 * MSEC, NULL } };
    const struct double_answer unavailable = { .status = 14, .details = "bye" };
    struct world *world = *state;

    story_start_runtime(world);
    double_set(world->runtime, "List", &unavailable);
    world->stalled = true;
    story_play(world, story);
    assert_false(world->status.up);
    assert_non_null(strstr(world->status.last_error, "Content/List: Unavailable: bye"));
    assert_int_equal(story_calls(world, "List"), 1); /* the first connection is not a retry */
}

/* --- the image file system -------------------------------------------------------------------- */

static void a_refused_image_file_system_is_not_a_failure(void **state)
{
    static const struct moment story[] = { { START + 100 * SEC, NULL } };
    const struct double_answer refusal = { .status = 12 };
    struct world *world = *state;

    story_start_runtime(world);
    double_set(world->runtime, "ImageFsInfo", &refusal);
    story_play(world, story);
    assert_int_equal(story_calls(world, "ImageFsInfo"), 1);
    assert_int_equal(story_calls(world, "Version"), 4);
    assert_int_equal(world->n_image_fs, 0);
    assert_true(world->status.up);
    assert_string_equal(world->status.last_error, "");
}

static void an_image_file_system_error_is_only_the_last_error(void **state)
{
    static const struct moment story[] = { { START + 40 * SEC, NULL } };
    const struct double_answer failure = { .status = 2, .details = "disk is gone" };
    struct world *world = *state;

    story_start_runtime(world);
    double_set(world->runtime, "ImageFsInfo", &failure);
    story_play(world, story);
    assert_int_equal(story_calls(world, "ImageFsInfo"), 2);
    assert_int_equal(world->n_image_fs, 0);
    assert_true(world->status.up);
    assert_non_null(strstr(world->status.last_error, "Unknown: disk is gone"));
}

/* --- CRI-O ------------------------------------------------------------------------------------ */

static void cri_o_gets_only_cri_calls(void **state)
{
    static const struct moment story[] = { { START + 20 * SEC, NULL } };
    struct world *world = *state;

    story_start_runtime(world);
    double_answers(world->runtime, "Version", CRIO_VERSION);
    double_answers(world->runtime, "Status", CRIO_STATUS);
    double_answers(world->runtime, "ListContainers", CRIO_CONTAINERS);
    double_answers(world->runtime, "ImageFsInfo", IMAGE_FS);
    world->waiting = world->pulling = world->stalled = true;
    story_play(world, story);
    assert_non_null(strstr(world->observed.at, "0 runtime 1.37.0\n0 busybox absent 0\n"
                                               "0 sandbox u 1\n0 created u/c\n"
                                               "0 no more sandboxes\n1 busybox absent 0\n"));
    assert_int_equal(story_calls(world, "ListStatuses"), 0);
    assert_int_equal(story_calls(world, "List"), 0);
    assert_int_equal(double_unknown_calls(world->runtime), 0);
    /* The mount point is reported, but not the size, which is only that of the metadata. */
    assert_int_equal(world->n_image_fs, 1);
    assert_int_equal(world->image_fs_bytes, 0);
    /* The network is not ready, but the source is up. */
    assert_true(world->status.up);
    assert_non_null(strstr(world->status.last_error,
                           "NetworkReady=false: NetworkPluginNotReady: Network plugin returns"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, story_new, story_free)
    const struct CMUnitTest tests[] = {
        TEST(blobs_in_flight_are_polled_during_a_pull),
        TEST(an_empty_list_of_blobs_is_observed),
        TEST(owners_of_a_blob_are_polled_at_most_every_30_seconds),
        TEST(what_came_of_a_repository_is_observed),
        TEST(what_was_fetched_is_asked_for_after_the_pull),
        TEST(of_a_name_that_no_runtime_has_nothing_was_fetched),
        TEST(a_repository_that_cannot_be_in_a_filter_is_not_asked_for),
        TEST(a_failed_answer_about_a_repository_is_not_observed),
        TEST(a_blob_without_owners_is_observed),
        TEST(blobs_over_the_limit_are_counted),
        TEST(owners_over_the_limit_are_counted_once_per_blob),
        TEST(a_refused_content_service_is_not_called_again),
        TEST(a_new_connection_calls_the_content_service_again),
        TEST(a_failing_content_service_is_called_again_after_a_pause),
        TEST(a_failed_stream_of_owners_is_not_observed),
        TEST(a_connection_lost_in_the_content_service_is_lost),
        TEST(a_refused_image_file_system_is_not_a_failure),
        TEST(an_image_file_system_error_is_only_the_last_error),
        TEST(cri_o_gets_only_cri_calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
