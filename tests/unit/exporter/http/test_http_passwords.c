/* SPDX-License-Identifier: Apache-2.0 */

/* The queue of password checks, over real connections. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <gnutls/gnutls.h>

#include "buf.h"
#include "exporter/http/guard.h"
#include "exporter/http/http.h"
#include "exporter/http/http_server.h"
#include "exporter/http/limit_hits.h"
#include "exporter/http/listen.h"
#include "tests/unit/support/crypt_gate.h"
#include "tests/unit/support/http_probe.h"
#include "util.h"

#define REQUESTS_MAX 500u
#define ROUNDS_MAX 1000u
#define FEW 8u

static struct limit_hits limit_hits;
static struct guard *guard;
static struct http_server *server;
static struct listener listener;
static char path[] = "/tmp/test-http-passwords-XXXXXX";

static void answer(void *self, const struct http_request *request, struct http_response *response)
{
    (void)self;
    http_text(response, HTTP_OK, "%s", request->path);
}

static bool is_public(const char *asked)
{
    return strcmp(asked, "/healthz") == 0;
}

static int start(unsigned connections)
{
    static const char users[] =
        "basic_auth_users:\n"
        "  prom: $2b$12$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234\n";
    const struct http_handler handler = { .handle = answer, .is_public = is_public };
    struct http_server_config config = {
        .name = "test",
        .connections = connections,
        .idle_timeout_s = 3600,
        .limit_hits = &limit_hits,
    };
    int fd = mkstemp(path);
    int r = -1;

    limit_hits = (struct limit_hits){ 0 };
    crypt_gate_reset();
    crypt_gate_close();
    if (fd >= 0 && write(fd, users, strlen(users)) == (ssize_t)strlen(users) &&
        guard_new(path, &guard, NULL) == 0 && listener_open("127.0.0.1:0", &listener, NULL) == 0) {
        config.guard = guard;
        r = http_server_new(&config, listener.fd, &handler, &server, NULL);
    }
    close(fd);
    return r;
}

static int begin(void **state)
{
    (void)state;
    return start(REQUESTS_MAX + 2);
}

static int begin_with_few_connections(void **state)
{
    (void)state;
    return start(FEW);
}

static int end(void **state)
{
    int r = unlink(path);

    (void)state;
    crypt_gate_open();
    guard_stop(guard);
    http_server_free(server);
    guard_free(guard);
    strcpy(path + strlen(path) - 6, "XXXXXX");
    return r;
}

static void send_login(int fd, const char *password)
{
    char text[32], request[256];
    const gnutls_datum_t credentials = {
        .data = (unsigned char *)text,
        .size = (unsigned)snprintf(text, sizeof(text), "prom:%s", password),
    };
    gnutls_datum_t base64;

    assert_int_equal(gnutls_base64_encode2(&credentials, &base64), 0);
    snprintf(request, sizeof(request),
             "GET /metrics HTTP/1.1\r\nHost: h\r\nAuthorization: Basic %.*s\r\n"
             "Connection: close\r\n\r\n",
             (int)base64.size, (const char *)base64.data);
    gnutls_free(base64.data);
    probe_send_text(fd, request);
}

/* A request with a wrong password. */
static int send_password(unsigned number)
{
    char password[16];
    int fd = probe_tcp(listener.port);

    snprintf(password, sizeof(password), "%04u", number);
    send_login(fd, password);
    return fd;
}

/* The answer shows that the server has read the requests before it. */
static void wait_for_server(void)
{
    int fd = probe_tcp(listener.port);
    struct buf text;

    buf_init(&text, 1 << 20);
    probe_send_text(fd, "GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    probe_read_until(fd, &text, "/healthz");
    buf_done(&text);
    close(fd);
}

/* How many of the requests are refused so far. *ret_fd: the connection of one of them. */
static unsigned count_refused(const int *fds, unsigned n, int *ret_fd)
{
    unsigned refused = 0;

    for (unsigned i = 0; i < n; i++) {
        char start[13] = "";

        if (recv(fds[i], start, sizeof(start) - 1, MSG_PEEK | MSG_DONTWAIT) <= 0 ||
            strcmp(start, "HTTP/1.1 503") != 0)
            continue;
        *ret_fd = fds[i];
        refused++;
    }
    return refused;
}

static void checks_over_the_limit_get_a_503_and_are_counted(void **state)
{
    static int fds[REQUESTS_MAX];
    struct buf text;
    uint64_t counted = 0;
    unsigned n = 0;
    int fd = -1;

    (void)state;
    /* A request is counted before its answer arrives, and several can be refused in one round. */
    while (n < REQUESTS_MAX && count_refused(fds, n, &fd) == 0) {
        fds[n] = send_password(n);
        n++;
        wait_for_server();
    }
    assert_true(n > LIMIT_PASSWORD_CHECKS);
    for (unsigned round = 0; round < ROUNDS_MAX && counted != count_refused(fds, n, &fd); round++) {
        wait_for_server();
        counted = limit_hits.counts[LIMIT_HIT_PASSWORD_CHECKS];
    }
    assert_int_equal(counted, count_refused(fds, n, &fd));
    buf_init(&text, 1 << 20);
    probe_read_all(fd, &text);
    assert_non_null(strstr(text.at, "too many password checks are waiting; try again"));
    buf_done(&text);
    while (n)
        close(fds[--n]);
}

static void assert_admitted(int fd)
{
    struct buf text;

    buf_init(&text, 1 << 20);
    probe_read_all(fd, &text);
    if (!text.at || !str_starts(buf_str(&text), STR("HTTP/1.1 200")))
        fail_msg("%s", text.at ? text.at : "no answer");
    buf_done(&text);
    close(fd);
}

/* All come from one address, so they wait for each other, but nobody is turned away. */
static void wrong_passwords_do_not_lock_a_right_one_out(void **state)
{
    int fds[40], right;

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
        fds[i] = send_password(i);
    wait_for_server();
    right = probe_tcp(listener.port);
    send_login(right, "right");
    wait_for_server();
    crypt_gate_open();
    assert_admitted(right);
    assert_int_equal(limit_hits.counts[LIMIT_HIT_PASSWORD_CHECKS], 0);
    for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
        close(fds[i]);
}

/* Neither its connection nor its check waits for those of the other address. */
static void more_connections_than_places_do_not_lock_another_address_out(void **state)
{
    int fds[5 * FEW], right = -1;

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(fds); i++) {
        fds[i] = send_password(i);
        if (i == ARRAY_SIZE(fds) / 2) {
            right = probe_tcp_from(listener.port, 0x7f000002);
            send_login(right, "right");
        }
        wait_for_server();
    }
    crypt_gate_pass(3);
    assert_admitted(right);
    assert_true(limit_hits.counts[LIMIT_HIT_HTTP_CONNECTIONS] > 0);
    for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
        close(fds[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(checks_over_the_limit_get_a_503_and_are_counted, begin,
                                        end),
        cmocka_unit_test_setup_teardown(wrong_passwords_do_not_lock_a_right_one_out, begin, end),
        cmocka_unit_test_setup_teardown(
            more_connections_than_places_do_not_lock_another_address_out,
            begin_with_few_connections, end),
    };

    return cmocka_run_group_tests_name("http_passwords", tests, NULL, NULL);
}
