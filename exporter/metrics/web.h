/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The routes of the scrape listener. Nothing here shows a message or a Secret's
 * name: whoever can reach the port may read it.
 */

#include <stdatomic.h>
#include <stdint.h>

#include "exporter/http/http.h"
#include "snapshot.h"

struct web {
    struct snapshot_source source;
    const char *version;
    const char *revision;
    const char *metrics_path;
    unsigned max_scrapes; /* that are answered or sent at one time; 0: as many as come */
    atomic_uint scrapes;
    int64_t start_us;               /* of the process */
    atomic_size_t left_out;         /* info series that the last scrape left out ... */
    atomic_uint_fast64_t left_outs; /* ... and how many were newly left out so far */
};

struct web_config {
    const char *metrics_path; /* --web.telemetry-path */
    unsigned max_scrapes;     /* --web.max-requests */
    const char *version;
    const char *revision;
};

/* Fields are copied; the texts must live as long as `ret`. */
void web_init(struct web *ret, const struct snapshot_source *source,
              const struct web_config *config);

/* The probes: a kubelet has no password, and they tell nothing but that the agent lives. For struct
 * http_handler. */
bool web_is_public(const char *path);

/* Whether metrics can be served at `path`: it begins with '/', is one that HTTP can carry, and no
 * other answer has it. */
int web_check_path(const char *path, struct err *err);

/* For struct http_handler; `self` is a struct web. */
void web_handle(void *self, const struct http_request *request, struct http_response *response);
