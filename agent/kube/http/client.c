/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/http/client.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <curl/curl.h>

#include "agent/kube/http/auth.h"
#include "agent/kube/http/server.h"
#include "limit.h"
#include "mem.h"

/* A peer that disappears is noticed within 30 s: by keepalive probes while the agent waits, by the
 * user timeout after it has sent something. */
#define KEEPALIVE_IDLE_S 10L
#define KEEPALIVE_INTERVAL_S 5L
#define KEEPALIVE_PROBES 3
#define USER_TIMEOUT_MS 25000
#define CONNECT_TIMEOUT_MS 10000L
#define CONNECTIONS 4L

struct client_request {
    uint32_t magic;
#define CLIENT_REQUEST_MAGIC 0x6b67e701u
    struct client *client;
    struct client_request *next;
    struct client_handler handler;
    CURL *easy;
    struct curl_slist *headers;
    size_t head_bytes; /* of all heads and trailers so far */
    CURLM *multi;      /* where `easy` was added; NULL: nowhere */
    struct err err;    /* why the request could not start, or was given up */
    char text[CURL_ERROR_SIZE];
};

struct client {
    struct client_config config;
    struct auth_route route;
    pthread_mutex_t lock; /* guards changes of `multi`, for client_wakeup() */
    CURLM *multi;
    struct client_request *requests;
    unsigned called_back; /* how often a handler was called; may wrap */
};

static struct client_request *request_from(void *self)
{
    struct client_request *request = self;

    assert(request && request->magic == CLIENT_REQUEST_MAGIC);
    return request;
}

static CURLM *new_multi(void)
{
    CURLM *multi = curl_multi_init();

    if (multi)
        curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, CONNECTIONS);
    return multi;
}

int client_new(const struct client_config *config, struct client **ret, struct err *err)
{
    struct client *client;
    int r;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(err, -EIO, "cannot initialise libcurl");
    client = mem_zalloc(sizeof(*client));
    if (!client)
        return err_set(err, -ENOMEM, "no memory for the API client");
    client->config = *config;
    r = auth_route_init(&client->route, config->credentials, err);
    if (r == 0) {
        client->multi = new_multi();
        if (!client->multi)
            r = err_set(err, -ENOMEM, "no memory for the API client");
    }
    if (r < 0) {
        auth_route_done(&client->route);
        mem_free(client);
        return r;
    }
    pthread_mutex_init(&client->lock, NULL);
    *ret = client;
    return 0;
}

static void request_free(struct client_request *request)
{
    struct client_request **link = &request->client->requests;

    while (*link && *link != request)
        link = &(*link)->next;
    if (*link)
        *link = request->next;
    if (request->multi)
        curl_multi_remove_handle(request->multi, request->easy);
    curl_easy_cleanup(request->easy);
    curl_slist_free_all(request->headers);
    request->magic = 0;
    mem_free(request);
}

void client_free(struct client *client)
{
    if (!client)
        return;
    while (client->requests)
        request_free(client->requests);
    curl_multi_cleanup(client->multi);
    pthread_mutex_destroy(&client->lock);
    auth_route_done(&client->route);
    mem_free(client);
}

/* --- callbacks of curl ------------------------------------------------------------------------ */

static size_t on_header(char *line, size_t size, size_t count, void *self)
{
    struct client_request *request = request_from(self);
    const struct str text = { .at = line, .len = size * count };
    const char *content_type = NULL;
    long status = 0;

    /* Also of answers before the final one (1xx) and of trailers: curl keeps them all, and a server
     * can send them without end. Any value other than the length closes the connection. */
    request->head_bytes += text.len;
    if (request->head_bytes > LIMIT_ANSWER_HEAD) {
        err_set(&request->err, -E2BIG, "the answer has more than %u KiB of headers and trailers",
                LIMIT_ANSWER_HEAD >> 10);
        return 0;
    }
    /* An empty line ends a head. The head of "100 Continue" is followed by another one. */
    if (!str_eq(text, STR("\r\n")) && !str_eq(text, STR("\n")))
        return text.len;
    curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200)
        return text.len;
    curl_easy_getinfo(request->easy, CURLINFO_CONTENT_TYPE, &content_type);
    request->client->called_back++;
    request->handler.answered(request->handler.self, (int)status, content_type);
    return text.len;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *self)
{
    struct client_request *request = request_from(self);
    const struct str text = { .at = bytes, .len = size * count };

    request->client->called_back++;
    /* Any value other than the length cancels the request. */
    return request->handler.received(request->handler.self, text) < 0 ? 0 : text.len;
}

