/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/reflector_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "agent/kube/list.h"
#include "agent/kube/wire/refusal.h"
#include "limits.h"

/* A server closes its watches a moment before or after the time that was agreed. */
#define PLAN_SLACK (5 * SEC)
/* A stream that lived this long was healthy: the next trouble is a new one. */
#define HEALTHY_AFTER MINUTE
/* What a server may ask us to wait; longer would be an outage of ours. */
#define RETRY_AFTER_MOST (5 * MINUTE)

enum outcome {
    OUTCOME_LISTED,       /* a list, or one page of it, is read */
    OUTCOME_PLANNED,      /* the watch ended when it was to */
    OUTCOME_CLOSED,       /* a watch that worked ended sooner */
    OUTCOME_EXPIRED,      /* 410 */
    OUTCOME_NO_STREAMING, /* the server cannot begin a watch with a list */
    OUTCOME_FAILED,       /* `err` and `why` say it */
};

static enum outcome fail(struct reflector *reflector, enum reconnect why)
{
    reflector_fail(reflector, why);
    return OUTCOME_FAILED;
}

static enum outcome judge_refusal(struct reflector *reflector)
{
    const int status = reflector->status;
    char text[REFUSAL_TEXT_SIZE];

    if (reflector->mode == REFLECTOR_STREAM &&
        (status == 400 || status == 403 || status == 404 || status == 422))
        return OUTCOME_NO_STREAMING;
    refusal_text(buf_str(&reflector->body), text);
    err_set(&reflector->err, -EREMOTEIO, "the API server answered %d%s%s", status,
            text[0] ? ": " : "", text);
    fail(reflector, status == 410 ? RECONNECT_EXPIRED : RECONNECT_REFUSED);
    return status == 410 ? OUTCOME_EXPIRED : OUTCOME_FAILED;
}

static enum outcome judge_list(struct reflector *reflector)
{
    const bool first_page = reflector->continue_token.len == 0;
    struct str token;
    int r;

    r = list_take(&reflector->intake, buf_str(&reflector->body), first_page, &token,
                  &reflector->err);
    if (r < 0)
        return fail(reflector, RECONNECT_MALFORMED);
    buf_reset(&reflector->continue_token);
    buf_add(&reflector->continue_token, token);
    if (buf_error(&reflector->continue_token)) {
        err_set(&reflector->err, buf_error(&reflector->continue_token),
                "the list's continue token of %zu bytes cannot be kept", token.len);
        return fail(reflector, RECONNECT_MALFORMED);
    }
    return OUTCOME_LISTED;
}

/* The watch is over without an error of its own. */
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
    if (reflector->no_streaming)
        return OUTCOME_NO_STREAMING;
    if (reflector->err.code == -EREMOTEIO && reflector->watch.refusal.code == 410) {
        fail(reflector, RECONNECT_EXPIRED);
        return OUTCOME_EXPIRED;
    }
    if (reflector->err.code)
        return OUTCOME_FAILED;
    if (reflector->state == REFLECTOR_REFUSED)
        return judge_refusal(reflector);
    if (reflector->state == REFLECTOR_OPEN && reflector->mode != REFLECTOR_LIST)
        return judge_watch_end(reflector, now, end);
    if (!end->complete || reflector->state == REFLECTOR_ASKED) {
        err_set(&reflector->err, -EIO, "%s", end->complete ? "an empty answer" : end->text);
        return fail(reflector, RECONNECT_NETWORK);
    }
    return judge_list(reflector);
}

/* --- what is next ----------------------------------------------------------------------------- */

