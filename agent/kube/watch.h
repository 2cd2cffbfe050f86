/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The bytes of a watch stream -> observations. Knows no transport. One thread at a time. */

#include <stdbool.h>
#include <stdint.h>

#include "agent/kube/intake.h"
#include "agent/kube/wire/frames.h"
#include "err.h"
#include "sift.h"
#include "str.h"

/* The Status in an ERROR event, which ends the stream. */
struct watch_refusal {
    int code;               /* HTTP status; 410: the resourceVersion is too old; 0: none */
    int64_t retry_after_us; /* 0: not given */
};

struct watch {
    struct intake *intake;
    struct frames frames;
    struct sift_rules rules;
    struct sift sift; /* what is kept of the incomplete frame */
    bool initial;     /* the streaming list is not complete yet */
    uint64_t changes; /* events of this stream, bookmarks included */
    struct watch_refusal refusal;
};

/* `intake` must outlive the watch. */
void watch_init(struct watch *watch, struct intake *intake);
void watch_done(struct watch *watch);

/*
 * A new stream begins. With `initial` it starts with a list (sendInitialEvents=true), whose objects
 * come in any order: until it is complete, the intake has no resourceVersion.
 */
void watch_begin(struct watch *watch, bool initial);

/*
 * Reads the next bytes, and hands each complete event to the intake.
 *
 * An object of which too much would be kept is left out, and counted.
 *
 * Returns 0, -EMSGSIZE (a frame over LIMIT_WATCH_FRAME), -EPROTO, -ENOMEM, or -EREMOTEIO after an
 * ERROR event (see `watch->refusal`). After an error, close the stream.
 */
int watch_feed(struct watch *watch, struct str bytes, struct err *err);
