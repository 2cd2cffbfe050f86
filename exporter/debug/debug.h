/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The routes of the debug listener: it shows messages and Secret names, so it is
 * for the node's own people. A page in somebody's browser must not read it: DNS
 * can be made to point any name at 127.0.0.1, but not to change the Host header
 * the browser then sends, so only requests to this machine's own names are
 * answered, and no page may POST. Errors are JSON, as the answers are, but for those of
 * http_server.c itself (a head or a body that is too large).
 */

#include "exporter/http/http.h"
#include "snapshot.h"

struct debug {
    struct snapshot_source source;
    /* exporter.h, struct exporter_config */
    int (*explain)(struct buf *out, struct str message, struct err *err);
};

/* For struct http_handler; `self` is a struct debug. */
void debug_handle(void *self, const struct http_request *request, struct http_response *response);

/* Whether `host`, a Host header, is a name of this machine: localhost, 127.x.x.x or [::1], with any
 * port; also NULL, for clients that send none. */
bool debug_host_allowed(const char *host);
