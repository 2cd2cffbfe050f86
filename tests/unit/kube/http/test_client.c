/* SPDX-License-Identifier: Apache-2.0 */

/* The client against a server on this machine. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "tests/unit/kube/http/client_peer.h"
#include "util.h"

static void head_of_the_answer_comes_first(void **state)
{
    struct result result = { 0 };
    struct peer server = { 0 };

    (void)state;
    peer_fetch("HTTP/1.1 100 Continue\r\n\r\n"
               "HTTP/1.1 200 OK\r\nContent-Type: application/x\r\nContent-Length: 5\r\n\r\nhello",
               NULL, &result, &server);
    assert_string_equal(result.order, "ARE");
    assert_int_equal(result.status, 200);
    assert_string_equal(result.content_type, "application/x");
    assert_string_equal(result.body, "hello");
    assert_true(result.complete);
    assert_true(result.retry_after_us == 0);
}

static void request_has_target_token_and_user_agent(void **state)
{
    char path[] = "/tmp/test_kube_client.XXXXXX";
    struct result result = { 0 };
    struct peer server = { 0 };
    int fd = mkstemp(path);

    (void)state;
    assert_int_equal(write(fd, " secret \n", 9), 9);
    close(fd);
    peer_fetch("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", path, &result, &server);
    unlink(path);
    assert_string_equal(result.order, "AE");
    assert_string_equal(result.content_type, "(none)");
    assert_ptr_equal(strstr(server.request, "GET /api/v1/pods?x=y HTTP/1.1\r\n"), server.request);
    assert_non_null(strstr(server.request, "\r\nUser-Agent: imagepull-exporter/1.2\r\n"));
    assert_non_null(
        strstr(server.request, "\r\nAccept: application/vnd.kubernetes.protobuf;stream=watch\r\n"));
    assert_non_null(strstr(server.request, "\r\nAuthorization: Bearer secret\r\n"));
}

/* The kubelet replaces the token about once an hour: the request after a 401 has the new token. */
static void changed_token_file_is_used_for_the_next_request(void **state)
{
    static const char *const tokens[] = { "first", "second" };
    char path[] = "/tmp/test_kube_client.XXXXXX", header[64];
    struct peer server = { 0 };

    (void)state;
    close(mkstemp(path));
    for (size_t i = 0; i < ARRAY_SIZE(tokens); i++) {
        struct result result = { 0 };
        FILE *file = fopen(path, "we");

        assert_non_null(file);
        fputs(tokens[i], file);
        assert_int_equal(fclose(file), 0);
        peer_fetch("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", path, &result,
                   &server);
        assert_int_equal(result.status, 401);
        snprintf(header, sizeof(header), "\r\nAuthorization: Bearer %s\r\n", tokens[i]);
        assert_non_null(strstr(server.request, header));
    }
    unlink(path);
}

static void redirect_is_not_followed(void **state)
{
    struct result result = { 0 };
    struct peer server = { 0 };

    (void)state;
    peer_fetch("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
               NULL, &result, &server);
    assert_string_equal(result.order, "AE");
    assert_int_equal(result.status, 302);
    assert_true(result.complete);
}

static void retry_after_is_reported(void **state)
{
    struct result result = { 0 };
    struct peer server = { 0 };

    (void)state;
    peer_fetch("HTTP/1.1 429 Slow down\r\nRetry-After: 17\r\nContent-Length: 2\r\n\r\nno", NULL,
               &result, &server);
    assert_string_equal(result.order, "ARE");
    assert_int_equal(result.status, 429);
    assert_true(result.retry_after_us == 17 * SEC);
}

static void cut_answer_is_by_peer(void **state)
{
    struct result cut = { 0 }, empty = { 0 };
    struct peer server = { 0 };

    (void)state;
    peer_fetch("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", NULL, &cut, &server);
    assert_string_equal(cut.order, "ARE");
    assert_false(cut.complete);
    assert_true(cut.by_peer);
    assert_true(cut.text[0] != '\0');

    peer_fetch("", NULL, &empty, &server);
    assert_string_equal(empty.order, "E");
    assert_false(empty.complete);
}

