/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A verdict as JSON. `classify --output=json` writes one object per line for logs of any size,
 * so it is written without a library, and all text comes out as printable ASCII.
 */

#include "err.h"
#include "str.h"

struct buf;
struct classify_json;
struct message;
struct verdict;

/* NULL: no memory. */
struct classify_json *classify_json_new(void);
void classify_json_free(struct classify_json *json); /* accepts NULL */

/*
 * Appends one line:
 *   {"cause", "reason", "stage", "http_status", "image", "registry", "failed_host", "failed_role",
 *    "ambiguous_with": [CAUSE], "advice"}
 *  A value that is not known is null. Returns 0, -ENOMEM or -E2BIG.
 */
int classify_json_line(struct classify_json *json, struct buf *out, const struct message *message,
                       const struct verdict *verdict);

/*
 * Appends the same keys, and how the verdict came about:
 *   {...,
 *    "rule",       the name of the rule that decided
 *    "attempt",    the index in "attempts" of the error that decided
 *    "message",    for people: unescaped, redacted
 *    "back_off", "truncated",
 *    "attempts":   [{"chain": [TEXT], "terminal", "grpc_code", "http_status"}],
 *    "runners_up": [{"rule", "cause", "reason", "attempt"}]}
 * "chain" has the wrappers that were removed, outermost first; "terminal" is the error inside.
 * Returns 0, -ENOMEM, or -E2BIG if `out` is too small. Any thread.
 */
int classify_json_explain(struct buf *out, struct str text, struct err *err);
