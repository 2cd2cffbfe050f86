/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "exporter/http/listen.h"
#include "tests/unit/support/http_probe.h"
#include "util.h"

static char folder[32];
static mode_t mode_at_bind; /* of the last unix socket, when bind() returned */

/* Replaces the one of the C library. */
int bind(int fd, __CONST_SOCKADDR_ARG address, socklen_t len)
{
    const struct sockaddr *any = address.__sockaddr__;
    struct stat file;
    long r = syscall(SYS_bind, fd, any, len);

    if (r == 0 && any->sa_family == AF_UNIX &&
        lstat(((const struct sockaddr_un *)(const void *)any)->sun_path, &file) == 0)
        mode_at_bind = file.st_mode & 0777;
    return (int)r;
}

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/test-listen-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder); /* fails if a test left a file behind */
}

static void open_ok(const char *address, struct listener *ret)
{
    struct err err = ERR_INIT;

    if (listener_open(address, ret, &err) < 0)
        fail_msg("'%s': %s", address, err.text);
}

static void assert_refused(const char *address, int code, const char *text)
{
    struct listener listener = { .fd = -7 };
    struct err err = ERR_INIT;

    int r = listener_open(address, &listener, &err);

    if (r != code)
        fail_msg("'%s' gave %d, not %d", address, r, code);
    if (!strstr(err.text, text))
        fail_msg("'%s': '%s' does not say '%s'", address, err.text, text);
    assert_int_equal(listener.fd, -7);
}

static void invalid_addresses_are_refused(void **state)
{
    char endless[600];

    (void)state;
    memset(endless, '1', sizeof(endless));
    memcpy(endless + sizeof(endless) - 6, ":9917", 6);
    assert_refused("", -EINVAL, "has no port");
    assert_refused("9917", -EINVAL, "has no port");
    assert_refused("127.0.0.1", -EINVAL, "has no port");
    assert_refused("[::1]", -EINVAL, "has no port");
    assert_refused(":", -EINVAL, "not a number from 0 to 65535");
    assert_refused(":x", -EINVAL, "port 'x' is not a number");
    assert_refused(":-1", -EINVAL, "port '-1' is not a number");
    assert_refused(":+80", -EINVAL, "port '+80' is not a number");
    assert_refused(": 80", -EINVAL, "port ' 80' is not a number");
    assert_refused(":65536", -EINVAL, "not a number from 0 to 65535");
    assert_refused(":99999999999999999999", -EINVAL, "not a number from");
    assert_refused("127.0.0.1:", -EINVAL, "not a number from 0 to 65535");
    assert_refused("::1:9917", -EINVAL, "needs brackets");
    assert_refused("[::1:9917", -EINVAL, "needs brackets");
    assert_refused("[]:9917", -EINVAL, "needs brackets");
    assert_refused("[:9917", -EINVAL, "needs brackets");
    assert_refused("127.0.0.256:9917", -EINVAL, "not an IP address");
    assert_refused("127.0.1:9917", -EINVAL, "'127.0.1' is not an IP address");
    assert_refused("2130706433:9917", -EINVAL, "not an IP address");
    assert_refused("0x7f.0.0.1:9917", -EINVAL, "not an IP address");
    assert_refused("registry.example.com:9917", -EINVAL, "not an IP address");
    assert_refused(endless, -EINVAL, "not an IP address");
    assert_refused("unix:", -EINVAL, "not an absolute path");
    assert_refused("unix:debug.sock", -EINVAL, "not an absolute path");
    assert_refused("unix:/1234567890123456789012345678901234567890123456789012345678901234567890123"
                   "4567890123456789012345678901234567890",
                   -EINVAL, "the maximum for a unix socket is 107");
    assert_refused("unix:/no/such/folder/debug.sock", -ENOENT, "/no/such/folder");
}

static void a_check_finds_invalid_addresses_without_binding(void **state)
{
    static const char *const bad[] = { "",      "9917",       ":x",          "::1:9917",
                                       "[]:1",  "1.2.3:9917", "a.example:1", "unix:a.sock",
                                       ":65536" };
    static const char *const good[] = { ":1",          "127.0.0.1:0",     "[::]:9917",
                                        "localhost:1", "unix:/no/a.sock", "0.0.0.0:65535" };
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        err_clear(&err);
        if (listener_check(bad[i], &err) != -EINVAL || !err.text[0])
            fail_msg("'%s' was accepted", bad[i]);
    }
    err_clear(&err);
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        if (listener_check(good[i], &err) != 0)
            fail_msg("'%s': %s", good[i], err.text);
}

static void all_forms_of_tcp_address_listen(void **state)
{
    static const char *const addresses[] = { "127.0.0.1:0", "localhost:0", ":0", "0.0.0.0:0" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
        struct listener listener;

        open_ok(addresses[i], &listener);
        assert_int_not_equal(listener.port, 0);
        assert_true(fcntl(listener.fd, F_GETFL) & O_NONBLOCK);
        assert_true(fcntl(listener.fd, F_GETFD) & FD_CLOEXEC);
        close(probe_tcp(listener.port));
        listener_close(&listener);
        assert_int_equal(listener.fd, -1);
    }
}

