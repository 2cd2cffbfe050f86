/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a source (cri/, agent/kube/) knows of the rest of the agent: where to
 * put what it read, and what is worth reading next. All members may be called
 * from any thread and block for microseconds only, but for `wait`.
 */

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "limits.h"
#include "observation.h"
#include "runtime_calls.h"

/* Why a source had to connect again: the label of imagepull_source_reconnects_total. */
#define RECONNECT_TABLE(X)                                                                         \
    X(CLOSED, "closed")   /* the other side ended it, not at the planned time */                   \
    X(EXPIRED, "expired") /* 410: the resourceVersion is too old */                                \
    X(REFUSED, "refused") /* 401, 403 and other answers that are no watch */                       \
    X(NETWORK, "network") /* no connection, TLS, timeouts */                                       \
    X(MALFORMED, "malformed")

enum reconnect {
#define X(name, text) RECONNECT_##name,
    RECONNECT_TABLE(X)
#undef X
        RECONNECT_MAX,
};

const char *reconnect_name(enum reconnect reconnect);

/* How a source does. The source owns the counters (they only grow) and hands in the whole each
 * time. */
struct source_status {
    bool enabled;
    bool up;                 /* false only where the last attempt failed; idle is up */
    int64_t since_us;        /* wall: when `up` last changed */
    int64_t last_success_us; /* wall; 0: never */
    char last_error[256];    /* kept after recovery; "" if there was none */
    int64_t last_error_us;
    uint64_t reconnects[RECONNECT_MAX];
    uint64_t received_bytes;
    char resource_version[32];
    unsigned watches_open;
};

/* What the core would like to know now. Owned by the caller: wanted_done(). */
struct wanted {
    struct arena arena;
    struct str
        images[LIMIT_WANTED_IMAGES]; /* images that a container of this node waits for, each once */
    size_t n_images;
    bool pods_wait; /* some container waits: sandboxes and containers are worth listing */
    bool ingests;   /* some image is being pulled: what is in flight is worth asking for */
    struct str blobs[LIMIT_WANTED_BLOBS]; /* digests that do not move: whose are they? */
    size_t n_blobs;
    struct str namespaces[LIMIT_EVENT_NAMESPACES]; /* whose events would explain a failure */
    size_t n_namespaces;
};

static inline void wanted_done(struct wanted *wanted)
{
    arena_done(&wanted->arena);
}

struct sink {
    void *self;

    void (*observe)(void *self, const struct observation *observation);

    /* A cap was reached (limits.h). */
    void (*limit_hit)(void *self, enum limit limit);

    /* Replaces what was known of `source`. */
    void (*status)(void *self, enum source_id source, const struct source_status *status);

    /* How the calls to the runtime go; the caller owns the counters (they only grow) and hands in
     * the whole each time. For the CRI loop. */
    void (*calls)(void *self, const struct runtime_calls *calls);

    /* The source's loop is alive; expected at least every 30 s from each running source. */
    void (*tick)(void *self, enum source_id source);

    /* Fills `ret`, also with nothing; never fails (no memory: nothing is wanted). */
    void (*wanted)(void *self, struct wanted *ret);

    /*
     * Sleeps until `until_mono_us`, or sooner when a container begins to wait or
     * the agent stops. Returns false when it stops. For the CRI loop.
     */
    bool (*wait)(void *self, int64_t until_mono_us);
};
