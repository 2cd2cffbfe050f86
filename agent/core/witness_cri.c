/* SPDX-License-Identifier: Apache-2.0 */

/* What the runtime says: whether images are there, and what was made from them. */

#include <errno.h>

#include "agent/core/correlate.h"
#include "agent/core/state.h"
#include "image_ref.h"
#include "mem.h"
#include "util.h"

static struct image_state *image_find(struct correlate *c, const char *canonical)
{
    for (struct image_state *i = c->images; i; i = i->next)
        if (strcmp(i->canonical, canonical) == 0)
            return i;
    return NULL;
}

int witness_image(struct correlate *c, const struct image_fact *fact, struct instant now)
{
    char canonical[LIMIT_IMAGE_TEXT];
    struct image_state *image;

    image_canonical(fact->image, canonical);
    image = image_find(c, canonical);
    if (!image) {
        image = mem_zalloc(sizeof(*image));
        if (!image)
            return -ENOMEM;
        image->canonical = mem_strdup(canonical);
        if (!image->canonical) {
            mem_free(image);
            return -ENOMEM;
        }
        image->next = c->images;
        c->images = image;
    } else if (!image->present && fact->present) {
        /* Absent when a container needed it, now there: somebody pulled it. */
        registry_of(c, fact->image, now)->attempts++;
    }
    image->present = fact->present;
    image->size = fact->size;
    image->seen_us = now.mono_us;
    return 0;
}

void sandbox_made(struct correlate *c, struct pod *pod, struct instant now)
{
    for (struct incident *i = c->incidents; i; i = i->next)
        if (incident_state_open(i->state) && i->kind == CONTAINER_SANDBOX &&
            strcmp(i->pod_uid, pod->uid) == 0)
            incident_end(i, pod, INCIDENT_RECOVERED, now);
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
    pod->no_sandbox_since_us = 0;
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
}

/* A container that was made after the last failure: its images are there, before any status says
 * so. */
void witness_created(struct correlate *c, const struct created_fact *fact, struct instant now)
{
    struct pod *pod = pod_find_named(c, fact->pod_uid);

    if (!pod)
        return;
    for (struct incident *i = c->incidents; i; i = i->next)
        if (incident_state_open(i->state) && strcmp(i->pod_uid, pod->uid) == 0 &&
            str_eq(str_from(i->container), fact->container) &&
            fact->created_us > i->last_failure_us) {
            incident_evidence(i, WITNESS_CRI, STR("Created"), STR("the runtime made the container"),
                              now.wall_us);
            incident_end(i, pod, INCIDENT_RECOVERED, now);
        }
}
