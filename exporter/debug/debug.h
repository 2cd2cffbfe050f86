/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The routes of the debug listener. Its answers show messages and names of Secrets, so they are for
 * people on the node. A web page from elsewhere must not read them: an attacker can let a DNS name
 * point to 127.0.0.1 (DNS rebinding), but the browser still sends that name as the Host header. So
 * only the names of this machine are answered, and no page may POST. Errors are JSON too, except
 * those of http_server.c (head or body too large).
 */

#include <stdatomic.h>

#include "exporter/http/http.h"
#include "snapshot.h"

struct limit_hits;

struct debug {
    struct snapshot_source source;
    atomic_bool sends_large; /* a large answer is being sent, and holds its snapshot */
    atomic_bool answers;     /* a request of one of the listeners is being answered */
    struct limit_hits *limit_hits;
    /* see struct exporter_config */
    int (*explain)(struct buf *out, struct str message, struct err *err);
};

/* For struct http_handler; `self` is a struct debug. */
void debug_handle(void *self, const struct http_request *request, struct http_response *response);
