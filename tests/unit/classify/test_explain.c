/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "agent/classify/explain.h"
#include "util.h"

static struct message message;
static struct explanation why;

static struct verdict ask(const char *text)
{
    return explain((struct str){ 0 }, str_from(text), &message, &why);
}

static void assert_step(size_t i, unsigned part, const char *text)
{
    assert_true(i < why.n_steps);
    assert_int_equal(why.steps[i].part, part);
    if (!str_eq(why.steps[i].text, str_from(text)))
        fail_msg("step %zu is: %.*s", i, STR_ARG(why.steps[i].text));
}

static void assert_runner_up(size_t i, unsigned part, const char *name, enum reason reason)
{
    assert_true(i < why.n_runners_up);
    assert_string_equal(why.runners_up[i].name, name);
    assert_int_equal(why.runners_up[i].reason, reason);
    assert_int_equal(why.runners_up[i].part, part);
}

static void wrappers_are_listed_from_the_outside(void **state)
{
    struct verdict v = ask(
        "Failed to pull image \"r.example.com/a:1\": rpc error: code = Unknown desc = failed to "
        "pull and unpack image \"r.example.com/a:1\": failed to resolve reference "
        "\"r.example.com/a:1\": failed to do request: Head \"https://r.example.com/v2/\": EOF");

    (void)state;
    assert_string_equal(v.rule, "eof");
    assert_int_equal(why.part, 0);
    assert_step(0, 0, "Failed to pull image \"r.example.com/a:1\"");
    assert_step(1, 0, "rpc error: code = Unknown desc");
    assert_step(2, 0, "failed to pull and unpack image \"r.example.com/a:1\"");
    assert_step(3, 0, "failed to resolve reference \"r.example.com/a:1\"");
    assert_step(4, 0, "failed to do request");
    assert_step(5, 0, "Head \"https://r.example.com/v2/\"");
    assert_int_equal(why.n_steps, 6);
    assert_true(str_eq(message.parts[0].terminal, STR("EOF")));
    assert_runner_up(0, 0, "wrapper-request", REASON_UNREACHABLE);
    assert_int_equal(why.n_runners_up, 1);
}

static void runners_up_name_their_part(void **state)
{
    struct verdict v = ask(
        "Failed to pull image \"r.example.com/a:1\": [rpc error: code = Unknown desc = received "
        "unexpected HTTP status: 500 Internal Server Error, rpc error: code = Unknown desc = "
        "unauthorized: authentication required]");

    (void)state;
    assert_string_equal(v.rule, "auth-required");
    assert_int_equal(why.part, 1);
    assert_runner_up(0, 1, "unauthorized", REASON_BAD_CREDENTIALS);
    assert_runner_up(1, 0, "status-5xx", REASON_SERVER_ERROR);
    assert_step(0, 0, "Failed to pull image \"r.example.com/a:1\"");
    assert_step(why.n_steps - 1, 1, "rpc error: code = Unknown desc");
}

static void an_unknown_message_has_no_steps(void **state)
{
    struct verdict v = ask("");

    (void)state;
    assert_int_equal(v.reason, REASON_UNCLASSIFIED);
    assert_int_equal(why.part, -1);
    assert_int_equal(why.n_steps, 0);
    assert_int_equal(why.n_runners_up, 0);
    v = ask("Back-off pulling image \"a\"");
    assert_int_equal(v.reason, REASON_BACK_OFF_ONLY);
    assert_int_equal(why.part, -1);
    assert_step(0, 0, "Back-off pulling image \"a\"");
}

/* More wrappers and rules than the lists can hold: the lists are cut, the verdict is the same. */
static void the_lists_of_an_explanation_are_limited(void **state)
{
    static char text[8192];
    size_t len = 0;
    struct verdict v;

    (void)state;
    for (int i = 0; i < 100; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "failed to authorize: ");
    snprintf(text + len, sizeof(text) - len,
             "denied not found forbidden unauthorized eof manifest unknown rate limit blob unknown "
             "quota exceeded connection refused context canceled no space left on device");
    v = ask(text);
    assert_int_equal(v.reason, REASON_DISK_FULL);
    assert_int_equal(why.n_steps, EXPLAIN_STEPS_MAX);
    assert_int_equal(why.n_runners_up, EXPLAIN_RUNNERS_UP_MAX);
    for (size_t i = 1; i < why.n_runners_up; i++)
        assert_string_not_equal(why.runners_up[i].name, why.runners_up[i - 1].name);
}

static void explain_and_classify_agree(void **state)
{
    static const char *const messages[] = {
        "x",
        "(Mirrors also failed: [a: EOF]): docker.io/a:1: manifest unknown",
        "Failed to pull image \"a\": toomanyrequests",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
        struct verdict v = ask(messages[i]);
        struct verdict plain;

        normalise((struct str){ 0 }, str_from(messages[i]), &message);
        plain = classify(&message);
        assert_string_equal(v.rule, plain.rule);
        assert_int_equal(v.stage, plain.stage);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrappers_are_listed_from_the_outside),
        cmocka_unit_test(runners_up_name_their_part),
        cmocka_unit_test(an_unknown_message_has_no_steps),
        cmocka_unit_test(the_lists_of_an_explanation_are_limited),
        cmocka_unit_test(explain_and_classify_agree),
    };

    return cmocka_run_group_tests_name("explain", tests, NULL, NULL);
}
