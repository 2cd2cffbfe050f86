/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/kubelet.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "agent/kube/list_json.h"
#include "agent/kube/wire/refusal.h"
#include "limits.h"

#define BUSY_SHORTEST (2 * SEC)
#define BUSY_LONGEST (5 * SEC)
#define IDLE_PAUSE MINUTE
#define ANSWER_WITHIN (30 * SEC)
/* What a kubelet may ask us to wait; longer would be an outage of ours. */
#define RETRY_AFTER_MOST (5 * MINUTE)

void kubelet_init(struct kubelet *kubelet, const struct kubelet_config *config, struct instant now)
{
    *kubelet = (struct kubelet){ .config = *config,
                                 .jitter = { .state = config->seed },
                                 .backoff = { .first_us = SEC, .longest_us = 20 * SEC },
                                 .next_us = now.mono_us };
    intake_init(&kubelet->intake, KUBE_PODS, config->sink, config->node_name);
    buf_init(&kubelet->body, LIMIT_LIST_BODY);
}

void kubelet_done(struct kubelet *kubelet, struct instant now)
{
    health_forget(kubelet->config.health, &kubelet->failing, now);
    buf_done(&kubelet->body);
    intake_done(&kubelet->intake);
}

int64_t kubelet_deadline_us(const struct kubelet *kubelet)
{
    return kubelet->asked ? kubelet->asked_us + ANSWER_WITHIN : kubelet->next_us;
}

/* --- the request ------------------------------------------------------------------------------ */

bool kubelet_due(const struct kubelet *kubelet, struct instant now)
{
    return !kubelet->asked && now.mono_us >= kubelet->next_us;
}

void kubelet_ask(struct kubelet *kubelet, struct instant now)
{
    assert(!kubelet->asked);
    kubelet->asked = true;
    kubelet->asked_us = now.mono_us;
    kubelet->status = 0;
    kubelet->why = RECONNECT_NETWORK;
    err_clear(&kubelet->err);
}

static int fail(struct kubelet *kubelet, enum reconnect why)
{
    assert(kubelet->err.code < 0);
    kubelet->why = why;
    return kubelet->err.code;
}

void kubelet_answered(struct kubelet *kubelet, int status)
{
    kubelet->status = status;
    buf_init(&kubelet->body, status == 200 ? LIMIT_LIST_BODY : LIMIT_ERROR_BODY);
}

int kubelet_received(struct kubelet *kubelet, struct str bytes)
{
    struct buf *body = &kubelet->body;

    health_received(kubelet->config.health, bytes.len);
    if (kubelet->err.code)
        return kubelet->err.code;
    if (kubelet->status != 200) {
        /* What fits is enough to show; for the rest nobody waits. */
        buf_add(body, str_head(bytes, LIMIT_ERROR_BODY - body->len));
        return body->len == LIMIT_ERROR_BODY ? -EMSGSIZE : 0;
    }
    buf_add(body, bytes);
    if (!buf_error(body))
        return 0;
    if (buf_error(body) == -E2BIG) {
        kubelet->config.sink->limit_hit(kubelet->config.sink->self, LIMIT_HIT_LIST_BODY);
        err_set(&kubelet->err, -EMSGSIZE, "a list of over %u bytes", LIMIT_LIST_BODY);
    } else {
        err_set(&kubelet->err, -ENOMEM, "no memory for a list of over %zu bytes", body->len);
    }
    return fail(kubelet, RECONNECT_MALFORMED);
}

bool kubelet_late(struct kubelet *kubelet, struct instant now)
{
    if (!kubelet->asked)
        return false;
    if (!kubelet->err.code) {
        if (now.mono_us < kubelet->asked_us + ANSWER_WITHIN)
            return false;
        err_set(&kubelet->err, -ETIMEDOUT, "no complete answer within 30s");
        fail(kubelet, RECONNECT_NETWORK);
    }
    return true;
}

/* --- its end ---------------------------------------------------------------------------------- */

/* What an operator can do about a refusal. */
static const char *advice_on(int status)
{
    switch (status) {
    case 401:
        return ": it does not accept the token; it must have webhook authentication switched on, "
               "or "
               "name another token with --kube.token-file";
    case 403:
        return ": the token's account must be allowed to get nodes/pods (nodes/proxy for older "
               "kubelets)";
    case 404:
    case 405:
        return ": its debugging handlers are switched off, or --kube.kubelet-url is no kubelet's";
    default:
        return "";
    }
}