static int on_socket(void *self, curl_socket_t socket, curlsocktype purpose)
{
    const unsigned user_timeout = USER_TIMEOUT_MS;
    const int probes = KEEPALIVE_PROBES;

    (void)self;
    (void)purpose;
    /* If these fail, a dead peer is noticed later: no reason to fail the connection. */
    setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout, sizeof(user_timeout));
    setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
    return CURL_SOCKOPT_OK;
}

/* --- a request -------------------------------------------------------------------------------- */

static bool add_header(struct client_request *request, const char *header)
{
    struct curl_slist *longer = curl_slist_append(request->headers, header);

    if (longer)
        request->headers = longer;
    return longer != NULL;
}

static int add_headers(struct client_request *request, bool watch)
{
    const struct client *client = request->client;
    const struct credential *token = &client->config.credentials->token;
    const char *accept = "Accept: application/vnd.kubernetes.protobuf";

    if (client->config.json)
        accept = "Accept: application/json";
    else if (watch)
        accept = "Accept: application/vnd.kubernetes.protobuf;stream=watch";
    if (!add_header(request, accept) ||
        (client->route.host && !add_header(request, client->route.host)))
        return err_set(&request->err, -ENOMEM, "no memory for a request's headers");
    return credential_given(token) ? auth_add_token(token, &request->headers, &request->err) : 0;
}

static void set_transport(CURL *easy, const char *server)
{
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L); /* the token is for this host only */
    curl_easy_setopt(easy, CURLOPT_PROXY, server_proxy(server));
    curl_easy_setopt(easy, CURLOPT_NOPROXY, server_no_proxy());
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L); /* one connection for all streams */
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* Without this option, curl waits at the end for a name server that does not answer. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_socket);
}

static int set_up(struct client_request *request, struct str target)
{
    const struct client *client = request->client;
    CURL *easy = request->easy;
    CURLcode code = CURLE_OUT_OF_MEMORY;
    struct buf url;

    buf_init(&url, LIMIT_SERVER_URL + LIMIT_NAME_TEXT + LIMIT_TARGET);
    buf_add_text(&url, client->route.base);
    buf_add(&url, target);
    if (!buf_error(&url))
        code = curl_easy_setopt(easy, CURLOPT_URL, url.at);
    buf_done(&url);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_USERAGENT, client->config.user_agent);
    if (code != CURLE_OK)
        return err_set(&request->err, -ENOMEM, "no memory for a request");
    set_transport(easy, client->config.credentials->server);
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, client->route.connect_to);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, request->headers);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, request);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->text);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
    return auth_set_tls(easy, client->config.credentials, &request->err);
}

struct client_request *client_get(struct client *client, struct str target, bool watch,
                                  const struct client_handler *handler)
{
    struct client_request *request = mem_zalloc(sizeof(*request));

    if (!request)
        return NULL;
    request->magic = CLIENT_REQUEST_MAGIC;
    request->client = client;
    request->handler = *handler;
    request->easy = curl_easy_init();
    if (!request->easy) {
        mem_free(request);
        return NULL;
    }
    request->next = client->requests;
    client->requests = request;
    if (add_headers(request, watch) == 0 && set_up(request, target) == 0) {
        if (curl_multi_add_handle(client->multi, request->easy) == CURLM_OK)
            request->multi = client->multi;
        else
            err_set(&request->err, -ENOMEM, "no memory for a request");
    }
    return request;
}

void client_cancel(struct client_request *request)
{
    if (request)
        request_free(request_from(request));
}

