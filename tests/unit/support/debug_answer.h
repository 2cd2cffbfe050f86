/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Debug answers as a whole. */

#include "exporter/debug/debug_json.h"

/* Appends the answer. `ret_n`: how many members it has; untouched on failure. */
int debug_answer(struct buf *out, const struct debug_json_list *list,
                 const struct snapshot *snapshot, size_t *ret_n, struct err *err);

/* The same for one pod. */
int debug_answer_of_pod(struct buf *out, const struct debug_json_list *list,
                        const struct snapshot *snapshot, const char *namespace, const char *pod,
                        size_t *ret_n, struct err *err);
