/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Everything that is served over HTTP: metrics, health and a landing page on one or more web
 * listeners, the debug answers on a listener of their own. It knows the agent by its snapshots
 * only: it takes one per request and formats it without a lock.
 *
 * An address is "[host]:port" or "unix:/path". The host is an IP address (IPv6 in brackets) or
 * "localhost"; without a host it means all addresses of the machine. With port 0 the kernel chooses
 * one; the log names it. A unix socket gets mode 0600. If its folder is missing, it is created with
 * mode 0700 (one level). A socket file that no process listens on is replaced.
 *
 * A unix socket of the debug listener that cannot be made does not end the agent: another process
 * listens on it, or SELinux or a read-only folder forbids it. It is tried again. Everything else
 * that cannot be bound is refused.
 */

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "str.h"

struct buf;
struct exporter;
struct snapshot_source;

struct exporter_config {
    const char *web_listen;     /* --web.listen-address; one or more, separated by commas */
    const char *telemetry_path; /* --web.telemetry-path; NULL: "/metrics" */
    unsigned web_connections;   /* of each address, at a time; 0: LIMIT_WEB_CONNECTIONS */
    unsigned max_requests;      /* --web.max-requests; 0: no limit */
    bool without_self;          /* --metrics.self=off */
    bool created;               /* --metrics.created=on */
    const char *web_file;       /* --web.config.file; NULL: none. Kept, not copied */
    const char *debug_listen;   /* --debug.listen-address; one or two, or "off" */
    /* POST /debug/classify: appends JSON that explains how `message` is classified. 0, -ENOMEM or
     * -E2BIG. Any thread. */
    int (*explain)(struct buf *out, struct str message, struct err *err);
    const char *version; /* for build_info and the landing page; kept, not copied */
    const char *revision;
};

/*
 * Binds all listeners, logs their addresses and serves at once, each on a thread of its own.
 * `source` is copied; its `self` must live until exporter_free(). On failure nothing stays open and
 * `err` names the flag, its value and the reason: -EINVAL for an invalid address, -EADDRINUSE, or
 * the errno of the system call.
 */
int exporter_new(const struct exporter_config *config, const struct snapshot_source *source,
                 struct exporter **ret, struct err *err);

/*
 * Whether a debug socket could not be made yet. Tries those again that are due, so call this every
 * second while it returns true, from the thread that calls exporter_free().
 */
bool exporter_debug_waits(struct exporter *exporter);

/* Checks the settings as exporter_new() does, but binds nothing: it does not find a port in use. */
int exporter_check(const struct exporter_config *config, struct err *err);

/* Stops at once and cuts all connections; no request outlives it. Accepts NULL. Do not call it from
 * a request. */
void exporter_free(struct exporter *exporter);

/* For CLEANUP(exporter_freep). */
void exporter_freep(struct exporter **exporter);

/* The TCP port that is bound, of the first web address and of the first debug address. 0 for a unix
 * socket or "off". Any thread. */
uint16_t exporter_web_port(const struct exporter *exporter);
uint16_t exporter_debug_port(const struct exporter *exporter);
