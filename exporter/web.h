/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The routes of the scrape listener. Nothing here shows a message or a Secret's
 * name: whoever can reach the port may read it.
 */

#include <stdatomic.h>
#include <stdint.h>

#include "exporter/http.h"
#include "snapshot.h"

struct web {
    struct snapshot_source source;
    const char *version;
    const char *revision;
    int64_t start_us;               /* of the process */
    atomic_size_t left_out;         /* info series that the last scrape left out ... */
    atomic_uint_fast64_t left_outs; /* ... and how many were newly left out so far */
};

/* Fields are copied; `version` and `revision` must live as long as `ret`. */
void web_init(struct web *ret, const struct snapshot_source *source, const char *version,
              const char *revision);

/* For struct http_handler; `self` is a struct web. */
void web_handle(void *self, const struct http_request *request, struct http_response *response);