static void too_long_header_is_not_reported_as_out_of_memory(void **state)
{
    static char answer[(120 << 10) + 64] = "HTTP/1.1 200 OK\r\nX-Long: ";
    struct result result = { 0 };
    struct peer server = { 0 };
    const size_t len = strlen(answer);

    (void)state;
    memset(answer + len, 'a', (120 << 10));
    strcpy(answer + len + (120 << 10), "\r\n\r\n");
    peer_fetch(answer, NULL, &result, &server);
    assert_string_equal(result.order, "E");
    assert_false(result.complete);
    if (!strstr(result.text, "a header of over 100 KiB"))
        fail_msg("%s", result.text);
}

/* None of these is a body, so no other limit counts them. */
static void endless_heads_and_trailers_end_the_request(void **state)
{
    static const char line[] = "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n";
    static const struct {
        const char *answer, *again;
    } rows[] = {
        { "HTTP/1.1 200 OK\r\n", line },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", line },
        { "", "HTTP/1.1 103 Early Hints\r\n\r\n" },
        { "", "HTTP/1.1 100 Continue\r\nX-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct result result = { 0 };
        struct peer server = { .again = rows[i].again };

        peer_fetch(rows[i].answer, NULL, &result, &server);
        assert_false(result.complete);
        assert_false(result.by_peer); /* it is no reason to connect again at once */
        if (!strstr(result.text, "the answer has more than 64 KiB of headers and trailers"))
            fail_msg("row %zu: %s", i, result.text);
        assert_true(server.sent < PEER_ENDLESS);
    }
}

/* A proxy may add a lot, and a watch may live for long. */
static void ordinary_heads_and_trailers_are_no_error(void **state)
{
    static char answer[48 << 10] =
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n";
    struct result result = { 0 };
    struct peer server = { 0 };

    (void)state;
    for (unsigned i = 0; i < 400; i++)
        strcat(answer, "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
    strcat(answer, "\r\n5\r\nhello\r\n0\r\nX-Trailer: bye\r\n\r\n");
    peer_fetch(answer, NULL, &result, &server);
    assert_string_equal(result.order, "ARE");
    assert_string_equal(result.body, "hello");
    if (!result.complete)
        fail_msg("%s", result.text);
}

static void handler_can_cancel(void **state)
{
    struct result result = { .returns = -EPROTO };
    struct peer server = { 0 };

    (void)state;
    peer_fetch("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", NULL, &result, &server);
    assert_string_equal(result.order, "ARE");
    assert_false(result.complete);
    assert_false(result.by_peer);
}

static void refused_connection_is_not_by_peer(void **state)
{
    struct result result = { 0 };
    struct peer server = { 0 };
    struct client *client;

    (void)state;
    peer_start(&server, "", false);
    peer_stop(&server); /* its port is free again */
    client = peer_client(server.port, "http", NULL);
    assert_non_null(peer_get(client, false, &result));
    peer_run_until(client, &result, 'E');
    assert_string_equal(result.order, "E");
    assert_false(result.complete);
    assert_false(result.by_peer);
    assert_non_null(strstr(result.text, "Failed to connect to 127.0.0.1"));
    client_free(client);
}

static void plain_http_is_not_read_over_https(void **state)
{
    struct result result = { 0 };
    struct peer server = { 0 };
    struct client *client;

    (void)state;
    peer_start(&server, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false);
    client = peer_client(server.port, "https", NULL);
    assert_non_null(peer_get(client, false, &result));
    /* The server waits for the end of a head that does not come. */
    for (int turns = 0; turns < 3; turns++)
        client_run(client, 10 * MSEC);
    client_free(client);
    peer_stop(&server);
    assert_string_equal(result.body, "");
    assert_int_equal(result.status, 0);
}

static void unreadable_token_ends_the_request(void **state)
{
    struct result result = { 0 };
    struct client *client = peer_client(1, "http", "/nowhere/token");

    (void)state;
    assert_non_null(peer_get(client, false, &result));
    assert_string_equal(result.order, "");
    client_run(client, 5 * SEC);
    assert_string_equal(result.order, "E");
    assert_false(result.complete);
    assert_non_null(strstr(result.text, "'/nowhere/token': No such file or directory"));
    client_free(client);
}

static void cancelled_request_calls_no_handler(void **state)
{
    struct result result = { 0 }, left_open = { 0 };
    struct peer server = { 0 }, other = { 0 };
    struct client_request *request;
    struct client *client;

    (void)state;
    peer_start(&server, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", true);
    client = peer_client(server.port, "http", NULL);
    request = peer_get(client, true, &result);
    peer_run_until(client, &result, 'R');
    client_cancel(request);
    client_run(client, 0);
    assert_string_equal(result.order, "AR");
    client_cancel(NULL);
    client_free(client);
    peer_stop(&server);

    /* The same for a request that is open when the client is freed. */
    peer_start(&other, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", true);
    client = peer_client(other.port, "http", NULL);
    assert_non_null(peer_get(client, true, &left_open));
    peer_run_until(client, &left_open, 'R');
    client_free(client);
    peer_stop(&other);
    assert_string_equal(left_open.order, "AR");
    client_free(NULL);
}

/* The server of the first client accepts, reads and says nothing more. */
static void a_renewed_client_ends_all_requests_and_connects_anew(void **state)
{
    struct result silent = { 0 }, second = { 0 }, third = { 0 };
    struct peer server = { 0 };
    struct err err = ERR_INIT;
    struct client *client;

    (void)state;
    peer_start(&server, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", true);
    client = peer_client(server.port, "http", NULL);
    assert_non_null(peer_get(client, true, &silent));
    peer_run_until(client, &silent, 'R');
    assert_non_null(peer_get(client, true, &second)); /* not yet on the way */
    assert_int_equal(client_renew(client, &err), 0);
    assert_string_equal(silent.order, "ARE");
    assert_string_equal(second.order, "E");
    assert_false(silent.complete);
    assert_false(silent.by_peer);
    assert_string_equal(silent.text, "the API client was replaced");
    peer_stop(&server); /* its connection was closed, or this would wait */

    peer_start_at(&server, server.port, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false);
    assert_non_null(peer_get(client, false, &third));
    peer_run_until(client, &third, 'E');
    assert_string_equal(third.order, "ARE");
    assert_true(third.complete);
    assert_string_equal(silent.order, "ARE"); /* no second end */
    client_free(client);
    peer_stop(&server);
}

static void wakeup_ends_the_wait(void **state)
{
    struct client *client = peer_client(1, "http", NULL);
    const int64_t start_us = clock_now(clock_system()).mono_us;

    (void)state;
    client_wakeup(client);
    client_run(client, 600 * SEC);
    assert_true(clock_now(clock_system()).mono_us - start_us < 300 * SEC);
    client_free(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_of_the_answer_comes_first),
        cmocka_unit_test(request_has_target_token_and_user_agent),
        cmocka_unit_test(changed_token_file_is_used_for_the_next_request),
        cmocka_unit_test(redirect_is_not_followed),
        cmocka_unit_test(retry_after_is_reported),
        cmocka_unit_test(cut_answer_is_by_peer),
        cmocka_unit_test(too_long_header_is_not_reported_as_out_of_memory),
        cmocka_unit_test(endless_heads_and_trailers_end_the_request),
        cmocka_unit_test(ordinary_heads_and_trailers_are_no_error),
        cmocka_unit_test(handler_can_cancel),
        cmocka_unit_test(refused_connection_is_not_by_peer),
        cmocka_unit_test(plain_http_is_not_read_over_https),
        cmocka_unit_test(unreadable_token_ends_the_request),
        cmocka_unit_test(cancelled_request_calls_no_handler),
        cmocka_unit_test(a_renewed_client_ends_all_requests_and_connects_anew),
        cmocka_unit_test(wakeup_ends_the_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
