/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One reflector and the request that it has under way: glue between what decides (reflector.h) and
 * what talks (client.h), and the place that puts its news into the log. One thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#include "agent/kube/http/client.h"
#include "agent/kube/reflector.h"
#include "clock.h"

struct stream {
    uint32_t magic;
#define STREAM_MAGIC 0x6b75b3e1u
    struct reflector reflector;
    struct client *client;
    struct client_request *request; /* NULL: none is under way */
    const struct clock *clock;
    char subject[600]; /* "pods of node X", for people */
};

/* The stream must stay where it is. All of `config`, `client` and `clock` must outlive it. */
void stream_init(struct stream *stream, const struct reflector_config *config,
                 struct client *client, const struct clock *clock, const char *subject);

/* Breaks off what is under way. */
void stream_done(struct stream *stream);

/* Does what is due: asks, gives up, tells. Returns when to call it next (mono) at the latest. */
int64_t stream_step(struct stream *stream);

/* One line in the log; also for what is no stream. `subject`: "pods of node X". */
void stream_tell(const struct reflector_news *news, const char *component, const char *subject);
