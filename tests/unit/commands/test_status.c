/* SPDX-License-Identifier: Apache-2.0 */

/* The command against a debug listener in this process, over TCP and a unix socket. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <fcntl.h>

#include "agent/commands/classify_json.h"
#include "agent/commands/status.h"
#include "exporter/exporter.h"
#include "tests/unit/support/snapshot_fixture.h"
#include "util.h"

#define OUTPUT_SIZE 65536u

static struct fixture node;
static struct exporter *exporter;
static char folder[64];
static char address[128]; /* of the debug listener */

/* Standard output and error of the command. Files replace them while it runs. */
static char out[OUTPUT_SIZE];
static char err[OUTPUT_SIZE];

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

static int run_with(const char *const *argv, int out_fd)
{
    int given[2] = { out_fd >= 0 ? out_fd : temporary_file(), temporary_file() };
    char *arguments[8] = { (char *)(uintptr_t) "status" };
    int saved[2];
    int argc = 1;
    int status;

    for (; argv[argc - 1]; argc++)
        arguments[argc] = (char *)(uintptr_t)argv[argc - 1];
    fflush(NULL);
    for (int i = 0; i < 2; i++) {
        saved[i] = dup(i + 1);
        dup2(given[i], i + 1);
    }
    status = status_command(argc, arguments);
    fflush(NULL);
    for (int i = 0; i < 2; i++) {
        dup2(saved[i], i + 1);
        close(saved[i]);
    }
    if (out_fd < 0)
        read_back(given[0], out);
    read_back(given[1], err);
    return status;
}

#define RUN(...) run_with((const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL }, -1)

static int begin(void **state)
{
    struct snapshot_source source = fixture_source(&node);
    struct exporter_config config = { .web_listen = "127.0.0.1:0",
                                      .debug_listen = "127.0.0.1:0",
                                      .explain = classify_json_explain,
                                      .version = "test",
                                      .revision = "test" };
    struct err error = ERR_INIT;

    (void)state;
    fixture_golden(&node);
    if (exporter_new(&config, &source, &exporter, &error) < 0)
        return -1;
    snprintf(address, sizeof(address), "127.0.0.1:%u", exporter_debug_port(exporter));
    setenv(DEBUG_LISTEN_ENV, address, 1);
    setenv("http_proxy", "http://127.0.0.1:1", 1); /* must be ignored */
    return 0;
}

static int end(void **state)
{
    (void)state;
    exporter_free(exporter);
    exporter = NULL;
    unsetenv(DEBUG_LISTEN_ENV);
    unsetenv("COLUMNS");
    return 0;
}

static void blocked_containers_are_shown_with_status_1(void **state)
{
    (void)state;
    assert_int_equal(RUN(), 1);
    assert_non_null(strstr(out, "node-1 (containerd 2.1.9): 4 containers blocked"));
    assert_non_null(strstr(out, "default/web-0"));
    assert_string_equal(err, "");
    assert_null(strchr(out, '\033')); /* a file is not a terminal */
}

static void nothing_blocked_is_status_0(void **state)
{
    (void)state;
    fixture_init(&node);
    assert_int_equal(RUN(), 0);
    assert_string_equal(err, "");
    assert_int_equal(RUN("--output=json"), 0);
}

static void pods_that_cannot_be_read_are_status_2(void **state)
{
    (void)state;
    node.snapshot.sources[SOURCE_PODS].up = false;
    assert_int_equal(RUN(), 2);
    assert_non_null(strstr(out, ": when last read, 4 containers blocked"));
    assert_int_equal(RUN("--output=json"), 2);
}

static void what_limits_leave_out_is_status_2(void **state)
{
    (void)state;
    node.snapshot.left_out[LIMIT_HIT_PODS] = 104;
    assert_int_equal(RUN(), 2);
    assert_non_null(strstr(out, ": at least 4 containers blocked"));
    fixture_init(&node);
    node.snapshot.left_out[LIMIT_HIT_PODS] = 104;
    assert_int_equal(RUN(), 2);
    assert_null(strstr(out, "nothing is blocked"));
    assert_int_equal(RUN("--output=json"), 2);
    assert_non_null(strstr(out, "\"left_out\":{\"pods\":104}"));
    assert_int_equal(RUN("--cause=rate_limited"), 2); /* nor is this known */
}

static void only_selected_containers_count(void **state)
{
    (void)state;
    assert_int_equal(RUN("--cause=rate_limited"), 0);
    assert_int_equal(RUN("--namespace", "default"), 1);
    assert_int_equal(RUN("--namespace=default", "--cause", "network"), 0);
    assert_int_equal(RUN("--namespace=team-a", "--cause=network", "--output", "json"), 1);
    assert_non_null(strstr(out, "web-6"));
    assert_null(strstr(out, "web-0"));
}

