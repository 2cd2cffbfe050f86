/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/commands/status_keep.h"
#include "agent/commands/status_table.h"
#include "buf.h"
#include "util.h"

#define INCIDENTS 2000

static struct status_kept kept;
static struct status_answers answers;
static struct status_options options;
static struct buf text;

static int begin(void **state)
{
    (void)state;
    options = (struct status_options){ .width = 80 };
    answers = (struct status_answers){ json_object(), json_object(), json_object() };
    buf_init(&text, 64 << 20);
    return status_kept_begin(&kept);
}

static int end(void **state)
{
    (void)state;
    status_kept_done(&kept);
    status_answers_done(&answers);
    buf_done(&text);
    return 0;
}

/* A failure whose texts have `size` bytes. */
static json_t *failure(unsigned number, const char *state, size_t size)
{
    static char filler[2000];
    char pod[32];

    memset(filler, 'x', size);
    filler[size] = '\0';
    snprintf(pod, sizeof(pod), "pod-%u", number);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:n, s:[{s:s}], s:s}",
                     "namespace", "ns", "pod", pod, "container", filler, "cause", "network",
                     "reason", "dns", "state", state, "image", filler, "attempts", 4, "message",
                     filler, "advice", filler, "next_retry", "evidence", "text", filler,
                     "first_failure", "2026-11-21T22:40:00Z");
}

static void keep(json_t *member)
{
    assert_int_equal(status_keep(&kept, STATUS_FAILURES, member, &options), 0);
    json_decref(member);
}

static const char *table(void)
{
    assert_int_equal(status_kept_end(&kept, &answers), 0);
    buf_reset(&text);
    status_write_table(&text, &answers, &options);
    assert_int_equal(buf_error(&text), 0);
    return text.at;
}

static size_t rows(void)
{
    size_t n = 0;

    for (const char *at = text.at; (at = strstr(at, "\nns/pod-")); at++)
        n++;
    return n;
}

static void ordinary_failures_are_all_kept(void **state)
{
    (void)state;
    for (unsigned i = 0; i < INCIDENTS; i++)
        keep(failure(i, "failing", 60));
    assert_non_null(strstr(table(), "2000 containers blocked"));
    assert_int_equal(rows(), INCIDENTS);
    assert_null(strstr(text.at, "left out"));
}

static void failures_that_do_not_fit_are_counted(void **state)
{
    char sentence[64];

    (void)state;
    for (unsigned i = 0; i < INCIDENTS; i++)
        keep(failure(i, "failing", 1900));
    assert_true(kept.weight <= STATUS_KEPT_MAX);
    assert_non_null(strstr(table(), "2000 containers blocked"));
    assert_in_range(rows(), 100, INCIDENTS - 1);
    snprintf(sentence, sizeof(sentence), "\n... and %zu more, whose details are left out",
             INCIDENTS - rows());
    assert_non_null(strstr(text.at, sentence));
}

/* They need a place only in the counts. */
static void what_is_not_shown_is_not_kept(void **state)
{
    (void)state;
    options.namespace = "other";
    for (unsigned i = 0; i < INCIDENTS; i++)
        keep(failure(i, i % 2 ? "failing" : "gone", 1900));
    assert_int_equal(kept.weight, 0);
    assert_non_null(strstr(table(), "0 of 1000 blocked containers match"));
    assert_null(strstr(text.at, "left out"));
}

static void pulls_that_do_not_fit_are_counted(void **state)
{
    static char filler[60000];

    (void)state;
    memset(filler, 'x', sizeof(filler) - 1);
    for (unsigned i = 0; i < 100; i++) {
        json_t *image = json_pack("{s:s, s:i}", "image", filler, "containers_pulling", 1);

        assert_int_equal(status_keep(&kept, STATUS_IMAGES, image, &options), 0);
        json_decref(image);
    }
    assert_true(kept.weight <= STATUS_KEPT_MAX);
    assert_non_null(strstr(table(), " more, which are left out; use --output=json"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ordinary_failures_are_all_kept),
        TEST(failures_that_do_not_fit_are_counted),
        TEST(what_is_not_shown_is_not_kept),
        TEST(pulls_that_do_not_fit_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
