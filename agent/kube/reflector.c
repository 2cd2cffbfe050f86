/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/reflector.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "agent/kube/reflector_internal.h"
#include "limits.h"

/* An API server lets a request wait for 15 s at most (priority and fairness), then answers. */
#define ANSWER_WITHIN (30 * SEC)
#define LIST_WITHIN (2 * MINUTE)
#define INITIAL_LIST_WITHIN (30 * SEC)
/* The pods of a node are in the server's cache and come in one go, and the list's end with them. */
#define INITIAL_LIST_SILENT_FOR (10 * SEC)
#define WATCH_SHORTEST (5 * MINUTE)
#define WATCH_SPREAD (5 * MINUTE)
/* Bookmarks of pods come about once a minute (k8s.io/apiserver, cacher: bookmarkFrequency). Those
 * of events may come every ten minutes, for they are etcd's progress notices. */
#define PODS_SILENT_FOR (200 * SEC)
#define STREAMING_OFF_FOR HOUR

#define TO(state) (1u << (state))

static const unsigned allowed_moves[] = {
    [REFLECTOR_WAITING] = TO(REFLECTOR_ASKED),
    [REFLECTOR_ASKED] = TO(REFLECTOR_OPEN) | TO(REFLECTOR_REFUSED) | TO(REFLECTOR_WAITING),
    [REFLECTOR_OPEN] = TO(REFLECTOR_WAITING),
    [REFLECTOR_REFUSED] = TO(REFLECTOR_WAITING),
};
_Static_assert(ARRAY_SIZE(allowed_moves) == REFLECTOR_STATE_MAX, "a state without a row");

void reflector_move(struct reflector *reflector, enum reflector_state next)
{
    assert(allowed_moves[reflector->state] & TO(next));
    reflector->state = next;
}

void reflector_init(struct reflector *reflector, const struct reflector_config *config,
                    struct instant now)
{
    *reflector = (struct reflector){ .config = *config,
                                     .jitter = { .state = config->seed },
                                     .backoff = { .first_us = SEC, .longest_us = 20 * SEC },
                                     .next_us = now.mono_us };
    intake_init(&reflector->intake, config->resource, config->sink, config->node_name);
    watch_init(&reflector->watch, &reflector->intake);
    buf_init(&reflector->body, LIMIT_ERROR_BODY);
    buf_init(&reflector->continue_token, TARGET_MAX);
    /* Events are not in the watch cache (each such watch is one of etcd's). */
    reflector->streaming = config->resource == KUBE_PODS;
    reflector_list_anew(reflector, TARGET_LIST_CACHED, now);
}

void reflector_done(struct reflector *reflector, struct instant now)
{
    if (reflector->watching)
        health_watch_closed(reflector->config.health);
    health_forget(reflector->config.health, &reflector->failing, now);
    buf_done(&reflector->continue_token);
    buf_done(&reflector->body);
    watch_done(&reflector->watch);
    intake_done(&reflector->intake);
}

void reflector_list_anew(struct reflector *reflector, enum target_list list, struct instant now)
{
    if (!reflector->streaming && reflector->config.resource == KUBE_PODS &&
        now.mono_us - reflector->streaming_off_us >= STREAMING_OFF_FOR)
        reflector->streaming = true;
    reflector->mode = reflector->streaming ? REFLECTOR_STREAM : REFLECTOR_LIST;
    reflector->list = list;
    /* No cache holds events: resourceVersion=0 would read all of them from etcd, without pages. */
    if (reflector->config.resource == KUBE_EVENTS && list == TARGET_LIST_CACHED)
        reflector->list = TARGET_LIST_PAGED;
    buf_reset(&reflector->continue_token);
    if (reflector->intake.resource_version[0])
        memcpy(reflector->seen_version, reflector->intake.resource_version, RESOURCE_VERSION_SIZE);
    reflector->intake.resource_version[0] = '\0'; /* nothing to go on from until it is complete */
}

/* --- asking ----------------------------------------------------------------------------------- */

bool reflector_due(const struct reflector *reflector, struct instant now)
{
    return reflector->state == REFLECTOR_WAITING && now.mono_us >= reflector->next_us;
}

bool reflector_asks_watch(const struct reflector *reflector)
{
    return reflector->mode != REFLECTOR_LIST;
}

