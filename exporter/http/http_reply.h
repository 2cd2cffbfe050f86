/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* From a struct http_response to libmicrohttpd's own; a part of http_server.c. */

#include <stdbool.h>

struct MHD_Connection;
struct guard_rules;
struct http_response;

/* Answers and releases `response`. False where there is no memory to answer: the connection is to
 * be closed then. `rules`, which may be NULL, have headers for it. */
bool http_reply_send(struct MHD_Connection *connection, struct http_response *response,
                     const struct guard_rules *rules);
