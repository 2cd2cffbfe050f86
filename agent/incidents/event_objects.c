/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/event_objects.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "hash.h"
#include "mem.h"

static void object_done(struct event_object *object)
{
    mem_free(object->container);
    mem_free(object->image);
}

void event_objects_done(struct event_objects *objects)
{
    for (size_t i = 0; i < objects->n; i++)
        object_done(&objects->list[i]);
    mem_free(objects->list);
    *objects = (struct event_objects){ .n = 0 };
}

static uint64_t believable(struct counters *counters, int32_t claimed, uint64_t before)
{
    uint64_t count = (uint64_t)claimed;

    if (count <= before + LIMIT_EVENT_COUNT_STEP)
        return count;
    counters_limit_hit(counters, LIMIT_HIT_EVENT_COUNT);
    return before + LIMIT_EVENT_COUNT_STEP;
}

static bool is_about_same(const struct event_object *object, const struct event_object *other)
{
    return object->message == other->message && strcmp(object->container, other->container) == 0 &&
           strcmp(object->image, other->image) == 0;
}

/*
 * After the TTL the kubelet cannot patch the object any more and creates it again: with another
 * uid, but with the first time and the count of the old one (client-go: tools/record/event.go,
 * recordEvent()).
 */
static bool is_created_again(const struct event_object *object, const struct event_object *before)
{
    return object->first_us && object->first_us == before->first_us &&
           is_about_same(object, before);
}

/* A kubelet that has started again does not know its older objects, and counts the same message in
 * a new one (client-go: tools/record/events_cache.go, eventLogger). The list is not sorted. */
static void mark_later(struct event_objects *objects, struct event_object *new)
{
    for (size_t i = 0; i < objects->n; i++) {
        struct event_object *other = &objects->list[i];

        if (other == new || !is_about_same(other, new))
            continue;
        if (other->first_us < new->first_us)
            new->counts_anew = true;
        else
            other->counts_anew = true;
    }
}

static void count_on(struct event_object *object, struct counters *counters,
                     const struct event_fact *fact)
{
    if ((uint64_t)fact->count > object->count)
        object->count = believable(counters, fact->count, object->count);
    if (fact->last_us > object->last_us)
        object->last_us = fact->last_us;
}

/* Makes room for one more. At the limit, drops the object that was seen longest ago. */
static struct event_object *add(struct event_objects *objects, struct counters *counters)
{
    struct event_object *oldest;

    if (objects->n < LIMIT_EVENT_OBJECTS_PER_POD) {
        struct event_object *grown = mem_realloc(objects->list, (objects->n + 1) * sizeof(*grown));

        if (!grown)
            return NULL;
        objects->list = grown;
        return &objects->list[objects->n++];
    }
    counters_limit_hit(counters, LIMIT_HIT_EVENT_OBJECTS);
    oldest = &objects->list[0];
    for (size_t i = 1; i < objects->n; i++)
        if (objects->list[i].last_us < oldest->last_us)
            oldest = &objects->list[i];
    object_done(oldest);
    *oldest = objects->list[objects->n - 1];
    return &objects->list[objects->n - 1];
}

int event_objects_take(struct event_objects *objects, struct counters *counters,
                       const struct event_fact *fact, struct str container, struct str image,
                       struct event_object **ret_new)
{
    struct event_object object = { .uid = hash_str(fact->event_uid) };
    struct event_object *place;

    *ret_new = NULL;
    for (size_t i = 0; i < objects->n; i++) {
        if (objects->list[i].uid != object.uid)
            continue;
        count_on(&objects->list[i], counters, fact);
        return 0;
    }
    object.message = hash_str(fact->message);
    object.container = mem_str(str_head(container, LIMIT_NAME_TEXT));
    object.image = mem_str(str_head(image, LIMIT_IMAGE_TEXT - 1));
    object.count = believable(counters, fact->count, 0);
    object.first_us = fact->first_us;
    object.last_us = fact->last_us;
    for (size_t i = 0; i < objects->n && object.container && object.image; i++) {
        if (!is_created_again(&object, &objects->list[i]))
            continue;
        object_done(&object);
        objects->list[i].uid = object.uid;
        count_on(&objects->list[i], counters, fact);
        return 0;
    }
    place = object.container && object.image ? add(objects, counters) : NULL;
    if (!place) {
        object_done(&object);
        return -ENOMEM;
    }
    *place = object;
    mark_later(objects, place);
    *ret_new = place;
    return 0;
}
