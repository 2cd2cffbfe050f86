/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the agent shows the world: metrics, health and a landing page on one or
 * more listeners, the debug answers on another. It knows nothing of the agent but the
 * snapshots it takes: one per request, formatted without any lock.
 *
 * An address is "[host]:port" or "unix:/path". The host is an IP address (IPv6 in
 * brackets) or "localhost"; without one it is every address of the machine. Port
 * 0 lets the kernel choose. A unix socket is made with mode 0600, its folder too
 * where it is missing (0700, one level); a socket file nobody listens on is
 * replaced.
 */

#include <stdint.h>

#include "err.h"
#include "str.h"

struct buf;
struct exporter;
struct snapshot_source;

#define EXPORTER_WEB_LISTENERS_MAX 8u

struct exporter_config {
    const char *web_listen;     /* --web.listen-address; several are separated by commas */
    const char *telemetry_path; /* --web.telemetry-path; NULL: "/metrics" */
    unsigned max_requests;      /* --web.max-requests; 0: no limit */
    const char *web_config;     /* --web.config.file; NULL: none. Kept, not copied */
    const char *debug_listen;   /* --debug.listen-address; also "off" */
    /* POST /debug/classify: appends JSON that explains how `message` is classified. 0, -ENOMEM or
     * -E2BIG. Any thread. */
    int (*explain)(struct buf *out, struct str message, struct err *err);
    const char *version; /* what build_info and the landing page say; kept, not copied */
    const char *revision;
};

/*
 * Binds all listeners and serves at once, each on a thread of its own.
 * `source` is copied; what its `self` points to must live until exporter_free().
 * On failure nothing is left open and `err` names the flag, its value and the
 * reason: -EINVAL for an address that is none, -EADDRINUSE for one that is
 * taken, else what the system said.
 */
int exporter_new(const struct exporter_config *config, const struct snapshot_source *source,
                 struct exporter **ret, struct err *err);

/* Whether exporter_new() would take these settings. Nothing is bound: a port that is taken is found
 * by exporter_new() only. */
int exporter_check(const struct exporter_config *config, struct err *err);

/* Stops at once, cutting connections; no request outlives it. NULL is fine. Not from a request. */
void exporter_free(struct exporter *exporter);

/* For CLEANUP(exporter_freep). */
void exporter_freep(struct exporter **exporter);

/* The TCP port that is served, for metrics on the first address; 0 for a unix socket or "off". Any
 * thread. */
uint16_t exporter_web_port(const struct exporter *exporter);
uint16_t exporter_debug_port(const struct exporter *exporter);
