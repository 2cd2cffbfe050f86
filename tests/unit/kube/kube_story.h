/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A sink that writes one line for each observation, in the format of
 * tests/data/recordings/describe.py. Also reads the recordings.
 */

#include "buf.h"
#include "observation.h"
#include "sink.h"

struct story {
    struct buf text; /* the lines */
    struct sink sink;
    unsigned limit_hits[LIMIT_HIT_MAX];
    unsigned ticks[SOURCE_MAX];
    struct source_status status[SOURCE_MAX];
    const char *wanted[LIMIT_EVENT_NAMESPACES]; /* what sink.wanted() answers */
    size_t n_wanted;
    bool pods_wait;   /* what sink.wanted() answers */
    unsigned created; /* statuses of containers that the runtime has made */
};

void story_init(struct story *story);
void story_done(struct story *story);

/* Empties the text. */
void story_reset(struct story *story);

/* How many lines begin with `word`. */
size_t story_count(const struct story *story, const char *word);

/* Whether `line` is one of its lines. */
bool story_has(const struct story *story, struct str line);

/* Fails the test with the first line that differs from the recorded file. */
void story_assert_is(const struct story *story, const char *expected_name);

/* Reads a file of tests/data/recordings/; aborts if it cannot. buf_done(). */
void recording_read(const char *name, struct buf *ret);

/* The body of a recorded HTTP response. */
struct str recording_body(const struct buf *response);

/* A number of FOLDER/facts.json of the recordings; aborts if it is not there. */
int64_t recording_fact(const char *folder, const char *name);

/* The text with the numbers of facts.json in place of their names in braces. The next call but one
 * overwrites it. */
const char *with_facts(const char *text);
