/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/report.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void report_init(struct report *report, enum source_id source, const struct sink *sink,
                 bool enabled, struct instant now)
{
    *report = (struct report){ .source = source, .sink = sink, .changed = true };
    report->status.enabled = enabled;
    report->status.up = true;
    report->status.since_us = now.wall_us;
    report_publish(report);
}

static void set_failing(struct report *report, bool *stream_failing, bool failing,
                        struct instant now)
{
    bool up;

    if (*stream_failing == failing)
        return;
    *stream_failing = failing;
    if (failing) {
        report->failing++;
    } else {
        assert(report->failing > 0);
        report->failing--;
    }
    up = report->failing == 0;
    report->changed = true;
    if (report->status.up != up) {
        report->status.up = up;
        report->status.since_us = now.wall_us;
    }
}

void report_failed(struct report *report, bool *stream_failing, const char *text,
                   struct instant now)
{
    set_failing(report, stream_failing, true, now);
    snprintf(report->status.last_error, sizeof(report->status.last_error), "%s", text);
    report->status.last_error_us = now.wall_us;
    report->changed = true;
}

void report_worked(struct report *report, bool *stream_failing, struct instant now)
{
    set_failing(report, stream_failing, false, now);
    report_success(report, now);
}

void report_forget(struct report *report, bool *stream_failing, struct instant now)
{
    set_failing(report, stream_failing, false, now);
}

void report_success(struct report *report, struct instant now)
{
    report->status.last_success_us = now.wall_us;
    report->changed = true;
}

void report_reconnect(struct report *report, enum reconnect reason)
{
    report->status.reconnects[reason]++;
    report->changed = true;
}

void report_received(struct report *report, size_t bytes)
{
    report->status.received_bytes += bytes;
    report->changed = true;
}

void report_version(struct report *report, const char *resource_version)
{
    snprintf(report->status.resource_version, sizeof(report->status.resource_version), "%.31s",
             resource_version);
    report->changed = true;
}

void report_watch_opened(struct report *report)
{
    report->status.watches_open++;
    report->changed = true;
}

void report_watch_closed(struct report *report)
{
    assert(report->status.watches_open > 0);
    report->status.watches_open--;
    report->changed = true;
}

void report_publish(struct report *report)
{
    if (!report->changed)
        return;
    report->changed = false;
    report->sink->status(report->sink->self, report->source, &report->status);
}
