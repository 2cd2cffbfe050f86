/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The interface of a source (cri/, agent/kube/) to the rest of the agent: it hands in what it has
 * read, and asks what to read next. All functions can be called from any thread. Except `wait`,
 * they block only for the mutex of the incident table.
 */

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "limit.h"
#include "observation.h"
#include "runtime_calls.h"

/* Why a source reconnected: the label of imagepull_source_reconnects_total. */
#define RECONNECT_TABLE(X)                                                                         \
    X(CLOSED, "closed")       /* the other side closed the stream, but not at the agreed time */   \
    X(EXPIRED, "expired")     /* 410: the resourceVersion is too old */                            \
    X(REFUSED, "refused")     /* 401, 403 and other HTTP errors */                                 \
    X(NETWORK, "network")     /* no connection, TLS, timeouts */                                   \
    X(MALFORMED, "malformed") /* the answer cannot be read */

enum reconnect {
#define X(name, text) RECONNECT_##name,
    RECONNECT_TABLE(X)
#undef X
        RECONNECT_MAX,
};

const char *reconnect_name(enum reconnect reconnect);

/* The health of a source. The source keeps the counters, which only grow. */
struct source_status {
    bool enabled;
    bool up;                 /* false: the last try failed. An idle source is up */
    int64_t since_us;        /* wall: when `up` last changed */
    int64_t last_success_us; /* wall; 0: never */
    char last_error[256];    /* kept after recovery; "": none yet */
    int64_t last_error_us;
    uint64_t reconnects[RECONNECT_MAX];
    int64_t reconnects_since_us[RECONNECT_MAX]; /* wall; the first of them; 0: none */
    uint64_t received_bytes;
    char resource_version[32];
    unsigned watches_open;
    size_t resting; /* namespaces with too many events to read now */
};

/* What the core wants to know now. wanted_done(). */
struct wanted {
    struct arena arena;
    struct str images[LIMIT_WANTED_IMAGES]; /* images that containers wait for, each once */
    size_t n_images;
    bool pods_wait;                       /* a container waits: list sandboxes and containers */
    bool ingests;                         /* an image is being pulled: list the blobs in flight */
    struct str blobs[LIMIT_WANTED_BLOBS]; /* digests without progress: find their images */
    size_t n_blobs;
    /* Repositories of pulls without a blob: find out whether something of them has come. */
    struct str repositories[LIMIT_WANTED_REPOSITORIES];
    size_t n_repositories;
    /* Repositories of pulls that go on or have ended: what was fetched of them. */
    struct str fetched[LIMIT_WANTED_REPOSITORIES];
    size_t n_fetched;
    struct str namespaces[LIMIT_EVENT_NAMESPACES]; /* whose events can explain a failure */
    size_t n_namespaces;
};

static inline void wanted_done(struct wanted *wanted)
{
    arena_done(&wanted->arena);
}

struct sink {
    void *self;

    void (*observe)(void *self, const struct observation *observation);

    /* A limit was reached (limit.h). */
    void (*limit_hit)(void *self, enum limit limit);

    /* Replaces the status of `source`. */
    void (*status)(void *self, enum source_id source, const struct source_status *status);

    /* Replaces the counters of calls to the runtime. For the CRI loop. */
    void (*calls)(void *self, const struct runtime_calls *calls);

    /* The loop of the source makes progress: it does what is due in time. A failure of the other
     * side, or its silence, is no lack of progress. Each running source calls this at least every
     * 30 s. */
    void (*tick)(void *self, enum source_id source);

    /* Fills `ret`. Never fails: without memory, nothing is wanted. */
    void (*wanted)(void *self, struct wanted *ret);

    /*
     * Sleeps until `until_mono_us`, or until a container begins to wait or the agent stops. Returns
     * false when it stops. For the CRI loop.
     */
    bool (*wait)(void *self, int64_t until_mono_us);
};
