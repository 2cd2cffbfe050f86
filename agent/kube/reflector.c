/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/reflector.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "agent/kube/kubelet.h"
#include "agent/kube/reflector_internal.h"
#include "limit.h"

/* An API server queues a request for at most 15 s (priority and fairness), then answers. */
#define ANSWER_WITHIN (30 * SEC)
#define LIST_WITHIN (2 * MINUTE)
#define INITIAL_LIST_WITHIN (30 * SEC)
/* The pods of a node are in the server's cache: they and the list's end arrive together. */
#define INITIAL_LIST_SILENT_FOR (10 * SEC)
/* Bookmarks of pods arrive about once a minute (k8s.io/apiserver, cacher: bookmarkFrequency):
 * after this time, three are missing. Bookmarks of events may arrive only every ten minutes (etcd's
 * progress notices). */
#define PODS_SILENT_FOR (200 * SEC)
#define WATCH_SHORTEST (5 * MINUTE)
#define WATCH_SPREAD (5 * MINUTE)
/* The server ends each watch after timeoutSeconds. If the server is gone, a proxy can keep the
 * connection open, and the end never arrives. */
#define WATCH_END_MARGIN (30 * SEC)
/* A watch that stays open for this long works, even without an event. An ERROR event arrives at
 * once. */
#define SETTLES_AFTER (2 * SEC)
#define STREAMING_OFF_FOR HOUR
#define STUCK_AFTER 2u
/* A list was too large for one page: it probably still is. */
#define PAGED_FOR HOUR
#define BACKOFF_FIRST SEC
/* At most 10 s with jitter: for so long the agent may be behind after an outage. */
#define BACKOFF_LONGEST (6500 * MSEC)
/* So many agents do not open their watches at the same moment. */
#define WAKE_WITHIN (2 * SEC)

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
    *reflector = (struct reflector){
        .config = *config,
        .jitter = { .state = config->seed },
        .backoff = { .first_us = BACKOFF_FIRST, .longest_us = BACKOFF_LONGEST },
        .next_us = now.mono_us,
        .page_items = TARGET_PAGE_ITEMS,
    };
    intake_init(&reflector->intake, config->resource, config->sink, config->node_name);
    watch_init(&reflector->watch, &reflector->intake);
    list_init(&reflector->reading, &reflector->intake, config->from_kubelet);
    buf_init(&reflector->body, LIMIT_ERROR_BODY);
    buf_init(&reflector->continue_token, LIMIT_CONTINUE_TOKEN);
    /* Events are not in the watch cache: each of their watches is a watch on etcd. */
    reflector->streaming = config->resource == KUBE_PODS;
    reflector_list_anew(reflector, TARGET_LIST_CACHED, now);
    if (config->budget)
        reflector->next_us += event_budget_rests_us(config->budget, now.mono_us);
}

void reflector_done(struct reflector *reflector, struct instant now)
{
    if (reflector->watching)
        health_watch_closed(reflector->config.health);
    health_forget(reflector->config.health, &reflector->failing, now);
    buf_done(&reflector->continue_token);
    buf_done(&reflector->body);
    list_done(&reflector->reading);
    watch_done(&reflector->watch);
    intake_done(&reflector->intake);
}

static enum reflector_mode list_mode(struct reflector *reflector, struct instant now)
{
    if (reflector->config.from_kubelet)
        return REFLECTOR_POLL;
    if (!reflector->streaming && reflector->config.resource == KUBE_PODS &&
        now.mono_us - reflector->streaming_off_us >= STREAMING_OFF_FOR)
        reflector->streaming = true;
    return reflector->streaming ? REFLECTOR_STREAM : REFLECTOR_LIST;
}

void reflector_list_anew(struct reflector *reflector, enum target_list list, struct instant now)
{
    reflector->mode = list_mode(reflector, now);
    reflector->list = list;
    if (reflector->lists_are_too_large && now.mono_us - reflector->too_large_us >= PAGED_FOR) {
        reflector->lists_are_too_large = false;
        reflector->page_items = TARGET_PAGE_ITEMS;
    }
    /* No cache holds events: resourceVersion=0 would read all of them from etcd, without pages. */
    if ((reflector->config.resource == KUBE_EVENTS && list == TARGET_LIST_CACHED) ||
        reflector->lists_are_too_large)
        reflector->list = TARGET_LIST_PAGED;
    if (reflector->config.budget && event_budget_is_spent(reflector->config.budget, now.mono_us))
        reflector->list = TARGET_LIST_NONE;
    buf_reset(&reflector->continue_token);
    reflector->pages = 0;
    if (reflector->intake.resource_version[0])
        memcpy(reflector->seen_version, reflector->intake.resource_version, LIMIT_RESOURCE_VERSION);
    /* Until the list is complete, there is no version from which a watch can continue. */
    reflector->intake.resource_version[0] = '\0';
}

