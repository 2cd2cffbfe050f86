/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/descriptors.h"
#include "limit.h"
#include "log.h"

struct result {
    int r;
    unsigned connections;
    rlim_t after;
    struct err err;
};

/* In a child, because a lowered limit cannot be raised again. */
static struct result prepare_for(rlim_t soft, rlim_t hard, size_t listeners, size_t debug)
{
    struct result result = { .r = 1 };
    int fds[2], status;
    pid_t child;

    assert_int_equal(pipe(fds), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit limit = { .rlim_cur = soft, .rlim_max = hard };

        log_init(LOG_ERROR, LOG_LOGFMT);
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
            _exit(1);
        result.r = descriptors_prepare(listeners, debug, &result.connections, &result.err);
        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
            _exit(2);
        result.after = limit.rlim_cur;
        _exit(write(fds[1], &result, sizeof(result)) == (ssize_t)sizeof(result) ? 0 : 3);
    }
    close(fds[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(read(fds[0], &result, sizeof(result)), sizeof(result));
    close(fds[0]);
    return result;
}

static struct result prepare(rlim_t soft, rlim_t hard, size_t listeners)
{
    return prepare_for(soft, hard, listeners, 1);
}

static void a_usual_limit_is_left_alone(void **state)
{
    const struct result result = prepare(1024, 1024, 1);

    (void)state;
    assert_int_equal(result.r, 0);
    assert_int_equal(result.after, 1024);
    assert_int_equal(result.connections, LIMIT_WEB_CONNECTIONS);
}

static void a_soft_limit_is_raised(void **state)
{
    const struct result result = prepare(20, 1024, 8);

    (void)state;
    assert_int_equal(result.r, 0);
    assert_in_range(result.after, 8 * LIMIT_WEB_CONNECTIONS, 1024);
    assert_int_equal(result.connections, LIMIT_WEB_CONNECTIONS);
}

static void with_few_files_there_are_few_connections(void **state)
{
    unsigned before = 0;

    (void)state;
    for (rlim_t hard = 68; hard < 128; hard += 6) {
        const struct result result = prepare(20, hard, 1);

        assert_int_equal(result.r, 0);
        assert_in_range(result.connections, 4, LIMIT_WEB_CONNECTIONS - 1);
        assert_true(result.connections > before);
        assert_true(result.connections + LIMIT_DEBUG_CONNECTIONS < hard);
        before = result.connections;
    }
    assert_int_equal(prepare(200, 200, 4).connections, 28);
    assert_int_equal(prepare_for(200, 200, 4, 2).connections, 22);
    assert_int_equal(prepare_for(91, 91, 1, 2).r, -EMFILE);
    assert_int_equal(prepare_for(92, 92, 1, 2).r, 0);
}

static void too_few_files_are_refused(void **state)
{
    (void)state;
    for (rlim_t hard = 10; hard < 68; hard += 2) {
        const struct result result = prepare(hard, hard, 1);
        char sentence[128];

        snprintf(sentence, sizeof(sentence),
                 "the limit of open files is %llu, and the agent needs at least 68; raise it",
                 (unsigned long long)hard);
        assert_int_equal(result.r, -EMFILE);
        assert_ptr_equal(strstr(result.err.text, sentence), result.err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_usual_limit_is_left_alone),
        cmocka_unit_test(a_soft_limit_is_raised),
        cmocka_unit_test(with_few_files_there_are_few_connections),
        cmocka_unit_test(too_few_files_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
