/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * JSON for the debug answers, with jansson. A function that makes a value returns NULL if there is
 * no memory. A function that adds a value takes it over and remembers a NULL, so the caller checks
 * once, at the end. Text may have any bytes; the output is escaped ASCII.
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
json_t *json_known_text(const char *text); /* null for "", which means unknown */
json_t *json_message(const char *text);    /* the same; U+FFFD for what is not visible */
json_t *json_time(int64_t wall_us);        /* null for 0 */
json_t *json_texts(const char *const *at, size_t n);
json_t *json_causes(uint32_t set); /* one bit (1 << enum cause) for each */

bool json_add(json_t *array, json_t *value);
json_t *json_array_end(json_t *array, bool complete); /* `array`, or NULL after releasing it */

/* Appends `json` and releases it. NULL means that there was no memory for it. */
int json_write(struct buf *out, json_t *json, struct err *err);

/* Appends the member at `index` of a list, on a line of its own. Lists are written member by
 * member, so a node with many failures does not need a JSON tree of all of them. */
int json_write_member(struct buf *out, size_t index, json_t *json, struct err *err);

/* Returns 0 or the error of `out`. */
int json_check(const struct buf *out, struct err *err);
