/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The container runtime as a source: which images are on this node, which pods
 * have a sandbox, which containers were made; of containerd also what is in flight. Read-only:
 * calls.c has all the methods there are.
 *
 * While nothing waits, it asks for the version, the conditions and the image file system every
 * 30 s. While a container waits (sink->wanted), it looks after 1 s, then ever less often down to
 * every 5 s.
 *
 * What it expects of sink->wait: a wake-up that comes while nobody waits makes
 * the next wait return at once.
 */

#include "clock.h"
#include "err.h"
#include "sink.h"

struct cri_config {
    const char *endpoint; /* "unix:///path", "/path", or NULL: look at the well-known sockets */
};

struct cri;

/*
 * `config` is copied, `sink` and `clock` are borrowed until cri_free(). A socket
 * that is not there (yet) is no error: it is looked for until it is. Errors: -EINVAL
 * with a sentence that names the malformed endpoint; -ENOMEM.
 */
int cri_new(const struct cri_config *config, const struct sink *sink, const struct clock *clock,
            struct cri **ret, struct err *err);

/*
 * The body of the source's thread: returns after sink->wait() returned false or
 * cri_stop() was called. gRPC starts threads of its own from here, which inherit the signal
 * mask: block the signals that others wait for before.
 */
void cri_run(struct cri *cri);

/*
 * Makes cri_run() return within 200 ms also where a runtime hangs and a call is in
 * flight. Any thread, any number of times; for ever.
 */
void cri_stop(struct cri *cri);

/* After cri_run() has returned, or where it never ran. NULL is fine. */
void cri_free(struct cri *cri);
