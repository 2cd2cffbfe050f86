/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A sink that tells what it was given, one line an observation, in the words of
 * tests/data/recordings/describe.py. Also the recordings themselves.
 */

#include "buf.h"
#include "observation.h"
#include "sink.h"

struct story {
    struct buf text; /* what was observed, in order */
    struct sink sink;
    unsigned limit_hits[LIMIT_HIT_MAX];
    unsigned ticks[SOURCE_MAX];
    struct source_status status[SOURCE_MAX];
    const char *wanted[LIMIT_EVENT_NAMESPACES]; /* what sink.wanted() answers */
    size_t n_wanted;
    bool pods_wait; /* likewise */
};

void story_init(struct story *story);
void story_done(struct story *story);

/* Forgets what was told. */
void story_reset(struct story *story);

/* How many lines begin with `word`. */
size_t story_count(const struct story *story, const char *word);

/* Whether `line` is one of its lines. */
bool story_has(const struct story *story, struct str line);

/* A file under tests/data/recordings/, whole; the test fails where it is not there. buf_done(). */
void recording_read(const char *name, struct buf *ret);

/* The body of a recorded HTTP response: what follows the empty line. */
struct str recording_body(const struct buf *response);
