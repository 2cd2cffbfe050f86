/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A reflector and its open request: connects reflector.h (what to request) with client.h (how), and
 * logs. One thread at a time.
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
    struct client_request *request; /* NULL: no request is open */
    const struct clock *clock;
    bool recovered;    /* it works again: see stream_take_recovered() */
    char subject[600]; /* "pods of node X", for the log */
};

/* The stream must not move in memory. All of `config`, `client` and `clock` must outlive it. */
void stream_init(struct stream *stream, const struct reflector_config *config,
                 struct client *client, const struct clock *clock, const char *subject);

/* Cancels the open request. */
void stream_done(struct stream *stream);

/* Makes and cancels requests as they become due, and logs. Returns when to call it again (mono), at
 * the latest. */
int64_t stream_step(struct stream *stream);

/* True once after it failed and works again: then the others can be woken. */
bool stream_take_recovered(struct stream *stream);

/* See reflector_take_stuck(). */
bool stream_take_stuck(struct stream *stream);

/* See reflector_wake(). Call stream_step() after it. */
void stream_wake(struct stream *stream);
