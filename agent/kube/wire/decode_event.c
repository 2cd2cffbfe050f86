/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/wire/decode.h"

#include <errno.h>

#include "agent/kube/wire/decode_internal.h"
#include "unpack.h"

/*
 * The kubelet writes count, firstTimestamp and lastTimestamp. Writers of the newer events.k8s.io
 * write eventTime and a series instead; core/v1 shows both kinds.
 */
static void read_times(const K8s__Event *event, struct event_fact *fact)
{
    const K8s__EventSeries *series = event->series;

    fact->count = event->count;
    fact->first_us = decode_time(event->firsttimestamp);
    fact->last_us = decode_time(event->lasttimestamp);
    if (series) {
        if (fact->count < series->count)
            fact->count = series->count;
        if (!fact->last_us)
            fact->last_us = decode_micro_time(series->lastobservedtime);
    }
    if (fact->count < 1)
        fact->count = 1;
    if (!fact->first_us)
        fact->first_us = decode_micro_time(event->eventtime);
    if (!fact->first_us && event->metadata)
        fact->first_us = decode_time(event->metadata->creationtimestamp);
    if (!fact->last_us)
        fact->last_us = fact->first_us;
}

int kube_decode_event(struct arena *arena, struct str raw, struct kube_event *ret, struct err *err)
{
    struct kube_event result = { 0 };
    struct event_fact *fact = &result.fact;
    const K8s__Event *event;
    int r;

    event = unpack_message(&k8s__event__descriptor, raw, arena, &r, err);
    if (!event)
        return r;
    if (event->metadata) {
        fact->event_uid = DECODE_TEXT(event->metadata, uid);
        fact->namespace = DECODE_TEXT(event->metadata, namespace_);
        result.resource_version = DECODE_TEXT(event->metadata, resourceversion);
    }
    if (fact->event_uid.len == 0)
        return err_set(err, -EPROTO, "an event has no uid");
    if (event->involvedobject) {
        fact->pod_name = DECODE_TEXT(event->involvedobject, name);
        fact->pod_uid = DECODE_TEXT(event->involvedobject, uid);
        fact->field_path = DECODE_TEXT(event->involvedobject, fieldpath);
    }
    if (event->source)
        result.host = DECODE_TEXT(event->source, host);
    fact->reason = DECODE_TEXT(event, reason);
    fact->message = DECODE_TEXT(event, message);
    read_times(event, fact);
    *ret = result;
    return 0;
}
