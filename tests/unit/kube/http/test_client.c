/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <curl/curl.h>

#include "agent/kube/http/client.h"
#include "clock.h"
#include "tests/unit/support/fault_heap.h"
#include "util.h"

/*
 * The client against a server on this machine: plain HTTP, one connection. It reads the head of one
 * request, sends its answer, and closes the connection or stays silent.
 */

struct server {
    int listener;
    int port;
    pthread_t thread;
    const char *answer;
    const char *again; /* sent after the answer, until the client closes; NULL: nothing */
    size_t sent;       /* bytes of `again`; valid after server_stop() */
    bool stays;        /* silent until the client closes */
    char request[4096];
};

/* A client that does not close gets this much. */
#define ENDLESS (64u << 20)

static void send_again(struct server *server, int peer)
{
    const size_t len = strlen(server->again);
    ssize_t n = 0;

    while (n >= 0 && server->sent < ENDLESS) {
        n = send(peer, server->again, len, MSG_NOSIGNAL);
        if (n > 0)
            server->sent += (size_t)n;
    }
}

static void *serve(void *arg)
{
    struct server *server = arg;
    int peer = accept(server->listener, NULL, NULL);
    size_t len = 0;
    ssize_t n;

    if (peer < 0)
        return NULL;
    while (len + 1 < sizeof(server->request) && !strstr(server->request, "\r\n\r\n")) {
        n = read(peer, server->request + len, sizeof(server->request) - 1 - len);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    n = send(peer, server->answer, strlen(server->answer), MSG_NOSIGNAL);
    if (server->again)
        send_again(server, peer);
    while (n > 0 && server->stays) {
        char rest[64];

        if (read(peer, rest, sizeof(rest)) <= 0)
            break;
    }
    close(peer);
    return NULL;
}

static void server_listen(struct server *server, int port, void *(*body)(void *))
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof(address);
    int on = 1;

    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(server->listener, 1), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &len), 0);
    server->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server->thread, NULL, body, server), 0);
}

static void server_start_at(struct server *server, int port, const char *answer, bool stays)
{
    *server = (struct server){ .answer = answer, .again = server->again, .stays = stays };
    server_listen(server, port, serve);
}

static void server_start(struct server *server, const char *answer, bool stays)
{
    server_start_at(server, 0, answer, stays);
}

static void server_stop(struct server *server)
{
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
}

/* The callbacks of one request in their order: "A" answered, "R" received, "E" ended. */
struct result {
    char order[8];
    int status;
    char content_type[100];
    char body[1000];
    int returns; /* of the `received` callback */
    bool complete, by_peer;
    char text[600];
    int64_t retry_after_us;
};

static void note(struct result *result, char what)
{
    const size_t len = strlen(result->order);

    if (len + 1 < sizeof(result->order) && (len == 0 || result->order[len - 1] != what))
        result->order[len] = what;
}

static void on_answered(void *self, int status, const char *content_type)
{
    struct result *result = self;

    note(result, 'A');
    result->status = status;
    snprintf(result->content_type, sizeof(result->content_type), "%s",
             content_type ? content_type : "(none)");
}

static int on_received(void *self, struct str bytes)
{
    struct result *result = self;
    const size_t len = strlen(result->body);

    note(result, 'R');
    snprintf(result->body + len, sizeof(result->body) - len, "%.*s", STR_ARG(bytes));
    return result->returns;
}

static void on_ended(void *self, const struct client_end *end)
{
    struct result *result = self;

    note(result, 'E');
    result->complete = end->complete;
    result->by_peer = end->by_peer;
    result->retry_after_us = end->retry_after_us;
    snprintf(result->text, sizeof(result->text), "%s", end->text);
}

static struct client *new_client(int port, const char *scheme, const char *token_file)
{
    static char server[64];
    static struct credentials credentials;
    const struct client_config config = { .credentials = &credentials,
                                          .user_agent = "imagepull-exporter/1.2" };
    struct client *client = NULL;

    snprintf(server, sizeof(server), "%s://127.0.0.1:%d", scheme, port);
    credentials = (struct credentials){ .server = server, .token.file = (char *)token_file };
    assert_int_equal(client_new(&config, &client, NULL), 0);
    return client;
}

