/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/reflector_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "agent/kube/kubelet.h"
#include "agent/kube/wire/refusal.h"

/* A server ends its watches a moment before or after the agreed time. */
#define PLAN_SLACK (5 * SEC)
/* After a stream that worked for this long, the next back-off starts at its first delay. */
#define HEALTHY_AFTER MINUTE
/* A longer Retry-After is cut to this: a longer wait would be an outage of the agent. */
#define RETRY_AFTER_MOST (5 * MINUTE)
/* After a list that failed, on average. */
#define LIST_BYTES_PER_SECOND (1u << 20)

enum outcome {
    OUTCOME_LISTED,       /* a list, or one page of it, was read */
    OUTCOME_PLANNED,      /* the watch ended at the agreed time */
    OUTCOME_CLOSED,       /* a working watch ended sooner */
    OUTCOME_EXPIRED,      /* 410 */
    OUTCOME_NO_STREAMING, /* the server cannot begin a watch with a list */
    OUTCOME_USED_UP,      /* the budget of its events */
    OUTCOME_FAILED,       /* see `err` and `why` */
};

/* --- what has happened ------------------------------------------------------------------------ */

static enum outcome fail(struct reflector *reflector, enum reconnect why)
{
    reflector_fail(reflector, why);
    return OUTCOME_FAILED;
}

static enum outcome judge_refusal(struct reflector *reflector)
{
    const bool kubelet = reflector->config.from_kubelet;
    const int status = reflector->status;
    char text[REFUSAL_TEXT_SIZE];

    if (reflector->mode == REFLECTOR_STREAM &&
        (status == 400 || status == 403 || status == 404 || status == 422))
        return OUTCOME_NO_STREAMING;
    refusal_text(buf_str(&reflector->body), text);
    err_set(&reflector->err, -EREMOTEIO, "the %s answered %d%s%s%s",
            kubelet ? "kubelet" : "API server", status, text[0] ? ": " : "", text,
            kubelet ? kubelet_advice(status) : "");
    if (status != 410 || kubelet)
        return fail(reflector, RECONNECT_REFUSED);
    reflector_fail(reflector, RECONNECT_EXPIRED);
    return OUTCOME_EXPIRED;
}

static enum outcome judge_list(struct reflector *reflector)
{
    struct str token;
    int r;

    r = list_end(&reflector->reading, &token, &reflector->err);
    if (r < 0)
        return fail(reflector, RECONNECT_MALFORMED);
    buf_reset(&reflector->continue_token);
    buf_add(&reflector->continue_token, token);
    if (buf_error(&reflector->continue_token)) {
        err_set(&reflector->err, buf_error(&reflector->continue_token),
                "the list's continue token of %zu bytes is too long, or there is no memory",
                token.len);
        return fail(reflector, RECONNECT_MALFORMED);
    }
    if (++reflector->pages >= LIMIT_LIST_PAGES && token.len) {
        reflector->config.sink->limit_hit(reflector->config.sink->self, LIMIT_HIT_LIST_PAGES);
        err_set(&reflector->err, -EMSGSIZE, "the list has over %u pages", LIMIT_LIST_PAGES);
        return fail(reflector, RECONNECT_MALFORMED);
    }
    return OUTCOME_LISTED;
}

static enum outcome judge_poll(struct reflector *reflector)
{
    struct str token;
    int r = list_end(&reflector->reading, &token, &reflector->err);

    return r < 0 ? fail(reflector, RECONNECT_MALFORMED) : OUTCOME_LISTED;
}

/* The watch ended without an error of its own. */
static enum outcome judge_watch_end(struct reflector *reflector, struct instant now,
                                    const struct transfer_end *end)
{
    if (reflector->settled && end->complete && now.mono_us >= reflector->planned_us - PLAN_SLACK)
        return OUTCOME_PLANNED;
    if (!end->complete)
        err_set(&reflector->err, -EIO, "%s", end->text);
    else
        err_set(&reflector->err, -EIO, "the API server closed the watch after %lldms%s",
                (long long)((now.mono_us - reflector->opened_us) / MSEC),
                reflector->watch.initial ? ", before the list was complete" : "");
    fail(reflector, end->complete || end->by_peer ? RECONNECT_CLOSED : RECONNECT_NETWORK);
    return reflector->settled ? OUTCOME_CLOSED : OUTCOME_FAILED;
}

static enum outcome judge(struct reflector *reflector, struct instant now,
                          const struct transfer_end *end)
{
    const bool poll = reflector->mode == REFLECTOR_POLL;

    if (reflector->no_streaming)
        return OUTCOME_NO_STREAMING;
    if (reflector->err.code == -EREMOTEIO && reflector->watch.refusal.code == 410) {
        reflector_fail(reflector, RECONNECT_EXPIRED);
        return OUTCOME_EXPIRED;
    }
    if (reflector->err.code == REFLECTOR_USED_UP)
        return OUTCOME_USED_UP;
    if (reflector->err.code)
        return OUTCOME_FAILED;
    if (reflector->state == REFLECTOR_REFUSED)
        return judge_refusal(reflector);
    if (reflector->state == REFLECTOR_OPEN && reflector_asks_watch(reflector))
        return judge_watch_end(reflector, now, end);
    if (!end->complete || reflector->state == REFLECTOR_ASKED) {
        err_set(&reflector->err, -EIO, "%s", end->complete ? "the answer is empty" : end->text);
        return fail(reflector, poll && end->by_peer ? RECONNECT_CLOSED : RECONNECT_NETWORK);
    }
    return poll ? judge_poll(reflector) : judge_list(reflector);
}

