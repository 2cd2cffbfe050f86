/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/debug/debug.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <arpa/inet.h>

#include "exporter/debug/debug_json.h"
#include "exporter/debug/page.h"
#include "limits.h"
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

static bool is_port(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
    return text.len <= 5;
}

/* Takes ":port" off the end of `host`. An IPv6 address has its colons inside brackets. */
static bool split_port(struct str *host)
{
    const char *name_end = memrchr(host->at, ']', host->len);
    struct str tail = name_end ? str_span(name_end + 1, host->at + host->len) : *host;
    const char *colon = tail.len ? memchr(tail.at, ':', tail.len) : NULL;

    if (!colon)
        return !name_end || tail.len == 0;
    if (name_end && colon != tail.at)
        return false;
    if (!is_port(str_span(colon + 1, host->at + host->len)))
        return false;
    host->len = (size_t)(colon - host->at);
    return true;
}

bool debug_host_allowed(const char *host)
{
    char text[INET_ADDRSTRLEN];
    struct str name = str_from(host);
    struct in_addr address;

    if (!host)
        return true;
    if (name.len == 0 || !split_port(&name))
        return false;
    if (name.len == strlen("localhost") && strncasecmp(name.at, "localhost", name.len) == 0)
        return true;
    if (str_eq(name, STR("[::1]")))
        return true;
    if (name.len >= sizeof(text))
        return false;
    memcpy(text, name.at, name.len);
    text[name.len] = '\0';
    /* All four numbers: "127.evil.example" is a name that anybody can own. */
    return inet_pton(AF_INET, text, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

/* --- answers -----------------------------------------------------------------------------------
 */

/* A request on its way: `rest` is what follows the route's path. */
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
    refuse(visit->response, HTTP_UNAVAILABLE, "no picture of the agent this time: %s", err.text);
    return false;
}

static void finish(struct visit *visit, int r, const struct err *err)
{
    visit->response->content_type = HTTP_JSON;
    if (r < 0)
        refuse(visit->response, HTTP_SERVER_ERROR, "no answer this time: %s", err->text);
}

static void serve_failures(struct visit *visit)
{
    struct snapshot snapshot;
    struct err err = ERR_INIT;
    size_t n;
    int r;

    if (!take_snapshot(visit, &snapshot))
        return;
    r = debug_json_failures(&visit->response->body, &snapshot, NULL, NULL, &n, &err);
    finish(visit, r, &err);
    snapshot_done(&snapshot);
}

/* "{namespace}/{pod}" out of the path. False where the answer is given already. */
static bool parse_pod(struct visit *visit, char *ret_namespace, char *ret_pod)
{
    const char *end = visit->rest.at + visit->rest.len;
    const char *slash = memchr(visit->rest.at, '/', visit->rest.len);
    struct str namespace = str_span(visit->rest.at, slash ? slash : end);
    struct str pod = slash ? str_span(slash + 1, end) : STR("");

    if (namespace.len == 0 || pod.len == 0 || memchr(pod.at, '/', pod.len)) {
        refuse(visit->response, HTTP_NOT_FOUND,
               "a pod is asked for as /debug/failures/{namespace}/{pod}");
        return false;
    }
    if (!http_unescape(namespace, ret_namespace, LIMIT_NAME_TEXT) ||
        !http_unescape(pod, ret_pod, LIMIT_NAME_TEXT)) {
        refuse(visit->response, HTTP_BAD_REQUEST,
               "the namespace or the pod's name has a broken percent escape or is longer than %u "
               "bytes",
               LIMIT_NAME_TEXT - 1);
        return false;
    }
    return true;
}

static void serve_pod(struct visit *visit)
{
    char namespace[LIMIT_NAME_TEXT], pod[LIMIT_NAME_TEXT];
    struct snapshot snapshot;
    struct err err = ERR_INIT;
    size_t n;
    int r;

    if (!parse_pod(visit, namespace, pod) || !take_snapshot(visit, &snapshot))
        return;
    r = debug_json_failures(&visit->response->body, &snapshot, namespace, pod, &n, &err);
    if (r == 0 && n == 0)
        refuse(visit->response, HTTP_NOT_FOUND,
               "no image pull of pod %s/%s fails on this node, nor did one in the last minutes",
               namespace, pod);
    else
        finish(visit, r, &err);
    snapshot_done(&snapshot);
}

static void serve_sources(struct visit *visit)
{
    struct snapshot snapshot;
    struct err err = ERR_INIT;

    if (!take_snapshot(visit, &snapshot))
        return;
    finish(visit, debug_json_sources(&visit->response->body, &snapshot, &err), &err);
    snapshot_done(&snapshot);
}

static void serve_images(struct visit *visit)
{
    struct snapshot snapshot;
    struct err err = ERR_INIT;

    if (!take_snapshot(visit, &snapshot))
        return;
    finish(visit, debug_json_images(&visit->response->body, &snapshot, &err), &err);
    snapshot_done(&snapshot);
}

static void serve_events(struct visit *visit)
{
    struct snapshot snapshot;
    struct err err = ERR_INIT;

    if (!take_snapshot(visit, &snapshot))
        return;
    finish(visit, debug_json_events(&visit->response->body, &snapshot, &err), &err);
    snapshot_done(&snapshot);
}

/* One message; the line break that tools put behind it is no part of it. */
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
               "there is no message: send one as the body, as in "
               "curl --data-binary @FILE http://localhost:9918/debug/classify");
        return;
    }
    finish(visit, visit->debug->explain(&visit->response->body, message, &err), &err);
}

static void serve_page(struct visit *visit)
{
    struct err err = ERR_INIT;

    if (page_write(visit->response, &err) < 0)
        refuse(visit->response, HTTP_SERVER_ERROR, "no page this time: %s", err.text);
}

/* A path that ends in '/' also takes what follows. */
static const struct route {
    const char *path;
    bool posts; /* takes POST and nothing else */
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
    if (!debug_host_allowed(request->host)) {
        refuse(response, HTTP_FORBIDDEN,
               "this is served to the node itself only: ask for localhost, 127.0.0.1 or [::1] "
               "(header \"Host: localhost\")");
        return;
    }
    route = find_route(str_from(request->path), &visit.rest);
    if (!route) {
        refuse(response, HTTP_NOT_FOUND, "nothing is served here; / lists what there is");
        return;
    }
    if (route->posts ? strcmp(request->method, "POST") != 0 : !http_reads(request)) {
        response->allow = route->posts ? "POST" : HTTP_READ_METHODS;
        refuse(response, HTTP_METHOD_NOT_ALLOWED, "%s takes %s only", route->path,
               route->posts ? "POST" : "GET and HEAD");
        return;
    }
    /* A page of any site can send plain text here, though not read the answer. Ours sends none. */
    if (route->posts && request->origin) {
        refuse(response, HTTP_FORBIDDEN, "a page in a browser may not send this; curl may");
        return;
    }
    route->serve(&visit);
}
