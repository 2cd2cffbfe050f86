/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/http/http_server.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <microhttpd.h>

#include "clock.h"
#include "exporter/http/clients.h"
#include "exporter/http/guard.h"
#include "exporter/http/http.h"
#include "exporter/http/http_budget.h"
#include "exporter/http/http_reply.h"
#include "exporter/http/limit_hits.h"
#include "exporter/http/tls.h"
#include "hash.h"
#include "limit.h"
#include "log.h"
#include "mem.h"
#include "number.h"

/* Connections beyond config.connections, until libmicrohttpd has removed those that were cut. Even
 * more new connections wait in the kernel's queue. */
#define SPARE_CONNECTIONS 8u

struct http_server {
    uint32_t magic;
#define HTTP_SERVER_MAGIC 0x68747470u
    struct clients clients; /* only the server's thread uses them */
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

/* libmicrohttpd reports each client that disconnects early; that is useful for debugging only. */
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

/* Without the port. All clients of a unix socket are one. */
static uint64_t client_address(struct MHD_Connection *connection)
{
    const struct sockaddr *address =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    const struct sockaddr_in *v4 = (const void *)address;
    const struct sockaddr_in6 *v6 = (const void *)address;

    if (address->sa_family == AF_INET)
        return hash_str((struct str){ (const char *)&v4->sin_addr, sizeof(v4->sin_addr) });
    if (address->sa_family == AF_INET6)
        return hash_str((struct str){ (const char *)&v6->sin6_addr, sizeof(v6->sin6_addr) });
    return 0;
}

/* NULL if there was no memory for it. */
static struct client *connection_client(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* A client that reads one byte now and then is never silent, but holds a whole answer in memory.
 * The idle timeout does not cut it; this does. */
static void cut_slow_clients(struct http_server *server, int64_t now_us)
{
    if (server->config.request_timeout_s)
        clients_cut_slow(&server->clients, server->config.request_timeout_s * SEC, now_us);
}

static int64_t mono_now_us(void)
{
    return clock_now(clock_system()).mono_us;
}

/* A connection that waits for its password check would keep its place until the check's turn. */
static void on_cut(void *self, const struct client *client)
{
    struct http_server *server = self;

    if (server->config.guard)
        guard_cancel(server->config.guard, client->connection);
}

/* The TLS handshake has not begun yet, so the session can still be set up. */
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

/* Without memory the client is not in the list: then only libmicrohttpd's own limit holds, and a
 * TLS handshake fails because the session gets no certificate. */
static void client_begin(struct http_server *server, struct MHD_Connection *connection, void **ret)
{
    struct client *client = mem_zalloc(sizeof(*client));

    if (!client)
        return;
    client->fd = connection_fd(connection);
    client->address = client_address(connection);
    client->connection = connection;
    client->asked_us = mono_now_us();
    cut_slow_clients(server, client->asked_us);
    if (!client_secure(server, connection, client))
        shutdown(client->fd, SHUT_RDWR);
    clients_add(&server->clients, client);
    *ret = client;
    if (server->clients.n > server->config.connections) {
        limit_hits_add(server->config.limit_hits, LIMIT_HIT_HTTP_CONNECTIONS, 1);
        clients_cut_oldest(&server->clients);
    }
}

static void client_refresh(struct http_server *server, struct client *client)
{
    const int64_t now_us = mono_now_us();

    if (client)
        clients_refresh(&server->clients, client, now_us);
    cut_slow_clients(server, now_us);
}

static void client_end(struct http_server *server, struct client *client)
{
    if (!client)
        return;
    clients_remove(&server->clients, client);
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

/* The path of "http://host/path", a form that clients send to proxies and that every server must
 * accept (RFC 9112, 3.2.2). Any other `target` is returned as it is. */
static const char *path_of(const char *target)
{
    const char *host = strstr(target, "://"), *path;

    if (target[0] == '/' || !host)
        return target;
    path = strchr(host + strlen("://"), '/');
    return path ? path : "/";
}

/* Keeps the percent escapes: %2F in a name must not become '/' before the path is split. */
static size_t keep_escapes(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls;
    (void)connection;
    return strlen(text);
}

/* Slow clients hold the memory of all answers. The oldest of them is cut, so that there is room
 * when this client asks again. */
static void refuse_over_budget(struct http_server *server, struct http_response *response)
{
    limit_hits_add(server->config.limit_hits, LIMIT_HIT_ANSWER_BODY, 1);
    if (server->clients.n > 1)
        clients_cut_oldest(&server->clients);
    buf_done(&response->body); /* what stays is small, and needs no budget */
    http_text(response, HTTP_UNAVAILABLE, "slow clients hold the memory of all answers; try again");
    response->encoding = NULL;
    response->retry_after = "1";
}

static enum MHD_Result send_reply(struct http_server *server, struct MHD_Connection *connection,
                                  struct http_response *response, const struct guard_rules *rules)
{
    struct http_budget *budget = server->config.budget;

    if (buf_error(&response->body)) {
        http_text(response, HTTP_SERVER_ERROR,
                  "the answer is too large, or there is no memory for it");
        response->encoding = NULL;
    }
    buf_shrink(&response->body); /* a client may keep it for long */
    if (response->share) {
        budget = NULL; /* it has its part of the budget already */
    } else if (!http_budget_take(budget, response->body.size)) {
        refuse_over_budget(server, response);
        budget = NULL;
    }
    return http_reply_send(connection, response, rules, budget) ? MHD_YES : MHD_NO;
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

/* Called on the thread that checks passwords, or on the one that calls guard_stop(). */
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
    const struct guard_login login = { user, password, client ? client->address : 0 };

    if (password && strlen(password) > LIMIT_PASSWORD)
        password[0] = '\0'; /* it is wrong, and checked like any other */
    if (client && client->turned_away)
        verdict = GUARD_BUSY;
    else if (!client || client->fd >= 0)
        verdict = guard_look_up(server->config.guard, rules, &login);
    if (verdict == GUARD_WAITING && !client)
        verdict = GUARD_BUSY;
    if (verdict == GUARD_WAITING) {
        /* Before guard_check(), which may call wake() before it returns. */
        MHD_suspend_connection(connection);
        if (guard_check(server->config.guard, rules, &login, wake, connection) == GUARD_BUSY) {
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

static void refuse(struct http_server *server, enum guard_verdict verdict,
                   struct http_response *response)
{
    if (verdict == GUARD_BUSY) {
        limit_hits_add(server->config.limit_hits, LIMIT_HIT_PASSWORD_CHECKS, 1);
        http_text(response, HTTP_UNAVAILABLE, "too many password checks are waiting; try again");
        return;
    }
    http_text(response, HTTP_UNAUTHORIZED, "user name or password is missing or wrong");
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
        return MHD_YES; /* libmicrohttpd calls again after wake() */
    buf_init(&response.body, LIMIT_DEBUG_BODY);
    if (verdict == GUARD_ADMITTED)
        server->handler.handle(server->handler.self, &request, &response);
    else
        refuse(server, verdict, &response);
    return send_reply(server, connection, &response, rules);
}

/* Follows the current rules, not the rules of the time when the client connected. */
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

struct request_body {
    struct buf text;
    size_t taken; /* of the budget */
};

static struct str body_text(const struct request_body *body)
{
    return buf_str(&body->text);
}

static enum MHD_Result refuse_body(struct http_server *server, struct MHD_Connection *connection,
                                   enum http_status status, const char *format, ...)
    PRINTF_LIKE(4, 5);

static enum MHD_Result refuse_body(struct http_server *server, struct MHD_Connection *connection,
                                   enum http_status status, const char *format, ...)
{
    struct http_response response = { .status = HTTP_OK, .no_store = true };
    char text[128];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    buf_init(&response.body, LIMIT_DEBUG_BODY);
    http_text(&response, status, "%s", text);
    return send_reply(server, connection, &response, NULL);
}

/*
 * The head of a request with a body has arrived. If this function answers, libmicrohttpd closes the
 * connection and does not read the body.
 */
static enum MHD_Result body_begin(struct http_server *server, struct MHD_Connection *connection,
                                  const char *path, const char *method, void **request_state)
{
    const struct http_request request = { .method = method };
    const char *length = request_header(connection, "Content-Length");
    size_t max = server->handler.max_body;
    struct request_body *body;
    uint64_t size = max;

    if (http_reads(&request))
        return refuse_body(server, connection, HTTP_CONTENT_TOO_LARGE, "%s takes no body", method);
    if (!max)
        return answer(server, connection, path, method, STR(""));
    if (length && !number_parse(str_from(length), max, &size)) {
        limit_hits_add(server->config.limit_hits, LIMIT_HIT_REQUEST_BODY, 1);
        return refuse_body(server, connection, HTTP_CONTENT_TOO_LARGE,
                           "the body has %.20s bytes; the maximum is %zu", length, max);
    }
    if (!http_budget_take(server->config.budget, size)) {
        limit_hits_add(server->config.limit_hits, LIMIT_HIT_REQUEST_BODY, 1);
        return refuse_body(server, connection, HTTP_UNAVAILABLE,
                           "other requests take all memory that bodies may have; try again");
    }
    body = mem_zalloc(sizeof(*body));
    if (!body) {
        http_budget_give(server->config.budget, size);
        return MHD_NO;
    }
    buf_init(&body->text, size);
    body->taken = size;
    *request_state = body;
    return MHD_YES;
}

/* A body that is too large, or that finds no memory, closes the connection: with chunked encoding
 * it might never end. */
static enum MHD_Result body_add(struct http_server *server, struct request_body *body,
                                const char *part, size_t *size)
{
    buf_add(&body->text, (struct str){ .at = part, .len = *size });
    *size = 0;
    if (buf_error(&body->text) == -E2BIG)
        limit_hits_add(server->config.limit_hits, LIMIT_HIT_REQUEST_BODY, 1);
    return buf_error(&body->text) ? MHD_NO : MHD_YES;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **request_state,
                         enum MHD_RequestTerminationCode why)
{
    struct http_server *server = server_from(cls);
    struct request_body *body = *request_state;

    (void)connection;
    (void)why;
    if (!body || *request_state == server)
        return;
    http_budget_give(server->config.budget, body->taken);
    buf_done(&body->text);
    mem_free(body);
}

/*
 * libmicrohttpd calls this when the head of a request has arrived, for each part of its body, and
 * when the request is complete. `*request_state` is the body so far, or the server if the request
 * has no body. A part of a body does not refresh the client: it may send byte by byte.
 */
/* NOLINTNEXTLINE(readability-function-size): libmicrohttpd defines the parameters */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **request_state)
{
    struct http_server *server = server_from(cls);

    (void)version;
    if (*upload_size)
        return body_add(server, *request_state, upload, upload_size);
    url = path_of(url);
    client_refresh(server, connection_client(connection));
    if (*request_state && *request_state != server)
        return answer(server, connection, url, method, body_text(*request_state));
    if (*request_state)
        return answer(server, connection, url, method, STR(""));
    if (has_body(connection))
        return body_begin(server, connection, url, method, request_state);
    *request_state = server;
    return MHD_YES;
}

/* With epoll, libmicrohttpd 0.9.75 spins at 100 % of a CPU while it waits for the second half of a
 * TLS handshake; with poll it sleeps. */
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
        return err_set(err, -ENOMEM, "no memory for the HTTP server");
    *server = (struct http_server){
        .magic = HTTP_SERVER_MAGIC,
        .config = *config,
        .handler = *handler,
    };
    clients_init(&server->clients);
    server->clients.on_cut = on_cut;
    server->clients.self = server;
    tls = config->guard && guard_has_tls(config->guard);
    errno = 0;
    /* One option per line. */
    /* clang-format off */
    server->daemon = MHD_start_daemon(
        flags_of(config->guard), 0, NULL, NULL, on_request, server,
        MHD_OPTION_EXTERNAL_LOGGER, on_log, (void *)server, /* first, to get every line */
        MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, (void *)server,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, (void *)server,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)LIMIT_REQUEST_HEAD,
        MHD_OPTION_CONNECTION_LIMIT, config->connections + SPARE_CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, config->idle_timeout_s,
        /* Last, because it is optional. Each connection gets its own, see client_secure(). */
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
