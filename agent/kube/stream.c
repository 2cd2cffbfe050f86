/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/stream.h"

#include <assert.h>
#include <stdio.h>

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

/* For the reflector, what is broken off has ended like everything else. */
static void break_off(struct stream *stream, const char *why)
{
    const struct transfer_end end = { .text = why };

    client_cancel(stream->request);
    stream->request = NULL;
    reflector_ended(&stream->reflector, clock_now(stream->clock), &end);
}

void stream_done(struct stream *stream)
{
    struct stream *gone = stream_from(stream);

    client_cancel(gone->request);
    reflector_done(&gone->reflector, clock_now(gone->clock));
    gone->magic = 0;
}

/* --- what the client tells -------------------------------------------------------------------- */

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

static void ask(struct stream *stream)
{
    const struct client_handler handler = {
        .self = stream, .answered = on_answered, .received = on_received, .ended = on_ended
    };
    const bool watch = reflector_asks_watch(&stream->reflector);
    struct buf target;

    buf_init(&target, 2 * TARGET_MAX);
    reflector_ask(&stream->reflector, clock_now(stream->clock), &target);
    log_debug(source_name(stream->reflector.config.health->source), "GET %s",
              target.at ? target.at : "");
    if (!buf_error(&target))
        stream->request = client_get(stream->client, buf_str(&target), watch, &handler);
    if (!stream->request)
        break_off(stream, "no memory for a request");
    buf_done(&target);
}

void stream_tell(const struct reflector_news *news, const char *component, const char *subject)
{
    if (news->kind == NEWS_RECOVERED)
        log_info(component, "%s %s works again after %u failure%s, %.1fs", news->doing, subject,
                 news->failures, news->failures == 1 ? "" : "s", (double)news->failed_for_us / SEC);
    else
        log_line(news->kind == NEWS_FAILED ? LOG_WARN : LOG_DEBUG, component,
                 "%s %s: %s: retrying in %.1fs", news->doing, subject, news->text,
                 (double)news->retry_in_us / SEC);
}

int64_t stream_step(struct stream *stream)
{
    struct reflector *reflector = &stream_from(stream)->reflector;
    struct reflector_news news;

    if (stream->request && reflector_late(reflector, clock_now(stream->clock)))
        break_off(stream, "taking too long");
    if (reflector_due(reflector, clock_now(stream->clock)))
        ask(stream);
    if (reflector_take_news(reflector, &news))
        stream_tell(&news, source_name(reflector->config.health->source), stream->subject);
    return reflector_deadline_us(reflector);
}
