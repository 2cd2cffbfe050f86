/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * JSON for the debug answers, over jansson. Every maker returns NULL when there
 * is no memory, and every put takes over its value and remembers a NULL, so that a
 * value is checked once, at its end. Text of any bytes comes out as ASCII, escaped.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "err.h"
#include "str.h"

struct buf;

struct json_object {
    json_t *json;
    bool failed;
};

struct json_object json_object_begin(void);
void json_put(struct json_object *object, const char *key, json_t *value);
json_t *json_object_end(struct json_object *object);

json_t *json_str(struct str text);
json_t *json_text(const char *text);       /* null for NULL */
json_t *json_known_text(const char *text); /* for texts whose empty form means that nobody knows */
json_t *json_time(int64_t wall_us);        /* null for 0 */
json_t *json_texts(const char *const *at, size_t n);
json_t *json_causes(uint32_t set); /* the names of those whose bit (1 << enum cause) is set */

bool json_add(json_t *array, json_t *value);
json_t *json_array_end(json_t *array, bool complete); /* `array`, or NULL and the array gone */

/* Appends `json` and releases it. NULL is a value that ran out of memory. */
int json_write(struct buf *out, json_t *json, struct err *err);

/*
 * The lists are written one member a line, and a member at a time, so that a
 * node full of failures does not cost a tree of all of them.
 */
int json_write_member(struct buf *out, size_t index, json_t *json, struct err *err);

/* 0, or the error that sticks in `out`, in words. */
int json_check(const struct buf *out, struct err *err);
