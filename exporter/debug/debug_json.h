/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The debug answers as JSON. Every key is always present, null if its value is unknown; `ended` is
 * null while an incident is open. The output is ASCII, whatever bytes a text has. Any thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

struct buf;
struct debug_json_list;
struct snapshot;

/*
 * The incidents of a snapshot with SNAPSHOT_DETAIL. "left_out" has the limits that leave something
 * out now (limit_left_out()), and how much:
 *   {"node", "runtime": {"name", "version"}, "left_out": {LIMIT: n},
 *    "failures": [{"namespace", "pod", "pod_uid", "owner": null or {"kind", "name"}, "container",
 * "kind", "image", "registry", "state", "cause", "reason", "stage", "http_status",
 * "ambiguous_with": [CAUSE], "message", "attempts", "first_failure", "first_failure_exact",
 * "last_failure", "next_retry", "pull_secrets": [NAME], "missing_pull_secrets": [NAME],
 * "image_present", "stall": null or {"layer", "bytes", "total", "last_progress", "waiting_behind":
 * [{"namespace", "pod", "container"}]}, "evidence":
 * [{"at", "source", "reason", "text"}], "advice", "ended"}]}
 */
extern const struct debug_json_list debug_json_failures;

/*
 * The state of the sources:
 *   {"node", "sources": [{"source", "state": "up|down|off", "since", "last_success", "last_error",
 *     "last_error_at", "reconnects": {REASON: n}, "received_bytes", "resource_version",
 *     "watches_open"}]}
 */
extern const struct debug_json_list debug_json_sources;

/*
 * The images that this node waits for, and the file system of the images:
 *   {"node", "image_filesystem": null or {"mountpoint", "used_bytes", "used_inodes"},
 *    "images": [{"image", "registry", "present", "size", "digest", "containers_waiting",
 *      "containers_pulling", "phase", "waiting_behind": [IMAGE], "stalled", "since", "bytes",
 *      "total"}]}
 * "stalled": an open failure about this image has the state "stalled".
 */
extern const struct debug_json_list debug_json_images;

/*
 * The recent observations and their effect, oldest first:
 *   {"node", "events": [{"number", "at", "source", "kind", "namespace", "pod", "container", "text",
 *     "effect": "none|opened|moved|ended"}]}
 * `number` counts all observations of the process; a gap means that some are not shown.
 */
extern const struct debug_json_list debug_json_events;

/* An answer that is written part by part. */
struct debug_json {
    const struct debug_json_list *list;
    const struct snapshot *snapshot;
    const char *namespace, *pod; /* only members of this pod; NULL: all */
    bool begun, ended;
    size_t next;    /* of the list's members */
    size_t written; /* how many members are written so far */
};

/*
 * Appends the next part to `out`: what stands before the members, one member, or the end. Appends
 * nothing after that. 0, -ENOMEM, or -E2BIG if `out` is too small; the content of `out` is useless
 * then.
 */
int debug_json_next(struct debug_json *json, struct buf *out, struct err *err);

/* Appends all parts that are left. */
int debug_json_rest(struct debug_json *json, struct buf *out, struct err *err);

/* {"error": text} */
int debug_json_error(struct buf *out, const char *text, struct err *err);
