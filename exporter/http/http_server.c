/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/http/http_server.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <microhttpd.h>

#include "clock.h"
#include "exporter/http/auth.h"
#include "exporter/http/guard.h"
#include "exporter/http/http.h"
#include "exporter/http/http_reply.h"
#include "exporter/http/tls.h"
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
    int64_t asked_us;          /* when its last request was whole, or it came */
    struct guard_rules *rules; /* that its TLS session follows; NULL where there is no guard */
    bool turned_away;          /* too many passwords wait to be checked */
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

/* A byte now and then keeps a client from being silent while it holds a whole answer. Whoever has
 * asked for nothing for so long is one of these; those who wait in peace are gone by then. */
static void cut_drippers(struct http_server *server, int64_t now_us)
{
    int64_t patience_us = server->config.patience_s * SEC;
    struct client *oldest;

    while (patience_us && (oldest = TAILQ_FIRST(&server->clients)) &&
           now_us - oldest->asked_us > patience_us)
        cut_oldest(server);
}

static int64_t mono_now_us(void)
{
    return clock_now(clock_system()).mono_us;
}

/* TLS is not begun yet: what its session is to be like can still be said. */
static bool client_secure(struct http_server *server, struct MHD_Connection *connection,
                          struct client *client)
{
    if (!server->config.guard)
        return true;
    client->rules = guard_rules_get(server->config.guard);
    if (!guard_has_tls(server->config.guard))
        return true;
    return guard_rules_attach(client->rules, MHD_get_connection_info(
                                                 connection, MHD_CONNECTION_INFO_GNUTLS_SESSION)
                                                 ->tls_session) == 0;
}

static void client_begin(struct http_server *server, struct MHD_Connection *connection, void **ret)
{
    struct client *client = mem_zalloc(sizeof(*client));

    if (!client) {
        /* libmicrohttpd's own limit still holds, and without a certificate of ours so does TLS. */
        return;
    }
    client->fd = connection_fd(connection);
    client->asked_us = mono_now_us();
    cut_drippers(server, client->asked_us);
    if (!client_secure(server, connection, client))
        shutdown(client->fd, SHUT_RDWR);
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
    client->asked_us = mono_now_us();
    cut_drippers(server, client->asked_us);
}

