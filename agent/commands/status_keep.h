/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What `status` keeps of the answers for its table. A node can have 2,000 failures of 20 KB each,
 * and the memory of `status` counts against the limit of the agent's container. So of a failure
 * only what the table shows is kept, and the details of those that do not fit are left out: they
 * are counted, and the table says so. Pure.
 */

#include "agent/commands/status_answers.h"

#define STATUS_KEPT_MAX (4u << 20) /* bytes of all that is kept */

struct status_kept {
    json_t *lists[STATUS_LIST_MAX];
    size_t weight;
};

/* 0 or -ENOMEM; status_kept_done() in both cases. */
int status_kept_begin(struct status_kept *kept);
void status_kept_done(struct status_kept *kept);

/* Adds what is needed of `member`. 0 or -ENOMEM. */
int status_keep(struct status_kept *kept, enum status_list list, const json_t *member,
                const struct status_options *options);

/* Adds only what status_blocked() and status_unknown() need. */
int status_keep_counts(struct status_kept *kept, enum status_list list, const json_t *member);

/* Puts the lists into the answers. 0 or -ENOMEM. */
int status_kept_end(struct status_kept *kept, struct status_answers *answers);
