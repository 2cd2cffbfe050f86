/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/debug/debug.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <arpa/inet.h>

#include "exporter/debug/debug_json.h"
#include "exporter/debug/page.h"
#include "exporter/http/limit_hits.h"
#include "hostport.h"
#include "limit.h"
#include "log.h"
#include "mem.h"
#include "number.h"
#include "util.h"

static void refuse(struct http_response *response, enum http_status status, const char *format, ...)
    PRINTF_LIKE(3, 4);

static void refuse(struct http_response *response, enum http_status status, const char *format, ...)
{
    char text[1024];
    struct err err = ERR_INIT;
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);

    response->status = status;
    response->content_type = HTTP_JSON;
    buf_reset(&response->body);
    if (debug_json_error(&response->body, text, &err) < 0)
        http_text(response, status, "%s", text);
}

/* --- the Host header ---------------------------------------------------------------------------
 */

/* Whether a Host header names this machine: localhost, 127.x.x.x or [::1], with any port. NULL, for
 * a client that sends none, is allowed. */
static bool is_this_machine(const char *host)
{
    char text[INET_ADDRSTRLEN];
    struct hostport parts;
    struct in_addr address;
    uint16_t port;

    if (!host)
        return true;
    if (!hostport_split(str_from(host), &parts))
        return false;
    if (parts.port.len && !number_port(parts.port, &port))
        return false;
    if (parts.in_brackets)
        return str_eq(parts.host, STR("::1"));
    if (parts.host.len == strlen("localhost") &&
        strncasecmp(parts.host.at, "localhost", parts.host.len) == 0)
        return true;
    if (parts.host.len == 0 || parts.host.len >= sizeof(text))
        return false;
    memcpy(text, parts.host.at, parts.host.len);
    text[parts.host.len] = '\0';
    /* All four numbers: anybody can own a name like "127.evil.example". */
    return inet_pton(AF_INET, text, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

/* --- answers -----------------------------------------------------------------------------------
 */

/* `rest` is the part of the path after the route's. */
struct visit {
    struct debug *debug;
    const struct http_request *request;
    struct str rest;
    struct http_response *response;
};

static bool take_snapshot(struct visit *visit, struct snapshot *ret)
{
    const struct snapshot_source *source = &visit->debug->source;
    struct err err = ERR_INIT;

    if (source->take(source->self, SNAPSHOT_DETAIL, ret, &err) == 0)
        return true;
    refuse(visit->response, HTTP_UNAVAILABLE, "cannot take a snapshot: %s", err.text);
    return false;
}

static void finish(struct visit *visit, int r, const struct err *err)
{
    visit->response->content_type = HTTP_JSON;
    if (r == -E2BIG)
        limit_hits_add(visit->debug->limit_hits, LIMIT_HIT_ANSWER_BODY, 1);
    if (r < 0)
        refuse(visit->response, HTTP_SERVER_ERROR, "cannot write the answer: %s", err->text);
}

/* --- large answers -----------------------------------------------------------------------------
 */

struct large {
    struct debug *debug;
    struct snapshot snapshot;
    char namespace[LIMIT_NAME_TEXT], pod[LIMIT_NAME_TEXT];
    struct debug_json json;
};

static int large_next(void *self, struct buf *out)
{
    struct large *large = self;
    struct err err = ERR_INIT;
    int r = large->json.ended ? 0 : debug_json_next(&large->json, out, &err);

    if (r == -E2BIG)
        limit_hits_add(large->debug->limit_hits, LIMIT_HIT_ANSWER_BODY, 1);
    if (r < 0)
        log_error("debug", "an answer is cut: %s", err.text);
    return r;
}

static void large_end(void *self)
{
    struct large *large = self;

    snapshot_done(&large->snapshot);
    atomic_store(&large->debug->sends_large, false);
    mem_free(large);
}

/* Takes over the snapshot. Only one at a time, because the snapshot lives until the client has read
 * the answer. */
static void send_large(struct visit *visit, const struct debug_json *json,
                       struct snapshot *snapshot)
{
    struct http_response *response = visit->response;
    struct large *large;

    buf_reset(&response->body);
    if (atomic_exchange(&visit->debug->sends_large, true)) {
        snapshot_done(snapshot);
        refuse(response, HTTP_UNAVAILABLE, "another large answer is being sent; try again");
        response->retry_after = "1";
        return;
    }
    large = mem_zalloc(sizeof(*large));
    if (!large) {
        snapshot_done(snapshot);
        atomic_store(&visit->debug->sends_large, false);
        refuse(response, HTTP_SERVER_ERROR, "cannot write the answer: no memory");
        return;
    }
    large->debug = visit->debug;
    large->snapshot = *snapshot;
    large->json = (struct debug_json){ .list = json->list, .snapshot = &large->snapshot };
    if (json->pod) {
        snprintf(large->namespace, sizeof(large->namespace), "%s", json->namespace);
        snprintf(large->pod, sizeof(large->pod), "%s", json->pod);
        large->json.namespace = large->namespace;
        large->json.pod = large->pod;
    }
    response->content_type = HTTP_JSON;
    response->stream = (struct http_stream){ .self = large, .next = large_next };
    response->sent = large_end;
    response->sent_self = large;
}

/* --- lists -------------------------------------------------------------------------------------
 */

static bool leaves_out(const struct snapshot *snapshot)
{
    bool any = false;

    for (enum limit limit = 0; limit < LIMIT_HIT_MAX; limit++)
        any |= limit_left_out(limit) && snapshot->left_out[limit];
    return any;
}

/* Sends a small answer at once. `namespace` and `pod` may be NULL. */
static void serve_list(struct visit *visit, const struct debug_json_list *list,
                       const char *namespace, const char *pod)
{
    struct debug_json json = { .list = list, .namespace = namespace, .pod = pod };
    struct snapshot snapshot;
    struct err err = ERR_INIT;
    int r;

    if (!take_snapshot(visit, &snapshot))
        return;
    json.snapshot = &snapshot;
    r = debug_json_rest(&json, &visit->response->body, &err);
    if (r == -E2BIG) {
        send_large(visit, &json, &snapshot);
        return;
    }
    if (r == 0 && pod && json.written == 0)
        refuse(visit->response, HTTP_NOT_FOUND,
               leaves_out(&snapshot)
                   ? "pod %s/%s has no failed image pull that is known; but limits leave something "
                     "out now: see left_out of /debug/failures"
                   : "pod %s/%s has no failed image pull on this node, now or in the last 10 "
                     "minutes",
               namespace, pod);
    else
        finish(visit, r, &err);
    snapshot_done(&snapshot);
}

static void serve_failures(struct visit *visit)
{
    serve_list(visit, &debug_json_failures, NULL, NULL);
}

/* Takes "{namespace}/{pod}" from the path. Returns false after it refused the request. */
static bool parse_pod(struct visit *visit, char *ret_namespace, char *ret_pod)
{
    const char *end = visit->rest.at + visit->rest.len;
    const char *slash = memchr(visit->rest.at, '/', visit->rest.len);
    struct str namespace = str_span(visit->rest.at, slash ? slash : end);
    struct str pod = slash ? str_span(slash + 1, end) : STR("");

    if (namespace.len == 0 || pod.len == 0 || memchr(pod.at, '/', pod.len)) {
        refuse(visit->response, HTTP_NOT_FOUND,
               "the path of a pod is /debug/failures/{namespace}/{pod}");
        return false;
    }
    if (!http_unescape(namespace, ret_namespace, LIMIT_NAME_TEXT) ||
        !http_unescape(pod, ret_pod, LIMIT_NAME_TEXT)) {
        refuse(visit->response, HTTP_BAD_REQUEST,
               "the namespace or the pod name has a broken percent escape or more than %u bytes",
               LIMIT_NAME_TEXT - 1);
        return false;
    }
    return true;
}

static void serve_pod(struct visit *visit)
{
    char namespace[LIMIT_NAME_TEXT], pod[LIMIT_NAME_TEXT];

    if (parse_pod(visit, namespace, pod))
        serve_list(visit, &debug_json_failures, namespace, pod);
}

static void serve_sources(struct visit *visit)
{
    serve_list(visit, &debug_json_sources, NULL, NULL);
}

static void serve_images(struct visit *visit)
{
    serve_list(visit, &debug_json_images, NULL, NULL);
}

static void serve_events(struct visit *visit)
{
    serve_list(visit, &debug_json_events, NULL, NULL);
}

/* The body is one message. Tools add a line break at its end. */
static void serve_classify(struct visit *visit)
{
    struct str message = visit->request->body;
    struct err err = ERR_INIT;

    if (str_ends(message, STR("\n")))
        message.len--;
    if (str_ends(message, STR("\r")))
        message.len--;
    if (message.len == 0) {
        refuse(visit->response, HTTP_BAD_REQUEST,
               "the body has no message; send one with "
               "curl --data-binary @FILE http://localhost:9918/debug/classify");
        return;
    }
    finish(visit, visit->debug->explain(&visit->response->body, message, &err), &err);
}

static void serve_page(struct visit *visit)
{
    struct err err = ERR_INIT;

    if (page_write(visit->response, &err) < 0)
        refuse(visit->response, HTTP_SERVER_ERROR, "cannot write the page: %s", err.text);
}

/* A path that ends in '/' matches longer paths too. */
static const struct route {
    const char *path;
    bool posts; /* accepts POST only */
    void (*serve)(struct visit *visit);
} routes[] = {
    { "/", false, serve_page },
    { "/debug/failures", false, serve_failures },
    { "/debug/failures/", false, serve_pod },
    { "/debug/classify", true, serve_classify },
    { "/debug/sources", false, serve_sources },
    { "/debug/events", false, serve_events },
    { "/debug/images", false, serve_images },
};

static const struct route *find_route(struct str path, struct str *ret_rest)
{
    for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
        struct str prefix = str_from(routes[i].path);
        bool open_ended = prefix.len > 1 && str_ends(prefix, STR("/"));

        if (open_ended ? str_starts(path, prefix) : str_eq(path, prefix)) {
            *ret_rest = str_skip(path, prefix.len);
            return &routes[i];
        }
    }
    return NULL;
}

void debug_handle(void *self, const struct http_request *request, struct http_response *response)
{
    struct visit visit = { .debug = self, .request = request, .response = response };
    const struct route *route;

    response->no_store = true;
    if (!is_this_machine(request->host)) {
        refuse(response, HTTP_FORBIDDEN,
               "only requests for localhost, 127.0.0.1 or [::1] are answered; send the header "
               "\"Host: localhost\"");
        return;
    }
    route = find_route(str_from(request->path), &visit.rest);
    if (!route) {
        refuse(response, HTTP_NOT_FOUND, "no such page; see / for a list");
        return;
    }
    if (route->posts ? strcmp(request->method, "POST") != 0 : !http_reads(request)) {
        response->allow = route->posts ? "POST" : HTTP_READ_METHODS;
        refuse(response, HTTP_METHOD_NOT_ALLOWED, "%s accepts %s only", route->path,
               route->posts ? "POST" : "GET and HEAD");
        return;
    }
    /* A page of any site can POST plain text here, though it cannot read the answer. */
    if (route->posts && request->origin) {
        refuse(response, HTTP_FORBIDDEN, "web pages must not POST here; use curl");
        return;
    }
    /* Two listeners: see MEMORY_ANSWERS in limit.h. */
    if (atomic_exchange(&visit.debug->answers, true)) {
        refuse(response, HTTP_UNAVAILABLE, "another request is being answered; try again");
        response->retry_after = "1";
        return;
    }
    route->serve(&visit);
    atomic_store(&visit.debug->answers, false);
}
