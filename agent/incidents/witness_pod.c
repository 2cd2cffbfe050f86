/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/witness_pod.h"

#include <errno.h>

#include "agent/classify/image_ref.h"
#include "agent/classify/party.h"
#include "agent/incidents/places.h"
#include "agent/incidents/reports.h"
#include "agent/incidents/stall_changes.h"
#include "agent/incidents/table.h"
#include "agent/incidents/waiting.h"
#include "hash.h"
#include "mem.h"
#include "util.h"

/*
 * A container fails on its own image or on the image of a volume; only the message shows which. If
 * the message names another image (a mirror, a name that the runtime rewrote), it means the
 * container's own.
 */
static struct incident_key key_of(struct pod *pod, const struct container *container,
                                  struct str named)
{
    struct incident_key key = incident_key_of(pod, container);

    if (named.len == 0 || image_same(named, key.image))
        return key;
    for (size_t i = 0; i < pod->n_volumes; i++) {
        struct str reference = str_from(pod->volumes[i].reference);

        if (image_same(named, reference)) {
            key.kind = CONTAINER_IMAGE_VOLUME;
            key.image = reference;
            key.image_hash = image_hash(reference);
        }
    }
    return key;
}

/* Whether the status shows a new failed pull. False if it still shows the last one. */
static bool is_new_attempt(const struct container *before, enum pull_class pull,
                           const struct container_fact *fact)
{
    switch (pull) {
    case PULL_ERROR:
        return before->pull != PULL_ERROR ||
               (fact->phase == PHASE_WAITING &&
                !str_eq(str_from(before->waiting_reason), fact->waiting_reason));
    case PULL_BACK_OFF:
        /* The status left ErrImagePull before we read it. After PULL_PREVENTED the kubelet still
         * waits since the last attempt. */
        return before->pull != PULL_ERROR && before->pull != PULL_BACK_OFF &&
               before->pull != PULL_PREVENTED;
    case PULL_REFUSED:
        return before->pull != PULL_REFUSED;
    case PULL_PREVENTED:
    case PULL_SILENT:
    case PULL_DONE:
        break;
    }
    return false;
}

/*
 * A container's status is about one image at a time. If the runtime's message names no image
 * ("context deadline exceeded"), it is about the image that failed already.
 */
static void choose_incident(struct correlate *c, struct incident_key *key, bool named,
                            struct instant now)
{
    for (struct incident *i = incident_next_open(&c->incidents, key->pod, NULL); i;
         i = incident_next_open(&c->incidents, key->pod, i)) {
        if (!str_eq(str_from(i->pull->container), key->container))
            continue;
        if (!named) {
            key->kind = i->pull->kind;
            key->image = str_from(i->pull->image);
            key->image_hash = i->pull->image_hash;
        } else if (i->pull->kind != key->kind ||
                   !image_same(str_from(i->pull->image), key->image)) {
            /* kubelet 1.36: SyncPod() pulls the images of all volumes first (getImageVolumes), and
             * the container's own image only if those of its volumes are there. So the own image
             * proves that a volume's image has come, and while a volume's image fails, nothing is
             * known about the own image or about another volume. */
            bool proved =
                key->kind != CONTAINER_IMAGE_VOLUME && i->pull->kind == CONTAINER_IMAGE_VOLUME;

            incident_end(&c->incidents, i, key->pod, proved ? INCIDENT_RECOVERED : INCIDENT_GONE,
                         now);
        }
    }
}