static struct client_request *get(struct client *client, bool watch, struct result *result)
{
    const struct client_handler handler = {
        .self = result, .answered = on_answered, .received = on_received, .ended = on_ended
    };

    return client_get(client, STR("/api/v1/pods?x=y"), watch, &handler);
}

static void run_until(struct client *client, const struct result *result, char what)
{
    for (int turns = 0; turns < 1000 && !strchr(result->order, what); turns++)
        client_run(client, 5 * SEC);
    if (!strchr(result->order, what))
        fail_msg("no '%c' came, only '%s'", what, result->order);
}

static void fetch(const char *answer, const char *token_file, struct result *result,
                  struct server *server)
{
    struct client *client;

    server_start(server, answer, false);
    client = new_client(server->port, "http", token_file);
    assert_non_null(get(client, true, result));
    assert_string_equal(result->order, ""); /* never from within the call */
    run_until(client, result, 'E');
    client_free(client);
    server_stop(server);
}

static void head_of_the_answer_comes_first(void **state)
{
    struct result result = { 0 };
    struct server server = { 0 };

    (void)state;
    fetch("HTTP/1.1 100 Continue\r\n\r\n"
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
    struct server server = { 0 };
    int fd = mkstemp(path);

    (void)state;
    assert_int_equal(write(fd, " secret \n", 9), 9);
    close(fd);
    fetch("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", path, &result, &server);
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
    struct server server = { 0 };

    (void)state;
    close(mkstemp(path));
    for (size_t i = 0; i < ARRAY_SIZE(tokens); i++) {
        struct result result = { 0 };
        FILE *file = fopen(path, "we");

        assert_non_null(file);
        fputs(tokens[i], file);
        assert_int_equal(fclose(file), 0);
        fetch("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", path, &result, &server);
        assert_int_equal(result.status, 401);
        snprintf(header, sizeof(header), "\r\nAuthorization: Bearer %s\r\n", tokens[i]);
        assert_non_null(strstr(server.request, header));
    }
    unlink(path);
}

static void redirect_is_not_followed(void **state)
{
    struct result result = { 0 };
    struct server server = { 0 };

    (void)state;
    fetch("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", NULL,
          &result, &server);
    assert_string_equal(result.order, "AE");
    assert_int_equal(result.status, 302);
    assert_true(result.complete);
}

static void retry_after_is_reported(void **state)
{
    struct result result = { 0 };
    struct server server = { 0 };

    (void)state;
    fetch("HTTP/1.1 429 Slow down\r\nRetry-After: 17\r\nContent-Length: 2\r\n\r\nno", NULL, &result,
          &server);
    assert_string_equal(result.order, "ARE");
    assert_int_equal(result.status, 429);
    assert_true(result.retry_after_us == 17 * SEC);
}

static void cut_answer_is_by_peer(void **state)
{
    struct result cut = { 0 }, empty = { 0 };
    struct server server = { 0 };

    (void)state;
    fetch("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", NULL, &cut, &server);
    assert_string_equal(cut.order, "ARE");
    assert_false(cut.complete);
    assert_true(cut.by_peer);
    assert_true(cut.text[0] != '\0');

    fetch("", NULL, &empty, &server);
    assert_string_equal(empty.order, "E");
    assert_false(empty.complete);
}

static void too_long_header_is_not_reported_as_out_of_memory(void **state)
{
    static char answer[(120 << 10) + 64] = "HTTP/1.1 200 OK\r\nX-Long: ";
    struct result result = { 0 };
    struct server server = { 0 };
    const size_t len = strlen(answer);

    (void)state;
    memset(answer + len, 'a', (120 << 10));
    strcpy(answer + len + (120 << 10), "\r\n\r\n");
    fetch(answer, NULL, &result, &server);
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
        struct server server = { .again = rows[i].again };

        fetch(rows[i].answer, NULL, &result, &server);
        assert_false(result.complete);
        assert_false(result.by_peer); /* it is no reason to connect again at once */
        if (!strstr(result.text, "the answer has more than 64 KiB of headers and trailers"))
            fail_msg("row %zu: %s", i, result.text);
        assert_true(server.sent < ENDLESS);
    }
}

