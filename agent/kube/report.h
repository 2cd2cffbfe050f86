/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How one source does (sink.h), put together from its streams: one for the pods, one a namespace
 * for the events. Streams come and go, the counters stay. One thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>

#include "clock.h"
#include "sink.h"

struct report {
    enum source_id source;
    const struct sink *sink;
    struct source_status status;
    unsigned failing; /* streams whose last attempt failed */
    bool changed;     /* since report_publish() */
};

/* `sink` must outlive the report. A source that is not enabled is told so at once. */
void report_init(struct report *report, enum source_id source, const struct sink *sink,
                 bool enabled, struct instant now);

/* A stream's attempt failed or worked; `stream_failing` is that stream's own memory of it. */
void report_failed(struct report *report, bool *stream_failing, const char *text,
                   struct instant now);
void report_worked(struct report *report, bool *stream_failing, struct instant now);

/* A stream is given up: it counts no more, whatever its last attempt was. */
void report_forget(struct report *report, bool *stream_failing, struct instant now);

/* Something good was read. */
void report_success(struct report *report, struct instant now);

void report_reconnect(struct report *report, enum reconnect reason);
void report_received(struct report *report, size_t bytes);
void report_version(struct report *report, const char *resource_version);
void report_watch_opened(struct report *report);
void report_watch_closed(struct report *report);

/* Hands the whole to the sink, if anything changed. */
void report_publish(struct report *report);
