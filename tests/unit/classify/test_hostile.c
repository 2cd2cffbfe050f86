/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <time.h>

#include "agent/classify/message.h"
#include "limit.h"
#include "util.h"

/*
 * A tenant or a registry may write messages that are as expensive as possible; the time must stay
 * linear. On a busy machine a time means nothing, so two lengths are compared: eight times the text
 * may take eight times as long; quadratic work would take 64 times. Each is the fastest of many
 * runs, which alternate, and there are several tries.
 */

#define SHORT (2u << 10)
#define LONG (8u * SHORT)
#define RATIO_MAX 24
#define RUNS 20
#define TRIES 5

_Static_assert(LONG <= LIMIT_CLASSIFY_TEXT, "all of it has to be read");

static char text[1u << 20];
static struct message message;

static void fill(const char *part)
{
    size_t n = strlen(part);

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = part[i % n];
}

static void classify_text(size_t size)
{
    normalise((struct str){ 0 }, (struct str){ .at = text, .len = size }, &message);
    classify(&message);
}

static int64_t cpu_time_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t quicker(int64_t best, size_t size)
{
    int64_t start = cpu_time_ns();
    int64_t took;

    classify_text(size);
    took = cpu_time_ns() - start;
    return took < best ? took : best;
}

static bool is_linear(void)
{
    int64_t little = INT64_MAX;
    int64_t much = INT64_MAX;

    for (int i = 0; i < RUNS; i++) {
        little = quicker(little, SHORT);
        much = quicker(much, LONG);
    }
    return much <= little * RATIO_MAX;
}

/* Each of these would be slow if a scan started again at each byte. */
static const char *const parts[] = {
    "\"",
    "\\",
    "\\\"",
    "\\\\\\\"",
    "[",
    "]",
    ":",
    "(",
    "image \"",
    "a:",
    "://",
    "?a=",
    "@",
    "<html ",
    "x509 ",
    "failed to ",
    "lookup ",
    "401 ",
    "rpc error: code = ",
    "bearer ",
    "&",
    "&amp;",
    "\n",
    "dial tcp ",
    "/etc/containers/certs.d/x.crt ",
    "\xe2",
    "\xe2\x80",
    "; artifact err: EOF ",
    "Mirrors also failed: [EOF] ",
    "https://a?b=",
    "rate limit, ",
    "({[\"'`;|*=",
    "token=\"",
    "ghp_eyJ.",
    "eyJa.",
    "--p ",
    "--password \"",
};

static void time_is_linear_in_the_length_of_the_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        bool linear = false;

        fill(parts[i]);
        for (int try = 0; try < TRIES && !linear; try++)
            linear = is_linear();
        if (!linear)
            fail_msg("more than linear: \"%s\" again and again", parts[i]);
    }
}

/* Only its head and its tail are read. */
static void text_over_the_limit_costs_no_more_than_the_limit(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        size_t hits;

        fill(parts[i]);
        classify_text(LIMIT_CLASSIFY_TEXT);
        hits = message.n_hits;
        classify_text(sizeof(text));
        assert_true(message.truncated);
        assert_true(message.text.len <= LIMIT_MESSAGE_TEXT);
        assert_true(message.n_parts <= MESSAGE_PARTS_MAX);
        assert_true(message.n_hits <= MESSAGE_HITS_MAX && message.n_hits + 2 >= hits);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_is_linear_in_the_length_of_the_text),
        cmocka_unit_test(text_over_the_limit_costs_no_more_than_the_limit),
    };

    return cmocka_run_group_tests_name("hostile", tests, NULL, NULL);
}
