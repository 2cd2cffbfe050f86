/* SPDX-License-Identifier: Apache-2.0 */

/* The client without memory: its own, and that of libcurl. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <curl/curl.h>

#include "clock.h"
#include "tests/unit/kube/http/client_peer.h"
#include "tests/unit/support/fault_heap.h"
#include "util.h"

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
    struct peer *server = arg;
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
    request = peer_get(client, false, &result);
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
    struct peer server = { 0 };
    struct client *client;
    bool failed = true;
    long nth = 0;

    (void)state;
    peer_listen(&server, 0, serve_all);
    client = peer_client(server.port, "http", NULL);
    for (; failed; nth++) {
        struct result result = { 0 };
        struct err err = ERR_INIT;

        failed = try_without_memory(client, nth);
        assert_int_equal(client_renew(client, &err), 0);
        assert_non_null(peer_get(client, false, &result));
        peer_run_until(client, &result, 'E');
        if (!result.complete)
            fail_msg("after allocation %ld: %s", nth, result.text);
    }
    assert_true(nth > 20);
    client_free(client);
    peer_stop(&server);
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
        if (client_new(&config, &client, NULL) == 0 && peer_get(client, false, &result)) {
            peer_run_until(client, &result, 'E');
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
        cmocka_unit_test(a_failed_allocation_of_libcurl_does_not_outlive_the_client),
        cmocka_unit_test(failed_allocations_end_the_request),
    };

    /* Before client_new(), which then keeps these. */
    curl_global_init_mem(CURL_GLOBAL_DEFAULT, curl_malloc, free, curl_realloc, curl_strdup,
                         curl_calloc);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
