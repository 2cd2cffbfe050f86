/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Stories of the CRI loop with simulated time: the runtime is a real gRPC server, the
 * agent and the clock are fakes. A story is a list of moments; sink->wait() sets the
 * clock to the next one and lets it happen. The loop runs in the thread of the test.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "buf.h"
#include "cri/cri.h"
#include "tests/unit/cri/cri_double.h"

/* VersionResponse: runtime_name (2), runtime_version (3). */
#define CONTAINERD_1                                                                               \
    STR("\x12\x0a"                                                                                 \
        "containerd\x1a\x03"                                                                       \
        "1.6")
#define CONTAINERD_2                                                                               \
    STR("\x12\x0a"                                                                                 \
        "containerd\x1a\x03"                                                                       \
        "2.1")
/* StatusResponse: one condition, true and false. */
#define RUNTIME_READY STR("\x0a\x12\x0a\x10\x0a\x0cRuntimeReady\x10\x01")
#define RUNTIME_BROKEN STR("\x0a\x10\x0a\x0e\x0a\x0cRuntimeReady")
/* ImageStatusResponse: an image of 5 bytes. */
#define PRESENT STR("\x0a\x02\x20\x05")
#define ABSENT STR("")
/* One ready sandbox "s" of pod "u"; one container "c" in it, created at 1 s, attempt 2. */
#define SANDBOXES STR("\x0a\x08\x0a\x01s\x12\x03\x12\x01u")
#define CONTAINERS                                                                                 \
    STR("\x0a\x10\x12\x01s\x1a\x05\x0a\x01"                                                        \
        "c\x10\x02\x38\x80\x94\xeb\xdc\x03")
/* ImageFsInfoResponse: 7 bytes in "/i". */
#define IMAGE_FS STR("\x0a\x0a\x12\x04\x0a\x02/i\x1a\x02\x08\x07")

#define HEX32 "0123456789abcdef0123456789abcdef"
#define LAYER STR("sha256:" HEX32)
/* ListStatusesResponse: LAYER, 2 of 4 bytes. ListContentResponse: "h"/"r" has a manifest with it.
 */
#define IN_FLIGHT STR("\x0a\x33\x1a\x2dlayer-sha256:" HEX32 "\x20\x02\x28\x04")
#define OWNER                                                                                      \
    STR("\x0a\x79\x2a\x4d\x0a\x22"                                                                 \
        "containerd.io/gc.ref.content.l.000"                                                       \
        "\x12\x27sha256:" HEX32 "\x2a\x28\x0a\x23"                                                 \
        "containerd.io/distribution.source.h\x12\x01r")

#define START (1000 * SEC)

struct world;

struct moment {
    int64_t at_us;
    void (*happens)(struct world *world); /* NULL: the agent stops */
};

struct world {
    char folder[32];
    char path[64];
    struct cri_double *runtime;
    struct rude_socket *rude;
    struct sink sink;
    struct clock clock;
    struct cri *cri;
    _Atomic(struct cri *) playing; /* atomic for the double's thread: TSan does not see that gRPC
                                      orders the accesses */

    int64_t now_us;
    const struct moment *next;
    const char *other_image; /* a second container waits for it; NULL: none */
    const char *silent;      /* the core wants to know what came of this repository; NULL: none */
    const char *fetched;     /* ... and what was fetched of this one */
    size_t n_blobs;          /* in the last answer about a repository */
    bool waiting;            /* a container waits for "busybox" */
    bool pulling;            /* the core wants to know which blobs are in flight */
    bool stalled;            /* the core wants to know the repositories of LAYER */
    bool no_blobs;           /* the runtime was reported to refuse to list blobs */
    bool woken;              /* set by a moment that wakes the agent up */

    struct buf observed; /* every observation, with its second */
    struct source_status status;
    unsigned status_flips;
    unsigned limit_hits;
    enum limit limit_hit; /* the last limit that was hit */
    unsigned n_image_fs;
    uint64_t image_fs_bytes;
    bool before_slot; /* of the last list of blobs in flight */
    struct runtime_calls calls;
    unsigned n_calls;
    int64_t ticked_us, longest_silence_us;
    FILE *log;
    int real_stderr;
};

/* Setup and teardown for cmocka. The world has no runtime at first. */
int story_new(void **state);
int story_free(void **state);

/* Runs the loop from START to the last moment of the story and keeps its log lines. */
void story_play(struct world *world, const struct moment *story);

/* Moments: a healthy runtime starts at world->path, and stops. */
void story_start_runtime(struct world *world);
void story_stop_runtime(struct world *world);

/* Compares all observations, one a line: "15 busybox absent 0". */
void story_assert_observed(struct world *world, const char *expected);

/* The number of log lines that contain `text`. */
unsigned story_logged(struct world *world, const char *text);

/* The number of calls of `method`. */
unsigned story_calls(struct world *world, const char *method);
