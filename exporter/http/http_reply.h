/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Turns a struct http_response into libmicrohttpd's; part of http_server.c. */

#include <stdbool.h>

struct MHD_Connection;
struct guard_rules;
struct http_budget;
struct http_response;

/* Sends and releases `response`. Returns false if there is no memory to answer; the caller then
 * closes the connection. `rules` may be NULL; they add headers. The body's memory
 * is given back to `budget` when the client has it; the caller took it. NULL: no budget. */
bool http_reply_send(struct MHD_Connection *connection, struct http_response *response,
                     const struct guard_rules *rules, struct http_budget *budget);
