/* SPDX-License-Identifier: Apache-2.0 */

/* What the runtime says of sandboxes and containers: what was made from the images. */

#include "agent/incidents/correlate.h"
#include "agent/incidents/state.h"
#include "util.h"

void sandbox_made(struct correlate *c, struct pod *pod, struct instant now)
{
    pod->no_sandbox_since_us = 0;
    for (struct incident *i = c->incidents; i; i = i->next)
        if (incident_state_open(i->state) && i->kind == CONTAINER_SANDBOX &&
            strcmp(i->pod_uid, pod->uid) == 0)
            incident_end(c, i, pod, INCIDENT_RECOVERED, now);
}

static void no_sandbox(struct pod *pod, struct instant now)
{
    if (pod->no_sandbox_since_us == 0)
        pod->no_sandbox_since_us = now.mono_us;
}

void witness_sandbox(struct correlate *c, const struct sandbox_fact *fact, struct instant now)
{
    struct pod *pod = pod_find_named(c, fact->pod_uid);

    if (!pod)
        return;
    if (!fact->ready) {
        no_sandbox(pod, now);
        return;
    }
    pod->sandbox_look = c->look;
    sandbox_made(c, pod, now);
}

/* The runtime does not speak of pods for which it never made a sandbox. */
void witness_sandboxes_end(struct correlate *c, struct instant now)
{
    for (size_t b = 0; b < POD_BUCKETS; b++)
        for (struct pod *pod = c->pods[b]; pod; pod = pod->next)
            if (pod->sandbox_look != c->look)
                no_sandbox(pod, now);
    c->look++;
    images_looked(c, now);
    ingests_looked(c, now);
}

/* A container that was made after the last failure: its images are there, before any status says
 * so. */
void witness_created(struct correlate *c, const struct created_fact *fact, struct instant now)
{
    struct pod *pod = pod_find_named(c, fact->pod_uid);
    int64_t made_us = now.mono_us - (now.wall_us - fact->created_us);

    /* Made in the future: before the clock was set back, nobody knows when. */
    if (!pod || made_us > now.mono_us + SEC)
        return;
    for (struct incident *i = c->incidents; i; i = i->next)
        if (incident_state_open(i->state) && strcmp(i->pod_uid, pod->uid) == 0 &&
            str_eq(str_from(i->container), fact->container) && made_us > i->last_failure_mono_us) {
            incident_evidence(c, i, WITNESS_CRI, STR("Created"),
                              STR("the runtime made the container"), now.wall_us);
            incident_end(c, i, pod, INCIDENT_RECOVERED, now);
        }
}
