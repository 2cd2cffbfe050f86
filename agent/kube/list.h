/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The body of a list, or of one page of it -> observations. Knows no transport. */

#include <stdbool.h>

#include "agent/kube/intake.h"
#include "err.h"
#include "str.h"

/*
 * Hands every item of `body` to the intake; begins the list with the first page and ends it with
 * the last one, whose resourceVersion the intake then holds.
 *
 * Returns 0 and the token of the next page (part of `body`; empty on the last one). -EPROTO where
 * the body is no such list, -ENOMEM; then a part may have been handed in, but the list was not
 * ended, so that no pod vanishes by a broken answer.
 */
int list_take(struct intake *intake, struct str body, bool first_page, struct str *ret_continue,
              struct err *err);