/* `failed_us`: see incident_failure_time(). */
static void take_attempt(struct incident *incident, const struct pod *pod, enum pull_class pull,
                         int64_t failed_us, struct instant now)
{
    struct attempts *attempts = &incident->attempts;

    if (incident_just_found(incident, now) &&
        attempts_is_old(attempts, incident->pull, &pod->events, failed_us)) {
        if (failed_us)
            incident->last_failure_us = incident->found_failure_us = failed_us;
        if (pull != PULL_REFUSED)
            attempts_old_try(attempts, failed_us);
        return;
    }
    if (pull != PULL_REFUSED)
        attempts_status(attempts, incident->pull, &pod->events, failed_us);
    else if (attempts->status == 0)
        attempts->status++;
    if (!attempts_events_report_all(attempts))
        incident->last_failure_us = failed_us ? failed_us : now.wall_us;
    incident->last_failure_mono_us = now.mono_us;
}

/*
 * *ret_taken: the status was taken, so do not count it when it is repeated. It is not taken if
 * there was no room or no memory for an incident: then the repetition is the next chance.
 */
static int take_failure(struct correlate *c, struct pod *pod, struct container *container,
                        const struct container_fact *fact, bool first_sight, struct instant now,
                        bool *ret_taken)
{
    enum pull_class pull = pull_class_of(fact);
    bool attempted = is_new_attempt(container, pull, fact);
    int64_t failed_us = incident_failure_time(pod, pull, now);
    struct incident *incident;
    struct report report;
    struct incident_key key;
    UNINITIALIZED struct message message;
    struct verdict verdict;
    int r;

    waiting_read(fact, &message, &verdict);
    key = key_of(pod, container, message.image);
    key.asked = party_asked(&message, &verdict);
    choose_incident(c, &key, message.image.len > 0, now);

    *ret_taken = false;
    incident = incident_find_open(&c->incidents, &key);
    if (!incident) {
        bool fresh = !first_sight || pod->fresh;

        r = incident_open(&c->incidents, &key, fresh, now, &incident);
        if (r == -ENOSPC)
            container->incident_left_out = true;
        if (r < 0)
            return r == -ENOSPC ? 0 : r;
        if (!fresh)
            incident_found(incident, failed_us, now);
        /* Else the time of the status can be that of another container's change. */
        incident->attempts.old_try_found = !fresh && pod->n_containers == 1;
        if (incident->attempts.old_try_found && pull != PULL_REFUSED)
            incident->attempts.old_try_us = failed_us;
        attempted = attempted && fresh;
    }
    *ret_taken = true;
    incident->place = waiting_place(fact);
    /* The first attempt of a container that was prevented from pulling: ErrImagePull was missed. */
    if (pull == PULL_BACK_OFF && container->pull == PULL_PREVENTED)
        attempted = incident->attempts.fresh && incident->attempts.status == 0;
    if (attempted) {
        images_next_turn(&c->images, incident->last_failure_mono_us, now);
        take_attempt(incident, pod, pull, failed_us, now);
    }
    stall_failed(&c->incidents, incident, now);
    incident_move(&c->incidents, incident,
                  pull == PULL_BACK_OFF ? INCIDENT_BACKING_OFF : INCIDENT_FAILING);
    image_pull_failed(&c->images, key.image, key.image_hash, now);
    report = (struct report){ .witness = WITNESS_POD_STATUS,
                              .reason = waiting_word(fact),
                              .text = message.text,
                              .at_us = now.wall_us };
    r = incident_report(&c->incidents, incident, &report, &message, &verdict);
    incident_count(&c->incidents, incident, pod,
                   report_names_cause(&verdict, &message) ? &verdict : NULL, now);
    return r;
}

static uint64_t status_hash(const struct container_fact *fact)
{
    return (hash_str(fact->waiting_reason) * 31 + hash_str(fact->waiting_message)) * 31 +
           hash_str(fact->start_error);
}

/*
 * Whether the status is about an image that the container had before. Until the kubelet tries the
 * new image, the status stays as it was; or it goes on, from ErrImagePull to ImagePullBackOff, and
 * names the old image.
 */
