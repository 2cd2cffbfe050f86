/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/metrics/web.h"

#include <errno.h>
#include <string.h>

#include "exporter/http/gzip.h"
#include "exporter/http/limit_hits.h"
#include "exporter/http/shared_body.h"
#include "exporter/metrics/exposition.h"
#include "exporter/metrics/metrics.h"
#include "exporter/metrics/negotiate.h"
#include "exporter/metrics/process_metrics.h"
#include "limit.h"
#include "util.h"

#define PROC "/proc"

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

/* A smaller answer fits in one packet anyway. */
#define GZIP_BYTES_MIN 1024u

struct visit {
    const struct http_request *request;
    struct page_basis now;
};

static unsigned debug_down(const struct web *web)
{
    return web->debug_down ? atomic_load(web->debug_down) : 0;
}

static int write_metrics(struct web *web, const struct snapshot *snapshot,
                         enum exposition_format format, struct buf *out, struct err *err)
{
    struct process_stats process;
    struct metrics_input input = {
        .format = format,
        .snapshot = snapshot,
        .created = web->created,
        .version = web->version,
        .revision = web->revision,
        .compiler = COMPILER,
        .limit_hits = web->limit_hits,
        .debug_down = debug_down(web),
        .info_left_out_before = atomic_load(&web->left_out),
    };
    size_t left_out;
    int r;

    if (!web->without_self) {
        process_stats_read(PROC, web->start_us, &process);
        input.process = &process;
    }
    r = metrics_write(out, &input, &left_out, err);
    if (r == -E2BIG)
        limit_hits_add(web->limit_hits, LIMIT_HIT_ANSWER_BODY, 1);
    if (r < 0)
        return r;

    /* With several web listeners, two scrapes at once may count the same growth twice. */
    if (left_out > input.info_left_out_before)
        limit_hits_add(web->limit_hits, LIMIT_HIT_INFO_SERIES,
                       left_out - input.info_left_out_before);
    atomic_store(&web->left_out, left_out);
    return 0;
}

static bool take_snapshot(struct web *web, struct snapshot *ret, struct http_response *response)
{
    struct err err = ERR_INIT;

    if (web->source.take(web->source.self, SNAPSHOT_METRICS, ret, &err) == 0)
        return true;
    http_text(response, HTTP_UNAVAILABLE, "cannot take a snapshot: %s", err.text);
    return false;
}

/* Fills `basis` with what the page shows. */
static bool format_metrics(struct web *web, enum exposition_format format, struct page_basis *basis,
                           struct http_response *response)
{
    struct snapshot snapshot;
    struct err err = ERR_INIT;
    int r;

    if (!take_snapshot(web, &snapshot, response))
        return false;
    basis->changes = snapshot.changes;
    basis->at_us = snapshot.taken.mono_us;
    r = write_metrics(web, &snapshot, format, &response->body, &err);
    snapshot_done(&snapshot);
    if (r < 0)
        http_text(response, HTTP_SERVER_ERROR, "cannot write the metrics: %s", err.text);
    return r == 0;
}

/* A large page is not kept: it would take the memory of the other answers. */
static void keep_page(struct web *web, enum exposition_format format,
                      const struct page_basis *basis, struct http_response *response)
{
    response->share = shared_body_new(&response->body, web->budget);
    if (response->share)
        page_cache_put(&web->pages, format, response->encoding != NULL, basis, response->share);
}

static void answer_metrics(struct web *web, const struct visit *visit,
                           struct http_response *response)
{
    enum exposition_format format = negotiate_format(visit->request->accept);
    bool gzip = negotiate_gzip(visit->request->accept_encoding);
    struct page_basis basis = visit->now;
    size_t len;

    response->vary = "Accept, Accept-Encoding";
    response->content_type = exposition_content_type(format);
    response->share = page_cache_get(&web->pages, format, gzip, &basis);
    if (response->share) {
        response->encoding = gzip ? "gzip" : NULL;
        return;
    }
    response->body.max = LIMIT_METRICS_BODY;
    if (!format_metrics(web, format, &basis, response))
        return;
    len = response->body.len;
    /* Without memory for gzip the answer is sent uncompressed. */
    if (gzip && len >= GZIP_BYTES_MIN && gzip_replace(&response->body, NULL) == 0)
        response->encoding = "gzip";
    if (len <= LIMIT_CACHED_PAGE)
        keep_page(web, format, &basis, response);
}

static void end_scrape(void *self)
{
    struct web *web = self;

    atomic_fetch_sub(&web->scrapes, 1);
}

