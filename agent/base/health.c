/* SPDX-License-Identifier: Apache-2.0 */
#include "health.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void health_init(struct health *health, enum source_id source, const struct sink *sink,
                 bool enabled, struct instant now)
{
    *health = (struct health){ .source = source, .sink = sink, .changed = true };
    health->status.enabled = enabled;
    health->status.up = true;
    health->status.since_us = now.wall_us;
    health_publish(health);
}

static void set_failing(struct health *health, bool *stream_failing, bool failing,
                        struct instant now)
{
    bool up;

    if (*stream_failing == failing)
        return;
    *stream_failing = failing;
    if (failing) {
        health->failing++;
    } else {
        assert(health->failing > 0);
        health->failing--;
    }
    up = health->failing == 0;
    health->changed = true;
    if (health->status.up != up) {
        health->status.up = up;
        health->status.since_us = now.wall_us;
    }
}

void health_failed(struct health *health, bool *stream_failing, const char *text,
                   struct instant now)
{
    set_failing(health, stream_failing, true, now);
    health_remark(health, text, now);
}

void health_worked(struct health *health, bool *stream_failing, struct instant now)
{
    set_failing(health, stream_failing, false, now);
    health_success(health, now);
}

void health_forget(struct health *health, bool *stream_failing, struct instant now)
{
    set_failing(health, stream_failing, false, now);
}

void health_success(struct health *health, struct instant now)
{
    health->status.last_success_us = now.wall_us;
    health->changed = true;
}

void health_remark(struct health *health, const char *text, struct instant now)
{
    snprintf(health->status.last_error, sizeof(health->status.last_error), "%s", text);
    health->status.last_error_us = now.wall_us;
    health->changed = true;
}

void health_reconnect(struct health *health, enum reconnect reason, struct instant now)
{
    if (!health->status.reconnects[reason]++)
        health->status.reconnects_since_us[reason] = now.wall_us;
    health->changed = true;
}

void health_received(struct health *health, size_t bytes)
{
    health->status.received_bytes += bytes;
    health->changed = true;
}

void health_version(struct health *health, const char *resource_version)
{
    snprintf(health->status.resource_version, sizeof(health->status.resource_version), "%.31s",
             resource_version);
    health->changed = true;
}

void health_resting(struct health *health, size_t streams)
{
    if (health->status.resting == streams)
        return;
    health->status.resting = streams;
    health->changed = true;
}

void health_watch_opened(struct health *health)
{
    health->status.watches_open++;
    health->changed = true;
}

void health_watch_closed(struct health *health)
{
    assert(health->status.watches_open > 0);
    health->status.watches_open--;
    health->changed = true;
}

void health_publish(struct health *health)
{
    if (!health->changed)
        return;
    health->changed = false;
    health->sink->status(health->sink->self, health->source, &health->status);
}
