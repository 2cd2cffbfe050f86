/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A kubelet and the request that it has under way: what stream.h is for a reflector. One thread at
 * a time. */

#include <stdint.h>

#include "agent/kube/http/client.h"
#include "agent/kube/kubelet.h"
#include "clock.h"

struct kubelet_stream {
    uint32_t magic;
#define KUBELET_STREAM_MAGIC 0x6b75be17u
    struct kubelet kubelet;
    struct client *client;
    struct client_request *request; /* NULL: none is under way */
    const struct clock *clock;
};

/* The stream must stay where it is. All of `config`, `client` and `clock` must outlive it. */
void kubelet_stream_init(struct kubelet_stream *stream, const struct kubelet_config *config,
                         struct client *client, const struct clock *clock);

/* Breaks off what is under way. */
void kubelet_stream_done(struct kubelet_stream *stream);

/* Does what is due: asks, gives up, tells. Returns when to call it next (mono) at the latest. */
int64_t kubelet_stream_step(struct kubelet_stream *stream);