static int judge_refusal(struct kubelet *kubelet)
{
    char text[REFUSAL_TEXT_SIZE];

    refusal_text(buf_str(&kubelet->body), text);
    err_set(&kubelet->err, -EREMOTEIO, "the kubelet answered %d%s%s%s", kubelet->status,
            text[0] ? ": " : "", text, advice_on(kubelet->status));
    return fail(kubelet, RECONNECT_REFUSED);
}

static int judge(struct kubelet *kubelet, const struct transfer_end *end)
{
    int r;

    if (kubelet->err.code)
        return kubelet->err.code;
    if (kubelet->status != 0 && kubelet->status != 200)
        return judge_refusal(kubelet);
    if (!end->complete || kubelet->status == 0) {
        err_set(&kubelet->err, -EIO, "%s", end->complete ? "an empty answer" : end->text);
        return fail(kubelet, end->by_peer ? RECONNECT_CLOSED : RECONNECT_NETWORK);
    }
    r = list_json_take(&kubelet->intake, buf_str(&kubelet->body), &kubelet->err);
    return r < 0 ? fail(kubelet, RECONNECT_MALFORMED) : 0;
}

static bool something_waits(const struct sink *sink)
{
    struct wanted wanted;
    bool waits;

    sink->wanted(sink->self, &wanted);
    waits = wanted.pods_wait || wanted.n_images > 0;
    wanted_done(&wanted);
    return waits;
}

static void plan_after_list(struct kubelet *kubelet, struct instant now)
{
    int64_t pause_us = kubelet->pause_us * 3 / 2;

    if (!something_waits(kubelet->config.sink)) {
        kubelet->pause_us = 0;
        kubelet->next_us = now.mono_us + IDLE_PAUSE;
        return;
    }
    if (pause_us < BUSY_SHORTEST)
        pause_us = BUSY_SHORTEST;
    if (pause_us > BUSY_LONGEST)
        pause_us = BUSY_LONGEST;
    kubelet->pause_us = pause_us;
    kubelet->next_us = now.mono_us + pause_us;
}

static void succeed(struct kubelet *kubelet, struct instant now)
{
    if (kubelet->failing)
        kubelet->news =
            (struct reflector_news){ .kind = NEWS_RECOVERED,
                                     .doing = "list",
                                     .failures = kubelet->failures,
                                     .failed_for_us = now.mono_us - kubelet->failing_since_us };
    kubelet->failures = 0;
    backoff_reset(&kubelet->backoff);
    health_worked(kubelet->config.health, &kubelet->failing, now);
    plan_after_list(kubelet, now);
}

/* Told once, and again when it fails for another kind of reason, as reflector_end.c does it. */
static void record_failure(struct kubelet *kubelet, struct instant now, int64_t retry_after_us)
{
    const bool new_kind = !kubelet->failing || kubelet->failing_why != kubelet->why ||
                          kubelet->failing_status != kubelet->status;
    int64_t wait_us = backoff_next_us(&kubelet->backoff, &kubelet->jitter);

    if (retry_after_us > RETRY_AFTER_MOST)
        retry_after_us = RETRY_AFTER_MOST;
    if (retry_after_us > wait_us)
        wait_us = retry_after_us;
    if (!kubelet->failing)
        kubelet->failing_since_us = now.mono_us;
    kubelet->failures++;
    kubelet->failing_why = kubelet->why;
    kubelet->failing_status = kubelet->status;
    kubelet->news = (struct reflector_news){ .kind = new_kind ? NEWS_FAILED : NEWS_DETAIL,
                                             .doing = "list",
                                             .retry_in_us = wait_us };
    snprintf(kubelet->news.text, sizeof(kubelet->news.text), "%s", kubelet->err.text);
    health_failed(kubelet->config.health, &kubelet->failing, kubelet->err.text, now);
    health_reconnect(kubelet->config.health, kubelet->why);
    kubelet->next_us = now.mono_us + wait_us;
}

void kubelet_ended(struct kubelet *kubelet, struct instant now, const struct transfer_end *end)
{
    assert(kubelet->asked && (end->complete || end->text));
    if (judge(kubelet, end) < 0)
        record_failure(kubelet, now, end->retry_after_us);
    else
        succeed(kubelet, now);
    buf_done(&kubelet->body); /* megabytes must not outlive it */
    kubelet->asked = false;
}

bool kubelet_take_news(struct kubelet *kubelet, struct reflector_news *ret)
{
    if (kubelet->news.kind == NEWS_NOTHING)
        return false;
    *ret = kubelet->news;
    kubelet->news.kind = NEWS_NOTHING;
    return true;
}
