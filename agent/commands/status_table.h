/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The table that `status` prints. Pure: answers and options in, text out. No line is
 * wider than asked for; what is too long goes on in the next line. All text is printable ASCII,
 * whatever names the cluster has: a terminal interprets other bytes.
 */

#include "agent/commands/status_answers.h"

struct buf;

#define STATUS_WIDTH_LEAST 64

/* Errors stick in `out`. */
void status_write_table(struct buf *out, const struct status_answers *answers,
                        const struct status_options *options);