/* With port 0 only the kernel knows the port. */
static void the_name_has_the_bound_port(void **state)
{
    static const struct {
        const char *address, *host;
    } rows[] = {
        { "127.0.0.1:0", "127.0.0.1" },
        { "localhost:0", "127.0.0.1" },
        { "0.0.0.0:0", "0.0.0.0" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct listener listener;
        char name[LISTEN_NAME_MAX];

        open_ok(rows[i].address, &listener);
        close(probe_tcp(listener.port));
        snprintf(name, sizeof(name), "%s:%u", rows[i].host, listener.port);
        assert_string_equal(listener.name, name);
        listener_close(&listener);
    }
}

static void an_ipv6_address_listens(void **state)
{
    struct err err = ERR_INIT;
    struct listener listener;
    char name[32];
    int r = listener_open("[::1]:0", &listener, &err);

    (void)state;
    if (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL)
        skip();
    assert_int_equal(r, 0);
    assert_int_not_equal(listener.port, 0);
    snprintf(name, sizeof(name), "[::1]:%u", listener.port);
    assert_string_equal(listener.name, name);
    listener_close(&listener);
}

static void a_port_in_use_is_an_error(void **state)
{
    struct listener first, again;
    char address[32];

    (void)state;
    open_ok("127.0.0.1:0", &first);
    snprintf(address, sizeof(address), "127.0.0.1:%u", first.port);
    assert_refused(address, -EADDRINUSE, "another process listens on");
    snprintf(address, sizeof(address), ":%u", first.port);
    assert_refused(address, -EADDRINUSE, "another process listens on");
    listener_close(&first);
    open_ok(address, &again);
    listener_close(&again);
}

/* The side that closes first keeps the port in TIME_WAIT; a restart must not wait for it. */
static void a_port_in_time_wait_can_be_bound(void **state)
{
    struct listener first, again;
    char address[32];
    int client, served;

    (void)state;
    open_ok("127.0.0.1:0", &first);
    snprintf(address, sizeof(address), "127.0.0.1:%u", first.port);
    client = probe_tcp(first.port);
    served = accept(first.fd, NULL, NULL);
    assert_true(served >= 0);
    close(served);
    listener_close(&first);
    probe_wait_closed(client);
    close(client);
    open_ok(address, &again);
    listener_close(&again);
}

static void a_unix_socket_is_private_and_removed_at_the_end(void **state)
{
    char address[80], path[64];
    struct listener listener;
    struct stat file;

    (void)state;
    snprintf(path, sizeof(path), "%s/new/debug.sock", folder);
    snprintf(address, sizeof(address), "unix:%s", path);
    open_ok(address, &listener);
    assert_int_equal(listener.port, 0);
    assert_string_equal(listener.name, address);
    assert_int_equal(stat(path, &file), 0);
    assert_true(S_ISSOCK(file.st_mode));
    assert_int_equal(file.st_mode & 0777, 0600);
    close(probe_unix(path));
    assert_refused(address, -EADDRINUSE, "another process listens on");
    close(probe_unix(path)); /* the second attempt did not break the first listener */
    listener_close(&listener);
    assert_int_equal(access(path, F_OK), -1);

    snprintf(path, sizeof(path), "%s/new", folder);
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0700);
    assert_int_equal(rmdir(path), 0);
}

/* Whatever the umask is: nobody else can open the path between bind() and the next call. */
static void a_unix_socket_is_private_from_the_first_moment(void **state)
{
    static const mode_t umasks[] = { 0, 022, 077, 0777 };
    char address[64];

    (void)state;
    snprintf(address, sizeof(address), "unix:%s/debug.sock", folder);
    for (size_t i = 0; i < ARRAY_SIZE(umasks); i++) {
        const mode_t before = umask(umasks[i]);
        struct listener listener;
        struct stat file;

        mode_at_bind = 0777;
        open_ok(address, &listener);
        umask(before);
        assert_int_equal(mode_at_bind & 0077, 0);
        assert_int_equal(stat(listener.path, &file), 0);
        assert_int_equal(file.st_mode & 0777, 0600);
        listener_close(&listener);
    }
}

static void a_stale_socket_is_replaced(void **state)
{
    struct listener killed, again;
    char address[64];

    (void)state;
    snprintf(address, sizeof(address), "unix:%s/debug.sock", folder);
    open_ok(address, &killed);
    close(killed.fd); /* as a killed process does: the file stays */
    open_ok(address, &again);
    close(probe_unix(again.path));

    /* The end of the first listener must not remove the file of the second. */
    killed.fd = -1;
    listener_close(&killed);
    close(probe_unix(again.path));
    listener_close(&again);
}

static void a_file_that_is_not_a_socket_is_not_replaced(void **state)
{
    char address[80], path[64];
    int fd;

    (void)state;
    snprintf(path, sizeof(path), "%s/precious", folder);
    snprintf(address, sizeof(address), "unix:%s", path);
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_refused(address, -EEXIST, "is not a socket");
    assert_int_equal(unlink(path), 0);

    assert_int_equal(symlink("/tmp", path), 0); /* links are not followed */
    assert_refused(address, -EEXIST, "is not a socket");
    assert_int_equal(unlink(path), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(invalid_addresses_are_refused),
        cmocka_unit_test(a_check_finds_invalid_addresses_without_binding),
        cmocka_unit_test(all_forms_of_tcp_address_listen),
        cmocka_unit_test(the_name_has_the_bound_port),
        cmocka_unit_test(an_ipv6_address_listens),
        cmocka_unit_test(a_port_in_use_is_an_error),
        cmocka_unit_test(a_port_in_time_wait_can_be_bound),
        TEST(a_unix_socket_is_private_and_removed_at_the_end),
        TEST(a_unix_socket_is_private_from_the_first_moment),
        TEST(a_stale_socket_is_replaced),
        TEST(a_file_that_is_not_a_socket_is_not_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
