/* SPDX-License-Identifier: Apache-2.0 */

/* What a pod's status says: the first witness, and the one that decides when an incident ends. */

#include <errno.h>

#include "agent/classify/image_ref.h"
#include "agent/incidents/correlate.h"
#include "agent/incidents/state.h"
#include "mem.h"
#include "util.h"

/* kubelet: pkg/kubelet/images/types.go; RegistryUnavailable and SignatureValidationFailed are
 * cri-api's pkg/errors, said by CRI-O. */
static const struct {
    struct str reason;
    enum pull_class pull;
} waiting_reasons[] = {
    { { "ErrImagePull", 12 }, PULL_ERROR },
    { { "ImagePullBackOff", 16 }, PULL_BACK_OFF },
    { { "ImageInspectError", 17 }, PULL_ERROR },
    { { "RegistryUnavailable", 19 }, PULL_ERROR },
    { { "SignatureValidationFailed", 25 }, PULL_ERROR },
    { { "ErrImageNeverPull", 17 }, PULL_REFUSED },
    { { "InvalidImageName", 16 }, PULL_REFUSED },
    /* pkg/kubelet/kuberuntime/kuberuntime_container.go: all of these come after the image. */
    { { "CreateContainerConfigError", 26 }, PULL_DONE },
    { { "PreCreateHookError", 18 }, PULL_DONE },
    { { "CreateContainerError", 20 }, PULL_DONE },
    { { "PreStartHookError", 17 }, PULL_DONE },
    { { "PostStartHookError", 18 }, PULL_DONE },
    { { "RunContainerError", 17 }, PULL_DONE },
    { { "CrashLoopBackOff", 16 }, PULL_DONE },
};

static enum pull_class pull_class_of(const struct container_fact *fact)
{
    if (fact->phase == PHASE_RUNNING || fact->phase == PHASE_TERMINATED)
        return PULL_DONE;
    if (fact->phase == PHASE_WAITING)
        for (size_t i = 0; i < ARRAY_SIZE(waiting_reasons); i++)
            if (str_eq(fact->waiting_reason, waiting_reasons[i].reason))
                return waiting_reasons[i].pull;
    return PULL_SILENT;
}

/*
 * A container fails on its own image or on that of a volume; only the message
 * tells which. What it names otherwise (a mirror, a name rewritten by the
 * runtime) is taken for the container's own.
 */
static struct incident_key key_of(struct pod *pod, const struct container *container,
                                  struct str named)
{
    struct incident_key key = {
        .pod = pod,
        .container = str_from(container->name),
        .kind = container->kind,
        .image = str_from(container->image),
    };

    if (named.len == 0 || image_same(named, key.image))
        return key;
    for (size_t i = 0; i < pod->n_volumes; i++) {
        struct str reference = str_from(pod->volumes[i].reference);

        if (image_same(named, reference)) {
            key.kind = CONTAINER_IMAGE_VOLUME;
            key.image = reference;
        }
    }
    return key;
}

/* Whether the status has just entered a failed pull, and not only stayed in one. */
static bool is_new_attempt(const struct container *before, enum pull_class pull, struct str reason)
{
    switch (pull) {
    case PULL_ERROR:
        return before->pull != PULL_ERROR || !str_eq(str_from(before->waiting_reason), reason);
    case PULL_BACK_OFF:
        /* The kubelet's status went past its ErrImagePull before anybody could see it. */
        return before->pull != PULL_ERROR && before->pull != PULL_BACK_OFF;
    case PULL_REFUSED:
        return before->pull != PULL_REFUSED;
    case PULL_SILENT:
    case PULL_DONE:
        break;
    }
    return false;
}

static bool is_of_container(const struct incident *incident, const struct incident_key *key)
{
    return incident_state_open(incident->state) && strcmp(incident->pod_uid, key->pod->uid) == 0 &&
           str_eq(str_from(incident->container), key->container);
}

/*
 * A container's status speaks of one image at a time, and of none where the runtime's words name
 * none ("context deadline exceeded"): these are about what failed already.
 */
static void choose_incident(struct correlate *c, struct incident_key *key, bool named,
                            struct instant now)
{
    for (struct incident *i = c->incidents; i; i = i->next) {
        if (!is_of_container(i, key))
            continue;
        if (!named) {
            key->kind = i->kind;
            key->image = str_from(i->image);
        } else if (i->kind != key->kind || !image_same(str_from(i->image), key->image)) {
            /* kubelet: startContainer() pulls the container's own image before it looks at
             * volumes; so of a volume nothing is known while the own image fails. */
            incident_end(c, i, key->pod,
                         key->kind == CONTAINER_IMAGE_VOLUME ? INCIDENT_RECOVERED : INCIDENT_GONE,
                         now);
        }
    }
}

/*
 * *ret_heard: the status was taken in, so that it must not be counted when it is repeated. Where
 * there was no room or no memory for an incident, its repetition is the next chance.
 */
