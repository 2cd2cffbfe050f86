/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/http/http_reply.h"

#include <string.h>

#include <microhttpd.h>

#include "exporter/http/guard.h"
#include "exporter/http/http.h"
#include "exporter/http/http_budget.h"
#include "exporter/http/shared_body.h"
#include "limit.h"
#include "mem.h"

#define STREAM_BLOCK (16u << 10) /* bytes that libmicrohttpd asks for at once */

static bool header(struct MHD_Response *reply, const char *name, const char *value)
{
    return !value || MHD_add_response_header(reply, name, value) == MHD_YES;
}

/* libmicrohttpd hands it back when the answer was sent or the client disconnected. */
struct sending {
    char *body; /* NULL for a stream or a share */
    size_t size;
    struct http_budget *budget;
    struct shared_body *share;
    struct http_stream stream;
    struct buf part;  /* of the stream ... */
    size_t sent_part; /* ... and how much of it is sent */
    void (*sent)(void *self);
    void *self;
};

static void sending_end(void *cls)
{
    struct sending *sending = cls;

    if (sending->sent)
        sending->sent(sending->self);
    http_budget_give(sending->budget, sending->size);
    mem_free(sending->body);
    shared_body_unref(sending->share);
    buf_done(&sending->part);
    mem_free(sending);
}

/* Called when the client can take more. */
static ssize_t next_bytes(void *cls, uint64_t at, char *ret, size_t size)
{
    struct sending *sending = cls;
    struct str left = str_skip(buf_str(&sending->part), sending->sent_part);

    (void)at;
    if (left.len == 0) {
        buf_reset(&sending->part);
        sending->sent_part = 0;
        if (sending->stream.next(sending->stream.self, &sending->part) < 0)
            return MHD_CONTENT_READER_END_WITH_ERROR;
        left = buf_str(&sending->part);
    }
    if (!left.at || left.len == 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    left = str_head(left, size);
    memcpy(ret, left.at, left.len);
    sending->sent_part += left.len;
    return (ssize_t)left.len;
}

/* libmicrohttpd does not write into the body. */
static struct MHD_Response *reply_with(const struct http_response *response,
                                       struct sending *sending)
{
    struct str text =
        response->share ? shared_body_text(response->share) : buf_str(&response->body);

    if (response->stream.next)
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, next_bytes,
                                                 sending, sending_end);
    return MHD_create_response_from_buffer_with_free_callback_cls(text.len, (char *)text.at,
                                                                  sending_end, sending);
}

/* libmicrohttpd takes over the memory of the body; nothing is copied. */
static struct MHD_Response *reply_from(struct http_response *response, struct http_budget *budget)
{
    struct buf *body = &response->body;
    struct sending *sending = mem_alloc(sizeof(*sending));
    struct MHD_Response *reply;

    if (!sending)
        return NULL;
    *sending = (struct sending){
        .stream = response->stream,
        .sent = response->sent,
        .self = response->sent_self,
    };
    buf_init(&sending->part, LIMIT_DEBUG_MEMBER);
    reply = reply_with(response, sending);
    if (!reply) {
        mem_free(sending);
        return NULL;
    }
    response->sent = NULL;
    sending->share = TAKE_PTR(response->share);
    if (response->stream.next || sending->share)
        return reply;
    sending->body = body->at;
    sending->size = body->size;
    sending->budget = budget;
    body->at = NULL;
    return reply;
}

static struct MHD_Response *make_reply(struct http_response *response, struct http_budget *budget)
{
    struct MHD_Response *reply = reply_from(response, budget);

    if (!reply)
        return NULL;
    if (header(reply, "Content-Type", response->content_type) &&
        header(reply, "Content-Encoding", response->encoding) &&
        header(reply, "Vary", response->vary) && header(reply, "Allow", response->allow) &&
        header(reply, "WWW-Authenticate", response->challenge) &&
        header(reply, "Retry-After", response->retry_after) &&
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
                     const struct guard_rules *rules, struct http_budget *budget)
{
    bool queued = false;
    struct MHD_Response *reply;

    reply = make_reply(response, budget);
    if (reply) {
        add_headers(reply, rules);
        queued = MHD_queue_response(connection, (unsigned)response->status, reply) == MHD_YES;
        MHD_destroy_response(reply);
    }
    if (response->body.at)
        http_budget_give(budget, response->body.size); /* it was not handed over */
    if (response->sent)
        response->sent(response->sent_self);
    shared_body_unref(response->share);
    buf_done(&response->body);
    return queued;
}
