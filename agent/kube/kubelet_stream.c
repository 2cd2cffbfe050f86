/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/kubelet_stream.h"

#include <assert.h>

#include "agent/kube/stream.h"
#include "log.h"

static struct kubelet_stream *stream_from(void *self)
{
    struct kubelet_stream *stream = self;

    assert(stream && stream->magic == KUBELET_STREAM_MAGIC);
    return stream;
}

void kubelet_stream_init(struct kubelet_stream *stream, const struct kubelet_config *config,
                         struct client *client, const struct clock *clock)
{
    *stream =
        (struct kubelet_stream){ .magic = KUBELET_STREAM_MAGIC, .client = client, .clock = clock };
    kubelet_init(&stream->kubelet, config, clock_now(clock));
}

void kubelet_stream_done(struct kubelet_stream *stream)
{
    struct kubelet_stream *gone = stream_from(stream);

    client_cancel(gone->request);
    kubelet_done(&gone->kubelet, clock_now(gone->clock));
    gone->magic = 0;
}

static void on_answered(void *self, int status, const char *content_type)
{
    (void)content_type; /* what is no JSON is found out by reading it */
    kubelet_answered(&stream_from(self)->kubelet, status);
}

static int on_received(void *self, struct str bytes)
{
    return kubelet_received(&stream_from(self)->kubelet, bytes);
}

static void on_ended(void *self, const struct client_end *end)
{
    struct kubelet_stream *stream = stream_from(self);
    const struct transfer_end transfer = { .complete = end->complete,
                                           .by_peer = end->by_peer,
                                           .text = end->text,
                                           .retry_after_us = end->retry_after_us };

    stream->request = NULL;
    kubelet_ended(&stream->kubelet, clock_now(stream->clock), &transfer);
}

static void break_off(struct kubelet_stream *stream, const char *why)
{
    const struct transfer_end end = { .text = why };

    client_cancel(stream->request);
    stream->request = NULL;
    kubelet_ended(&stream->kubelet, clock_now(stream->clock), &end);
}

static void ask(struct kubelet_stream *stream)
{
    const struct client_handler handler = {
        .self = stream, .answered = on_answered, .received = on_received, .ended = on_ended
    };

    kubelet_ask(&stream->kubelet, clock_now(stream->clock));
    log_debug("pods", "GET %s of the kubelet", KUBELET_TARGET);
    stream->request = client_get(stream->client, STR(KUBELET_TARGET), false, &handler);
    if (!stream->request)
        break_off(stream, "no memory for a request");
}

int64_t kubelet_stream_step(struct kubelet_stream *stream)
{
    struct kubelet *kubelet = &stream_from(stream)->kubelet;
    struct reflector_news news;

    if (stream->request && kubelet_late(kubelet, clock_now(stream->clock)))
        break_off(stream, "taking too long");
    if (kubelet_due(kubelet, clock_now(stream->clock)))
        ask(stream);
    if (kubelet_take_news(kubelet, &news))
        stream_tell(&news, "pods", "pods of the kubelet");
    return kubelet_deadline_us(kubelet);
}
