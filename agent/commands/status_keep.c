/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/commands/status_keep.h"

#include <errno.h>
#include <string.h>

#include "util.h"

static const char *const counted_keys[] = { "namespace", "cause", "state", NULL };
static const char *const failure_keys[] = {
    "namespace",  "pod",           "owner",  "kind",     "container",     "cause",
    "reason",     "state",         "image",  "attempts", "first_failure", "first_failure_exact",
    "next_retry", "overdue_since", "advice", NULL
};
static const char *const stall_keys[] = { "held_by", "waiting_behind", NULL };

int status_kept_begin(struct status_kept *kept)
{
    bool whole = true;

    kept->weight = 0;
    for (size_t i = 0; i < STATUS_LIST_MAX; i++)
        whole &= (kept->lists[i] = json_array()) != NULL;
    return whole ? 0 : -ENOMEM;
}

void status_kept_done(struct status_kept *kept)
{
    for (size_t i = 0; i < STATUS_LIST_MAX; i++) {
        json_decref(kept->lists[i]);
        kept->lists[i] = NULL;
    }
}

/* About as much as jansson allocates for `json`. A member of an answer is not deep: the parser has
 * a limit. */
/* NOLINTNEXTLINE(misc-no-recursion) */
static size_t weight_of(const json_t *json)
{
    const char *key;
    json_t *value;
    size_t sum = 64, i;

    if (json_is_object(json))
        sum += 160;
    sum += json_string_length(json);
    json_object_foreach((json_t *)(uintptr_t)json, key, value)
    {
        sum += 80 + strlen(key) + weight_of(value);
    }
    json_array_foreach(json, i, value)
    {
        sum += 16 + weight_of(value);
    }
    return sum;
}

/* A new object with those keys of `from` that have a value. NULL: no memory. */
static json_t *some_of(const json_t *from, const char *const *keys)
{
    json_t *object = json_object();
    bool whole = object != NULL;

    for (; *keys && whole; keys++) {
        json_t *value = json_object_get(from, *keys);

        if (value && !json_is_null(value))
            whole = json_object_set(object, *keys, value) == 0;
    }
    if (whole)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *shown_of_failure(const json_t *failure)
{
    const json_t *stall = json_object_get(failure, "stall");
    json_t *object = some_of(failure, failure_keys);

    if (object && json_is_object(stall) &&
        json_object_set_new(object, "stall", some_of(stall, stall_keys)) < 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static int add(struct status_kept *kept, enum status_list list, json_t *value)
{
    return value && json_array_append_new(kept->lists[list], value) == 0 ? 0 : -ENOMEM;
}

int status_keep_counts(struct status_kept *kept, enum status_list list, const json_t *member)
{
    if (list == STATUS_IMAGES)
        return 0;
    return add(kept, list,
               list == STATUS_SOURCES ? json_deep_copy(member) : some_of(member, counted_keys));
}

/* Takes over `value`. */
static int add_if_it_fits(struct status_kept *kept, enum status_list list, json_t *value)
{
    const size_t weight = value ? weight_of(value) : 0;
    json_t *counted;

    if (!value || kept->weight + weight <= STATUS_KEPT_MAX) {
        kept->weight += weight;
        return add(kept, list, value);
    }
    counted = some_of(value, counted_keys);
    json_decref(value);
    if (counted && json_object_set_new(counted, STATUS_NOT_KEPT, json_true()) < 0) {
        json_decref(counted);
        counted = NULL;
    }
    return add(kept, list, counted);
}

int status_keep(struct status_kept *kept, enum status_list list, const json_t *member,
                const struct status_options *options)
{
    if (list == STATUS_FAILURES && status_selected(member, options) && status_open(member))
        return add_if_it_fits(kept, list, shown_of_failure(member));
    if (list != STATUS_IMAGES)
        return status_keep_counts(kept, list, member);
    return status_shows_pull(member, options) ? add_if_it_fits(kept, list, json_deep_copy(member))
                                              : 0;
}

int status_kept_end(struct status_kept *kept, struct status_answers *answers)
{
    json_t *const objects[STATUS_LIST_MAX] = {
        [STATUS_FAILURES] = answers->failures,
        [STATUS_IMAGES] = answers->images,
        [STATUS_SOURCES] = answers->sources,
    };

    for (enum status_list i = 0; i < STATUS_LIST_MAX; i++)
        if (json_object_set(objects[i], status_list_name(i), kept->lists[i]) < 0)
            return -ENOMEM;
    return 0;
}
