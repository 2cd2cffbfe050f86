/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A request and its answer as the routes see them, without library and socket. http_server.c
 * receives and sends them. */

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

/* Valid during the call of the handler. */
struct http_request {
    const char *method;
    const char *path;   /* with percent escapes, without the query */
    const char *host;   /* the Host header; NULL: not sent */
    const char *origin; /* NULL or the site whose page made a browser send this */
    const char *accept; /* NULL: not sent */
    const char *accept_encoding;
    struct str body; /* at most the handler's max_body; empty for GET and HEAD */
};

/* A body that is made while it is sent, so that it is never in memory as a whole. */
struct http_stream {
    void *self;
    /* Appends the next part to `out`, which is empty; nothing: the end. A negative errno cuts the
     * connection, so that the client notices that the body is incomplete. */
    int (*next)(void *self, struct buf *out);
};

struct shared_body;

struct http_response {
    enum http_status status;
    const char *content_type;  /* static */
    const char *allow;         /* static; the methods, for a 405; else NULL */
    const char *challenge;     /* static; WWW-Authenticate, for a 401; else NULL */
    const char *retry_after;   /* static; seconds, for a 503; else NULL */
    const char *encoding;      /* static; Content-Encoding, or NULL */
    const char *vary;          /* static; the request headers that the answer depends on, or NULL */
    bool no_store;             /* caches must not store it */
    char content_policy[256];  /* Content-Security-Policy; "": none */
    struct buf body;           /* the server takes it over */
    struct http_stream stream; /* instead of `body`, if `next` is not NULL */
    struct shared_body *share; /* instead of `body`, if not NULL: one owner, for the server */
    /* Called on the server's thread when the body was sent or the client disconnected; may be NULL.
     * A response that has it must be given to the server. */
    void (*sent)(void *sent_self);
    void *sent_self;
};

/* Called on the server's thread, one request at a time. */
struct http_handler {
    void *self;
    /* `response` has status 200 and an empty body; nothing else is set. If the body has an error,
     * the client gets a 500. */
    void (*handle)(void *self, const struct http_request *request, struct http_response *response);
    /* Whether this path needs no password although the others do. NULL: all need one. */
    bool (*is_public)(const char *path);
    size_t max_body; /* bytes of a body; a larger one gets a 413. 0: bodies are not read */
};

#define HTTP_TEXT "text/plain; charset=utf-8"
#define HTTP_HTML "text/html; charset=utf-8"
#define HTTP_JSON "application/json"

#define HTTP_READ_METHODS "GET, HEAD"

/* Whether the method is GET or HEAD. */
bool http_reads(const struct http_request *request);

/* Replaces the answer with one line of plain text. */
void http_text(struct http_response *response, enum http_status status, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Decodes the percent escapes of one path segment into `ret`, with a terminating NUL. Returns false
 * for a broken escape, a NUL byte, or a text that does not fit; `ret` is undefined then. */
bool http_unescape(struct str segment, char *ret, size_t size);

/* Appends `text`, escaped for HTML, also for a quoted attribute. */
void http_add_html(struct buf *out, const char *text);
