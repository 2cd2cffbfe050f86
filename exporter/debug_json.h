/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The debug answers as JSON. Every key is always there, null where a value is
 * not known; `ended` is on incidents that ended. Text is made valid UTF-8. Each
 * appends to `out` and returns 0, -ENOMEM, or -E2BIG where `out` is too small; what
 * `out` holds is of no use then. Any thread.
 */

#include <stddef.h>

#include "err.h"

struct buf;
struct snapshot;

/* The incidents of `snapshot` (taken with SNAPSHOT_DETAIL), of one pod only where `namespace` and
 * `pod` are not NULL. `ret_n` gets how many. */
int debug_json_failures(struct buf *out, const struct snapshot *snapshot, const char *namespace,
                        const char *pod, size_t *ret_n, struct err *err);

/* How the sources do. */
int debug_json_sources(struct buf *out, const struct snapshot *snapshot, struct err *err);

/* The images that this node waits for, and where images are kept. */
int debug_json_images(struct buf *out, const struct snapshot *snapshot, struct err *err);

/* {"error": text} */
int debug_json_error(struct buf *out, const char *text, struct err *err);