static void forget_last_request(struct reflector *reflector)
{
    err_clear(&reflector->err);
    buf_done(&reflector->body);
    reflector->watch.refusal = (struct watch_refusal){ 0 };
    reflector->status = 0;
    reflector->settled = false;
    reflector->no_streaming = false;
    reflector->why = RECONNECT_NETWORK;
}

void reflector_ask(struct reflector *reflector, struct instant now, struct buf *target)
{
    const int64_t lasts_us = WATCH_SHORTEST + jitter_below(&reflector->jitter, WATCH_SPREAD);

    forget_last_request(reflector);
    if (reflector->config.resource == KUBE_PODS)
        target_add_pods(target, reflector->config.node_name);
    else
        target_add_events(target, reflector->config.namespace);
    if (reflector->mode == REFLECTOR_LIST)
        target_add_list(target, reflector->list, reflector->seen_version,
                        buf_str(&reflector->continue_token));
    else
        target_add_watch(
            target, reflector->mode == REFLECTOR_WATCH ? reflector->intake.resource_version : NULL,
            lasts_us / SEC);
    reflector->asked_us = now.mono_us;
    reflector->planned_us = now.mono_us + lasts_us / SEC * SEC;
    reflector_move(reflector, REFLECTOR_ASKED);
}

/* --- the answer ------------------------------------------------------------------------------- */

int reflector_fail(struct reflector *reflector, enum reconnect why)
{
    assert(reflector->err.code < 0);
    reflector->why = why;
    return reflector->err.code;
}

void reflector_answered(struct reflector *reflector, struct instant now, int status,
                        const char *content_type)
{
    const struct str protobuf = STR("application/vnd.kubernetes.protobuf");

    reflector->status = status;
    reflector->opened_us = reflector->heard_us = now.mono_us;
    if (status != 200) {
        buf_init(&reflector->body, LIMIT_ERROR_BODY);
        reflector_move(reflector, REFLECTOR_REFUSED);
        return;
    }
    reflector_move(reflector, REFLECTOR_OPEN);
    if (!str_starts(str_from(content_type), protobuf)) {
        err_set(&reflector->err, -EPROTO, "the server answered with '%.100s' instead of '%s'",
                content_type ? content_type : "", protobuf.at);
        reflector_fail(reflector, RECONNECT_MALFORMED);
        return;
    }
    if (reflector->mode == REFLECTOR_LIST) {
        buf_init(&reflector->body, LIMIT_LIST_BODY);
        return;
    }
    watch_begin(&reflector->watch, reflector->mode == REFLECTOR_STREAM);
    reflector->watching = true;
    health_watch_opened(reflector->config.health);
}

/* The stream has shown that it works. */
static void settle(struct reflector *reflector, struct instant now)
{
    struct reflector_news *news = &reflector->news;

    if (reflector->settled)
        return;
    reflector->settled = true;
    reflector->list = TARGET_LIST_CACHED; /* the next one; what drove us past it is over */
    if (reflector->failing)
        *news =
            (struct reflector_news){ .kind = NEWS_RECOVERED,
                                     .doing = "watch",
                                     .failures = reflector->failures,
                                     .failed_for_us = now.mono_us - reflector->failing_since_us };
    reflector->failures = 0;
    health_worked(reflector->config.health, &reflector->failing, now);
}

static int receive_watch(struct reflector *reflector, struct instant now, struct str bytes)
{
    struct watch *watch = &reflector->watch;
    const uint64_t changes = watch->changes;
    int r = watch_feed(watch, bytes, &reflector->err);

    if (watch->changes != changes) {
        health_success(reflector->config.health, now);
        health_version(reflector->config.health, reflector->intake.resource_version);
    }
    if (r < 0)
        return reflector_fail(reflector, r == -EREMOTEIO ? RECONNECT_REFUSED : RECONNECT_MALFORMED);
    if (watch->changes != 0 && !watch->initial)
        settle(reflector, now);
    return 0;
}

