/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/http_server.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <microhttpd.h>

#include "exporter/http.h"
#include "limits.h"
#include "log.h"
#include "mem.h"

/* What one connection may cost: its request's head must fit, else it is answered with 431 or 414.
 */
#define CONNECTION_MEMORY ((size_t)16 << 10)

/* Connections over the limit that there may be until the oldest are gone: cutting one takes effect
 * when libmicrohttpd comes round to it. Beyond, newcomers wait in the kernel's queue. */
#define SPARE_CONNECTIONS 8u

/* A connection, in a list from the longest without a request to the freshest. */
struct client {
    TAILQ_ENTRY(client) link;
    int fd;
};

struct http_server {
    uint32_t magic;
#define HTTP_SERVER_MAGIC 0x68747470u
    TAILQ_HEAD(clients, client) clients; /* only the server's thread touches these */
    unsigned n_clients;
    struct http_server_config config;
    struct http_handler handler;
    struct MHD_Daemon *daemon;
};

static struct http_server *server_from(void *cls)
{
    struct http_server *server = cls;

    assert(server && server->magic == HTTP_SERVER_MAGIC);
    return server;
}

/* libmicrohttpd complains of clients that go away; that is no news outside of debugging. */
static void on_log(void *cls, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void on_log(void *cls, const char *format, va_list args)
{
    struct http_server *server = server_from(cls);
    char text[256];

    vsnprintf(text, sizeof(text), format, args);
    text[strcspn(text, "\n")] = '\0';
    log_debug(server->config.name, "http: %s", text);
}

/* --- connections -------------------------------------------------------------------------------
 */

static int connection_fd(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

/* NULL where there was no memory to keep track of it. */
static struct client *connection_client(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* Makes libmicrohttpd find the connection of the longest idle client at its end. It leaves the list
 * at once, so that the next newcomer ends another one. */
static void cut_oldest(struct http_server *server)
{
    struct client *oldest = TAILQ_FIRST(&server->clients);

    TAILQ_REMOVE(&server->clients, oldest, link);
    server->n_clients--;
    shutdown(oldest->fd, SHUT_RDWR);
    oldest->fd = -1;
}

static void client_begin(struct http_server *server, struct MHD_Connection *connection, void **ret)
{
    struct client *client = mem_zalloc(sizeof(*client));

    if (!client)
        return; /* libmicrohttpd's own limit still holds */
    client->fd = connection_fd(connection);
    TAILQ_INSERT_TAIL(&server->clients, client, link);
    server->n_clients++;
    *ret = client;
    if (server->n_clients > server->config.connections)
        cut_oldest(server);
}

static void client_refresh(struct http_server *server, struct client *client)
{
    if (!client || client->fd < 0)
        return;
    TAILQ_REMOVE(&server->clients, client, link);
    TAILQ_INSERT_TAIL(&server->clients, client, link);
}

static void client_end(struct http_server *server, struct client *client)
{
    if (client && client->fd >= 0) {
        TAILQ_REMOVE(&server->clients, client, link);
        server->n_clients--;
    }
    mem_free(client);
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct http_server *server = server_from(cls);

    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        client_begin(server, connection, context);
    else
        client_end(server, *context);
}

/* --- requests ----------------------------------------------------------------------------------
 */

/* Leaves the path as it was sent: %2F in a name must not become a '/' before the path is split. */
static size_t keep_escapes(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls;
    (void)connection;
    return strlen(text);
}

static bool header(struct MHD_Response *reply, const char *name, const char *value)
{
    return !value || MHD_add_response_header(reply, name, value) == MHD_YES;
}

/* Hands the body's memory to libmicrohttpd; no copy. */
static struct MHD_Response *make_reply(struct http_response *response)
{
    struct buf *body = &response->body;
    struct MHD_Response *reply;

    reply = MHD_create_response_from_buffer_with_free_callback_cls(body->len, body->at, mem_free,
                                                                   body->at);
    if (!reply)
        return NULL;
    body->at = NULL;
    if (header(reply, "Content-Type", response->content_type) &&
        header(reply, "Allow", response->allow) &&
        header(reply, "Cache-Control", response->no_store ? "no-store" : NULL) &&
        header(reply, "X-Content-Type-Options", "nosniff"))
        return reply;
    MHD_destroy_response(reply);
    return NULL;
}

/* Answers and releases `response`. Where there is no memory to answer the connection is closed. */
static enum MHD_Result send_reply(struct MHD_Connection *connection, struct http_response *response)
{
    enum MHD_Result result = MHD_NO;
    struct MHD_Response *reply;

    if (buf_error(&response->body))
        http_text(response, HTTP_SERVER_ERROR, "the answer is too large or memory ran out");
    reply = make_reply(response);
    if (reply) {
        result = MHD_queue_response(connection, (unsigned)response->status, reply);
        MHD_destroy_response(reply);
    }
    buf_done(&response->body);
    return result;
}

static const char *request_header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static bool has_body(struct MHD_Connection *connection)
{
    const char *length = request_header(connection, "Content-Length");

    return (length && strcmp(length, "0") != 0) || request_header(connection, "Transfer-Encoding");
}

static enum MHD_Result answer(struct http_server *server, struct MHD_Connection *connection,
                              const char *path, const char *method, bool body)
{
    const struct http_request request = {
        .method = method,
        .path = path,
        .host = request_header(connection, "Host"),
    };
    struct http_response response = { .status = HTTP_OK };

    buf_init(&response.body, LIMIT_DEBUG_BODY);
    if (body && http_reads(&request))
        http_text(&response, HTTP_CONTENT_TOO_LARGE, "%s takes no body", method);
    else
        server->handler.handle(server->handler.self, &request, &response);
    return send_reply(connection, &response);
}

/*
 * Called once when the head of a request is there and again when its body is.
 * No route takes a body, so one that brings one is answered on the first call,
 * which makes libmicrohttpd close the connection instead of reading on.
 */
/* NOLINTNEXTLINE(readability-function-size): the parameters are libmicrohttpd's choice */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **request_state)
{
    struct http_server *server = server_from(cls);

    (void)version;
    (void)upload;
    (void)upload_size;
    client_refresh(server, connection_client(connection));
    if (has_body(connection))
        return answer(server, connection, url, method, true);
    if (!*request_state) {
        *request_state = server;
        return MHD_YES;
    }
    return answer(server, connection, url, method, false);
}

int http_server_new(const struct http_server_config *config, int fd,
                    const struct http_handler *handler, struct http_server **ret, struct err *err)
{
    struct http_server *server = mem_zalloc(sizeof(*server));

    if (!server)
        return err_set(err, -ENOMEM, "no memory for a server");
    *server = (struct http_server){
        .magic = HTTP_SERVER_MAGIC,
        .config = *config,
        .handler = *handler,
    };
    TAILQ_INIT(&server->clients);
    errno = 0;
    /* One option a line. */
    /* clang-format off */
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, server,
        MHD_OPTION_EXTERNAL_LOGGER, on_log, (void *)server, /* first, so that it gets all lines */
        MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, (void *)server,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY,
        MHD_OPTION_CONNECTION_LIMIT, config->connections + SPARE_CONNECTIONS,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, config->connections_of_ip,
        MHD_OPTION_CONNECTION_TIMEOUT, config->timeout_s,
        MHD_OPTION_END);
    /* clang-format on */
    if (!server->daemon) {
        int r = errno ? -errno : -EIO;

        mem_free(server);
        return err_set_errno(err, r, "start the HTTP server");
    }
    *ret = server;
    return 0;
}

void http_server_free(struct http_server *server)
{
    if (!server)
        return;
    MHD_stop_daemon(server->daemon);
    server->magic = 0;
    mem_free(server);
}
