/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/runtime_health.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "log.h"

#define RETRY_FIRST (1 * SEC)
#define RETRY_MAX (15 * SEC)
#define SILENT_FOR (10 * SEC)

void runtime_health_init(struct runtime_health *health, const struct sink *sink, struct instant now)
{
    *health =
        (struct runtime_health){ .backoff = { .first_us = RETRY_FIRST, .longest_us = RETRY_MAX } };
    health_init(&health->source, SOURCE_CRI, sink, true, now);
}

void runtime_health_succeeded(struct runtime_health *health, uint64_t received_bytes,
                              struct instant now)
{
    if (health->failing)
        log_info("cri", "the container runtime answers again");
    health->reason[0] = '\0';
    health->silent_since_us = 0;
    backoff_reset(&health->backoff);
    health->source.status.received_bytes = received_bytes;
    health_worked(&health->source, &health->failing, now);
    health_publish(&health->source);
}

/* Whether the runtime has not answered for so short a time that it may only be slow. */
static bool may_be_slow(struct runtime_health *health, int code, struct instant now)
{
    if (code != -ETIMEDOUT || health->failing)
        return false;
    if (!health->silent_since_us)
        health->silent_since_us = now.mono_us;
    return now.mono_us - health->silent_since_us < SILENT_FOR;
}

int64_t runtime_health_failed(struct runtime_health *health, const struct err *err,
                              struct instant now)
{
    const int64_t delay_us = backoff_next_us(&health->backoff, NULL);

    if (may_be_slow(health, err->code, now)) {
        log_debug("cri", "%s; asking again in %" PRId64 "s", err->text, delay_us / SEC);
        health_remark(&health->source, err->text, now);
        health_publish(&health->source);
        return delay_us;
    }
    if (strcmp(health->reason, err->text) != 0)
        log_warn("cri", "%s; retrying in %" PRId64 "s", err->text, delay_us / SEC);
    else
        log_debug("cri", "%s; retrying in %" PRId64 "s", err->text, delay_us / SEC);
    snprintf(health->reason, sizeof(health->reason), "%s", err->text);
    health_failed(&health->source, &health->failing, err->text, now);
    health_publish(&health->source);
    return delay_us;
}

void runtime_health_complain(struct runtime_health *health, const char *text, struct instant now)
{
    bool changed = strcmp(health->complaint, text ? text : "") != 0;

    if (text)
        health_remark(&health->source, text, now);
    if (changed && text)
        log_warn("cri", "%s; still polling it", text);
    else if (changed)
        log_info("cri", "the container runtime reports no more problems");
    snprintf(health->complaint, sizeof(health->complaint), "%s", text ? text : "");
}
