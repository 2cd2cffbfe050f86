/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/witness_cri.h"

#include "agent/incidents/reports.h"
#include "agent/incidents/table.h"
#include "util.h"

void witness_sandbox(struct correlate *c, const struct sandbox_fact *fact, struct instant now)
{
    struct pod *pod = pod_find_named(&c->pods, fact->pod_uid);

    if (!pod)
        return;
    if (!fact->ready) {
        pod_has_no_sandbox(&c->pods, pod, now);
        return;
    }
    pod->sandbox_poll = c->pods.poll;
    pod_has_sandbox(&c->pods, pod);
    incidents_end_of_sandbox(&c->incidents, pod, INT64_MAX, now);
}

/* The runtime does not list pods for which it never made a sandbox. */
void witness_sandboxes_end(struct correlate *c, struct instant now)
{
    for (struct pod *pod = c->pods.first; pod; pod = pod->next)
        if (pod->sandbox_poll != c->pods.poll)
            pod_has_no_sandbox(&c->pods, pod, now);
    c->pods.poll++;
    images_polled(&c->images, now);
    stalls_polled(&c->stalls, now);
}

/* A container that was created after the last failure has its images, before any status shows it.
 */
void witness_created(struct correlate *c, const struct created_fact *fact, struct instant now)
{
    const struct report report = { .witness = WITNESS_CRI,
                                   .reason = STR("Created"),
                                   .text = STR("the runtime made the container"),
                                   .at_us = now.wall_us };
    struct pod *pod = pod_find_named(&c->pods, fact->pod_uid);
    struct container *container = pod ? pod_container(pod, fact->container) : NULL;
    int64_t made_us = now.mono_us - (now.wall_us - fact->created_us);

    /* A time in the future: the clock was set back since, and the real time is unknown. */
    if (!pod || made_us > now.mono_us + SEC)
        return;
    for (struct incident *i = incident_next_open(&c->incidents, pod, NULL); i;
         i = incident_next_open(&c->incidents, pod, i))
        if (str_eq(str_from(i->pull->container), fact->container) && i->place != PLACE_AFTER &&
            made_us > i->last_failure_mono_us) {
            incident_add_evidence(&c->incidents, i, &report);
            incident_end(&c->incidents, i, pod, INCIDENT_RECOVERED, now);
            if (container)
                container->created = true;
        }
}