static bool is_about_replaced_image(const struct container *container,
                                    const struct container_fact *fact)
{
    UNINITIALIZED struct message message;
    struct verdict verdict;
    uint64_t named;

    if (container->replaced_status && container->replaced_status == status_hash(fact))
        return true;
    if (!container->n_replaced_images)
        return false;
    waiting_read(fact, &message, &verdict);
    named = message.image.len ? image_hash(message.image) : container->image_hash;
    if (named == container->image_hash)
        return false;
    for (size_t i = 0; i < CONTAINER_REPLACED_IMAGES && i < container->n_replaced_images; i++)
        if (container->replaced_images[i] == named)
            return true;
    return false;
}

/*
 * Whether the status is older than the container. A watch that was interrupted shows afterwards
 * what happened meanwhile, and the runtime has already shown how it ended. While a new container is
 * pulled for again, the status has the id of its last one (kubelet: pkg/kubelet/kubelet_pods.go,
 * convertToAPIContainerStatuses()).
 */
static bool is_older_than_container(const struct container *container,
                                    const struct container_fact *fact)
{
    return container->created && !fact->created;
}

/*
 * Whether the pod ended before the runtime made the container. The kubelet then reports it as
 * terminated. Other pods get a phase or a deletionTimestamp first, static pods do not (kubelet:
 * pkg/kubelet/status/status_manager.go, TerminatePod()).
 */
static bool was_never_made(const struct container_fact *fact)
{
    return fact->phase == PHASE_TERMINATED && !fact->created;
}

static void take_end_of_pull(struct correlate *c, struct pod *pod, struct container *container,
                             const struct container_fact *fact, struct instant now)
{
    container->preexisting = false;
    if (was_never_made(fact)) {
        incidents_end(&c->incidents, pod, container->name, INCIDENT_GONE, now);
        return;
    }
    image_used(&c->images, container, now);
    incidents_end(&c->incidents, pod, container->name, INCIDENT_RECOVERED, now);
}

static int take_container(struct correlate *c, struct pod *pod, struct container *container,
                          const struct container_fact *fact, bool first_sight, struct instant now)
{
    enum pull_class pull = pull_class_of(fact);
    uint64_t status = status_hash(fact);
    bool failed_start =
        fact->phase == PHASE_TERMINATED && fact->exit_code != 0 && !was_never_made(fact);
    bool taken = true;
    char *reason;
    int r = 0;

    if (pull == container->pull && status == container->status && fact->phase == container->phase &&
        failed_start == container->failed_start)
        return 0; /* a status is repeated when anything else in the pod changes */
    if (pull != PULL_DONE && is_older_than_container(container, fact))
        return 0;
    if (pull != PULL_SILENT && pull != PULL_DONE && is_about_replaced_image(container, fact))
        return 0;
    container->created = false;
    container->replaced_status = 0;
    if (pull != PULL_SILENT)
        container->n_replaced_images = 0;
    if (pull == PULL_SILENT || pull == PULL_DONE)
        container->incident_left_out = false;

    reason = mem_str(str_head(fact->waiting_reason, LIMIT_NAME_TEXT));
    if (!reason)
        return -ENOMEM;

    if (pull != PULL_SILENT)
        container->begun_us = 0;
    if (pull != PULL_SILENT && pull != PULL_REFUSED && !was_never_made(fact)) {
        /* The kubelet pulls a container's image after it made the sandbox. */
        pod_has_sandbox(&c->pods, pod);
        incidents_end_of_sandbox(&c->incidents, pod, INT64_MAX, now);
    }
    if (pull == PULL_DONE) {
        take_end_of_pull(c, pod, container, fact, now);
    } else if (pull != PULL_SILENT) {
        r = take_failure(c, pod, container, fact, first_sight, now, &taken);
    }
    if (!taken) {
        mem_free(reason);
        return r;
    }

    mem_free(container->waiting_reason);
    container->waiting_reason = reason;
    container->phase = fact->phase;
    container->failed_start = failed_start;
    container->pull = pull;
    container->status = r < 0 ? 0 : status;
    return r;
}