static void turn_streaming_off(struct reflector *reflector, struct instant now)
{
    reflector->streaming = false;
    reflector->streaming_off_us = now.mono_us;
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
 * 400 and 504 may mean that our resourceVersion is not one of this server's: it is from the future
 * ("Too large resource version") when etcd was restored from a backup.
 */
static bool version_is_refused(const struct reflector *reflector)
{
    return reflector->status == 400 || reflector->status == 504 ||
           reflector->watch.refusal.code == 400 || reflector->watch.refusal.code == 504;
}

/*
 * The same of a list that was to be as new as what was seen: either, or this server's cache lags
 * behind the one we asked before. client-go: tools/cache/reflector.go, list().
 */
static bool list_is_refused_for_its_version(const struct reflector *reflector)
{
    if (reflector->mode != REFLECTOR_LIST || reflector->list != TARGET_LIST_CACHED ||
        !reflector->seen_version[0])
        return false;
    return reflector->status == 400 ||
           (reflector->status == 504 && strstr(reflector->err.text, "Too large resource version"));
}

/* Where the next request begins, after one that failed. */
static void next_after_failure(struct reflector *reflector, struct instant now)
{
    const bool nonsense = reflector->why == RECONNECT_MALFORMED;

    if (nonsense)
        turn_streaming_off(reflector, now);
    if (list_is_refused_for_its_version(reflector)) {
        reflector->seen_version[0] = '\0';
        reflector->list = TARGET_LIST_PAGED;
    }
    if (reflector->intake.resource_version[0] == '\0' || nonsense ||
        reflector->mode == REFLECTOR_LIST || version_is_refused(reflector))
        reflector_list_anew(reflector, reflector->list, now);
    else
        reflector->mode = REFLECTOR_WATCH;
}

static void next_after_expiry(struct reflector *reflector, struct instant now)
{
    /* A page's token expires too: then the pages are too slow, and all is asked for at once. */
    reflector_list_anew(reflector,
                        reflector->continue_token.len ? TARGET_LIST_WHOLE : TARGET_LIST_PAGED, now);
}

static int64_t wait_us(struct reflector *reflector, const struct transfer_end *end)
{
    int64_t wait = backoff_next_us(&reflector->backoff, &reflector->jitter);
    int64_t asked = end->retry_after_us;

    if (asked < reflector->watch.refusal.retry_after_us)
        asked = reflector->watch.refusal.retry_after_us;
    if (asked > RETRY_AFTER_MOST)
        asked = RETRY_AFTER_MOST;
    return asked > wait ? asked + jitter_below(&reflector->jitter, SEC) : wait;
}

static void tell(struct reflector *reflector, bool loud, int64_t retry_in_us)
{
    struct reflector_news *news = &reflector->news;

    news->kind = loud ? NEWS_FAILED : NEWS_DETAIL;
    news->doing = reflector->mode == REFLECTOR_LIST ? "list" : "watch";
    news->retry_in_us = retry_in_us;
    snprintf(news->text, sizeof(news->text), "%s", reflector->err.text);
}

/* Told once, and again when it fails for another kind of reason: not by text, which may hold
 * milliseconds. */
static void record_failure(struct reflector *reflector, struct instant now, int64_t retry_in_us)
{
    const bool new_kind = !reflector->failing || reflector->failing_why != reflector->why ||
                          reflector->failing_status != reflector->status;

    if (!reflector->failing)
        reflector->failing_since_us = now.mono_us;
    reflector->failures++;
    reflector->failing_why = reflector->why;
    reflector->failing_status = reflector->status;
    tell(reflector, new_kind, retry_in_us);
    health_failed(reflector->config.health, &reflector->failing, reflector->err.text, now);
    health_reconnect(reflector->config.health, reflector->why);
}

static void plan_next(struct reflector *reflector, struct instant now, enum outcome outcome,
                      const struct transfer_end *end)
{
    const bool was_list = reflector->mode != REFLECTOR_WATCH; /* a streaming list is one, too */
    int64_t wait = 0;

    switch (outcome) {
    case OUTCOME_LISTED:
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
        tell(reflector, false, wait);
        health_reconnect(reflector->config.health, reflector->why);
        reflector->mode = REFLECTOR_WATCH;
        break;
    case OUTCOME_EXPIRED:
        wait = wait_us(reflector, end);
        if (was_list) {
            record_failure(reflector, now, wait);
        } else {
            tell(reflector, false, wait);
            health_reconnect(reflector->config.health, reflector->why);
        }
        next_after_expiry(reflector, now);
        break;
    case OUTCOME_FAILED:
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
    buf_done(&reflector->body); /* a list's megabytes must not outlive it */
    reflector_move(reflector, REFLECTOR_WAITING);
}
