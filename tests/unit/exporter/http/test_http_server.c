/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "exporter/http/http.h"
#include "exporter/http/http_budget.h"
#include "exporter/http/http_server.h"
#include "exporter/http/limit_hits.h"
#include "exporter/http/listen.h"
#include "tests/unit/support/http_probe.h"
#include "util.h"

static struct limit_hits limit_hits;

/* A handler that repeats the request. */
static char asked[1024];
static atomic_uint n_asked;
static size_t body_size;

/* A body that never is in memory as a whole. */
static struct stream {
    unsigned parts, made;
    int error; /* of the part after the last one */
    atomic_uint ended;
} streamed;

static int next_part(void *self, struct buf *out)
{
    struct stream *stream = self;

    if (stream->made == stream->parts)
        return stream->error;
    for (unsigned i = 0; i < 3000; i++)
        buf_printf(out, "part %u line %u\n", stream->made, i);
    stream->made++;
    return 0;
}

static void end_stream(void *self)
{
    atomic_fetch_add(&((struct stream *)self)->ended, 1);
}

static void echo(void *self, const struct http_request *request, struct http_response *response)
{
    char part[65536];

    (void)self;
    snprintf(asked, sizeof(asked), "%s %s host=%s", request->method, request->path,
             request->host ? request->host : "none");
    atomic_fetch_add(&n_asked, 1);
    response->content_type = HTTP_TEXT;
    response->body.max = 64 << 20;
    if (strcmp(request->path, "/stream") == 0) {
        response->stream = (struct http_stream){ .self = &streamed, .next = next_part };
        response->sent = end_stream;
        response->sent_self = &streamed;
    } else if (strcmp(request->path, "/big") == 0) {
        memset(part, 'b', sizeof(part));
        for (size_t i = 0; i < body_size; i += sizeof(part))
            buf_add(&response->body, (struct str){ .at = part, .len = sizeof(part) });
    } else if (strcmp(request->path, "/failed") == 0) {
        response->body.error = -ENOMEM;
    } else if (strcmp(request->path, "/empty") != 0) {
        buf_add_text(&response->body, asked);
    }
    if (!http_reads(request)) {
        http_text(response, HTTP_METHOD_NOT_ALLOWED, "read only");
        response->allow = HTTP_READ_METHODS;
    }
    response->no_store = strcmp(request->path, "/secret") == 0;
}

static const struct http_server_config config = {
    .name = "test",
    .connections = 8,
    .idle_timeout_s = 3600,
    .limit_hits = &limit_hits,
};

static const struct http_server_config impatient = {
    .name = "test",
    .connections = 8,
    .idle_timeout_s = 1,
    .limit_hits = &limit_hits,
};

static struct http_server *server;
static struct listener listener;
static struct buf answer;

static void serve(const struct http_server_config *with)
{
    static const struct http_handler handler = { .handle = echo };
    struct err err = ERR_INIT;

    assert_int_equal(listener_open("127.0.0.1:0", &listener, &err), 0);
    assert_int_equal(http_server_new(with, listener.fd, &handler, &server, &err), 0);
    listener.fd = -1;
}

static int begin(void **state)
{
    (void)state;
    atomic_store(&n_asked, 0);
    memset(&limit_hits, 0, sizeof(limit_hits));
    buf_init(&answer, 64 << 20);
    serve(&config);
    return 0;
}

static int end(void **state)
{
    (void)state;
    http_server_free(server);
    server = NULL;
    buf_done(&answer);
    return 0;
}

/* Reads the whole answer to one request on a new connection. */
static const char *exchange(const char *request)
{
    int fd = probe_tcp(listener.port);

    buf_reset(&answer);
    probe_send_text(fd, request);
    probe_read_all(fd, &answer);
    close(fd);
    return answer.at;
}

static void assert_answer(const char *request, const char *start, const char *part)
{
    const char *text = exchange(request);

    if (!text || strncmp(text, start, strlen(start)) != 0 || !strstr(text, part))
        fail_msg("the answer to '%s' is '%s'", request, text ? text : "empty");
}

#define CLOSE "Connection: close\r\n\r\n"

