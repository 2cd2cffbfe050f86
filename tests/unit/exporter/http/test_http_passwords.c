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
#include "tests/unit/support/http_probe.h"

#define REQUESTS_MAX 500u
#define ROUNDS_MAX 1000u

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

/* Cost 12 takes a quarter of a second, so the queue fills up. */
static int begin(void **state)
{
    static const char users[] =
        "basic_auth_users:\n"
        "  prom: $2b$12$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234\n";
    const struct http_handler handler = { .handle = answer, .is_public = is_public };
    struct http_server_config config = {
        .name = "test",
        .connections = REQUESTS_MAX + 2,
        .idle_timeout_s = 3600,
        .limit_hits = &limit_hits,
    };
    int fd = mkstemp(path);
    int r = -1;

    (void)state;
    if (fd >= 0 && write(fd, users, strlen(users)) == (ssize_t)strlen(users) &&
        guard_new(path, &guard, NULL) == 0 && listener_open("127.0.0.1:0", &listener, NULL) == 0) {
        config.guard = guard;
        r = http_server_new(&config, listener.fd, &handler, &server, NULL);
    }
    close(fd);
    return r;
}

static int end(void **state)
{
    (void)state;
    guard_stop(guard);
    http_server_free(server);
    guard_free(guard);
    return unlink(path);
}

static int send_password(unsigned number)
{
    char text[16], request[256];
    const gnutls_datum_t credentials = {
        .data = (unsigned char *)text,
        .size = (unsigned)snprintf(text, sizeof(text), "prom:%04u", number),
    };
    gnutls_datum_t base64;
    int fd = probe_tcp(listener.port);

    assert_int_equal(gnutls_base64_encode2(&credentials, &base64), 0);
    snprintf(request, sizeof(request),
             "GET /metrics HTTP/1.1\r\nHost: h\r\nAuthorization: Basic %.*s\r\n"
             "Connection: close\r\n\r\n",
             (int)base64.size, (const char *)base64.data);
    gnutls_free(base64.data);
    probe_send_text(fd, request);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(checks_over_the_limit_get_a_503_and_are_counted, begin,
                                        end),
    };

    return cmocka_run_group_tests_name("http_passwords", tests, NULL, NULL);
}