static void no_pod_list_yet_is_status_2(void **state)
{
    (void)state;
    fixture_init(&node);
    node.snapshot.sources[SOURCE_PODS].last_success_us = 0;
    assert_int_equal(RUN(), 2);
    assert_non_null(strstr(out, "not known yet"));
}

/* For a pipe, and for kubectl exec without a terminal. */
static void a_file_has_any_width_unless_columns_sets_one(void **state)
{
    static char pod[254], image[500], advice[500];

    (void)state;
    memset(pod, 'p', sizeof(pod) - 1);
    memset(image, 'i', sizeof(image) - 1);
    for (size_t i = 0; i + 1 < sizeof(advice); i++)
        advice[i] = i % 7 ? 'a' : ' ';
    advice[0] = 'A';
    node.incidents[0].pod = pod;
    node.incidents[0].image = image;
    node.incidents[0].advice = advice;
    RUN();
    assert_non_null(strstr(out, "IMAGE"));
    assert_non_null(strstr(out, pod));
    assert_non_null(strstr(out, image));
    assert_non_null(strstr(out, advice));
    setenv("COLUMNS", "80", 1);
    RUN();
    assert_null(strstr(out, "IMAGE"));
    assert_null(strstr(out, advice));
    setenv("COLUMNS", "wide", 1);
    RUN();
    assert_non_null(strstr(out, advice));
}

static void the_flag_wins_over_the_environment(void **state)
{
    char flag[256];

    (void)state;
    setenv(DEBUG_LISTEN_ENV, "127.0.0.1:1", 1);
    assert_int_equal(RUN(), 2);
    assert_non_null(strstr(err, "cannot connect to the agent at 127.0.0.1:1: Connection refused"));
    snprintf(flag, sizeof(flag), "%s=%s", DEBUG_LISTEN_FLAG, address);
    assert_int_equal(RUN(flag), 1);
}

/* Nobody can connect to 0.0.0.0, but this is how the listener names all addresses. */
static void an_address_of_all_interfaces_is_asked_at_loopback(void **state)
{
    static const char *const hosts[] = { "", "0.0.0.0", "localhost", "127.0.0.1" };
    char endpoint[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
        snprintf(endpoint, sizeof(endpoint), "%s:%u", hosts[i], exporter_debug_port(exporter));
        assert_int_equal(RUN(DEBUG_LISTEN_FLAG, endpoint), 1);
    }
}

static void a_unix_socket_is_asked(void **state)
{
    struct snapshot_source source = fixture_source(&node);
    struct exporter_config config = { .web_listen = "127.0.0.1:0", .version = "", .revision = "" };
    struct exporter *other = NULL;
    struct err error = ERR_INIT;

    (void)state;
    strcpy(folder, "/tmp/status-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(address, sizeof(address), "unix:%s/debug.sock", folder);
    config.debug_listen = address;
    assert_int_equal(exporter_new(&config, &source, &other, &error), 0);
    assert_int_equal(RUN(DEBUG_LISTEN_FLAG, address), 1);
    exporter_free(other);
    assert_int_equal(RUN(DEBUG_LISTEN_FLAG, address), 2);
    assert_non_null(strstr(err, address));
    assert_non_null(strstr(err, "No such file or directory"));
    rmdir(folder);
}

static void an_ipv6_address_is_asked(void **state)
{
    static const char *const hosts[] = { "[::]", "[::1]" };
    struct snapshot_source source = fixture_source(&node);
    struct exporter_config config = {
        .web_listen = "127.0.0.1:0", .debug_listen = "[::]:0", .version = "", .revision = ""
    };
    struct exporter *other = NULL;
    struct err error = ERR_INIT;
    char text[64];

    (void)state;
    if (access("/proc/net/if_inet6", F_OK) < 0)
        skip();
    assert_int_equal(exporter_new(&config, &source, &other, &error), 0);
    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
        snprintf(text, sizeof(text), "%s:%u", hosts[i], exporter_debug_port(other));
        assert_int_equal(RUN(DEBUG_LISTEN_FLAG, text), 1);
    }
    exporter_free(other);
}

static void second_address_is_asked_if_nobody_listens_at_the_first(void **state)
{
    char both[256];

    (void)state;
    snprintf(both, sizeof(both), "unix:/no/such/debug.sock,%s", address);
    assert_int_equal(RUN(DEBUG_LISTEN_FLAG, both), 1);
    assert_string_equal(err, "");
    assert_non_null(strstr(out, "4 containers blocked"));
    snprintf(both, sizeof(both), "%s,unix:/no/such/debug.sock", address);
    assert_int_equal(RUN(DEBUG_LISTEN_FLAG, both), 1);
    assert_int_equal(RUN(DEBUG_LISTEN_FLAG, "unix:/no/such/debug.sock", DEBUG_LISTEN_FLAG, address),
                     1);
    assert_int_equal(RUN(DEBUG_LISTEN_FLAG, "unix:/no/such/a.sock,unix:/no/such/b.sock"), 2);
    assert_non_null(strstr(err, "cannot connect to the agent at unix:/no/such/a.sock"));
    assert_null(strstr(err, "b.sock"));
    snprintf(both, sizeof(both), "%s,nonsense", address);
    assert_int_equal(RUN(DEBUG_LISTEN_FLAG, both), 2);
    assert_non_null(strstr(err, "must be HOST:PORT"));
}

