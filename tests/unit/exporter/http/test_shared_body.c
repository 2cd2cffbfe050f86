/* SPDX-License-Identifier: Apache-2.0 */

/* A body that several clients read, each as fast as it likes. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "buf.h"
#include "exporter/http/http.h"
#include "exporter/http/http_budget.h"
#include "exporter/http/http_server.h"
#include "exporter/http/limit_hits.h"
#include "exporter/http/listen.h"
#include "exporter/http/shared_body.h"
#include "tests/unit/support/http_probe.h"

#define BIG (31u << 20) /* much more than the kernel buffers */

static struct http_budget budget;
static struct limit_hits limit_hits;
static struct shared_body *served;

static void fill(struct buf *ret, size_t len)
{
    buf_init(ret, len);
    while (ret->len < len)
        buf_add_byte(ret, (char)('a' + ret->len % 26));
}

static void the_last_owner_frees_it(void **state)
{
    struct shared_body *body;
    struct buf text;

    (void)state;
    budget = (struct http_budget){ .max = 1000 };
    fill(&text, 500);
    body = shared_body_new(&text, &budget);
    assert_non_null(body);
    assert_null(text.at); /* it was taken over */
    assert_int_equal(budget.used, 501);
    assert_int_equal(shared_body_text(body).len, 500);
    assert_ptr_equal(shared_body_ref(body), body);
    shared_body_unref(body);
    assert_int_equal(budget.used, 501);
    shared_body_unref(body);
    assert_int_equal(budget.used, 0);
    shared_body_unref(NULL);
}

static void without_room_the_text_stays_with_the_caller(void **state)
{
    struct buf text;

    (void)state;
    budget = (struct http_budget){ .max = 1000, .used = 600 };
    fill(&text, 500);
    assert_null(shared_body_new(&text, &budget));
    assert_int_equal(text.len, 500);
    assert_int_equal(budget.used, 600);
    buf_done(&text);
}

static void serve_it(void *self, const struct http_request *request, struct http_response *response)
{
    (void)self;
    (void)request;
    response->content_type = HTTP_TEXT;
    response->share = shared_body_ref(served);
}

/* All of them get it although they do not read, and it is freed when the last one has gone. */
static void slow_clients_share_the_memory(void **state)
{
    static const struct http_handler handler = { .handle = serve_it };
    const struct http_server_config config = {
        .name = "test", .connections = 8, .limit_hits = &limit_hits, .budget = &budget
    };
    struct listener listener;
    struct http_server *server;
    struct err err = ERR_INIT;
    struct buf text, answer;
    int fds[8];

    (void)state;
    budget = (struct http_budget){ .max = BIG + (1 << 20) };
    fill(&text, BIG);
    served = shared_body_new(&text, &budget);
    assert_non_null(served);
    assert_int_equal(listener_open("127.0.0.1:0", &listener, &err), 0);
    assert_int_equal(http_server_new(&config, listener.fd, &handler, &server, &err), 0);
    buf_init(&answer, 2 * BIG);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        fds[i] = probe_tcp(listener.port);
        probe_send_text(fds[i], "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        buf_reset(&answer);
        probe_read_until(fds[i], &answer, "\r\n\r\n");
        assert_non_null(strstr(answer.at, "HTTP/1.1 200 "));
        assert_int_equal(atomic_load(&budget.used), BIG + 1);
    }
    shared_body_unref(served);
    assert_int_equal(atomic_load(&budget.used), BIG + 1);

    probe_read_all(fds[7], &answer);
    assert_string_equal(answer.at + answer.len - 4,
                        ((char[]){ 'a' + (BIG - 4) % 26, 'a' + (BIG - 3) % 26, 'a' + (BIG - 2) % 26,
                                   'a' + (BIG - 1) % 26, '\0' }));
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        close(fds[i]);
    http_server_free(server);
    assert_int_equal(atomic_load(&budget.used), 0);
    assert_int_equal(limit_hits.counts[LIMIT_HIT_ANSWER_BODY], 0);
    buf_done(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_owner_frees_it),
        cmocka_unit_test(without_room_the_text_stays_with_the_caller),
        cmocka_unit_test(slow_clients_share_the_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