static int hear_failure(struct correlate *c, struct pod *pod, struct container *container,
                        const struct container_fact *fact, bool first_sight, struct instant now,
                        bool *ret_heard)
{
    const struct testimony testimony = {
        .witness = WITNESS_POD_STATUS,
        .reason = fact->waiting_reason,
        .text = fact->waiting_message,
        .at_us = now.wall_us,
    };
    enum pull_class pull = pull_class_of(fact);
    struct incident *incident;
    struct incident_key key;
    struct message message;
    struct verdict verdict;
    bool attempted = is_new_attempt(container, pull, fact->waiting_reason);
    int r;

    normalise(testimony.reason, testimony.text, &message);
    verdict = classify(&message);
    key = key_of(pod, container, message.image);
    choose_incident(c, &key, message.image.len > 0, now);

    *ret_heard = false;
    incident = incident_find_open(c, &key);
    if (!incident) {
        bool fresh = !first_sight || pod->fresh;

        r = incident_open(c, &key, fresh, now, &incident);
        if (r < 0)
            return r == -ENOSPC ? 0 : r;
        attempted = attempted && fresh;
    }
    *ret_heard = true;
    if (attempted) {
        if (pull != PULL_REFUSED || incident->status_count == 0)
            incident->status_count++;
        incident->last_failure_us = now.wall_us;
        incident->last_failure_mono_us = now.mono_us;
    }
    stall_failed(c, incident);
    incident_move(c, incident, pull == PULL_BACK_OFF ? INCIDENT_BACKING_OFF : INCIDENT_FAILING);
    image_pull_failed(c, key.image);
    r = incident_hear(c, incident, &testimony, &message, &verdict);
    attempts_update(c, incident, pod, verdict_names_cause(&verdict, &message) ? &verdict : NULL,
                    now);
    return r;
}

static uint64_t hash_said(const struct container_fact *fact)
{
    return hash_str(fact->waiting_reason) * 31 + hash_str(fact->waiting_message);
}

static int hear_container(struct correlate *c, struct pod *pod, struct container *container,
                          const struct container_fact *fact, bool first_sight, struct instant now)
{
    enum pull_class pull = pull_class_of(fact);
    uint64_t said = hash_said(fact);
    bool failed_start = fact->phase == PHASE_TERMINATED && fact->exit_code != 0;
    bool heard = true;
    char *reason;
    int r = 0;

    if (pull == container->pull && said == container->said && fact->phase == container->phase &&
        failed_start == container->failed_start)
        return 0; /* a status is repeated whenever anything else in the pod changes */
    if (container->replaced == said && pull != PULL_SILENT && pull != PULL_DONE)
        return 0; /* until the kubelet has looked at the new image, this is of the old one */
    container->replaced = 0;

    reason = mem_str(str_head(fact->waiting_reason, LIMIT_NAME_TEXT));
    if (!reason)
        return -ENOMEM;

    if (pull != PULL_SILENT)
        container->begun_us = 0;
    if (pull != PULL_SILENT && pull != PULL_REFUSED)
        sandbox_made(c, pod, now); /* a container's image is pulled into a sandbox */
    if (pull == PULL_DONE) {
        image_used(c, str_from(container->image), now);
        container->found_so = false;
        incidents_end(c, pod, container->name, INCIDENT_RECOVERED, now);
    } else if (pull != PULL_SILENT) {
        r = hear_failure(c, pod, container, fact, first_sight, now, &heard);
    }
    if (!heard) {
        mem_free(reason);
        return r;
    }

    mem_free(container->waiting_reason);
    container->waiting_reason = reason;
    container->phase = fact->phase;
    container->failed_start = failed_start;
    container->pull = pull;
    container->said = r < 0 ? 0 : said;
    return r;
}

/* A container whose image is another one now starts anew; so does one that left the spec. */
static void end_replaced(struct correlate *c, struct pod *pod, const struct pod_fact *fact,
                         struct instant now)
{
    for (size_t i = 0; i < pod->n_containers; i++) {
        struct container *known = &pod->containers[i];
        bool stays = false;

        for (size_t j = 0; j < fact->n_containers && !stays; j++)
            stays = str_eq(str_from(known->name), fact->containers[j].name) &&
                    str_eq(str_from(known->image),
                           str_head(fact->containers[j].image, LIMIT_IMAGE_TEXT - 1));
        if (stays)
            continue;
        incidents_end(c, pod, known->name, INCIDENT_GONE, now);
        known->replaced = known->pull == PULL_DONE ? 0 : known->said;
        known->pull = PULL_SILENT;
        known->said = 0;
    }
}

int witness_pod(struct correlate *c, const struct pod_fact *fact, struct instant now)
{
    struct pod *pod = pod_find(c, fact->uid);
    bool is_new;
    int r;

    if (pod)
        end_replaced(c, pod, fact, now);
    r = pod_upsert(c, fact, &pod, &is_new);
    if (r < 0)
        return r == -ENOSPC ? 0 : r;

    for (size_t i = 0; i < pod->n_containers; i++)
        registry_named(c, str_from(pod->containers[i].image), &pod->containers[i].unlisted, now);
    for (size_t i = 0; i < pod->n_volumes; i++)
        registry_named(c, str_from(pod->volumes[i].reference), &pod->volumes[i].unlisted, now);

    if (pod->terminal) {
        incidents_end(c, pod, NULL, INCIDENT_GONE, now);
        pod_count_waiting(c, pod);
        return 0;
    }
    for (size_t i = 0; i < pod->n_containers; i++) {
        int one = hear_container(c, pod, &pod->containers[i], &fact->containers[i],
                                 is_new && c->listing, now);

        if (one < 0)
            r = one;
    }
    pod_count_waiting(c, pod);
    return r;
}