static void addresses_that_cannot_be_asked_are_refused(void **state)
{
    static const struct {
        const char *address;
        const char *sentence;
    } rows[] = {
        { "off", "the debug listener is off" },
        { "unix:relative", "absolute path" },
        { "unix:", "absolute path" },
        { "localhost", "must be HOST:PORT" },
        { "127.0.0.1:0", "port 0 lets the kernel choose" },
        { "127.0.0.1:", "must be HOST:PORT" },
        { "127.0.0.1:http", "HOST:PORT" },
        { "http://127.0.0.1:9918", "HOST:PORT" },
        { "::1:9918", "HOST:PORT" },
        { "[::1:9918", "HOST:PORT" },
        { "[::1]x:9918", "HOST:PORT" },
        { "[::1]", "HOST:PORT" },
        { "127.0.0.1:-1", "HOST:PORT" },
        { "127.0.0.1: 9918", "HOST:PORT" },
        { "127.0.0.1:+9918", "HOST:PORT" },
        { "127.0.0.1:65536", "HOST:PORT" },
        { "127.0.0.1:0x26", "HOST:PORT" },
        { "user@127.0.0.1:1", "HOST:PORT" },
        { "127.0.0.1/x:1", "HOST:PORT" },
        { "127.0.0.1:999999", "HOST:PORT" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(RUN(DEBUG_LISTEN_FLAG, rows[i].address), 2);
        if (!strstr(err, rows[i].sentence) || !strstr(err, rows[i].address))
            fail_msg("'%s': %s", rows[i].address, err);
        assert_string_equal(out, "");
    }
}

static void a_server_that_is_not_the_debug_listener_is_named(void **state)
{
    char endpoint[64];

    (void)state;
    snprintf(endpoint, sizeof(endpoint), "127.0.0.1:%u", exporter_web_port(exporter));
    assert_int_equal(RUN(DEBUG_LISTEN_FLAG, endpoint), 2);
    assert_non_null(strstr(err, "check that this is the debug address of the agent"));
    node.error = -12;
    assert_int_equal(RUN(), 2);
    assert_non_null(strstr(err, "GET /debug/failures returned status 503"));
    node.error = 0;
}

static void bad_flags_are_named(void **state)
{
    (void)state;
    assert_int_equal(RUN("--cause=bad"), 2);
    assert_non_null(strstr(err, "--cause is 'bad'"));
    assert_non_null(strstr(err, "rate_limited"));
    assert_int_equal(RUN("--cause="), 2);
    assert_int_equal(RUN("--namespace"), 2);
    assert_non_null(strstr(err, "--namespace needs a value"));
    assert_int_equal(RUN("--output=xml"), 2);
    assert_non_null(strstr(err, "one of table, json"));
    assert_int_equal(RUN("--nonsense"), 2);
    assert_non_null(strstr(err, "unknown flag '--nonsense'"));
    assert_int_equal(RUN("--outputs=json"), 2);
    assert_int_equal(RUN("word"), 2);
    assert_non_null(strstr(err, "unexpected argument 'word'"));
    assert_string_equal(out, "");
    assert_int_equal(RUN("--help"), 0);
    assert_non_null(strstr(out, "Exit status"));
}

/* A script must notice that the table is incomplete. */
static void a_full_disk_is_an_error(void **state)
{
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

    (void)state;
    assert_true(full >= 0);
    assert_int_equal(run_with((const char *const[]){ NULL }, full), 2);
    assert_non_null(strstr(err, "No space left"));
    close(full);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(blocked_containers_are_shown_with_status_1),
        TEST(nothing_blocked_is_status_0),
        TEST(pods_that_cannot_be_read_are_status_2),
        TEST(what_limits_leave_out_is_status_2),
        TEST(only_selected_containers_count),
        TEST(no_pod_list_yet_is_status_2),
        TEST(a_file_has_any_width_unless_columns_sets_one),
        TEST(the_flag_wins_over_the_environment),
        TEST(an_address_of_all_interfaces_is_asked_at_loopback),
        TEST(a_unix_socket_is_asked),
        TEST(an_ipv6_address_is_asked),
        TEST(second_address_is_asked_if_nobody_listens_at_the_first),
        TEST(addresses_that_cannot_be_asked_are_refused),
        TEST(a_server_that_is_not_the_debug_listener_is_named),
        TEST(bad_flags_are_named),
        TEST(a_full_disk_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