/* A scrape counts until its client has read it: each one holds a whole document, and a client may
 * be slow. */
static void serve_metrics(struct web *web, const struct visit *visit,
                          struct http_response *response)
{
    unsigned others = atomic_fetch_add(&web->scrapes, 1);

    response->sent = end_scrape;
    response->sent_self = web;
    if (!web->max_scrapes || others < web->max_scrapes) {
        answer_metrics(web, visit, response);
        return;
    }
    limit_hits_add(web->limit_hits, LIMIT_HIT_SCRAPES, 1);
    http_text(response, HTTP_UNAVAILABLE,
              "%u scrapes are running, the maximum of --web.max-requests; try again", others);
}

static void serve_healthy(struct web *web, const struct visit *visit,
                          struct http_response *response)
{
    struct snapshot snapshot;

    (void)visit;
    if (!take_snapshot(web, &snapshot, response))
        return;
    if (snapshot.healthy)
        http_text(response, HTTP_OK, "healthy");
    else
        http_text(response, HTTP_UNAVAILABLE,
                  "not healthy: a thread of the agent has made no progress for a minute");
    snapshot_done(&snapshot);
}

static void serve_ready(struct web *web, const struct visit *visit, struct http_response *response)
{
    struct snapshot snapshot;

    (void)visit;
    if (!take_snapshot(web, &snapshot, response))
        return;
    if (snapshot.ready)
        http_text(response, HTTP_OK, "ready");
    else
        http_text(response, HTTP_UNAVAILABLE,
                  "not ready: waiting for the first list of this node's pods");
    snapshot_done(&snapshot);
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
                     "<p>Explains why images cannot be pulled on this node. Version "));
    http_add_html(out, web->version);
    buf_add(out, STR(", revision "));
    http_add_html(out, web->revision);
    buf_add(out, STR(".</p>\n<ul>\n<li><a href=\""));
    http_add_html(out, web->metrics_path);
    buf_add(out, STR("\">Metrics</a></li>\n"
                     "<li><a href=\"/-/healthy\">Health</a></li>\n"
                     "<li><a href=\"/-/ready\">Readiness</a></li>\n</ul>\n"
                     "<p>The debug listener has messages and details: "
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

/* NULL: not found. */
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
        return err_set(err, -EINVAL, "'%s' does not start with '/'", path);
    for (const char *at = path; *at; at++)
        if (*at <= ' ' || *at > '~' || *at == '?' || *at == '#')
            return err_set(err, -EINVAL, "'%s': a URL path cannot contain the byte 0x%02x", path,
                           (unsigned char)*at);
    if (find_route(path))
        return err_set(err, -EINVAL, "'%s' is the path of another answer", path);
    return 0;
}

static struct page_basis basis_of_now(struct web *web)
{
    struct page_basis now = { .debug_down = debug_down(web) };
    struct instant instant;

    now.changes = web->source.changes(web->source.self, &instant);
    now.at_us = instant.mono_us;
    for (enum limit limit = 0; limit < LIMIT_HIT_MAX; limit++)
        now.limit_hits += atomic_load(&web->limit_hits->counts[limit]);
    return now;
}

void web_handle(void *self, const struct http_request *request, struct http_response *response)
{
    struct web *web = self;
    serve_fn *serve =
        strcmp(request->path, web->metrics_path) == 0 ? serve_metrics : find_route(request->path);
    struct visit visit = { .request = request };

    if (!serve) {
        http_text(response, HTTP_NOT_FOUND, "no such page; see / for a list");
        return;
    }
    if (!http_reads(request)) {
        http_text(response, HTTP_METHOD_NOT_ALLOWED, "%s accepts GET and HEAD only", request->path);
        response->allow = HTTP_READ_METHODS;
        return;
    }
    visit.now = basis_of_now(web);
    page_cache_drop_stale(&web->pages, &visit.now); /* also when only probes come */
    serve(web, &visit, response);
}

void web_init(struct web *ret, const struct snapshot_source *source,
              const struct web_settings *settings)
{
    *ret = (struct web){
        .source = *source,
        .version = settings->version,
        .revision = settings->revision,
        .metrics_path = settings->metrics_path,
        .max_scrapes = settings->max_scrapes,
        .without_self = settings->without_self,
        .created = settings->created,
        .limit_hits = settings->limit_hits,
        .budget = settings->budget,
        .debug_down = settings->debug_down,
        .start_us = process_start_us(PROC),
    };
    page_cache_init(&ret->pages);
}

void web_done(struct web *web)
{
    page_cache_done(&web->pages);
}
