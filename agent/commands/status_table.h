/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What `status` prints. Pure: answers and a width in, text out. No line of a table
 * is wider than asked for, and whatever names a cluster chose, all of it is printable
 * ASCII: a terminal obeys other bytes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/commands/status_client.h"

struct buf;

#define STATUS_WIDTH_LEAST 64

struct status_view {
    const char *namespace; /* NULL: all */
    const char *cause;     /* NULL: all */
    int width;             /* columns; less than STATUS_WIDTH_LEAST is taken for that */
    int height;            /* lines; what does not fit is counted in the last one. 0: any */
    bool colour;
    int64_t now_us; /* wall */
};

/* How many containers are blocked, of those that `view` selects. */
size_t status_blocked(const struct status_answers *answers, const struct status_view *view);

/* Whether what is not told as blocked is well: only while the agent can read the pods of this
 * node. */
bool status_known(const struct status_answers *answers);

/* For people. Errors stick in `out`. */
void status_write_table(struct buf *out, const struct status_answers *answers,
                        const struct status_view *view);

/*
 * {"node", "runtime", "failures", "images", "sources"} on one line, as the debug
 * answers have them; of the failures, those that `view` selects. 0 or -ENOMEM.
 */
int status_write_json(struct buf *out, const struct status_answers *answers,
                      const struct status_view *view);