const char *reflector_doing(const struct reflector *reflector)
{
    return reflector_asks_watch(reflector) ? "watch" : "list";
}

/* --- request ---------------------------------------------------------------------------------- */

bool reflector_due(const struct reflector *reflector, struct instant now)
{
    return reflector->state == REFLECTOR_WAITING && now.mono_us >= reflector->next_us;
}

bool reflector_asks_watch(const struct reflector *reflector)
{
    return reflector->mode == REFLECTOR_STREAM || reflector->mode == REFLECTOR_WATCH;
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

static void add_target(const struct reflector *reflector, int64_t timeout_s, struct buf *target)
{
    const bool resume = reflector->mode == REFLECTOR_WATCH;

    if (reflector->mode == REFLECTOR_POLL) {
        buf_add_text(target, KUBELET_TARGET);
        return;
    }
    if (reflector->mode == REFLECTOR_LIST && reflector->list == TARGET_LIST_NONE) {
        target_add_no_events(target, reflector->config.namespace);
        return;
    }
    if (reflector->config.resource == KUBE_PODS)
        target_add_pods(target, reflector->config.node_name);
    else
        target_add_events(target, reflector->config.namespace);
    if (reflector->mode == REFLECTOR_LIST)
        target_add_list(target, reflector->list, reflector->seen_version, reflector->page_items,
                        buf_str(&reflector->continue_token));
    else
        target_add_watch(target, resume ? reflector->intake.resource_version : NULL, timeout_s);
}

void reflector_ask(struct reflector *reflector, struct instant now, struct buf *target)
{
    const int64_t timeout_s =
        (WATCH_SHORTEST + jitter_below(&reflector->jitter, WATCH_SPREAD)) / SEC;

    forget_last_request(reflector);
    add_target(reflector, timeout_s, target);
    reflector->asked_us = now.mono_us;
    reflector->planned_us = now.mono_us + timeout_s * SEC;
    reflector_move(reflector, REFLECTOR_ASKED);
}

/* --- answer ----------------------------------------------------------------------------------- */

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
    reflector->opened_us = reflector->received_us = now.mono_us;
    if (status != 200) {
        buf_init(&reflector->body, LIMIT_ERROR_BODY);
        reflector_move(reflector, REFLECTOR_REFUSED);
        return;
    }
    reflector_move(reflector, REFLECTOR_OPEN);
    /* The kubelet's JSON is checked when it is parsed. */
    if (reflector->mode != REFLECTOR_POLL && !str_starts(str_from(content_type), protobuf)) {
        err_set(&reflector->err, -EPROTO, "the server answered with '%.100s' instead of '%s'",
                content_type ? content_type : "", protobuf.at);
        reflector_fail(reflector, RECONNECT_MALFORMED);
        return;
    }
    if (!reflector_asks_watch(reflector)) {
        list_begin(&reflector->reading, reflector->continue_token.len == 0);
        return;
    }
    watch_begin(&reflector->watch, reflector->mode == REFLECTOR_STREAM);
    reflector->watching = true;
    health_watch_opened(reflector->config.health);
}

void reflector_settle(struct reflector *reflector, struct instant now)
{
    if (reflector->settled)
        return;
    reflector->settled = true;
    reflector->list = TARGET_LIST_CACHED; /* for the next list */
    if (reflector->failing)
        reflector->change =
            (struct reflector_change){ .kind = CHANGE_RECOVERED,
                                       .doing = reflector_doing(reflector),
                                       .failures = reflector->failures,
                                       .failed_for_us = now.mono_us - reflector->failing_since_us };
    reflector->failures = reflector->timeouts = 0;
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
        reflector_settle(reflector, now);
    return 0;
}

static int receive_list(struct reflector *reflector, struct str bytes)
{
    const struct sink *sink = reflector->config.sink;
    int r;

    if (bytes.len > LIMIT_LIST_BODY - reflector->reading.received) {
        reflector->reading.received = LIMIT_LIST_BODY;
        sink->limit_hit(sink->self, LIMIT_HIT_LIST_BODY);
        r = err_set(&reflector->err, -EMSGSIZE, "the list is over %u bytes%s", LIMIT_LIST_BODY,
                    reflector->config.from_kubelet
                        ? ", and a kubelet cannot send it in pages; use --kube.source=api"
                        : "");
    } else {
        r = list_feed(&reflector->reading, bytes, &reflector->err);
    }
    return r < 0 ? reflector_fail(reflector, RECONNECT_MALFORMED) : 0;
}

static int receive(struct reflector *reflector, struct instant now, struct str bytes)
{
    struct buf *body = &reflector->body;

    if (reflector->err.code)
        return reflector->err.code;
    if (reflector->state == REFLECTOR_REFUSED) {
        /* Enough for the error message: do not wait for the rest. */
        buf_add(body, str_head(bytes, LIMIT_ERROR_BODY - body->len));
        return body->len == LIMIT_ERROR_BODY ? -EMSGSIZE : 0;
    }
    if (reflector_asks_watch(reflector))
        return receive_watch(reflector, now, bytes);
    return receive_list(reflector, bytes);
}