static void a_request_is_answered(void **state)
{
    (void)state;
    assert_answer("GET /a?b=c HTTP/1.1\r\nHost: here:1\r\n" CLOSE, "HTTP/1.1 200 ",
                  "\r\n\r\nGET /a host=here:1");
    assert_non_null(strstr(answer.at, "X-Content-Type-Options: nosniff\r\n"));
    assert_non_null(strstr(answer.at, "Content-Type: text/plain; charset=utf-8\r\n"));
    assert_null(strstr(answer.at, "Cache-Control"));
    assert_null(strstr(answer.at, "Allow"));
}

static void an_http_1_0_client_is_answered(void **state)
{
    (void)state;
    assert_answer("GET /a HTTP/1.0\r\n\r\n", "HTTP/1.", "GET /a host=none");
}

/* RFC 9112, 3.2.2: the form for proxies, which every server must accept. */
static void an_absolute_url_is_accepted(void **state)
{
    (void)state;
    assert_answer("GET http://there:2/a?b=c HTTP/1.1\r\nHost: here\r\n" CLOSE, "HTTP/1.1 200 ",
                  "\r\n\r\nGET /a host=here");
}

static void escapes_reach_the_handler(void **state)
{
    (void)state;
    assert_answer("GET /a%2Fb%00/%zz HTTP/1.1\r\nHost: h\r\n" CLOSE, "HTTP/1.1 200 ",
                  "GET /a%2Fb%00/%zz host=h");
}

static void head_has_the_length_and_no_body(void **state)
{
    (void)state;
    assert_answer("HEAD /a HTTP/1.1\r\nHost: h\r\n" CLOSE, "HTTP/1.1 200 ",
                  "Content-Length: 14\r\n");
    assert_string_equal(strstr(answer.at, "\r\n\r\n"), "\r\n\r\n");
}

static void an_empty_answer_is_sent(void **state)
{
    (void)state;
    assert_answer("GET /empty HTTP/1.1\r\nHost: h\r\n" CLOSE, "HTTP/1.1 200 ",
                  "Content-Length: 0\r\n");
}

static void no_store_and_allow_become_headers(void **state)
{
    (void)state;
    assert_answer("GET /secret HTTP/1.1\r\nHost: h\r\n" CLOSE, "HTTP/1.1 200 ",
                  "Cache-Control: no-store\r\n");
    assert_answer("DELETE /a HTTP/1.1\r\nHost: h\r\n" CLOSE, "HTTP/1.1 405 ",
                  "Allow: GET, HEAD\r\n");
}

static void a_failed_body_is_a_500(void **state)
{
    (void)state;
    assert_answer("GET /failed HTTP/1.1\r\nHost: h\r\n" CLOSE, "HTTP/1.1 500 ",
                  "the answer is too large, or there is no memory for it");
}

static void a_connection_serves_many_requests(void **state)
{
    int fd = probe_tcp(listener.port);

    (void)state;
    for (int i = 0; i < 100; i++) {
        char request[64], part[64];

        snprintf(request, sizeof(request), "GET /%d HTTP/1.1\r\nHost: h\r\n\r\n", i);
        snprintf(part, sizeof(part), "GET /%d host=h", i);
        buf_reset(&answer);
        probe_send_text(fd, request);
        probe_read_until(fd, &answer, part);
    }
    close(fd);
    assert_int_equal(n_asked, 100);
}

static void a_large_answer_is_complete(void **state)
{
    (void)state;
    body_size = 5 << 20;
    exchange("GET /big HTTP/1.1\r\nHost: h\r\n" CLOSE);
    assert_int_equal(answer.len - (size_t)(strstr(answer.at, "\r\n\r\n") + 4 - answer.at),
                     body_size);
}

static void restart_with(const struct http_server_config *with)
{
    http_server_free(server);
    serve(with);
}

/* --- limits ------------------------------------------------------------------------------------
 */