/* --- the loop --------------------------------------------------------------------------------- */

/* Whether the other side closed an open connection. False for a dead peer: keepalive reports it
 * as a receive error that "timed out". */
static bool is_by_peer(CURLcode code, const char *text)
{
    if (strstr(text, "timed out"))
        return false;
    return code == CURLE_PARTIAL_FILE || code == CURLE_HTTP2 || code == CURLE_HTTP2_STREAM ||
           code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR;
}

/* curl reports a header line over its limit as "Out of memory". On Linux, memory is rarely the
 * cause. */
#define CURL_NO_MEMORY                                                                             \
    "the answer has a header of over 100 KiB, the limit of libcurl, or there is no memory"

static void describe_error(const struct client_request *request, CURLcode code, char *ret,
                           size_t size)
{
    const char *text = request->text[0] ? request->text : curl_easy_strerror(code);

    snprintf(ret, size, "%s", code == CURLE_OUT_OF_MEMORY ? CURL_NO_MEMORY : text);
    auth_add_hint(request->client->config.credentials, code, ret, size);
}

static void finish(struct client_request *request, CURLcode code)
{
    const struct client_handler handler = request->handler;
    curl_off_t retry_after_s = 0;
    char text[sizeof(request->err.text)];
    struct client_end end = { .complete = !request->err.code && code == CURLE_OK,
                              .by_peer = !request->err.code && is_by_peer(code, request->text),
                              .text = text };

    curl_easy_getinfo(request->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    if (retry_after_s > 0 && retry_after_s < INT64_MAX / SEC)
        end.retry_after_us = (int64_t)retry_after_s * SEC;
    if (request->err.code)
        snprintf(text, sizeof(text), "%s", request->err.text);
    else
        describe_error(request, code, text, sizeof(text));
    request->client->called_back++;
    request_free(request);
    handler.ended(handler.self, &end);
}

/* Requests that could not start end here, so that all requests end in the same way. */
static void finish_not_started(struct client *client)
{
    struct client_request *request = client->requests;

    while (request) {
        if (request->multi) {
            request = request->next;
        } else {
            finish(request, CURLE_OK);
            request = client->requests; /* the handler may have changed the list */
        }
    }
}

static void finish_done(struct client *client)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(client->multi, &left))) {
        const CURLcode code = message->data.result;
        char *private = NULL;

        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        finish(request_from(private), code);
    }
}

static bool has_not_started(const struct client *client)
{
    for (const struct client_request *request = client->requests; request; request = request->next)
        if (!request->multi)
            return true;
    return false;
}

unsigned client_run(struct client *client, int64_t timeout_us)
{
    const unsigned called_back = client->called_back;
    int64_t timeout_ms = timeout_us <= 0 ? 0 : (timeout_us + MSEC - 1) / MSEC;
    int running;

    if (has_not_started(client))
        timeout_ms = 0;
    curl_multi_poll(client->multi, NULL, 0, timeout_ms > 60000 ? 60000 : (int)timeout_ms, NULL);
    curl_multi_perform(client->multi, &running);
    finish_done(client);
    finish_not_started(client);
    return client->called_back - called_back;
}

void client_wakeup(struct client *client)
{
    pthread_mutex_lock(&client->lock);
    curl_multi_wakeup(client->multi);
    pthread_mutex_unlock(&client->lock);
}

int client_renew(struct client *client, struct err *err)
{
    CURLM *old = client->multi, *multi = new_multi();
    struct client_request *request;

    if (!multi)
        return err_set(err, -ENOMEM, "no memory for a new API client");
    pthread_mutex_lock(&client->lock);
    client->multi = multi;
    pthread_mutex_unlock(&client->lock);
    request = client->requests;
    while (request) {
        if (request->multi != old) {
            request = request->next;
        } else {
            err_set(&request->err, -ECONNABORTED, "the API client was replaced");
            finish(request, CURLE_OK);
            request = client->requests; /* the handler may have changed the list */
        }
    }
    curl_multi_cleanup(old);
    return 0;
}