/* --- what follows ----------------------------------------------------------------------------- */

static void turn_streaming_off(struct reflector *reflector, struct instant now)
{
    reflector->streaming = false;
    reflector->streaming_off_us = now.mono_us;
}

static bool a_container_waits(const struct sink *sink)
{
    struct wanted wanted;
    bool waits;

    sink->wanted(sink->self, &wanted);
    waits = wanted.pods_wait || wanted.n_images > 0;
    wanted_done(&wanted);
    return waits;
}

static void next_after_poll(struct reflector *reflector, struct instant now)
{
    const bool waits = a_container_waits(reflector->config.sink);

    backoff_reset(&reflector->backoff);
    reflector_settle(reflector, now);
    reflector->next_us = now.mono_us + kubelet_next_pause_us(&reflector->pause_us, waits);
}

static void next_after_list(struct reflector *reflector, struct instant now)
{
    health_success(reflector->config.health, now);
    if (reflector->continue_token.len == 0) {
        reflector->mode = REFLECTOR_WATCH;
        health_version(reflector->config.health, reflector->intake.resource_version);
    }
    reflector->next_us = now.mono_us;
}

/*
 * 400 and 504 can mean that the server does not know our resourceVersion yet ("Too large resource
 * version"): etcd was restored from a backup.
 */
static bool version_is_refused(const struct reflector *reflector)
{
    return reflector->status == 400 || reflector->status == 504 ||
           reflector->watch.refusal.code == 400 || reflector->watch.refusal.code == 504;
}

/*
 * The same for a list that must not be older than what was read before. Another reason: the cache
 * of this server is behind the cache of the server that we asked before.
 * client-go: tools/cache/reflector.go, list().
 */
static bool list_is_refused_for_its_version(const struct reflector *reflector)
{
    if (reflector->mode != REFLECTOR_LIST || reflector->list != TARGET_LIST_CACHED ||
        !reflector->seen_version[0])
        return false;
    return reflector->status == 400 ||
           (reflector->status == 504 && strstr(reflector->err.text, "Too large resource version"));
}

static bool list_is_too_large(const struct reflector *reflector)
{
    return reflector->mode == REFLECTOR_LIST && reflector->err.code == -EMSGSIZE;
}

/* Asks for pages from now on, or for smaller ones. False: they cannot be smaller. */
static bool turn_pages(struct reflector *reflector, struct instant now)
{
    const bool paged = reflector->list == TARGET_LIST_PAGED;

    if (paged && reflector->page_items == 1)
        return false;
    if (paged)
        reflector->page_items = (reflector->page_items + 4) / 5;
    reflector->lists_are_too_large = true;
    reflector->too_large_us = now.mono_us;
    return true;
}

static void next_after_failure(struct reflector *reflector, struct instant now)
{
    const bool malformed = reflector->why == RECONNECT_MALFORMED;

    if (malformed)
        turn_streaming_off(reflector, now);
    if (list_is_refused_for_its_version(reflector)) {
        reflector->seen_version[0] = '\0';
        reflector->list = TARGET_LIST_PAGED;
    }
    if (reflector->intake.resource_version[0] == '\0' || malformed ||
        reflector->mode == REFLECTOR_LIST || version_is_refused(reflector))
        reflector_list_anew(reflector, reflector->list, now);
    else
        reflector->mode = REFLECTOR_WATCH;
}

static void next_after_expiry(struct reflector *reflector, struct instant now)
{
    /* If the token of a page expired, reading in pages is too slow: request all at once. */
    reflector_list_anew(reflector,
                        reflector->continue_token.len ? TARGET_LIST_WHOLE : TARGET_LIST_PAGED, now);
}

/* A list that fails again and again must not be read again and again as fast as it comes. */
static int64_t pause_for_list_us(const struct reflector *reflector)
{
    const bool list = reflector->mode == REFLECTOR_LIST || reflector->mode == REFLECTOR_POLL;

    return list ? (int64_t)(reflector->reading.received / LIST_BYTES_PER_SECOND) * SEC : 0;
}

static int64_t wait_us(struct reflector *reflector, const struct transfer_end *end)
{
    const int64_t backoff = backoff_next_us(&reflector->backoff, &reflector->jitter);
    const int64_t pause = pause_for_list_us(reflector);
    const int64_t wait = backoff > pause ? backoff : pause;
    int64_t asked = end->retry_after_us;

    if (asked < reflector->watch.refusal.retry_after_us)
        asked = reflector->watch.refusal.retry_after_us;
    if (asked > RETRY_AFTER_MOST)
        asked = RETRY_AFTER_MOST;
    if (asked <= wait)
        return wait;
    /* Many agents get the same Retry-After from one API server; a kubelet has only this one. */
    return reflector->config.from_kubelet ? asked : asked + jitter_below(&reflector->jitter, SEC);
}

