/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The commands with one failed allocation after the other, also in jansson and libcurl. A command
 * prints all, or says on standard error why it did not, and its exit status is an error.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <curl/curl.h>
#include <fcntl.h>
#include <jansson.h>

#include "agent/commands/classify.h"
#include "agent/commands/classify_json.h"
#include "agent/commands/status.h"
#include "exporter/exporter.h"
#include "mem.h"
#include "tests/unit/support/fault_heap.h"
#include "tests/unit/support/snapshot_fixture.h"
#include "util.h"

#define OUTPUT_SIZE 65536u
#define FIRED 64 /* added to the exit status of the child */

typedef int command_fn(int argc, char **argv);

static struct fixture node;
static struct exporter *exporter;
static char address[64];
static char messages[] = "/tmp/test-commands-memory-XXXXXX";

static void *zalloc(size_t n, size_t size)
{
    return mem_zalloc(n * size);
}

static int begin(void **state)
{
    static const char lines[] =
        "failed to pull image \"r.example.com/team/app:v1\": failed to resolve reference "
        "\"r.example.com/team/app:v1\": r.example.com/team/app:v1: not found\n"
        "dial tcp: lookup r.example.com: no such host\n"
        "toomanyrequests: You have reached your pull rate limit\n";
    struct snapshot_source source = fixture_source(&node);
    struct exporter_config config = { .web_listen = "127.0.0.1:0",
                                      .debug_listen = "127.0.0.1:0",
                                      .explain = classify_json_explain,
                                      .version = "test",
                                      .revision = "test" };
    int fd = mkstemp(messages);

    (void)state;
    if (fd < 0 || write(fd, lines, strlen(lines)) != (ssize_t)strlen(lines) ||
        curl_global_init_mem(CURL_GLOBAL_DEFAULT, mem_alloc, mem_free, mem_realloc, mem_strdup,
                             zalloc) != CURLE_OK)
        return -1;
    close(fd);
    json_set_alloc_funcs(mem_alloc, mem_free);
    fixture_golden(&node);
    if (exporter_new(&config, &source, &exporter, NULL) < 0)
        return -1;
    snprintf(address, sizeof(address), "--debug.listen-address=127.0.0.1:%u",
             exporter_debug_port(exporter));
    return 0;
}

static int end(void **state)
{
    (void)state;
    exporter_free(exporter);
    return unlink(messages);
}

static int temporary_file(void)
{
    int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    return fd;
}

static void read_back(int fd, char ret[OUTPUT_SIZE])
{
    ssize_t n = pread(fd, ret, OUTPUT_SIZE - 1, 0);

    assert_true(n >= 0);
    ret[n] = '\0';
    close(fd);
}

struct ran {
    int status;
    bool fired;
    char out[OUTPUT_SIZE], err[OUTPUT_SIZE];
};

/* In a child, because the heap that fails is for one thread. */
static void run(command_fn *command, const char *const *argv, size_t fail_at, bool for_ever,
                struct ran *ret)
{
    int out = temporary_file(), err = temporary_file(), status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        char *arguments[8] = { NULL };
        int argc = 0;

        for (; argv[argc]; argc++)
            arguments[argc] = (char *)(uintptr_t)argv[argc];
        dup2(out, STDOUT_FILENO);
        dup2(err, STDERR_FILENO);
        if (for_ever)
            fault_heap_fail_from(fail_at);
        else
            fault_heap_fail_at(fail_at);
        status = command(argc, arguments);
        fflush(NULL);
        _exit(status + (fault_heap_fired() ? FIRED : 0));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    read_back(out, ret->out);
    read_back(err, ret->err);
    if (!WIFEXITED(status))
        fail_msg("%s died after allocation %zu: %s", argv[0], fail_at, ret->err);
    ret->status = WEXITSTATUS(status) % FIRED;
    ret->fired = WEXITSTATUS(status) >= FIRED;
}

/* The command without memory for allocation `n`: false if it needs fewer. */
static bool survives_at(command_fn *command, const char *const *argv, size_t n, bool for_ever,
                        const struct ran *good)
{
    static struct ran bad;

    run(command, argv, n, for_ever, &bad);
    if (!bad.fired)
        return false;
    if (bad.status == good->status && strcmp(bad.out, good->out) == 0)
        return true; /* it was not needed */
    if (bad.status == good->status || bad.status == EXIT_SUCCESS || !bad.err[0])
        fail_msg("%s %s, allocation %zu%s: exit status %d, '%s', printed: %s", argv[0], argv[1], n,
                 for_ever ? " and all after it" : "", bad.status, bad.err, bad.out);
    return true;
}

static void survives(command_fn *command, const char *const *argv)
{
    static struct ran good;
    size_t n = 0;

    run(command, argv, SIZE_MAX - 1, false, &good);
    assert_string_equal(good.err, "");
    while (survives_at(command, argv, n, false, &good) &&
           survives_at(command, argv, n, true, &good))
        n++;
    assert_true(n > 0);
}

#define SURVIVES(command, ...) survives(command, (const char *const[]){ __VA_ARGS__, NULL })

static void classify_prints_all_or_fails(void **state)
{
    (void)state;
    SURVIVES(classify_command, "classify", messages);
    SURVIVES(classify_command, "classify", "--explain", messages);
    SURVIVES(classify_command, "classify", "--output=json", messages);
    SURVIVES(classify_command, "classify", "--output=json", "--explain", messages);
}

static void status_prints_all_or_fails(void **state)
{
    (void)state;
    SURVIVES(status_command, "status", address);
    SURVIVES(status_command, "status", address, "--output=json");
}

static void help_is_whole_or_fails(void **state)
{
    (void)state;
    SURVIVES(classify_command, "classify", "--help");
    SURVIVES(status_command, "status", "--help");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classify_prints_all_or_fails),
        cmocka_unit_test(status_prints_all_or_fails),
        cmocka_unit_test(help_is_whole_or_fails),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
