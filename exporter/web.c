/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/web.h"

#include <string.h>

#include "exporter/exposition.h"
#include "exporter/metrics.h"
#include "exporter/process_metrics.h"
#include "limits.h"
#include "util.h"

#define PROC "/proc"

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

static int write_metrics(struct web *web, const struct snapshot *snapshot, struct buf *out,
                         struct err *err)
{
    struct process_stats process;
    struct metrics_input input = {
        .snapshot = snapshot,
        .process = &process,
        .version = web->version,
        .revision = web->revision,
        .compiler = COMPILER,
        .info_left_out_total = atomic_load(&web->left_outs),
        .info_left_out_before = atomic_load(&web->left_out),
    };
    size_t left_out;
    int r;

    process_stats_read(PROC, web->start_us, &process);
    r = metrics_write(out, &input, &left_out, err);
    if (r < 0)
        return r;

    /* One thread serves this listener; were there more, two scrapes at once could count the same
     * growth twice, and no worse. */
    if (left_out > input.info_left_out_before)
        atomic_fetch_add(&web->left_outs, left_out - input.info_left_out_before);
    atomic_store(&web->left_out, left_out);
    return 0;
}

static void serve_metrics(struct web *web, const struct snapshot *snapshot,
                          struct http_response *response)
{
    struct err err = ERR_INIT;

    response->content_type = EXPOSITION_CONTENT_TYPE;
    response->body.max = LIMIT_METRICS_BODY;
    if (write_metrics(web, snapshot, &response->body, &err) < 0)
        http_text(response, HTTP_SERVER_ERROR, "no metrics this time: %s", err.text);
}

static void serve_healthy(struct web *web, const struct snapshot *snapshot,
                          struct http_response *response)
{
    (void)web;
    if (snapshot->healthy)
        http_text(response, HTTP_OK, "healthy");
    else
        http_text(response, HTTP_UNAVAILABLE,
                  "not healthy: one of the agent's loops has not moved for a minute");
}

static void serve_ready(struct web *web, const struct snapshot *snapshot,
                        struct http_response *response)
{
    (void)web;
    if (snapshot->ready)
        http_text(response, HTTP_OK, "ready");
    else
        http_text(response, HTTP_UNAVAILABLE,
                  "not ready: the first list of this node's pods has not arrived yet");
}

static void serve_landing(struct web *web, const struct snapshot *snapshot,
                          struct http_response *response)
{
    struct buf *out = &response->body;

    (void)snapshot;
    response->content_type = HTTP_HTML;
    buf_add(out, STR("<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">"
                     "<title>imagepull-exporter</title></head>\n<body>\n"
                     "<h1>imagepull-exporter</h1>\n"
                     "<p>Tells why an image cannot be pulled on this node. Version "));
    http_add_html(out, web->version);
    buf_add(out, STR(", revision "));
    http_add_html(out, web->revision);
    buf_add(out, STR(".</p>\n<ul>\n<li><a href=\"/metrics\">Metrics</a></li>\n"
                     "<li><a href=\"/-/healthy\">Healthy?</a></li>\n"
                     "<li><a href=\"/-/ready\">Ready?</a></li>\n</ul>\n"
                     "<p>Messages and details are on the debug address, "
                     ""
                     "--debug.listen-address.</p>\n</body>\n</html>\n"));
}

static const struct route {
    const char *path;
    void (*serve)(struct web *web, const struct snapshot *snapshot, struct http_response *response);
} routes[] = {
    { "/", serve_landing },        { "/metrics", serve_metrics }, { "/-/healthy", serve_healthy },
    { "/healthz", serve_healthy }, { "/-/ready", serve_ready },   { "/readyz", serve_ready },
};

static const struct route *find_route(const char *path)
{
    for (size_t i = 0; i < ARRAY_SIZE(routes); i++)
        if (strcmp(routes[i].path, path) == 0)
            return &routes[i];
    return NULL;
}

void web_handle(void *self, const struct http_request *request, struct http_response *response)
{
    struct web *web = self;
    const struct route *route = find_route(request->path);
    struct snapshot snapshot;
    struct err err = ERR_INIT;

    if (!route) {
        http_text(response, HTTP_NOT_FOUND, "nothing is served here; / lists what there is");
        return;
    }
    if (!http_reads(request)) {
        http_text(response, HTTP_METHOD_NOT_ALLOWED, "%s takes GET and HEAD only", route->path);
        response->allow = HTTP_READ_METHODS;
        return;
    }
    if (web->source.take(web->source.self, SNAPSHOT_METRICS, &snapshot, &err) < 0) {
        http_text(response, HTTP_UNAVAILABLE, "no picture of the agent this time: %s", err.text);
        return;
    }
    route->serve(web, &snapshot, response);
    snapshot_done(&snapshot);
}

void web_init(struct web *ret, const struct snapshot_source *source, const char *version,
              const char *revision)
{
    *ret = (struct web){
        .source = *source,
        .version = version,
        .revision = revision,
        .start_us = process_start_us(PROC),
    };
}
