/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/health.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "log.h"

#define RETRY_FIRST (1 * SEC)
#define RETRY_MAX (15 * SEC)

static void publish(struct health *health)
{
    health->sink->status(health->sink->self, SOURCE_CRI, &health->status);
}

static void set_up(struct health *health, bool up, struct instant now)
{
    if (health->status.up != up)
        health->status.since_us = now.wall_us;
    health->status.up = up;
}

void health_init(struct health *health, const struct sink *sink, struct instant now)
{
    *health = (struct health){
        .sink = sink,
        .status = { .enabled = true, .up = true, .since_us = now.wall_us },
    };
    publish(health);
}

void health_succeeded(struct health *health, uint64_t received_bytes, struct instant now)
{
    if (health->retry_us)
        log_info("cri", "the container runtime answers again");
    health->retry_us = 0;
    set_up(health, true, now);
    health->status.last_success_us = now.wall_us;
    health->status.received_bytes = received_bytes;
    publish(health);
}

int64_t health_failed(struct health *health, const struct err *err, struct instant now)
{
    bool first = health->retry_us == 0;

    health->retry_us = first ? RETRY_FIRST : health->retry_us * 2;
    if (health->retry_us > RETRY_MAX)
        health->retry_us = RETRY_MAX;
    if (first)
        log_warn("cri", "%s; retrying in 1s, then ever less often up to every %" PRId64 "s",
                 err->text, RETRY_MAX / SEC);
    else
        log_debug("cri", "%s; retrying in %" PRId64 "s", err->text, health->retry_us / SEC);
    set_up(health, false, now);
    health_remark(health, err->text, now);
    publish(health);
    return health->retry_us;
}

void health_reconnects(struct health *health, enum reconnect why)
{
    health->status.reconnects[why]++;
}

void health_remark(struct health *health, const char *text, struct instant now)
{
    const int room = (int)sizeof(health->status.last_error) - 1;

    snprintf(health->status.last_error, sizeof(health->status.last_error), "%.*s", room, text);
    health->status.last_error_us = now.wall_us;
}

void health_complain(struct health *health, const char *text, struct instant now)
{
    bool changed = strcmp(health->complaint, text ? text : "") != 0;

    if (text)
        health_remark(health, text, now);
    if (changed && text)
        log_warn("cri", "%s; still reading what it answers", text);
    else if (changed)
        log_info("cri", "the container runtime reports no trouble any more");
    snprintf(health->complaint, sizeof(health->complaint), "%s", text ? text : "");
}
