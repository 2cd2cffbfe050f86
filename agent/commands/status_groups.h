/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Pods of one owner that fail in the same way are one row of the table. */

#include "agent/commands/status_answers.h"

/* The key of a row: how many pods it stands for. A row of one pod has none. */
#define STATUS_PODS "pods"

/*
 * The rows: the open failures that `options` selects and that have their details. Those with the
 * same owner, container, image and reason are one row: with the age of the oldest, the attempts of
 * all, the next retry of any, and the other values of the first. A new list; NULL: no memory.
 */
json_t *status_group(const json_t *failures, const struct status_options *options);
