/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The Event objects of a pod that say "Failed to pull image", and what each of them counts. The
 * kubelet counts repetitions in one object. The API server deletes it after its TTL, and anybody
 * who may write events can claim any count.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/incidents/counters.h"
#include "observation.h"

struct event_object {
    uint64_t uid;     /* hash */
    uint64_t message; /* hash */
    char *container;  /* from its fieldPath; "" for an image volume */
    char *image;      /* as the message names it */
    uint64_t count;
    uint64_t before;  /* part of `count` that happened before the open incident */
    uint64_t assumed; /* part of the rest that is only assumed: see attempts.c, assume() */
    int64_t first_us;
    int64_t last_us;
    bool counts_anew; /* an older object counts the same message: see event_objects.c */
};

struct event_objects {
    struct event_object *list;
    size_t n;
};

/*
 * Takes the count of the event's object. *ret_new is the object if it is a new one, else NULL: see
 * attempts_divide(). 0 or -ENOMEM.
 */
int event_objects_take(struct event_objects *objects, struct counters *counters,
                       const struct event_fact *fact, struct str container, struct str image,
                       struct event_object **ret_new);
void event_objects_done(struct event_objects *objects);