static void a_large_head_is_refused(void **state)
{
    static char request[40000];
    size_t len;

    (void)state;
    len = (size_t)snprintf(request, sizeof(request), "GET /a HTTP/1.1\r\nHost: h\r\nX-Long: ");
    memset(request + len, 'x', 20000);
    strcpy(request + len + 20000, "\r\n" CLOSE);
    assert_answer(request, "HTTP/1.1 431 ", "too big");

    len = (size_t)snprintf(request, sizeof(request), "GET /");
    memset(request + len, 'x', 20000);
    strcpy(request + len + 20000, " HTTP/1.1\r\nHost: h\r\n" CLOSE);
    assert_answer(request, "HTTP/1.1 414 ", "too big");
    assert_int_equal(n_asked, 0);
}

/* Answered at once, without reading the body. */
static void bodies_are_not_read(void **state)
{
    (void)state;
    assert_answer("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\nabc",
                  "HTTP/1.1 405 ", "read only");
    assert_answer("GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\nabc",
                  "HTTP/1.1 413 ", "GET takes no body");
    assert_answer("GET /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
                  "HTTP/1.1 413 ", "GET takes no body");
    assert_answer("GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n" CLOSE, "HTTP/1.1 200 ",
                  "GET /a");
}

static void invalid_http_is_refused(void **state)
{
    static const char *const requests[] = {
        "\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "\x16\x03\x01\x02\x01 a TLS client\r\n\r\n",
        "GET /a HTTP/9.9\r\nHost: h\r\n\r\n",
    };

    (void)state;
    restart_with(&impatient);
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        exchange(requests[i]); /* returns after an answer or after the idle timeout */
        assert_null(strstr(answer.at ? answer.at : "", " 200 "));
    }
}