static void set_change(struct reflector *reflector, bool first, int64_t retry_in_us)
{
    struct reflector_change *change = &reflector->change;

    change->kind = first ? CHANGE_FAILED : CHANGE_RETRY;
    change->doing = reflector_doing(reflector);
    change->retry_in_us = retry_in_us;
    snprintf(change->text, sizeof(change->text), "%s", reflector->err.text);
}

/* Compares kinds of failures, not texts: a text may contain milliseconds. */
static void record_failure(struct reflector *reflector, struct instant now, int64_t retry_in_us)
{
    const bool new_kind = !reflector->failing || reflector->failing_why != reflector->why ||
                          reflector->failing_status != reflector->status;

    if (!reflector->failing)
        reflector->failing_since_us = now.mono_us;
    reflector->failures++;
    reflector->failing_why = reflector->why;
    reflector->failing_status = reflector->status;
    set_change(reflector, new_kind, retry_in_us);
    health_failed(reflector->config.health, &reflector->failing, reflector->err.text, now);
    health_reconnect(reflector->config.health, reflector->why, now);
}

static void record_reconnect(struct reflector *reflector, struct instant now, int64_t retry_in_us)
{
    set_change(reflector, false, retry_in_us);
    health_reconnect(reflector->config.health, reflector->why, now);
}

/* The source works, so this is no failure of it. Only the first of several rests is logged. */
static int64_t rest(struct reflector *reflector, struct instant now)
{
    const struct reflector_config *config = &reflector->config;
    const bool first = !event_budget_is_spent(config->budget, now.mono_us);
    const int64_t rest_us = event_budget_rest(config->budget, &reflector->jitter, now.mono_us);
    char text[REFUSAL_TEXT_SIZE];

    reflector_settle(reflector, now);
    snprintf(text, sizeof(text), "namespace %.63s has too many events; reading again in %lld min",
             config->namespace, (long long)((rest_us + MINUTE - 1) / MINUTE));
    health_remark(config->health, text, now);
    config->sink->limit_hit(config->sink->self, LIMIT_HIT_EVENT_BUDGET);
    if (first) {
        reflector->change.kind = CHANGE_RESTS;
        snprintf(reflector->change.text, sizeof(reflector->change.text), "%s", text);
    }
    reflector_list_anew(reflector, TARGET_LIST_NONE, now);
    return rest_us;
}

static void plan_next(struct reflector *reflector, struct instant now, enum outcome outcome,
                      const struct transfer_end *end)
{
    const bool was_list = reflector->mode != REFLECTOR_WATCH; /* STREAM begins with a list */
    int64_t wait = 0;

    switch (outcome) {
    case OUTCOME_LISTED:
        if (reflector->mode == REFLECTOR_POLL)
            next_after_poll(reflector, now);
        else
            next_after_list(reflector, now);
        return;
    case OUTCOME_PLANNED:
        reflector->mode = REFLECTOR_WATCH;
        break;
    case OUTCOME_NO_STREAMING:
        turn_streaming_off(reflector, now);
        reflector_list_anew(reflector, reflector->list, now);
        break;
    case OUTCOME_CLOSED:
        wait = wait_us(reflector, end);
        record_reconnect(reflector, now, wait);
        reflector->mode = REFLECTOR_WATCH;
        break;
    case OUTCOME_EXPIRED:
        wait = wait_us(reflector, end);
        if (was_list)
            record_failure(reflector, now, wait);
        else
            record_reconnect(reflector, now, wait);
        next_after_expiry(reflector, now);
        break;
    case OUTCOME_USED_UP:
        wait = rest(reflector, now);
        break;
    case OUTCOME_FAILED:
        if (list_is_too_large(reflector) && turn_pages(reflector, now))
            reflector->reading.received = 0; /* another request: it need not wait */
        wait = wait_us(reflector, end);
        record_failure(reflector, now, wait);
        next_after_failure(reflector, now);
        break;
    }
    reflector->next_us = now.mono_us + wait;
}

void reflector_ended(struct reflector *reflector, struct instant now,
                     const struct transfer_end *end)
{
    const bool healthy = reflector->settled && now.mono_us - reflector->opened_us >= HEALTHY_AFTER;
    const enum outcome outcome = judge(reflector, now, end);

    assert(end->complete || end->text);
    if (healthy || outcome == OUTCOME_PLANNED)
        backoff_reset(&reflector->backoff);
    if (reflector->watching) {
        reflector->watching = false;
        health_watch_closed(reflector->config.health);
    }
    plan_next(reflector, now, outcome, end);
    buf_done(&reflector->body);
    list_done(&reflector->reading); /* frees the memory of large items */
    reflector_move(reflector, REFLECTOR_WAITING);
}