/* A proxy may add a lot, and a watch may live for long. */
static void ordinary_heads_and_trailers_are_no_error(void **state)
{
    static char answer[48 << 10] =
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n";
    struct result result = { 0 };
    struct server server = { 0 };

    (void)state;
    for (unsigned i = 0; i < 400; i++)
        strcat(answer, "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
    strcat(answer, "\r\n5\r\nhello\r\n0\r\nX-Trailer: bye\r\n\r\n");
    fetch(answer, NULL, &result, &server);
    assert_string_equal(result.order, "ARE");
    assert_string_equal(result.body, "hello");
    if (!result.complete)
        fail_msg("%s", result.text);
}

static void handler_can_cancel(void **state)
{
    struct result result = { .returns = -EPROTO };
    struct server server = { 0 };

    (void)state;
    fetch("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", NULL, &result, &server);
    assert_string_equal(result.order, "ARE");
    assert_false(result.complete);
    assert_false(result.by_peer);
}

static void refused_connection_is_not_by_peer(void **state)
{
    struct result result = { 0 };
    struct server server = { 0 };
    struct client *client;

    (void)state;
    server_start(&server, "", false);
    server_stop(&server); /* its port is free again */
    client = new_client(server.port, "http", NULL);
    assert_non_null(get(client, false, &result));
    run_until(client, &result, 'E');
    assert_string_equal(result.order, "E");
    assert_false(result.complete);
    assert_false(result.by_peer);
    assert_non_null(strstr(result.text, "Failed to connect to 127.0.0.1"));
    client_free(client);
}

static void plain_http_is_not_read_over_https(void **state)
{
    struct result result = { 0 };
    struct server server = { 0 };
    struct client *client;

    (void)state;
    server_start(&server, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false);
    client = new_client(server.port, "https", NULL);
    assert_non_null(get(client, false, &result));
    /* The server waits for the end of a head that does not come. */
    for (int turns = 0; turns < 3; turns++)
        client_run(client, 10 * MSEC);
    client_free(client);
    server_stop(&server);
    assert_string_equal(result.body, "");
    assert_int_equal(result.status, 0);
}

static void unreadable_token_ends_the_request(void **state)
{
    struct result result = { 0 };
    struct client *client = new_client(1, "http", "/nowhere/token");

    (void)state;
    assert_non_null(get(client, false, &result));
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
    struct server server = { 0 }, other = { 0 };
    struct client_request *request;
    struct client *client;

    (void)state;
    server_start(&server, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", true);
    client = new_client(server.port, "http", NULL);
    request = get(client, true, &result);
    run_until(client, &result, 'R');
    client_cancel(request);
    client_run(client, 0);
    assert_string_equal(result.order, "AR");
    client_cancel(NULL);
    client_free(client);
    server_stop(&server);

    /* The same for a request that is open when the client is freed. */
    server_start(&other, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", true);
    client = new_client(other.port, "http", NULL);
    assert_non_null(get(client, true, &left_open));
    run_until(client, &left_open, 'R');
    client_free(client);
    server_stop(&other);
    assert_string_equal(left_open.order, "AR");
    client_free(NULL);
}

/* The server of the first client accepts, reads and says nothing more. */
static void a_renewed_client_ends_all_requests_and_connects_anew(void **state)
{
    struct result silent = { 0 }, second = { 0 }, third = { 0 };
    struct server server = { 0 };
    struct err err = ERR_INIT;
    struct client *client;

    (void)state;
    server_start(&server, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", true);
    client = new_client(server.port, "http", NULL);
    assert_non_null(get(client, true, &silent));
    run_until(client, &silent, 'R');
    assert_non_null(get(client, true, &second)); /* not yet on the way */
    assert_int_equal(client_renew(client, &err), 0);
    assert_string_equal(silent.order, "ARE");
    assert_string_equal(second.order, "E");
    assert_false(silent.complete);
    assert_false(silent.by_peer);
    assert_string_equal(silent.text, "the API client was replaced");
    server_stop(&server); /* its connection was closed, or this would wait */

    server_start_at(&server, server.port, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
                    false);
    assert_non_null(get(client, false, &third));
    run_until(client, &third, 'E');
    assert_string_equal(third.order, "ARE");
    assert_true(third.complete);
    assert_string_equal(silent.order, "ARE"); /* no second end */
    client_free(client);
    server_stop(&server);
}

/* --- libcurl without memory --------------------------------------------------------------------
 */

static long curl_fails_at = -1; /* the allocation of libcurl that fails; -1: none */

static bool curl_fails(void)
{
    return curl_fails_at >= 0 && curl_fails_at-- == 0;
}

static void *curl_malloc(size_t size)
{
    return curl_fails() ? NULL : malloc(size);
}

static void *curl_calloc(size_t n, size_t size)
{
    return curl_fails() ? NULL : calloc(n, size);
}

static void *curl_realloc(void *old, size_t size)
{
    return curl_fails() ? NULL : realloc(old, size);
}

static char *curl_strdup(const char *text)
{
    return curl_fails() ? NULL : strdup(text);
}

/* Answers one request on each connection, until the listener is shut down. */
static void *serve_all(void *arg)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    struct server *server = arg;
    int peer;

    while ((peer = accept(server->listener, NULL, NULL)) >= 0) {
        char request[4096];

        if (read(peer, request, sizeof(request)) > 0)
            (void)!send(peer, answer, sizeof(answer) - 1, MSG_NOSIGNAL);
        close(peer);
    }
    return NULL;
}

/* The reflector cancels a request that gets no answer. */
static bool try_without_memory(struct client *client, long nth)
{
    struct result result = { 0 };
    struct client_request *request;
    bool failed;

    curl_fails_at = nth;
    request = get(client, false, &result);
    for (int turns = 0; request && !strchr(result.order, 'E') && turns < 20; turns++)
        client_run(client, 10 * MSEC);
    failed = curl_fails_at < 0;
    curl_fails_at = -1;
    if (!strchr(result.order, 'E'))
        client_cancel(request);
    return failed;
}

/* Whatever one failed allocation breaks inside libcurl: with a renewed client it works again. */
static void a_failed_allocation_of_libcurl_does_not_outlive_the_client(void **state)
{
    struct server server = { 0 };
    struct client *client;
    bool failed = true;
    long nth = 0;

    (void)state;
    server_listen(&server, 0, serve_all);
    client = new_client(server.port, "http", NULL);
    for (; failed; nth++) {
        struct result result = { 0 };
        struct err err = ERR_INIT;

        failed = try_without_memory(client, nth);
        assert_int_equal(client_renew(client, &err), 0);
        assert_non_null(get(client, false, &result));
        run_until(client, &result, 'E');
        if (!result.complete)
            fail_msg("after allocation %ld: %s", nth, result.text);
    }
    assert_true(nth > 20);
    client_free(client);
    server_stop(&server);
}

static void wakeup_ends_the_wait(void **state)
{
    struct client *client = new_client(1, "http", NULL);
    const int64_t start_us = clock_now(clock_system()).mono_us;

    (void)state;
    client_wakeup(client);
    client_run(client, 600 * SEC);
    assert_true(clock_now(clock_system()).mono_us - start_us < 300 * SEC);
    client_free(client);
}

static void failed_allocations_end_the_request(void **state)
{
    char path[] = "/tmp/test_kube_client.XXXXXX";
    int fd = mkstemp(path);
    size_t n;

    (void)state;
    assert_int_equal(write(fd, "secret", 6), 6);
    close(fd);
    for (n = 0;; n++) {
        const size_t live = fault_heap_live();
        const struct credentials credentials = { .server = (char *)"http://127.0.0.1:1",
                                                 .token.file = path };
        const struct client_config config = { .credentials = &credentials, .user_agent = "x" };
        struct result result = { 0 };
        struct client *client = NULL;
        bool fired;

        fault_heap_fail_at(n);
        if (client_new(&config, &client, NULL) == 0 && get(client, false, &result)) {
            run_until(client, &result, 'E');
            assert_string_equal(result.order, "E");
            assert_false(result.complete);
        }
        fired = fault_heap_fired();
        client_free(client);
        assert_int_equal(fault_heap_live(), live);
        if (!fired)
            break;
    }
    assert_true(n > 3);
    unlink(path);
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
        cmocka_unit_test(a_failed_allocation_of_libcurl_does_not_outlive_the_client),
        cmocka_unit_test(wakeup_ends_the_wait),
        cmocka_unit_test(failed_allocations_end_the_request),
    };

    /* Before client_new(), which then keeps these. */
    curl_global_init_mem(CURL_GLOBAL_DEFAULT, curl_malloc, free, curl_realloc, curl_strdup,
                         curl_calloc);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
