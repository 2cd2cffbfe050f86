/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/kube/http/client_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "util.h"

static void send_again(struct peer *server, int peer)
{
    const size_t len = strlen(server->again);
    ssize_t n = 0;

    while (n >= 0 && server->sent < PEER_ENDLESS) {
        n = send(peer, server->again, len, MSG_NOSIGNAL);
        if (n > 0)
            server->sent += (size_t)n;
    }
}

static void *serve(void *arg)
{
    struct peer *server = arg;
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

void peer_listen(struct peer *server, int port, void *(*body)(void *))
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

void peer_start_at(struct peer *server, int port, const char *answer, bool stays)
{
    *server = (struct peer){ .answer = answer, .again = server->again, .stays = stays };
    peer_listen(server, port, serve);
}

void peer_start(struct peer *server, const char *answer, bool stays)
{
    peer_start_at(server, 0, answer, stays);
}

void peer_stop(struct peer *server)
{
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
}

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

struct client *peer_client(int port, const char *scheme, const char *token_file)
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

struct client_request *peer_get(struct client *client, bool watch, struct result *result)
{
    const struct client_handler handler = {
        .self = result, .answered = on_answered, .received = on_received, .ended = on_ended
    };

    return client_get(client, STR("/api/v1/pods?x=y"), watch, &handler);
}

void peer_run_until(struct client *client, const struct result *result, char what)
{
    for (int turns = 0; turns < 1000 && !strchr(result->order, what); turns++)
        client_run(client, 5 * SEC);
    if (!strchr(result->order, what))
        fail_msg("no '%c' came, only '%s'", what, result->order);
}

void peer_fetch(const char *answer, const char *token_file, struct result *result,
                struct peer *server)
{
    struct client *client;

    peer_start(server, answer, false);
    client = peer_client(server->port, "http", token_file);
    assert_non_null(peer_get(client, true, result));
    assert_string_equal(result->order, ""); /* never from within the call */
    peer_run_until(client, result, 'E');
    client_free(client);
    peer_stop(server);
}
