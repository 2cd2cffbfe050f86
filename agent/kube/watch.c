/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/watch.h"

#include <errno.h>

#include "agent/kube/wire/decode.h"
#include "agent/kube/wire/kept.h"
#include "agent/kube/wire/refusal.h"
#include "limit.h"

void watch_init(struct watch *watch, struct intake *intake)
{
    *watch = (struct watch){ .intake = intake };
    frames_init(&watch->frames, LIMIT_WATCH_FRAME);
    watch->rules = kept_rules(intake->resource, NULL, "a watch event");
    sift_init(&watch->sift, &watch->rules);
}

void watch_done(struct watch *watch)
{
    sift_done(&watch->sift);
}

void watch_begin(struct watch *watch, bool initial)
{
    frames_restart(&watch->frames);
    sift_begin(&watch->sift, kept_watch_event());
    watch->initial = initial;
    watch->changes = 0;
    watch->refusal = (struct watch_refusal){ 0 };
    if (initial) {
        watch->intake->resource_version[0] = '\0';
        intake_list_begin(watch->intake);
    }
}

/* A bookmark has only a resourceVersion. The first one with the annotation ends the streaming list
 * (KEP-3157). */
static int take_bookmark(struct watch *watch, struct str raw, struct err *err)
{
    struct intake *intake = watch->intake;
    struct kube_meta meta;
    int r;

    r = kube_decode_meta(&intake->arena, raw, &meta, err);
    if (r == 0 && (!watch->initial || meta.initial_events_end))
        r = intake_advance(intake, meta.resource_version, err);
    if (r == 0 && watch->initial && meta.initial_events_end) {
        watch->initial = false;
        intake_list_end(intake);
    }
    arena_reset(&intake->arena);
    return r < 0 ? err_wrap(err, "bookmark") : 0;
}

static int take_error(struct watch *watch, const struct kube_object *object, struct err *err)
{
    struct arena *arena = &watch->intake->arena;
    struct kube_refusal status;
    int r;

    if (!str_eq(object->kind, STR("Status")))
        return err_set(err, -EPROTO, "an ERROR event has '%.*s' instead of 'Status'",
                       STR_ARG(str_head(object->kind, 40)));
    r = kube_decode_status(arena, object->raw, &status, err);
    if (r == 0) {
        char text[REFUSAL_TEXT_SIZE];

        refusal_clean(status.message.len ? status.message : status.reason, text);
        watch->refusal =
            (struct watch_refusal){ .code = status.code, .retry_after_us = status.retry_after_us };
        r = err_set(err, -EREMOTEIO, "the API server ended the watch with %d: %s", status.code,
                    text);
    }
    arena_reset(arena);
    return r;
}

static int take_frame(struct watch *watch, struct str frame, struct err *err)
{
    const struct str kind = watch->intake->resource == KUBE_PODS ? STR("Pod") : STR("Event");
    const unsigned advance = watch->initial ? 0 : INTAKE_ADVANCE;
    struct kube_change change;
    int r;

    r = kube_change_open(frame, &change, err);
    if (r < 0)
        return r;
    if (str_eq(change.type, STR("ERROR")))
        return take_error(watch, &change.object, err);
    if (!str_eq(change.object.kind, kind))
        return err_set(err, -EPROTO, "a watch event '%.*s' has '%.*s' instead of '%.*s'",
                       STR_ARG(str_head(change.type, 40)),
                       STR_ARG(str_head(change.object.kind, 40)), STR_ARG(kind));
    watch->changes++;
    if (str_eq(change.type, STR("BOOKMARK")))
        return take_bookmark(watch, change.object.raw, err);
    if (str_eq(change.type, STR("DELETED")))
        return intake_take(watch->intake, change.object.raw, INTAKE_GONE | advance, err);
    if (str_eq(change.type, STR("ADDED")) || str_eq(change.type, STR("MODIFIED")))
        return intake_take(watch->intake, change.object.raw, advance, err);
    return err_set(err, -EPROTO, "a watch event has the unknown type '%.*s'",
                   STR_ARG(str_head(change.type, 40)));
}

static int end_frame(struct watch *watch, struct err *err)
{
    struct intake *intake = watch->intake;
    struct str frame;
    int r = sift_end(&watch->sift, &frame, err);

    if (r == 0 && watch->sift.left_out) {
        watch->changes++;
        intake_left_out(intake, LIMIT_HIT_WATCH_FRAME);
    } else if (r == 0) {
        r = take_frame(watch, frame, err);
    }
    sift_begin(&watch->sift, kept_watch_event());
    return r;
}

int watch_feed(struct watch *watch, struct str bytes, struct err *err)
{
    struct str part;
    bool ends;
    int r;

    while ((r = frames_next(&watch->frames, &bytes, &part, &ends, err)) > 0) {
        r = sift_feed(&watch->sift, part, err);
        if (r == 0 && ends)
            r = end_frame(watch, err);
        if (r < 0)
            return r;
    }
    if (r == -EMSGSIZE)
        watch->intake->sink->limit_hit(watch->intake->sink->self, LIMIT_HIT_WATCH_FRAME);
    return r;
}
