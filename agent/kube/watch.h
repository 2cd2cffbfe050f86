/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The bytes of a watch stream -> observations. Knows no transport: a test feeds it recordings,
 * cut anywhere. One thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#include "agent/kube/intake.h"
#include "agent/kube/wire/frames.h"
#include "err.h"
#include "str.h"

/* The API server's own word in an ERROR event, after which the stream is over. */
struct watch_refusal {
    int code;               /* as an HTTP status; 410: the resourceVersion is too old */
    int64_t retry_after_us; /* 0: it did not say */
};

struct watch {
    struct intake *intake;
    struct frames frames;
    bool initial;     /* a streaming list that has not ended yet */
    uint64_t changes; /* events of this stream so far, bookmarks included */
    struct watch_refusal refusal;
};

/* `intake` must outlive the watch. */
void watch_init(struct watch *watch, struct intake *intake);
void watch_done(struct watch *watch);

/*
 * A new stream begins. With `initial` it starts with a list (sendInitialEvents=true), and what the
 * intake had read before is forgotten: the order of those first objects says nothing, so there is
 * no resourceVersion to go on from until the list is complete.
 */
void watch_begin(struct watch *watch, bool initial);

/*
 * Takes in the next bytes. Everything complete is handed to the intake at once.
 *
 * -EMSGSIZE (a frame over LIMIT_WATCH_FRAME), -EPROTO, -ENOMEM, or -EREMOTEIO for an ERROR event,
 * which `watch->refusal` then tells. After any of them the stream must be dropped.
 */
int watch_feed(struct watch *watch, struct str bytes, struct err *err);

/* The stream ended within an event. */
bool watch_is_cut(const struct watch *watch);