static void a_silent_client_is_cut(void **state)
{
    static const char *const starts[] = { "", "G", "GET /a HTTP/1.1\r\nHost: h\r\n" };
    int fds[ARRAY_SIZE(starts)];

    (void)state;
    restart_with(&impatient);
    for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
        fds[i] = probe_tcp(listener.port);
        probe_send_text(fds[i], starts[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
        probe_wait_closed(fds[i]);
        close(fds[i]);
    }
    assert_int_equal(n_asked, 0);
}

static void a_client_that_does_not_read_is_cut(void **state)
{
    int fd, silent;

    (void)state;
    restart_with(&impatient);
    fd = probe_tcp(listener.port);
    body_size = 31 << 20; /* much more than the kernel buffers */
    probe_send_text(fd, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");

    /* The server cuts two silent clients, one after the other. By then it has cut the first one. */
    for (int i = 0; i < 2; i++) {
        silent = probe_tcp(listener.port);
        probe_wait_closed(silent);
        close(silent);
    }
    buf_reset(&answer);
    probe_read_all(fd, &answer);
    assert_true(answer.len < body_size);
    close(fd);
}

/* The answer to one client does not block others on the same thread. */
static void a_client_that_does_not_read_blocks_nobody(void **state)
{
    int fd = probe_tcp(listener.port);

    (void)state;
    body_size = 31 << 20;
    probe_send_text(fd, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
    for (int i = 0; i < 3; i++)
        assert_answer("GET /a HTTP/1.1\r\nHost: h\r\n" CLOSE, "HTTP/1.1 200 ", "GET /a");
    close(fd);
}

/* A client that reads a byte now and then is not idle, but the request timeout cuts it. */
static void a_client_that_reads_byte_by_byte_is_cut(void **state)
{
    const struct http_server_config strict = {
        .name = "test",
        .connections = 8,
        .idle_timeout_s = 3600,
        .request_timeout_s = 1,
        .limit_hits = &limit_hits,
    };
    int64_t start_us;
    char byte;
    int fd;

    (void)state;
    restart_with(&strict);
    body_size = 31 << 20;
    fd = probe_tcp(listener.port);
    probe_send_text(fd, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
    start_us = clock_now(clock_system()).mono_us;
    do {
        assert_int_equal(recv(fd, &byte, 1, 0), 1);
        assert_answer("GET /a HTTP/1.1\r\nHost: h\r\n" CLOSE, "HTTP/1.1 200 ", "GET /a");
    } while (clock_now(clock_system()).mono_us - start_us <= 2 * SEC);

    /* The next request makes the server look for slow clients. */
    assert_answer("GET /a HTTP/1.1\r\nHost: h\r\n" CLOSE, "HTTP/1.1 200 ", "GET /a");
    buf_reset(&answer);
    probe_read_all(fd, &answer);
    assert_true(answer.len < body_size);
    close(fd);
}

/* No timeout helps here: idle connections must make room for new ones. */
static void idle_connections_are_dropped_first(void **state)
{
    int holding[200];

    (void)state;
    body_size = 8 << 20;
    for (size_t i = 0; i < ARRAY_SIZE(holding); i++) {
        holding[i] = probe_tcp(listener.port);
        if (i % 20 == 0) /* requests much and reads nothing */
            probe_send_text(holding[i], "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
        else if (i % 2)
            probe_send_text(holding[i], "GET /half");
    }
    for (int i = 0; i < 20; i++)
        assert_answer("GET /a HTTP/1.1\r\nHost: h\r\n" CLOSE, "HTTP/1.1 200 ", "GET /a");
    for (size_t i = 0; i < ARRAY_SIZE(holding); i++) {
        if (i < ARRAY_SIZE(holding) - config.connections)
            probe_wait_closed(holding[i]);
        close(holding[i]);
    }
    assert_in_range(limit_hits.counts[LIMIT_HIT_HTTP_CONNECTIONS],
                    ARRAY_SIZE(holding) - config.connections, ARRAY_SIZE(holding) + 20);
}

/* A client with requests keeps its place, however old its connection is. */
static void an_active_connection_is_kept(void **state)
{
    int asking, holding[100];

    (void)state;
    asking = probe_tcp(listener.port);
    for (size_t i = 0; i < ARRAY_SIZE(holding); i++) {
        char request[64], part[64];

        holding[i] = probe_tcp(listener.port);
        probe_send_text(holding[i], "GET /slow");
        snprintf(request, sizeof(request), "GET /%zu HTTP/1.1\r\nHost: h\r\n\r\n", i);
        snprintf(part, sizeof(part), "GET /%zu host=h", i);
        buf_reset(&answer);
        probe_send_text(asking, request);
        probe_read_until(asking, &answer, part);
    }
    close(asking);
    for (size_t i = 0; i < ARRAY_SIZE(holding); i++)
        close(holding[i]);
}

/* --- the end -----------------------------------------------------------------------------------
 */

/* A client would otherwise hold its connection for an hour. */
static void stopping_cuts_all_connections(void **state)
{
    int64_t begin_us;
    int fds[8];

    (void)state;
    body_size = 8 << 20;
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        fds[i] = probe_tcp(listener.port);
        probe_send_text(fds[i], i % 2 ? "GET /big HTTP/1.1\r\nHost: h\r\n\r\n" : "GET /a");
    }
    begin_us = clock_now(clock_system()).mono_us;
    http_server_free(server);
    server = NULL;
    assert_true(clock_now(clock_system()).mono_us - begin_us < MINUTE);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        probe_wait_closed(fds[i]);
        close(fds[i]);
    }
}

/* Without file descriptors the start fails, and the caller still owns the socket. */
static void a_failed_start_leaves_the_socket(void **state)
{
    static const struct http_handler handler = { .handle = echo };
    struct http_server *unset = NULL;
    struct err err = ERR_INIT;
    struct rlimit limit, none;
    struct listener own;
    int r;

    (void)state;
    assert_int_equal(listener_open("127.0.0.1:0", &own, &err), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = (rlim_t)own.fd + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    r = http_server_new(&config, own.fd, &handler, &unset, &err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(r, -EMFILE);
    assert_null(unset);
    assert_string_equal(err.text, "start the HTTP server: Too many open files");
    assert_int_equal(close(own.fd), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

static void assert_stream_ended(unsigned times)
{
    for (unsigned i = 0; i < 60000 && atomic_load(&streamed.ended) != times; i++)
        usleep(1000);
    assert_int_equal(atomic_load(&streamed.ended), times);
}

static void a_stream_arrives_whole(void **state)
{
    static const char get[] = "GET /stream HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

    (void)state;
    streamed = (struct stream){ .parts = 100 };
    exchange(get);
    assert_non_null(strstr(answer.at, "HTTP/1.1 200 "));
    assert_non_null(strstr(answer.at, "Transfer-Encoding: chunked\r\n"));
    assert_non_null(strstr(answer.at, "part 0 line 0\n"));
    assert_non_null(strstr(answer.at, "part 99 line 2999\n"));
    assert_string_equal(answer.at + answer.len - 7, "\r\n0\r\n\r\n");
    assert_stream_ended(1);

    streamed = (struct stream){ .parts = 0 };
    exchange(get);
    assert_string_equal(answer.at + answer.len - 5, "0\r\n\r\n");
    assert_stream_ended(1);
}

static void a_failed_stream_is_cut(void **state)
{
    (void)state;
    streamed = (struct stream){ .parts = 3, .error = -ENOMEM };
    exchange("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_non_null(strstr(answer.at, "part 2 line 2999\n"));
    assert_string_not_equal(answer.at + answer.len - 5, "0\r\n\r\n");
    assert_stream_ended(1);
}

/* It ends when its client is gone, not only when it was read. */
static void a_stream_that_nobody_reads_ends(void **state)
{
    int fd = probe_tcp(listener.port);

    (void)state;
    streamed = (struct stream){ .parts = 100000 };
    probe_send_text(fd, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    buf_reset(&answer);
    probe_read_until(fd, &answer, "part 0 line 100\n");
    assert_int_equal(atomic_load(&streamed.ended), 0);
    close(fd);
    assert_stream_ended(1);
    assert_true(streamed.made < 1000);
}

/* Each holds an answer that it does not read. */
static void slow_clients_do_not_fill_the_memory(void **state)
{
    struct http_budget budget = { .max = 48 << 20 };
    struct http_server_config with = config;
    int fds[7] = { 0 };

    (void)state;
    http_server_free(server);
    with.budget = &budget;
    serve(&with);
    body_size = 31 << 20;
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        fds[i] = probe_tcp(listener.port);
        probe_send_text(fds[i], "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
        buf_reset(&answer);
        probe_read_until(fds[i], &answer, "\r\n\r\n");
        assert_true(atomic_load(&budget.used) <= budget.max);
        if (strstr(answer.at, "HTTP/1.1 503 ")) {
            probe_read_until(fds[i], &answer, "slow clients hold the memory of all answers");
            assert_non_null(strstr(answer.at, "Retry-After: 1\r\n"));
            assert_true(i > 0);
            /* The oldest one was cut, so the next try succeeds at some time. */
            probe_wait_closed(fds[0]);
            break;
        }
        assert_true(i < 2);
    }
    assert_true(limit_hits.counts[LIMIT_HIT_ANSWER_BODY] > 0);
    for (unsigned tries = 0; tries < 60000; tries++) {
        exchange("GET /big HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        if (strstr(answer.at, "HTTP/1.1 200 "))
            break;
        usleep(1000);
    }
    assert_non_null(strstr(answer.at, "HTTP/1.1 200 "));
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        if (fds[i] > 0)
            close(fds[i]);
    http_server_free(server);
    server = NULL;
    assert_int_equal(atomic_load(&budget.used), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_stream_arrives_whole),
        TEST(a_failed_stream_is_cut),
        TEST(a_stream_that_nobody_reads_ends),
        TEST(slow_clients_do_not_fill_the_memory),
        TEST(a_request_is_answered),
        TEST(an_http_1_0_client_is_answered),
        TEST(an_absolute_url_is_accepted),
        TEST(escapes_reach_the_handler),
        TEST(head_has_the_length_and_no_body),
        TEST(an_empty_answer_is_sent),
        TEST(no_store_and_allow_become_headers),
        TEST(a_failed_body_is_a_500),
        TEST(a_connection_serves_many_requests),
        TEST(a_large_answer_is_complete),
        TEST(a_large_head_is_refused),
        TEST(bodies_are_not_read),
        TEST(invalid_http_is_refused),
        TEST(a_silent_client_is_cut),
        TEST(a_client_that_does_not_read_is_cut),
        TEST(a_client_that_does_not_read_blocks_nobody),
        TEST(a_client_that_reads_byte_by_byte_is_cut),
        TEST(idle_connections_are_dropped_first),
        TEST(an_active_connection_is_kept),
        TEST(stopping_cuts_all_connections),
        TEST(a_failed_start_leaves_the_socket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
