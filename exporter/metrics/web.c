/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/metrics/web.h"

#include <errno.h>
#include <string.h>

#include "exporter/http/gzip.h"
#include "exporter/metrics/exposition.h"
#include "exporter/metrics/metrics.h"
#include "exporter/metrics/negotiate.h"
#include "exporter/metrics/process_metrics.h"
#include "limits.h"
#include "util.h"

#define PROC "/proc"

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

/* Below it what is saved is less than what a packet holds anyway. */
#define GZIP_BYTES_MIN 1024u

/* What an answer is made from. */
struct visit {
    const struct http_request *request;
    const struct snapshot *snapshot;
};

static int write_metrics(struct web *web, const struct snapshot *snapshot,
                         enum exposition_format format, struct buf *out, struct err *err)
{
    struct process_stats process;
    struct metrics_input input = {
        .format = format,
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

static void format_metrics(struct web *web, const struct visit *visit,
                           struct http_response *response)
{
    enum exposition_format format = negotiate_format(visit->request->accept);
    struct err err = ERR_INIT;

    response->content_type = exposition_content_type(format);
    response->vary = "Accept, Accept-Encoding";
    response->body.max = LIMIT_METRICS_BODY;
    if (write_metrics(web, visit->snapshot, format, &response->body, &err) < 0) {
        http_text(response, HTTP_SERVER_ERROR, "no metrics this time: %s", err.text);
        return;
    }
    /* Without memory to compress it goes as it is, and asks for no more. */
    if (response->body.len >= GZIP_BYTES_MIN && negotiate_gzip(visit->request->accept_encoding) &&
        gzip_replace(&response->body, NULL) == 0)
        response->encoding = "gzip";
}

static void end_scrape(void *self)
{
    struct web *web = self;

    atomic_fetch_sub(&web->scrapes, 1);
}

/*
 * One thread formats, so scrapes that are under way are mostly those whose
 * clients are slow to take them, and each holds a whole document.
 */
static void serve_metrics(struct web *web, const struct visit *visit,
                          struct http_response *response)
{
    unsigned others = atomic_fetch_add(&web->scrapes, 1);

    response->sent = end_scrape;
    response->sent_self = web;
    if (web->max_scrapes && others >= web->max_scrapes)
        http_text(response, HTTP_UNAVAILABLE,
                  "%u scrapes are being answered already (--web.max-requests); try again", others);
    else
        format_metrics(web, visit, response);
}

static void serve_healthy(struct web *web, const struct visit *visit,
                          struct http_response *response)
{
    (void)web;
    if (visit->snapshot->healthy)
        http_text(response, HTTP_OK, "healthy");
    else
        http_text(response, HTTP_UNAVAILABLE,
                  "not healthy: one of the agent's loops has not moved for a minute");
}

static void serve_ready(struct web *web, const struct visit *visit, struct http_response *response)
{
    (void)web;
    if (visit->snapshot->ready)
        http_text(response, HTTP_OK, "ready");
    else
        http_text(response, HTTP_UNAVAILABLE,
                  "not ready: the first list of this node's pods has not arrived yet");
}

static void serve_landing(struct web *web, const struct visit *visit,
                          struct http_response *response)
{
    struct buf *out = &response->body;

    (void)visit;
    response->content_type = HTTP_HTML;
    buf_add(out, STR("<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">"
                     "<title>imagepull-exporter</title></head>\n<body>\n"
                     "<h1>imagepull-exporter</h1>\n"
                     "<p>Tells why an image cannot be pulled on this node. Version "));
    http_add_html(out, web->version);
    buf_add(out, STR(", revision "));
    http_add_html(out, web->revision);
    buf_add(out, STR(".</p>\n<ul>\n<li><a href=\""));
    http_add_html(out, web->metrics_path);
    buf_add(out, STR("\">Metrics</a></li>\n"
                     "<li><a href=\"/-/healthy\">Healthy?</a></li>\n"
                     "<li><a href=\"/-/ready\">Ready?</a></li>\n</ul>\n"
                     "<p>Messages and details are on the debug address, "
                     "--debug.listen-address.</p>\n</body>\n</html>\n"));
}

typedef void serve_fn(struct web *web, const struct visit *visit, struct http_response *response);

static const struct route {
    const char *path;
    serve_fn *serve;
} routes[] = {
    { "/", serve_landing },      { "/-/healthy", serve_healthy }, { "/healthz", serve_healthy },
    { "/-/ready", serve_ready }, { "/readyz", serve_ready },
};

/* NULL: nothing is served there. */
static serve_fn *find_route(const char *path)
{
    for (size_t i = 0; i < ARRAY_SIZE(routes); i++)
        if (strcmp(routes[i].path, path) == 0)
            return routes[i].serve;
    return NULL;
}

bool web_is_public(const char *path)
{
    serve_fn *serve = find_route(path);

    return serve == serve_healthy || serve == serve_ready;
}

int web_check_path(const char *path, struct err *err)
{
    if (path[0] != '/')
        return err_set(err, -EINVAL, "'%s' does not begin with '/'", path);
    for (const char *at = path; *at; at++)
        if (*at <= ' ' || *at > '~' || *at == '?' || *at == '#')
            return err_set(err, -EINVAL, "'%s': no URL's path has the byte 0x%02x", path,
                           (unsigned char)*at);
    if (find_route(path))
        return err_set(err, -EINVAL, "'%s' has another answer already", path);
    return 0;
}

void web_handle(void *self, const struct http_request *request, struct http_response *response)
{
    struct web *web = self;
    serve_fn *serve =
        strcmp(request->path, web->metrics_path) == 0 ? serve_metrics : find_route(request->path);
    struct snapshot snapshot;
    struct err err = ERR_INIT;

    if (!serve) {
        http_text(response, HTTP_NOT_FOUND, "nothing is served here; / lists what there is");
        return;
    }
    if (!http_reads(request)) {
        http_text(response, HTTP_METHOD_NOT_ALLOWED, "%s takes GET and HEAD only", request->path);
        response->allow = HTTP_READ_METHODS;
        return;
    }
    if (web->source.take(web->source.self, SNAPSHOT_METRICS, &snapshot, &err) < 0) {
        http_text(response, HTTP_UNAVAILABLE, "no picture of the agent this time: %s", err.text);
        return;
    }
    serve(web, &(struct visit){ .request = request, .snapshot = &snapshot }, response);
    snapshot_done(&snapshot);
}

void web_init(struct web *ret, const struct snapshot_source *source,
              const struct web_config *config)
{
    *ret = (struct web){
        .source = *source,
        .version = config->version,
        .revision = config->revision,
        .metrics_path = config->metrics_path,
        .max_scrapes = config->max_scrapes,
        .start_us = process_start_us(PROC),
    };
}
