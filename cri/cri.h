/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The container runtime as a source: which images are on this node, which pods have a sandbox,
 * which containers exist, and on containerd also which blobs are in flight. It only reads; calls.c
 * has all its methods.
 *
 * While no container waits for an image (sink->wanted), it asks for version, conditions and image
 * file system every 30 s. While one waits, it polls after 1 s, then less often, down to every 5 s.
 *
 * sink->wait() must remember a wake-up that comes while the loop does not wait, and then return at
 * once.
 */

#include "clock.h"
#include "err.h"
#include "sink.h"

struct cri_config {
    const char *endpoint; /* "unix:///path" or "/path"; NULL: try the well-known sockets */
};

struct cri;

/*
 * Copies `config`; borrows `sink` and `clock` until cri_free(). The socket need not exist yet: the
 * loop waits for it. Errors: -EINVAL, naming the malformed endpoint; -ENOMEM.
 */
int cri_new(const struct cri_config *config, const struct sink *sink, const struct clock *clock,
            struct cri **ret, struct err *err);

/*
 * The body of the source's thread. Returns when sink->wait() returns false or after cri_stop().
 * Starts threads of gRPC, which inherit the signal mask: block signals for other threads before the
 * call.
 */
void cri_run(struct cri *cri);

/*
 * Makes cri_run() return within 200 ms, even during a call to a runtime that hangs. Any thread, any
 * number of times; cannot be undone.
 */
void cri_stop(struct cri *cri);

/* Call it after cri_run() has returned, or without cri_run(). Accepts NULL. */
void cri_free(struct cri *cri);