/* A container with another image than before starts again; one can also leave the spec. */
static void end_replaced(struct correlate *c, struct pod *pod, const struct pod_fact *fact,
                         struct instant now)
{
    for (size_t i = 0; i < pod->n_containers; i++) {
        struct container *known = &pod->containers[i];
        bool stays = false;

        for (size_t j = 0; j < fact->n_containers && !stays; j++)
            stays = str_eq(str_from(known->name), fact->containers[j].name) &&
                    str_eq(str_from(known->image), image_kept(fact->containers[j].image));
        if (stays)
            continue;
        incidents_end(&c->incidents, pod, known->name, INCIDENT_GONE, now);
        known->replaced_status = known->pull == PULL_DONE ? 0 : known->status;
        known->replaced_images[known->n_replaced_images++ % CONTAINER_REPLACED_IMAGES] =
            known->image_hash;
        known->replaced_us = now.wall_us;
        known->pull = PULL_SILENT;
        known->status = 0;
    }
}

static void remove_pod(struct correlate *c, struct pod *pod, struct instant now)
{
    incidents_end(&c->incidents, pod, NULL, INCIDENT_GONE, now);
    pod_remove(&c->pods, pod);
}

/* Makes room for a new pod. Whoever has no place now is counted. */
static bool make_room(struct correlate *c, const struct pod_fact *fact, struct instant now)
{
    struct pod *pod;

    if (c->pods.n < LIMIT_PODS)
        return true;
    counters_limit_hit(&c->counters, LIMIT_HIT_PODS);
    pod = places_pod(&c->pods, fact);
    places_leave_out(&c->pods, pod ? str_from(pod->uid) : fact->uid);
    if (pod)
        remove_pod(c, pod, now);
    return pod != NULL;
}

static void name_registries(struct correlate *c, struct pod *pod, struct instant now)
{
    for (size_t i = 0; i < pod->n_containers; i++)
        registry_named(&c->registries, str_from(pod->containers[i].image), pod->tenant,
                       &pod->containers[i].registry_left_out, now);
    for (size_t i = 0; i < pod->n_volumes; i++)
        registry_named(&c->registries, str_from(pod->volumes[i].reference), pod->tenant,
                       &pod->volumes[i].registry_left_out, now);
}

int witness_pod(struct correlate *c, const struct pod_fact *fact, struct instant now)
{
    struct pod *pod = pod_find(&c->pods, fact->uid);
    bool is_new;
    int r;

    if (pod)
        end_replaced(c, pod, fact, now);
    else if (!make_room(c, fact, now))
        return 0;
    r = pod_upsert(&c->pods, fact, &pod, &is_new);
    if (r < 0)
        return r == -ENOSPC ? 0 : r;

    name_registries(c, pod, now);
    if (pod->terminal) {
        incidents_end(&c->incidents, pod, NULL, INCIDENT_GONE, now);
        pod_count_waiting(&c->pods, pod);
        return 0;
    }
    for (size_t i = 0; i < pod->n_containers; i++) {
        int one = take_container(c, pod, &pod->containers[i], &fact->containers[i],
                                 is_new && c->pods.listing, now);

        if (one < 0)
            r = one;
    }
    pod_count_waiting(&c->pods, pod);
    return r;
}

void witness_pod_deleted(struct correlate *c, struct str uid, struct instant now)
{
    struct pod *pod = pod_find(&c->pods, uid);

    if (pod)
        remove_pod(c, pod, now);
    else
        places_found(&c->pods, uid);
}

void witness_pods_begin(struct correlate *c)
{
    c->pods.generation++;
    c->pods.listing = true;
}

void witness_pods_end(struct correlate *c, struct instant now)
{
    struct pod *next;

    for (struct pod *pod = c->pods.first; pod; pod = next) {
        next = pod->next;
        if (pod->generation != c->pods.generation)
            remove_pod(c, pod, now);
    }
    places_listed(&c->pods);
    c->pods.listing = false;
    c->pods.listed = true;
}
