/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/stream.h"

#include <assert.h>
#include <stdio.h>

#include "limit.h"
#include "log.h"

static struct stream *stream_from(void *self)
{
    struct stream *stream = self;

    assert(stream && stream->magic == STREAM_MAGIC);
    return stream;
}

void stream_init(struct stream *stream, const struct reflector_config *config,
                 struct client *client, const struct clock *clock, const char *subject)
{
    *stream = (struct stream){ .magic = STREAM_MAGIC, .client = client, .clock = clock };
    snprintf(stream->subject, sizeof(stream->subject), "%s", subject);
    reflector_init(&stream->reflector, config, clock_now(clock));
}

void stream_done(struct stream *stream)
{
    struct stream *done = stream_from(stream);

    client_cancel(done->request);
    reflector_done(&done->reflector, clock_now(done->clock));
    done->magic = 0;
}

/* --- the client calls back -------------------------------------------------------------------- */

static void on_answered(void *self, int status, const char *content_type)
{
    struct stream *stream = stream_from(self);

    reflector_answered(&stream->reflector, clock_now(stream->clock), status, content_type);
}

static int on_received(void *self, struct str bytes)
{
    struct stream *stream = stream_from(self);

    return reflector_received(&stream->reflector, clock_now(stream->clock), bytes);
}

static void on_ended(void *self, const struct client_end *end)
{
    struct stream *stream = stream_from(self);
    const struct transfer_end transfer = { .complete = end->complete,
                                           .by_peer = end->by_peer,
                                           .text = end->text,
                                           .retry_after_us = end->retry_after_us };

    stream->request = NULL;
    reflector_ended(&stream->reflector, clock_now(stream->clock), &transfer);
}

/* --- steps ------------------------------------------------------------------------------------ */

static const char *component(const struct stream *stream)
{
    return source_name(stream->reflector.config.health->source);
}

/* For the reflector, a cancelled request ends like any other. */
static void cancel(struct stream *stream, const char *why)
{
    const struct transfer_end end = { .text = why };

    client_cancel(stream->request);
    stream->request = NULL;
    reflector_ended(&stream->reflector, clock_now(stream->clock), &end);
}

static void ask(struct stream *stream)
{
    const struct client_handler handler = {
        .self = stream, .answered = on_answered, .received = on_received, .ended = on_ended
    };
    const bool watch = reflector_asks_watch(&stream->reflector);
    struct buf target;

    buf_init(&target, LIMIT_TARGET);
    reflector_ask(&stream->reflector, clock_now(stream->clock), &target);
    log_debug(component(stream), "GET %s", target.at ? target.at : "");
    if (!buf_error(&target))
        stream->request = client_get(stream->client, buf_str(&target), watch, &handler);
    if (!stream->request)
        cancel(stream, "no memory for a request");
    buf_done(&target);
}

static void log_change(const struct stream *stream, const struct reflector_change *change)
{
    if (change->kind == CHANGE_RECOVERED)
        log_info(component(stream), "%s %s works again after %u failure%s in %.1fs", change->doing,
                 stream->subject, change->failures, change->failures == 1 ? "" : "s",
                 (double)change->failed_for_us / SEC);
    else if (change->kind == CHANGE_RESTS)
        log_info(component(stream), "%s", change->text);
    else
        log_line(change->kind == CHANGE_FAILED ? LOG_WARN : LOG_DEBUG, component(stream),
                 "%s %s: %s; retrying in %.1fs", change->doing, stream->subject, change->text,
                 (double)change->retry_in_us / SEC);
}

int64_t stream_step(struct stream *stream)
{
    struct reflector *reflector = &stream_from(stream)->reflector;
    struct reflector_change change;

    if (stream->request && reflector_late(reflector, clock_now(stream->clock)))
        cancel(stream, "timeout");
    if (reflector_due(reflector, clock_now(stream->clock)))
        ask(stream);
    if (reflector_take_change(reflector, &change)) {
        stream->recovered |= change.kind == CHANGE_RECOVERED;
        log_change(stream, &change);
    }
    if (!reflector->config.from_kubelet && intake_take_empty_first_list(&reflector->intake))
        log_info(component(stream), "no %s; check --node-name", stream->subject);
    return reflector_deadline_us(reflector);
}

bool stream_take_recovered(struct stream *stream)
{
    const bool recovered = stream_from(stream)->recovered;

    stream->recovered = false;
    return recovered;
}

bool stream_take_stuck(struct stream *stream)
{
    return reflector_take_stuck(&stream_from(stream)->reflector);
}

void stream_wake(struct stream *stream)
{
    reflector_wake(&stream_from(stream)->reflector, clock_now(stream->clock));
}