int reflector_received(struct reflector *reflector, struct instant now, struct str bytes)
{
    struct event_budget *budget = reflector->config.budget;
    const bool used_up = budget && !event_budget_use(budget, bytes.len, now.mono_us);
    int r;

    reflector->received_us = now.mono_us;
    health_received(reflector->config.health, bytes.len);
    r = receive(reflector, now, bytes);
    if (r < 0 || !used_up || reflector->state == REFLECTOR_REFUSED)
        return r;
    return err_set(&reflector->err, REFLECTOR_USED_UP, "too many events");
}

/* --- time ------------------------------------------------------------------------------------- */

static int64_t watch_times_out_us(const struct reflector *reflector, const char **ret_text)
{
    const int64_t end_us = reflector->planned_us + WATCH_END_MARGIN;
    const int64_t silent_us = reflector->received_us + PODS_SILENT_FOR;

    if (reflector->watch.initial) {
        *ret_text = "the streaming list did not end in time";
        return sooner_us(reflector->opened_us + INITIAL_LIST_WITHIN,
                         reflector->received_us + INITIAL_LIST_SILENT_FOR);
    }
    if (reflector->config.resource == KUBE_PODS && silent_us < end_us) {
        *ret_text = "no bookmark arrived for 200s";
        return silent_us;
    }
    *ret_text = "the watch did not end after its timeoutSeconds";
    return end_us;
}

/* Returns when the open request times out (mono). *ret_text: the error to report then. */
static int64_t times_out_us(const struct reflector *reflector, const char **ret_text)
{
    if (reflector->mode == REFLECTOR_POLL) {
        *ret_text = "no complete answer within 30s";
        return reflector->asked_us + ANSWER_WITHIN;
    }
    if (reflector->state != REFLECTOR_OPEN) {
        *ret_text = "no answer within 30s";
        return reflector->asked_us + ANSWER_WITHIN;
    }
    if (reflector->mode == REFLECTOR_LIST) {
        *ret_text = "the list was not complete within 2 minutes";
        return reflector->asked_us + LIST_WITHIN;
    }
    return watch_times_out_us(reflector, ret_text);
}

static bool settles_by_itself(const struct reflector *reflector)
{
    return reflector->state == REFLECTOR_OPEN && reflector->mode == REFLECTOR_WATCH &&
           !reflector->settled && !reflector->err.code;
}

int64_t reflector_deadline_us(const struct reflector *reflector)
{
    const int64_t settles_us = reflector->opened_us + SETTLES_AFTER;
    const char *text;
    int64_t end_us;

    if (reflector->state == REFLECTOR_WAITING)
        return reflector->next_us;
    end_us = times_out_us(reflector, &text);
    return settles_by_itself(reflector) ? sooner_us(settles_us, end_us) : end_us;
}

bool reflector_late(struct reflector *reflector, struct instant now)
{
    const char *text = NULL;
    int64_t end_us;

    if (reflector->state == REFLECTOR_WAITING)
        return false;
    if (reflector->err.code)
        return true;
    if (settles_by_itself(reflector) && now.mono_us >= reflector->opened_us + SETTLES_AFTER)
        reflector_settle(reflector, now);
    end_us = times_out_us(reflector, &text);
    if (now.mono_us < end_us)
        return false;
    /* A server that does not know sendInitialEvents ignores it and starts an ordinary watch. */
    reflector->no_streaming = reflector->state == REFLECTOR_OPEN && reflector->watch.initial &&
                              reflector->mode == REFLECTOR_STREAM;
    reflector->timeouts += !reflector->no_streaming;
    err_set(&reflector->err, -ETIMEDOUT, "%s", text);
    reflector_fail(reflector, RECONNECT_NETWORK);
    return true;
}

void reflector_wake(struct reflector *reflector, struct instant now)
{
    const bool no_connection =
        reflector->failing_why == RECONNECT_NETWORK || reflector->failing_why == RECONNECT_CLOSED;

    if (reflector->state == REFLECTOR_WAITING && reflector->failing && no_connection)
        reflector->next_us = sooner_us(reflector->next_us,
                                       now.mono_us + jitter_below(&reflector->jitter, WAKE_WITHIN));
}

bool reflector_take_stuck(struct reflector *reflector)
{
    const bool stuck = reflector->timeouts >= STUCK_AFTER;

    if (stuck)
        reflector->timeouts = 0;
    return stuck;
}

bool reflector_take_change(struct reflector *reflector, struct reflector_change *ret)
{
    if (reflector->change.kind == CHANGE_NONE)
        return false;
    *ret = reflector->change;
    reflector->change.kind = CHANGE_NONE;
    return true;
}
