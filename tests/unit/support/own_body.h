/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "exporter/http/http.h"
#include "exporter/http/shared_body.h"
#include "limit.h"

/* Copies a shared body into `response->body`, so that a test reads both kinds in the same way. */
static inline void own_body(struct http_response *response)
{
    if (!response->share)
        return;
    response->body.max = LIMIT_METRICS_BODY;
    buf_add(&response->body, shared_body_text(response->share));
    shared_body_unref(response->share);
    response->share = NULL;
}
