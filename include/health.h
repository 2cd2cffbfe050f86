/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whether a source works, since when, its last error and its reconnects (struct source_status).
 * A source has one or several streams: it is up while none of them fails. The counters outlive the
 * streams. One thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>

#include "clock.h"
#include "sink.h"

struct health {
    enum source_id source;
    const struct sink *sink;
    struct source_status status;
    unsigned failing; /* number of streams whose last try failed */
    bool changed;     /* since the last health_publish() */
};

/* Starts as up since `now`, and publishes that at once. `sink` must outlive the health. */
void health_init(struct health *health, enum source_id source, const struct sink *sink,
                 bool enabled, struct instant now);

/* A try of one stream failed or worked. The stream keeps `stream_failing`, false at first. */
void health_failed(struct health *health, bool *stream_failing, const char *text,
                   struct instant now);
void health_worked(struct health *health, bool *stream_failing, struct instant now);

/* The stream is closed: a failure of it does not count any more. */
void health_forget(struct health *health, bool *stream_failing, struct instant now);

/* Something was read. `up` stays as it is: a list works, but its watch may still fail. */
void health_success(struct health *health, struct instant now);

/* Sets the last error only. `up` stays as it is. */
void health_remark(struct health *health, const char *text, struct instant now);

void health_reconnect(struct health *health, enum reconnect reason, struct instant now);
void health_received(struct health *health, size_t bytes);
void health_version(struct health *health, const char *resource_version);

/* How many streams do not read now, because there is too much to read. */
void health_resting(struct health *health, size_t streams);
void health_watch_opened(struct health *health);
void health_watch_closed(struct health *health);

/* Hands the status to the sink if anything changed. */
void health_publish(struct health *health);
