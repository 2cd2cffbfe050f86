/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The debug answers as JSON. Every key is always present, null if its value is unknown; `ended` is
 * null while an incident is open. The output is ASCII, whatever bytes a text has. Each function
 * appends to `out` and returns 0, -ENOMEM, or -E2BIG if `out` is too small; the content of `out` is
 * useless then. Any thread.
 */

#include <stddef.h>

#include "err.h"

struct buf;
struct snapshot;

/*
 * The incidents of `snapshot`, which has SNAPSHOT_DETAIL. If `namespace` and `pod` are not NULL,
 * only those of that pod. `ret_n` is their number. "left_out" has the limits that leave something
 * out now (limit_left_out()), and how much:
 *   {"node", "runtime": {"name", "version"}, "left_out": {LIMIT: n},
 *    "failures": [{"namespace", "pod", "pod_uid", "container", "kind", "image", "registry",
 * "state", "cause", "reason", "stage", "http_status", "ambiguous_with": [CAUSE], "message",
 * "attempts", "first_failure", "first_failure_exact", "last_failure", "next_retry", "pull_secrets":
 * [NAME], "missing_pull_secrets": [NAME], "image_present", "stall": null or {"layer", "bytes",
 * "total", "last_progress", "waiting_behind": [{"namespace", "pod", "container"}]}, "evidence":
 * [{"at", "source", "reason", "text"}], "advice", "ended"}]}
 */
int debug_json_failures(struct buf *out, const struct snapshot *snapshot, const char *namespace,
                        const char *pod, size_t *ret_n, struct err *err);

/*
 * The state of the sources:
 *   {"node", "sources": [{"source", "state": "up|down|off", "since", "last_success", "last_error",
 *     "last_error_at", "reconnects": {REASON: n}, "received_bytes", "resource_version",
 *     "watches_open"}]}
 */
int debug_json_sources(struct buf *out, const struct snapshot *snapshot, struct err *err);

/*
 * The images that this node waits for, and the file system of the images:
 *   {"node", "image_filesystem": null or {"mountpoint", "used_bytes", "used_inodes"},
 *    "images": [{"image", "registry", "present", "size", "digest", "containers_waiting",
 *      "containers_pulling", "stalled", "since", "bytes", "total"}]}
 * "stalled": an open failure about this image has the state "stalled".
 */
int debug_json_images(struct buf *out, const struct snapshot *snapshot, struct err *err);

/*
 * The recent observations and their effect, oldest first:
 *   {"node", "events": [{"number", "at", "source", "kind", "namespace", "pod", "container", "text",
 *     "effect": "none|opened|moved|ended"}]}
 * `number` counts all observations of the process; a gap means that some are not shown.
 */
int debug_json_events(struct buf *out, const struct snapshot *snapshot, struct err *err);

/* {"error": text} */
int debug_json_error(struct buf *out, const char *text, struct err *err);
