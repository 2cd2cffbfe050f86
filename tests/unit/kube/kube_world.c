/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/kube/kube_world.h"

#define PROTOBUF "application/vnd.kubernetes.protobuf"

static void begin(struct kube_world *w, enum kube_resource resource, bool from_kubelet)
{
    const bool events = resource == KUBE_EVENTS;
    struct reflector_config config = { .resource = resource,
                                       .from_kubelet = from_kubelet,
                                       .node_name = "lab-node",
                                       .namespace = events ? "default" : NULL,
                                       .sink = &w->story.sink,
                                       .health = &w->health,
                                       .seed = 42 };

    w->now = (struct instant){ .mono_us = START, .wall_us = 1795297282 * SEC };
    w->budget = events ? event_budget_take(&w->budgets, STR("default"), START) : NULL;
    config.budget = w->budget;
    health_init(&w->health, resource == KUBE_PODS ? SOURCE_PODS : SOURCE_EVENTS, &w->story.sink,
                true, w->now);
    reflector_init(&w->reflector, &config, w->now);
}

void kube_world_begin(struct kube_world *w, enum kube_resource resource)
{
    begin(w, resource, false);
}

void kube_world_begin_kubelet(struct kube_world *w)
{
    begin(w, KUBE_PODS, true);
}

int kube_world_setup(void **state)
{
    struct kube_world *w = test_calloc(1, sizeof(*w));

    story_init(&w->story);
    buf_init(&w->target, 1 << 16);
    recording_read("pods.list.pb", &w->list);
    recording_read("pods.list.page1.pb", &w->page);
    recording_read("pods.watch.pb", &w->watch);
    recording_read("pods.watchlist.pb", &w->watchlist);
    recording_read("answers/watch-of-pods-410.http", &w->expired);
    recording_read("answers/anonymous-403.http", &w->forbidden);
    recording_read("kubelet.pods.json", &w->kubelet);
    kube_world_begin(w, KUBE_PODS);
    *state = w;
    return 0;
}

int kube_world_teardown(void **state)
{
    struct kube_world *w = *state;
    struct buf *const bufs[] = { &w->target,    &w->list,    &w->page,      &w->watch,
                                 &w->watchlist, &w->expired, &w->forbidden, &w->kubelet };

    reflector_done(&w->reflector, w->now);
    for (size_t i = 0; i < ARRAY_SIZE(bufs); i++)
        buf_done(bufs[i]);
    story_done(&w->story);
    test_free(w);
    return 0;
}

/* --- steps of the tests ----------------------------------------------------------------------- */

void kube_world_advance(struct kube_world *w, int64_t us)
{
    w->now.mono_us += us;
    w->now.wall_us += us;
}

static void wait_until_due(struct kube_world *w)
{
    const int64_t due_us = reflector_deadline_us(&w->reflector);

    if (due_us > w->now.mono_us)
        kube_world_advance(w, due_us - w->now.mono_us);
    assert_true(reflector_due(&w->reflector, w->now));
}

int64_t kube_world_waits(const struct kube_world *w)
{
    return reflector_deadline_us(&w->reflector) - w->now.mono_us;
}

void kube_world_ask(struct kube_world *w)
{
    wait_until_due(w);
    buf_reset(&w->target);
    reflector_ask(&w->reflector, w->now, &w->target);
    assert_false(reflector_due(&w->reflector, w->now));
}

void kube_world_assert_asked(const struct kube_world *w, const char *words)
{
    if (!str_find(buf_str(&w->target), str_from(words)))
        fail_msg("'%s' does not ask for '%s'", w->target.at, words);
}

void kube_world_answer(struct kube_world *w, int status)
{
    const char *type = w->reflector.config.from_kubelet ? "application/json" : PROTOBUF;

    reflector_answered(&w->reflector, w->now, status, status == 200 ? type : "text/plain");
}

int kube_world_receive(struct kube_world *w, struct str bytes)
{
    return reflector_received(&w->reflector, w->now, bytes);
}

void kube_world_end(struct kube_world *w)
{
    reflector_ended(&w->reflector, w->now, &(struct transfer_end){ .complete = true });
}

void kube_world_cut(struct kube_world *w, bool by_peer, const char *text)
{
    reflector_ended(&w->reflector, w->now,
                    &(struct transfer_end){ .by_peer = by_peer, .text = text });
}

void kube_world_refuse(struct kube_world *w, int status)
{
    kube_world_answer(w, status);
    kube_world_end(w);
}

void kube_world_answer_all(struct kube_world *w, const struct buf *body)
{
    kube_world_answer(w, 200);
    assert_int_equal(kube_world_receive(w, buf_str(body)), 0);
    kube_world_end(w);
}

void kube_world_expire(struct kube_world *w)
{
    assert_int_equal(kube_world_receive(w, recording_body(&w->expired)), -EREMOTEIO);
    kube_world_end(w);
}

void kube_world_streaming_list(struct kube_world *w)
{
    kube_world_ask(w);
    kube_world_answer(w, 200);
    assert_int_equal(kube_world_receive(w, buf_str(&w->watchlist)), 0);
}

void kube_world_list_and_watch(struct kube_world *w)
{
    kube_world_ask(w);
    kube_world_refuse(w, 422);
    kube_world_ask(w);
    kube_world_answer_all(w, &w->list);
    kube_world_ask(w);
    kube_world_answer(w, 200);
}

void kube_world_assert_change(struct kube_world *w, int kind, const char *text)
{
    struct reflector_change change = { .kind = CHANGE_NONE };

    reflector_take_change(&w->reflector, &change);
    assert_int_equal(change.kind, kind);
    if (text && !str_find(str_from(change.text), str_from(text)))
        fail_msg("'%s' does not contain '%s'", change.text, text);
}

void kube_world_assert_reconnects(const struct kube_world *w, enum reconnect reason, unsigned n)
{
    for (int i = 0; i < RECONNECT_MAX; i++)
        assert_int_equal(w->health.status.reconnects[i], i == (int)reason ? n : 0);
}
