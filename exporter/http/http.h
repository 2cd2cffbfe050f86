/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A request and its answer, as the routes see them: no library, no socket.
 * http_server.c carries them.
 */

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "str.h"
#include "util.h"

enum http_status {
    HTTP_OK = 200,
    HTTP_BAD_REQUEST = 400,
    HTTP_UNAUTHORIZED = 401,
    HTTP_FORBIDDEN = 403,
    HTTP_NOT_FOUND = 404,
    HTTP_METHOD_NOT_ALLOWED = 405,
    HTTP_CONTENT_TOO_LARGE = 413,
    HTTP_SERVER_ERROR = 500,
    HTTP_UNAVAILABLE = 503,
};

/* Lives as long as the call it is handed to. */
struct http_request {
    const char *method;
    const char *path;   /* as sent, percent escapes and all, without the query */
    const char *host;   /* the Host header, NULL where none was sent */
    const char *origin; /* as host: the site whose page a browser sends this for */
    const char *accept; /* as host */
    const char *accept_encoding;
    struct str body; /* at most the handler's max_body; empty with GET and HEAD */
};

struct http_response {
    enum http_status status;
    const char *content_type; /* static */
    const char *allow;        /* static; the methods, with a 405, else NULL */
    const char *challenge;    /* static; WWW-Authenticate, with a 401, else NULL */
    const char *encoding;     /* static; Content-Encoding, or NULL */
    const char *vary;         /* static; the request's headers that made a difference, or NULL */
    bool no_store;            /* no cache may keep it */
    char content_policy[256]; /* Content-Security-Policy; "": none */
    struct buf body;          /* taken over by the server */
    /* Called with `sent_self` when the body is sent or the client has gone, on the server's thread;
     * NULL: nobody needs to know. A response that has it must be handed to the server. */
    void (*sent)(void *sent_self);
    void *sent_self;
};

/* Who answers. Called on the server's thread, one request at a time. */
struct http_handler {
    void *self;
    /* `response` comes with status 200, an empty body and nothing else set. An error that sticks in
     * the body becomes a 500. */
    void (*handle)(void *self, const struct http_request *request, struct http_response *response);
    /* Whether a path is served without a password where others want one; NULL: none is. */
    bool (*is_public)(const char *path);
    size_t max_body; /* that a request may bring, if it is not GET or HEAD; more is a 413 */
};

#define HTTP_TEXT "text/plain; charset=utf-8"
#define HTTP_HTML "text/html; charset=utf-8"
#define HTTP_JSON "application/json"

#define HTTP_READ_METHODS "GET, HEAD"

/* GET or HEAD. */
bool http_reads(const struct http_request *request);

/* Makes `response` one line of plain text in place of what it was. */
void http_text(struct http_response *response, enum http_status status, const char *format, ...)
    PRINTF_LIKE(3, 4);

/*
 * Takes the percent escapes out of one path segment. Writes at most `size`
 * bytes, terminated. Returns false for a broken escape, a NUL, and for what is
 * too long; `ret` is undefined then.
 */
bool http_unescape(struct str segment, char *ret, size_t size);

/* Appends `text` so that HTML shows it as it is, also inside a quoted attribute. */
void http_add_html(struct buf *out, const char *text);
