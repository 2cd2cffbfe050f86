/* SPDX-License-Identifier: Apache-2.0 */

/* Requests with a body, up to a limit. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "exporter/http/http.h"
#include "exporter/http/http_server.h"
#include "exporter/http/limit_hits.h"
#include "exporter/http/listen.h"
#include "tests/unit/support/fault_heap.h"
#include "tests/unit/support/http_probe.h"

static struct limit_hits limit_hits;

#define BODY_MAX ((size_t)100000)

static atomic_size_t n_asked;
static struct http_server *server;
static struct listener listener;
static struct buf answer;

/* Answers with the length of the body and the sum of its bytes. */
static void measure(void *self, const struct http_request *request, struct http_response *response)
{
    unsigned sum = 0;

    (void)self;
    for (size_t i = 0; i < request->body.len; i++)
        sum += (unsigned char)request->body.at[i];
    atomic_fetch_add(&n_asked, 1);
    http_text(response, HTTP_OK, "%s %zu %u.", request->method, request->body.len, sum);
}

static int begin(void **state)
{
    static const struct http_server_config config = {
        .name = "t", .connections = 8, .idle_timeout_s = 3600, .limit_hits = &limit_hits
    };
    const struct http_handler handler = { .handle = measure, .max_body = BODY_MAX };
    struct err err = ERR_INIT;

    (void)state;
    n_asked = 0;
    memset(&limit_hits, 0, sizeof(limit_hits));
    buf_init(&answer, 1 << 20);
    if (listener_open("127.0.0.1:0", &listener, &err) < 0)
        return -1;
    return http_server_new(&config, listener.fd, &handler, &server, &err);
}

static int end(void **state)
{
    (void)state;
    http_server_free(server);
    listener.fd = -1;
    listener_close(&listener);
    buf_done(&answer);
    return fault_heap_live() == 0 ? 0 : -1; /* also the body of a cut request */
}

static int begin_request(const char *head)
{
    int fd = probe_tcp(listener.port);

    probe_send_text(fd, head);
    return fd;
}

static void assert_answer(int fd, const char *status, const char *text)
{
    buf_reset(&answer);
    probe_read_all(fd, &answer);
    close(fd);
    if (!answer.at || !str_starts(buf_str(&answer), str_from(status)) || !strstr(answer.at, text))
        fail_msg("expected '%s' with '%s', got: %s", status, text, answer.at ? answer.at : "");
}

#define CLOSE "Connection: close\r\n\r\n"

static void a_body_reaches_the_handler(void **state)
{
    (void)state;
    assert_answer(
        begin_request("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n" CLOSE "\x01\x02\x03"),
        "HTTP/1.1 200 ", "POST 3 6.");
    assert_answer(begin_request("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n" CLOSE),
                  "HTTP/1.1 200 ", "POST 0 0.");
    assert_answer(begin_request("POST / HTTP/1.1\r\nHost: h\r\n" CLOSE), "HTTP/1.1 200 ",
                  "POST 0 0.");
    assert_answer(begin_request("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n" CLOSE
                                "2\r\n\x01\x02\r\n1\r\n\x03\r\n0\r\n\r\n"),
                  "HTTP/1.1 200 ", "POST 3 6.");
}

static void a_body_may_come_in_parts(void **state)
{
    static const char one[] = { 1 };
    int fd = begin_request("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 300\r\n" CLOSE);

    (void)state;
    for (unsigned i = 0; i < 300; i++)
        probe_send(fd, one, sizeof(one));
    assert_answer(fd, "HTTP/1.1 200 ", "POST 300 300.");
}

static void the_largest_body_is_accepted(void **state)
{
    static char largest[BODY_MAX];
    char head[128];
    int fd;

    (void)state;
    memset(largest, 1, sizeof(largest));
    snprintf(head, sizeof(head), "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n" CLOSE,
             BODY_MAX);
    fd = begin_request(head);
    probe_send(fd, largest, sizeof(largest));
    assert_answer(fd, "HTTP/1.1 200 ", "POST 100000 100000.");
}

/* Refused after the head; the body is not read. */
static void a_larger_body_gets_a_413(void **state)
{
    (void)state;
    assert_answer(begin_request("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100001\r\n\r\n"),
                  "HTTP/1.1 413 ", "the body has 100001 bytes; the maximum is 100000");
    assert_answer(
        begin_request("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000000\r\n\r\n"),
        "HTTP/1.1 413 ", "the maximum is 100000");
    assert_answer(begin_request("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n"),
                  "HTTP/1.1 413 ", "GET takes no body");
    assert_int_equal(n_asked, 0);
    assert_int_equal(limit_hits.counts[LIMIT_HIT_REQUEST_BODY], 2);
}

/* A chunked body has no length: the connection is closed when the limit is reached. */
static void an_endless_body_is_cut(void **state)
{
    static char chunk[16384 + 16];
    int fd = begin_request("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    int len = snprintf(chunk, sizeof(chunk), "4000\r\n");

    (void)state;
    memset(chunk + len, 'x', 16384);
    memcpy(chunk + len + 16384, "\r\n", 2);
    for (unsigned i = 0; i < 8; i++)
        probe_send(fd, chunk, (size_t)len + 16384 + 2);
    probe_wait_closed(fd);
    close(fd);
    assert_int_equal(n_asked, 0);
    assert_int_equal(limit_hits.counts[LIMIT_HIT_REQUEST_BODY], 1);
}

/* end() checks that no memory is left. */
static void half_a_body_is_freed(void **state)
{
    int fd = begin_request("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nabc");

    (void)state;
    close(fd);
    fd = begin_request("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nabc");
    assert_answer(begin_request("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n" CLOSE "\x07"),
                  "HTTP/1.1 200 ", "POST 1 7.");
    assert_int_equal(n_asked, 1);
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_body_reaches_the_handler),   TEST(a_body_may_come_in_parts),
        TEST(the_largest_body_is_accepted), TEST(a_larger_body_gets_a_413),
        TEST(an_endless_body_is_cut),       TEST(half_a_body_is_freed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
