/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The answers of the agent's debug listener, and what `status` reads in them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

struct buf;

/* What is asked, in this order. Each answer is an object with one list, which has this name. */
#define STATUS_LIST_TABLE(X)                                                                       \
    X(FAILURES, "failures")                                                                        \
    X(IMAGES, "images")                                                                            \
    X(SOURCES, "sources")

enum status_list {
#define X(name, text) STATUS_##name,
    STATUS_LIST_TABLE(X)
#undef X
        STATUS_LIST_MAX,
};

const char *status_list_name(enum status_list list);

/* Three JSON objects; exporter/debug/debug_json.h describes them. status_keep() says what is left
 * out of their lists. */
#define STATUS_NOT_KEPT "not_kept" /* true: a failure or pull without its details */

struct status_answers {
    json_t *failures;
    json_t *images;
    json_t *sources;
};

void status_answers_done(struct status_answers *answers);

struct status_options {
    const char *namespace; /* NULL: all */
    const char *cause;     /* NULL: all */
    int width;             /* columns; at least STATUS_WIDTH_LEAST are used. INT_MAX: no limit */
    int height;            /* lines; the last one counts the lines that do not fit. 0: no limit */
    bool colour;
    int64_t now_us; /* wall */
};

/* The value of a key. "" or 0 if it is null, missing or of another type. */
const char *status_text(const json_t *object, const char *key);
uint64_t status_number(const json_t *object, const char *key);
int64_t status_time_us(const json_t *object,
                       const char *key); /* The time in a text like "2026-11-21T22:40:01Z". */

/* Whether namespace and cause of this failure are those of `options`. */
bool status_selected(const json_t *failure, const struct status_options *options);

/* Whether the failure's container is still blocked. */
bool status_open(const json_t *failure);

/* Number of blocked containers that `options` selects. */
size_t status_blocked(const struct status_answers *answers, const struct status_options *options);

/*
 * NULL if a container that is not reported as blocked is fine. Otherwise why that is
 * not known: the agent cannot read the pods of this node.
 */
const char *status_unknown(const struct status_answers *answers);

/* Whether limits of the agent leave something out now, so that it may not know all failures. */
bool status_incomplete(const struct status_answers *answers);

/* Whether this image is a pull that the table shows. */
bool status_shows_pull(const json_t *image, const struct status_options *options);
bool status_is_queued(const json_t *image);
