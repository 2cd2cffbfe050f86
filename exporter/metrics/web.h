/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The routes of a web listener. Nothing here shows a message or the name of a Secret: everybody who
 * reaches the port may read it. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "exporter/http/http.h"
#include "exporter/metrics/page_cache.h"
#include "snapshot.h"

struct http_budget;
struct limit_hits;

struct web {
    struct snapshot_source source;
    const char *version;
    const char *revision;
    const char *metrics_path;
    unsigned max_scrapes; /* how many are answered at the same time; 0: no limit */
    bool without_self;    /* nothing about this process */
    bool created;         /* _created lines in OpenMetrics */
    atomic_uint scrapes;
    struct limit_hits *limit_hits;
    struct http_budget *budget; /* of the pages that are kept; NULL: no limit */
    struct page_cache pages;
    const atomic_uint *debug_down;
    int64_t start_us;       /* start time of the process */
    atomic_size_t left_out; /* info series that the last scrape left out */
};

struct web_settings {
    const char *metrics_path; /* --web.telemetry-path */
    unsigned max_scrapes;     /* --web.max-requests */
    bool without_self;        /* --metrics.self=off */
    bool created;             /* --metrics.created=on */
    struct limit_hits *limit_hits;
    struct http_budget *budget;    /* memory of all answers */
    const atomic_uint *debug_down; /* debug addresses that are not served; NULL: all are */
    const char *version;
    const char *revision;
};

/* The texts, limit_hits, budget and debug_down must live as long as `ret`. web_done(). */
void web_init(struct web *ret, const struct snapshot_source *source,
              const struct web_settings *settings);
void web_done(struct web *web);

/* True for the probes: the kubelet has no password, and they reveal only that the agent works. For
 * struct http_handler. */
bool web_is_public(const char *path);

/* Checks --web.telemetry-path: it begins with '/', has no bytes that a URL path cannot have, and is
 * not the path of another route. */
int web_check_path(const char *path, struct err *err);

/* For struct http_handler; `self` is a struct web. */
void web_handle(void *self, const struct http_request *request, struct http_response *response);
