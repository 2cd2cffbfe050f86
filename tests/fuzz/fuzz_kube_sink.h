/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A sink that reads every byte of each observation, so that the sanitizers check them. */

#include <stdint.h>

#include "sink.h"

static volatile uint8_t fuzz_kube_touched;

static inline void fuzz_kube_touch(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        fuzz_kube_touched ^= (uint8_t)s.at[i];
}

static inline void fuzz_kube_touch_pod(const struct pod_fact *pod)
{
    fuzz_kube_touch(pod->namespace);
    fuzz_kube_touch(pod->name);
    fuzz_kube_touch(pod->uid);
    fuzz_kube_touch(pod->mirror_uid);
    fuzz_kube_touch(pod->owner_kind);
    fuzz_kube_touch(pod->owner_name);
    fuzz_kube_touch(pod->template_hash);
    fuzz_kube_touch(pod->phase);
    for (size_t i = 0; i < pod->n_pull_secrets; i++)
        fuzz_kube_touch(pod->pull_secrets[i]);
    for (size_t i = 0; i < pod->n_image_volumes; i++) {
        fuzz_kube_touch(pod->image_volumes[i].reference);
    }
    for (size_t i = 0; i < pod->n_containers; i++) {
        fuzz_kube_touch(pod->containers[i].name);
        fuzz_kube_touch(pod->containers[i].image);
        fuzz_kube_touch(pod->containers[i].pull_policy);
        fuzz_kube_touch(pod->containers[i].waiting_reason);
        fuzz_kube_touch(pod->containers[i].waiting_message);
    }
}

static inline void fuzz_kube_touch_event(const struct event_fact *event)
{
    fuzz_kube_touch(event->event_uid);
    fuzz_kube_touch(event->namespace);
    fuzz_kube_touch(event->pod_name);
    fuzz_kube_touch(event->pod_uid);
    fuzz_kube_touch(event->field_path);
    fuzz_kube_touch(event->reason);
    fuzz_kube_touch(event->message);
}

static inline void fuzz_kube_observe(void *self, const struct observation *observation)
{
    (void)self;
    if (observation->kind == OBSERVE_POD || observation->kind == OBSERVE_POD_DELETED)
        fuzz_kube_touch_pod(&observation->pod);
    if (observation->kind == OBSERVE_EVENT)
        fuzz_kube_touch_event(&observation->event);
}

static inline void fuzz_kube_limit_hit(void *self, enum limit limit)
{
    (void)self;
    (void)limit;
}

static const struct sink fuzz_kube_sink = { .observe = fuzz_kube_observe,
                                            .limit_hit = fuzz_kube_limit_hit };