static void client_end(struct http_server *server, struct client *client)
{
    if (client && client->fd >= 0) {
        TAILQ_REMOVE(&server->clients, client, link);
        server->n_clients--;
    }
    if (client)
        guard_rules_put(client->rules);
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

/* The path of "http://host/path", which is sent to proxies and which every server has to take (RFC
 * 9112, 3.2.2); else `target` itself. */
static const char *path_of(const char *target)
{
    const char *host = strstr(target, "://"), *path;

    if (target[0] == '/' || !host)
        return target;
    path = strchr(host + strlen("://"), '/');
    return path ? path : "/";
}

/* Leaves the path as it was sent: %2F in a name must not become a '/' before the path is split. */
static size_t keep_escapes(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls;
    (void)connection;
    return strlen(text);
}

static enum MHD_Result send_reply(struct MHD_Connection *connection, struct http_response *response,
                                  const struct guard_rules *rules)
{
    return http_reply_send(connection, response, rules) ? MHD_YES : MHD_NO;
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

/* --- passwords ---------------------------------------------------------------------------------
 */

/* On the thread that checks passwords, or on the one that ends the exporter. */
static void wake(void *connection)
{
    MHD_resume_connection(connection);
}

static enum guard_verdict admit(struct http_server *server, struct MHD_Connection *connection,
                                const struct guard_rules *rules)
{
    struct client *client = connection_client(connection);
    enum guard_verdict verdict = GUARD_REFUSED;
    char *password = NULL;
    char *user = MHD_basic_auth_get_username_password(connection, &password);

    if (password && strlen(password) > AUTH_PASSWORD_MAX)
        password[0] = '\0';
    if (client && client->turned_away)
        verdict = GUARD_BUSY;
    else
        verdict = guard_look_up(server->config.guard, rules, user, password);
    if (verdict == GUARD_WAITING && !client)
        verdict = GUARD_BUSY;
    if (verdict == GUARD_WAITING) {
        /* First of all, for it may be woken before guard_check() is back. */
        MHD_suspend_connection(connection);
        if (guard_check(server->config.guard, rules, user, password, wake, connection) ==
            GUARD_BUSY) {
            client->turned_away = true;
            MHD_resume_connection(connection);
        }
    } else if (client) {
        client->turned_away = false;
    }
    MHD_free(user);
    MHD_free(password);
    return verdict;
}

static void refuse(enum guard_verdict verdict, struct http_response *response)
{
    if (verdict == GUARD_BUSY) {
        http_text(response, HTTP_UNAVAILABLE, "too many passwords wait to be checked; try again");
        return;
    }
    http_text(response, HTTP_UNAUTHORIZED, "user and password are missing or wrong");
    response->challenge = "Basic realm=\"imagepull-exporter\", charset=\"UTF-8\"";
}

/* --- answers -----------------------------------------------------------------------------------
 */

static enum MHD_Result handle(struct http_server *server, struct MHD_Connection *connection,
                              const char *path, const char *method, struct str body,
                              const struct guard_rules *rules)
{
    const struct http_request request = {
        .method = method,
        .path = path,
        .host = request_header(connection, "Host"),
        .origin = request_header(connection, "Origin"),
        .accept = request_header(connection, "Accept"),
        .accept_encoding = request_header(connection, "Accept-Encoding"),
        .body = body,
    };
    const bool is_public = server->handler.is_public && server->handler.is_public(path);
    struct http_response response = { .status = HTTP_OK };
    enum guard_verdict verdict = GUARD_ADMITTED;

    if (rules && !is_public)
        verdict = admit(server, connection, rules);
    if (verdict == GUARD_WAITING)
        return MHD_YES; /* and here again when it was woken */
    buf_init(&response.body, LIMIT_DEBUG_BODY);
    if (verdict == GUARD_ADMITTED)
        server->handler.handle(server->handler.self, &request, &response);
    else
        refuse(verdict, &response);
    return send_reply(connection, &response, rules);
}

/* By the rules of now, not those of when the connection was made. */
static enum MHD_Result answer(struct http_server *server, struct MHD_Connection *connection,
                              const char *path, const char *method, struct str body)
{
    struct guard_rules *rules = server->config.guard ? guard_rules_get(server->config.guard) : NULL;
    enum MHD_Result result = handle(server, connection, path, method, body, rules);

    guard_rules_put(rules);
    return result;
}

/* --- bodies ------------------------------------------------------------------------------------
 */

static enum MHD_Result refuse_body(struct MHD_Connection *connection, const char *format, ...)
    PRINTF_LIKE(2, 3);

static enum MHD_Result refuse_body(struct MHD_Connection *connection, const char *format, ...)
{
    struct http_response response = { .status = HTTP_OK, .no_store = true };
    char text[128];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    buf_init(&response.body, LIMIT_DEBUG_BODY);
    http_text(&response, HTTP_CONTENT_TOO_LARGE, "%s", text);
    return send_reply(connection, &response, NULL);
}

/*
 * The head of a request is there that brings a body. An answer now makes
 * libmicrohttpd close the connection instead of reading on.
 */
static enum MHD_Result body_begin(struct http_server *server, struct MHD_Connection *connection,
                                  const char *path, const char *method, void **request_state)
{
    const struct http_request request = { .method = method };
    const char *length = request_header(connection, "Content-Length");
    size_t max = server->handler.max_body;
    struct buf *body;

    if (http_reads(&request))
        return refuse_body(connection, "%s takes no body", method);
    if (!max)
        return answer(server, connection, path, method, STR(""));
    if (length && strtoull(length, NULL, 10) > max)
        return refuse_body(connection, "the body has %.20s bytes; at most %zu are read", length,
                           max);
    body = mem_zalloc(sizeof(*body));
    if (!body)
        return MHD_NO;
    buf_init(body, max);
    *request_state = body;
    return MHD_YES;
}

/* Over the limit, or out of memory, the connection is closed: it may never end by itself. */
static enum MHD_Result body_add(struct buf *body, const char *part, size_t *size)
{
    buf_add(body, (struct str){ .at = part, .len = *size });
    *size = 0;
    return buf_error(body) ? MHD_NO : MHD_YES;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **request_state,
                         enum MHD_RequestTerminationCode why)
{
    struct http_server *server = server_from(cls);
    struct buf *body = *request_state;

    (void)connection;
    (void)why;
    if (!body || *request_state == server)
        return;
    buf_done(body);
    mem_free(body);
}

/*
 * Called when the head of a request is there, for each part of its body, and when
 * all is there. `*request_state` is the body so far, or the server where there is
 * none to come. Bytes of a body that drips in do not make a client fresh.
 */
/* NOLINTNEXTLINE(readability-function-size): the parameters are libmicrohttpd's choice */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **request_state)
{
    struct http_server *server = server_from(cls);

    (void)version;
    if (*upload_size)
        return body_add(*request_state, upload, upload_size);
    url = path_of(url);
    client_refresh(server, connection_client(connection));
    if (*request_state && *request_state != server)
        return answer(server, connection, url, method, buf_str(*request_state));
    if (*request_state)
        return answer(server, connection, url, method, STR(""));
    if (has_body(connection))
        return body_begin(server, connection, url, method, request_state);
    *request_state = server;
    return MHD_YES;
}

/* With epoll, libmicrohttpd 0.9.75 uses up a processor while half a TLS handshake is there and the
 * rest is not; with poll it waits. */
static unsigned flags_of(const struct guard *guard)
{
    const bool tls = guard && guard_has_tls(guard);
    unsigned flags = MHD_USE_ERROR_LOG;

    flags |= tls ? MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_TLS : MHD_USE_EPOLL_INTERNAL_THREAD;
    return guard ? flags | MHD_ALLOW_SUSPEND_RESUME : flags;
}

int http_server_new(const struct http_server_config *config, int fd,
                    const struct http_handler *handler, struct http_server **ret, struct err *err)
{
    struct http_server *server = mem_zalloc(sizeof(*server));
    bool tls;

    if (!server)
        return err_set(err, -ENOMEM, "no memory for a server");
    *server = (struct http_server){
        .magic = HTTP_SERVER_MAGIC,
        .config = *config,
        .handler = *handler,
    };
    TAILQ_INIT(&server->clients);
    tls = config->guard && guard_has_tls(config->guard);
    errno = 0;
    /* One option a line. */
    /* clang-format off */
    server->daemon = MHD_start_daemon(
        flags_of(config->guard), 0, NULL, NULL, on_request, server,
        MHD_OPTION_EXTERNAL_LOGGER, on_log, (void *)server, /* first, so that it gets all lines */
        MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, (void *)server,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, (void *)server,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY,
        MHD_OPTION_CONNECTION_LIMIT, config->connections + SPARE_CONNECTIONS,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, config->connections_of_ip,
        MHD_OPTION_CONNECTION_TIMEOUT, config->timeout_s,
        /* The last one, so that it can be none: each connection gets its own, see client_secure(). */
        tls ? MHD_OPTION_HTTPS_CERT_CALLBACK : MHD_OPTION_END, tls_no_certificate(),
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
