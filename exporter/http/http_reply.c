/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/http/http_reply.h"

#include <microhttpd.h>

#include "exporter/http/guard.h"
#include "exporter/http/http.h"
#include "mem.h"

static bool header(struct MHD_Response *reply, const char *name, const char *value)
{
    return !value || MHD_add_response_header(reply, name, value) == MHD_YES;
}

/* libmicrohttpd hands it back when the answer was sent or the client disconnected. */
struct sending {
    char *body;
    void (*sent)(void *self);
    void *self;
};

static void sending_end(void *cls)
{
    struct sending *sending = cls;

    if (sending->sent)
        sending->sent(sending->self);
    mem_free(sending->body);
    mem_free(sending);
}

/* libmicrohttpd takes over the memory of the body; nothing is copied. */
static struct MHD_Response *reply_from(struct http_response *response)
{
    struct buf *body = &response->body;
    struct sending *sending = mem_alloc(sizeof(*sending));
    struct MHD_Response *reply;

    if (!sending)
        return NULL;
    *sending = (struct sending){ body->at, response->sent, response->sent_self };
    reply = MHD_create_response_from_buffer_with_free_callback_cls(body->len, body->at, sending_end,
                                                                   sending);
    if (!reply) {
        mem_free(sending);
        return NULL;
    }
    body->at = NULL;
    response->sent = NULL;
    return reply;
}

static struct MHD_Response *make_reply(struct http_response *response)
{
    struct MHD_Response *reply = reply_from(response);

    if (!reply)
        return NULL;
    if (header(reply, "Content-Type", response->content_type) &&
        header(reply, "Content-Encoding", response->encoding) &&
        header(reply, "Vary", response->vary) && header(reply, "Allow", response->allow) &&
        header(reply, "WWW-Authenticate", response->challenge) &&
        header(reply, "Cache-Control", response->no_store ? "no-store" : NULL) &&
        header(reply, "Content-Security-Policy",
               response->content_policy[0] ? response->content_policy : NULL) &&
        header(reply, "X-Content-Type-Options", "nosniff"))
        return reply;
    MHD_destroy_response(reply);
    return NULL;
}

/* The headers of --web.config.file. They replace ours of the same name. */
static void add_headers(struct MHD_Response *reply, const struct guard_rules *rules)
{
    const char *name, *value, *ours;

    for (size_t i = 0; rules && guard_rules_header(rules, i, &name, &value); i++) {
        ours = MHD_get_response_header(reply, name);
        if (ours)
            MHD_del_response_header(reply, name, ours);
        header(reply, name, value);
    }
}

bool http_reply_send(struct MHD_Connection *connection, struct http_response *response,
                     const struct guard_rules *rules)
{
    bool queued = false;
    struct MHD_Response *reply;

    if (buf_error(&response->body)) {
        http_text(response, HTTP_SERVER_ERROR,
                  "the answer is too large, or there is no memory for it");
        response->encoding = NULL;
    }
    reply = make_reply(response);
    if (reply) {
        add_headers(reply, rules);
        queued = MHD_queue_response(connection, (unsigned)response->status, reply) == MHD_YES;
        MHD_destroy_response(reply);
    }
    if (response->sent)
        response->sent(response->sent_self);
    buf_done(&response->body);
    return queued;
}
