/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/commands/status_groups.h"

#include "buf.h"

#define KEY_MAX (24u << 10)

static bool is_row(const json_t *failure, const struct status_options *options)
{
    return status_open(failure) && status_selected(failure, options) &&
           !json_is_true(json_object_get(failure, STATUS_NOT_KEPT));
}

/* What all failures of a row have in common. Empty: it has no owner, so it is a row of its own. */
static void write_key(struct buf *out, const json_t *failure)
{
    static const char *const keys[] = { "namespace", "container", "kind", "image",
                                        "cause",     "reason",    NULL };
    const json_t *owner = json_object_get(failure, "owner");

    buf_reset(out);
    if (!json_is_object(owner))
        return;
    buf_add_text(out, status_text(owner, "kind"));
    buf_add_byte(out, '\n');
    buf_add_text(out, status_text(owner, "name"));
    for (const char *const *key = keys; *key; key++) {
        buf_add_byte(out, '\n');
        buf_add_text(out, status_text(failure, *key));
    }
    buf_add_byte(out, '\0');
}

static int copy(json_t *row, const json_t *from, const char *key)
{
    json_t *value = json_object_get(from, key);

    return value ? json_object_set(row, key, value) : json_object_del(row, key);
}

/* Takes over the time if it is earlier. */
static int take_earlier(json_t *row, const json_t *failure, const char *key)
{
    const int64_t known_us = status_time_us(row, key);
    const int64_t time_us = status_time_us(failure, key);

    return time_us && (!known_us || time_us < known_us) ? copy(row, failure, key) : 0;
}

static int add_first_failure(json_t *row, const json_t *failure)
{
    const int64_t known_us = status_time_us(row, "first_failure");

    if (take_earlier(row, failure, "first_failure") < 0)
        return -1;
    return status_time_us(row, "first_failure") == known_us
               ? 0
               : copy(row, failure, "first_failure_exact");
}

static int add_to_row(json_t *row, const json_t *failure)
{
    const uint64_t pods = status_number(row, STATUS_PODS);
    const uint64_t attempts = status_number(row, "attempts") + status_number(failure, "attempts");

    if (json_object_set_new(row, STATUS_PODS, json_integer((json_int_t)(pods ? pods + 1 : 2))) < 0)
        return -1;
    if (json_object_set_new(row, "attempts", json_integer((json_int_t)attempts)) < 0)
        return -1;
    if (take_earlier(row, failure, "next_retry") < 0)
        return -1;
    return add_first_failure(row, failure);
}

/* The row at `index` in a form that may be changed: a failure itself is not. NULL: no memory. */
static json_t *own_row(json_t *rows, size_t index)
{
    json_t *row = json_array_get(rows, index);
    json_t *copy;

    if (status_number(row, STATUS_PODS))
        return row;
    copy = json_copy(row);
    if (json_object_size(copy) != json_object_size(row)) { /* json_copy() ignores errors */
        json_decref(copy);
        return NULL;
    }
    return json_array_set_new(rows, index, copy) < 0 ? NULL : copy;
}

/* `of_key` has the places of the rows by their keys. */
static int add_failure(json_t *rows, json_t *of_key, struct buf *key, json_t *failure)
{
    const json_t *place = NULL;
    json_t *row;

    write_key(key, failure);
    if (buf_error(key))
        return -1;
    if (key->len)
        place = json_object_get(of_key, key->at);
    if (place) {
        row = own_row(rows, (size_t)json_integer_value(place));
        return row ? add_to_row(row, failure) : -1;
    }
    if (json_array_append(rows, failure) < 0)
        return -1;
    return key->len ? json_object_set_new(of_key, key->at,
                                          json_integer((json_int_t)json_array_size(rows) - 1))
                    : 0;
}

json_t *status_group(const json_t *failures, const struct status_options *options)
{
    json_t *rows = json_array(), *of_key = json_object();
    bool whole = rows && of_key;
    json_t *failure;
    struct buf key;
    size_t i;

    buf_init(&key, KEY_MAX);
    json_array_foreach(failures, i, failure)
    {
        if (whole && is_row(failure, options))
            whole = add_failure(rows, of_key, &key, failure) == 0;
    }
    buf_done(&key);
    json_decref(of_key);
    if (whole)
        return rows;
    json_decref(rows);
    return NULL;
}
