/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Writes {"node", "runtime", "left_out", "failures", "images", "sources"} on one line, as in the
 * answers, but with only those failures that the user selects. It is written while the answers
 * arrive. Errors stick in `out`.
 */

#include "agent/commands/status_answers.h"

/* A list begins, in the order of enum status_list. `head` is the answer without its members. */
void status_json_begin(struct buf *out, enum status_list list, const json_t *head);

/* `first`: it is the first one of its list. */
void status_json_member(struct buf *out, const json_t *member, bool first);

void status_json_end(struct buf *out);