static int receive_list(struct reflector *reflector, struct str bytes)
{
    buf_add(&reflector->body, bytes);
    if (buf_error(&reflector->body) == -E2BIG) {
        reflector->config.sink->limit_hit(reflector->config.sink->self, LIMIT_HIT_LIST_BODY);
        err_set(&reflector->err, -EMSGSIZE, "a list of over %u bytes", LIMIT_LIST_BODY);
    } else if (buf_error(&reflector->body)) {
        err_set(&reflector->err, -ENOMEM, "no memory for a list of over %zu bytes",
                reflector->body.len);
    }
    return reflector->err.code ? reflector_fail(reflector, RECONNECT_MALFORMED) : 0;
}

int reflector_received(struct reflector *reflector, struct instant now, struct str bytes)
{
    reflector->heard_us = now.mono_us;
    health_received(reflector->config.health, bytes.len);
    if (reflector->err.code)
        return reflector->err.code;
    if (reflector->state == REFLECTOR_REFUSED) {
        /* What fits is enough to show; for the rest nobody waits. */
        buf_add(&reflector->body, str_head(bytes, LIMIT_ERROR_BODY - reflector->body.len));
        return reflector->body.len == LIMIT_ERROR_BODY ? -EMSGSIZE : 0;
    }
    if (reflector->mode == REFLECTOR_LIST)
        return receive_list(reflector, bytes);
    return receive_watch(reflector, now, bytes);
}

/* --- time ------------------------------------------------------------------------------------- */

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* How long the present state may last, and what to say when it did; INT64_MAX: for ever. */
static int64_t patience_ends_us(const struct reflector *reflector, const char **ret_text)
{
    switch (reflector->state) {
    case REFLECTOR_ASKED:
    case REFLECTOR_REFUSED:
        *ret_text = "no answer within 30s";
        return reflector->asked_us + ANSWER_WITHIN;
    case REFLECTOR_OPEN:
        if (reflector->mode == REFLECTOR_LIST) {
            *ret_text = "the list was not complete within 2 minutes";
            return reflector->asked_us + LIST_WITHIN;
        }
        if (reflector->watch.initial) {
            *ret_text = "the streaming list did not come to its end";
            return sooner(reflector->opened_us + INITIAL_LIST_WITHIN,
                          reflector->heard_us + INITIAL_LIST_SILENT_FOR);
        }
        if (reflector->config.resource == KUBE_PODS) {
            *ret_text = "not even a bookmark came for 200s";
            return reflector->heard_us + PODS_SILENT_FOR;
        }
        return INT64_MAX;
    default:
        return INT64_MAX;
    }
}

static bool settles_by_itself(const struct reflector *reflector)
{
    return reflector->state == REFLECTOR_OPEN && reflector->mode == REFLECTOR_WATCH &&
           !reflector->settled && !reflector->err.code;
}

int64_t reflector_deadline_us(const struct reflector *reflector)
{
    const int64_t settles_us = reflector->opened_us + REFLECTOR_SETTLE;
    const char *text;
    int64_t ends_us;

    if (reflector->state == REFLECTOR_WAITING)
        return reflector->next_us;
    ends_us = patience_ends_us(reflector, &text);
    return settles_by_itself(reflector) && settles_us < ends_us ? settles_us : ends_us;
}

bool reflector_late(struct reflector *reflector, struct instant now)
{
    const char *text = NULL;
    int64_t ends_us;

    if (reflector->state == REFLECTOR_WAITING)
        return false;
    if (reflector->err.code)
        return true;
    if (settles_by_itself(reflector) && now.mono_us >= reflector->opened_us + REFLECTOR_SETTLE)
        settle(reflector, now);
    ends_us = patience_ends_us(reflector, &text);
    if (now.mono_us < ends_us)
        return false;
    /* A server that does not know sendInitialEvents passes over it and begins an ordinary watch. */
    reflector->no_streaming = reflector->state == REFLECTOR_OPEN && reflector->watch.initial &&
                              reflector->mode == REFLECTOR_STREAM;
    err_set(&reflector->err, -ETIMEDOUT, "%s", text);
    reflector_fail(reflector, RECONNECT_NETWORK);
    return true;
}

bool reflector_take_news(struct reflector *reflector, struct reflector_news *ret)
{
    if (reflector->news.kind == NEWS_NOTHING)
        return false;
    *ret = reflector->news;
    reflector->news.kind = NEWS_NOTHING;
    return true;
}
