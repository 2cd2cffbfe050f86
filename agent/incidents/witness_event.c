/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/witness_event.h"

#include <errno.h>

#include "agent/classify/image_ref.h"
#include "agent/classify/party.h"
#include "agent/incidents/reports.h"
#include "agent/incidents/stall_changes.h"
#include "agent/incidents/table.h"
#include "util.h"

/* client-go: tools/record/events_cache.go; such an object counts several messages in one. */
#define COMBINED STR("(combined from similar events): ")

/* An older event opens no incident: the status shows a current failure within seconds. */
#define OPENING_EVENT_FRESH_US MINUTE

/* The kubelet tries again every few seconds, but its spam filter may hold back all but one event in
 * 300 s. */
#define SANDBOX_EVENT_FRESH_US (10 * MINUTE)

/* An event about a failed pull, read. */
struct failed_pull {
    const struct event_fact *fact;
    struct message message;
    struct verdict verdict;
    bool counts;  /* its object counts "Failed to pull image", and nothing else */
    bool attempt; /* it reports an attempt, not the back-off after one, or what prevented one */
};

/* "(a, b); ..." -> "a", "b"; at most `max`. */
static size_t split_names(struct str list, struct str *names, size_t max)
{
    size_t n = 0;

    while (list.len && n < max) {
        const char *comma = str_find(list, STR(", "));
        struct str name = comma ? str_span(list.at, comma) : list;

        if (name.len)
            names[n++] = name;
        list = str_skip(list, name.len + (comma ? 2 : 0));
    }
    return n;
}

/* kubelet: pkg/kubelet/kubelet_pods.go, "Unable to retrieve some image pull secrets (%s); ..." */
static int take_missing_secrets(struct pod *pod, const struct event_fact *fact, struct instant now)
{
    struct str names[LIMIT_PULL_SECRETS_PER_POD];
    const char *open = str_find(fact->message, STR("("));
    const char *close = str_find(fact->message, STR(");"));
    size_t n;

    if (!open || !close || close < open)
        return 0;
    if (pod->missing_at_us && fact->last_us < pod->missing_event_us)
        return 0; /* a list is not sorted by time */
    n = split_names(str_span(open + 1, close), names, ARRAY_SIZE(names));
    if (fact->last_us > pod->missing_event_us || pod->missing_at_us == 0) {
        pod->missing_event_us = fact->last_us;
        pod->missing_at_us = now.wall_us;
    }
    return names_replace(&pod->missing_secrets, names, n);
}

static void take_last_failure(struct incident *incident, int64_t last_us)
{
    if (last_us > incident->last_event_us)
        incident->last_event_us = last_us;
    if (incident->found_failure_us > incident->last_event_us + 2 * STATUS_LATE_US)
        return; /* the spam filter held back the events of later attempts */
    if (last_us > incident->last_failure_us || attempts_events_report_all(&incident->attempts))
        incident->last_failure_us = incident->last_event_us;
}

static void take_times(struct images *images, struct incident *incident,
                       const struct event_fact *fact, struct instant now)
{
    int64_t last_mono_us = now.mono_us - (now.wall_us - fact->last_us);

    if (fact->last_us && last_mono_us > incident->last_failure_mono_us) {
        images_next_turn(images, incident->last_failure_mono_us, now);
        incident->last_failure_mono_us = last_mono_us;
    }
    /* The failure can be older than the first report of it. */
    if (fact->first_us && fact->first_us < incident->first_failure_us &&
        (!incident->first_failure_exact || fact->first_us >= incident->attempts.since_us))
        incident->first_failure_us = fact->first_us;
}

/* Whether the incident began while this process watched. */
static bool is_fresh(const struct correlate *c, const struct pod *pod,
                     const struct event_fact *fact)
{
    return pod->fresh || fact->first_us + SEC > c->pods.started.wall_us;
}

/* *ret: the incident, or NULL if there is no place for it. 0 or -ENOMEM. */
static int open_for(struct correlate *c, const struct incident_key *key,
                    const struct event_fact *fact, struct instant now, struct incident **ret)
{
    int r = incident_open(&c->incidents, key, is_fresh(c, key->pod, fact), now, ret);

    return r == -ENOSPC ? 0 : r;
}

/*
 * The open incident that the event is about. An event opens one only while the status is silent: a
 * container that runs has its image, even if an old event reports a failure. *ret can be NULL.
 */
static int incident_for(struct correlate *c, const struct incident_key *key,
                        const struct container *container, const struct event_fact *fact,
                        struct instant now, struct incident **ret)
{
    *ret = incident_find_open(&c->incidents, key);
    if (*ret || container->pull != PULL_SILENT || key->pod->terminal ||
        fact->last_us + OPENING_EVENT_FRESH_US < now.wall_us ||
        incident_find_ended(&c->incidents, key))
        return 0;
    return open_for(c, key, fact, now, ret);
}

static int take_failure(struct correlate *c, struct incident *incident, struct pod *pod,
                        const struct failed_pull *failed, struct instant now)
{
    const struct event_fact *fact = failed->fact;
    const struct report report = {
        .witness = WITNESS_EVENT,
        .reason = fact->reason,
        .text = failed->message.text,
        .at_us = fact->last_us ? fact->last_us : now.wall_us,
    };
    bool caused = report_names_cause(&failed->verdict, &failed->message);
    int r;

    /* The attempt failed after the stall was found. */
    if (incident->state == INCIDENT_STALLED && fact->last_us + SEC > incident->stall.noted_wall_us)
        stall_failed(&c->incidents, incident, now);
    take_times(&c->images, incident, fact, now);
    r = incident_report(&c->incidents, incident, &report, &failed->message, &failed->verdict);
    incident_count(&c->incidents, incident, pod, caused ? &failed->verdict : NULL, now);
    if (failed->attempt && fact->last_us)
        take_last_failure(incident, fact->last_us);
    return r;
}

/* An event without a container is about a volume's image, so it is about every container that
 * waits for this image. The first of their incidents counts it. */
static int take_volume(struct correlate *c, struct pod *pod, const struct failed_pull *failed,
                       struct instant now)
{
    struct str image = failed->message.image;
    bool counted = !failed->counts;
    int r = 0;

    for (struct incident *i = incident_next_open(&c->incidents, pod, NULL); i && r == 0;
         i = incident_next_open(&c->incidents, pod, i)) {
        if (i->pull->kind != CONTAINER_IMAGE_VOLUME || !image_same(str_from(i->pull->image), image))
            continue;
        if (!counted)
            r = incident_take_event(&c->incidents, i, pod, failed->fact, STR(""), image);
        counted = true;
        if (r == 0)
            r = take_failure(c, i, pod, failed, now);
    }
    if (!counted)
        r = incident_take_event(&c->incidents, NULL, pod, failed->fact, STR(""), image);
    return r;
}

static int take_failed_pull(struct correlate *c, struct pod *pod, const struct event_fact *fact,
                            struct instant now)
{
    bool combined = str_starts(fact->message, COMBINED);
    struct str text = combined ? str_skip(fact->message, COMBINED.len) : fact->message;
    struct str name = field_path_container(fact->field_path);
    struct container *container = pod_container(pod, name);
    struct incident *incident;
    UNINITIALIZED struct failed_pull failed;
    struct incident_key key;
    int r;

    failed.fact = fact;
    failed.counts = !combined && str_starts(text, STR("Failed to pull image"));
    failed.attempt = !str_starts(text, STR("Error: ImagePullBackOff")) &&
                     !str_eq(fact->reason, STR("InspectFailed"));
    normalise(fact->reason, text, &failed.message);
    failed.verdict = classify(&failed.message);
    if (name.len == 0)
        return take_volume(c, pod, &failed, now);
    if (!container)
        return 0;

    key = incident_key_of(pod, container);
    if (failed.message.image.len && !image_same(failed.message.image, key.image))
        return 0; /* about an image that the container had before */
    key.asked = party_asked(&failed.message, &failed.verdict);
    r = incident_for(c, &key, container, fact, now, &incident);
    if (r == 0 && !incident)
        incident_name_cause(&c->incidents, incident_find_ended(&c->incidents, &key),
                            &failed.message, &failed.verdict, now);
    if (r == 0 && failed.counts)
        r = incident_take_event(&c->incidents, incident, pod, fact, name, key.image);
    if (r == 0 && incident)
        r = take_failure(c, incident, pod, &failed, now);
    return r;
}

/* False for an old event, and if the pod got its sandbox since. */
static bool still_has_no_sandbox(const struct pod *pod, const struct event_fact *fact,
                                 struct instant now)
{
    if (pod->terminal || (pod->sandbox_poll && pod->no_sandbox_since_us == 0))
        return false;
    for (size_t i = 0; i < pod->n_containers; i++)
        if (pod->containers[i].pull != PULL_SILENT && pod->containers[i].pull != PULL_REFUSED)
            return false;
    return fact->last_us + SANDBOX_EVENT_FRESH_US >= now.wall_us;
}

/* The pod's open incident about its sandbox. If an image is not named, it is the same one. */
static struct incident *find_sandbox(const struct incidents *incidents, const struct pod *pod,
                                     struct str image)
{
    struct incident *i = NULL;

    while ((i = incident_next_open(incidents, pod, i)) != NULL) {
        struct str named = str_from(i->pull->image);

        if (i->pull->kind == CONTAINER_SANDBOX &&
            (named.len == 0 || image.len == 0 || image_same(named, image)))
            break;
    }
    return i;
}

/*
 * The runtime itself pulls the sandbox (pause) image, and the pod's status never mentions it. Most
 * sandboxes fail for another reason, above all the network plugin: only a message that names an
 * image, or that only a pull can cause, is about a pull. An image that cannot be unpacked is often
 * not named.
 *
 * kubelet: pkg/kubelet/kuberuntime/kuberuntime_manager.go, FailedCreatePodSandBox.
 */
static int take_failed_sandbox(struct correlate *c, struct pod *pod, const struct event_fact *fact,
                               struct instant now)
{
    struct incident *incident;
    UNINITIALIZED struct failed_pull failed;
    struct incident_key key;
    int r;

    failed.fact = fact;
    failed.counts = true;
    failed.attempt = true;
    normalise(fact->reason, fact->message, &failed.message);
    failed.verdict = classify(&failed.message);
    if (failed.message.n_parts == 0 ||
        (!classify_create_error(&failed.message, &failed.verdict) && !failed.message.image.len)) {
        /* The sandbox fails for another reason now, so its image is present. */
        incidents_end_of_sandbox(&c->incidents, pod, fact->last_us, now);
        return 0;
    }
    key = (struct incident_key){
        .pod = pod,
        .container = STR(""),
        .kind = CONTAINER_SANDBOX,
        .image = failed.message.image,
        .image_hash = image_hash(failed.message.image),
    };
    incident = find_sandbox(&c->incidents, pod, failed.message.image);
    if (!incident) {
        if (!still_has_no_sandbox(pod, fact, now))
            return 0;
        r = open_for(c, &key, fact, now, &incident);
        if (r < 0 || !incident)
            return r;
    }
    r = incident_take_event(&c->incidents, incident, pod, fact, STR(""),
                            str_from(incident->pull->image));
    return r < 0 ? r : take_failure(c, incident, pod, &failed, now);
}

/*
 * The kubelet uses reason "Failed" for much. "Failed to pull image" is about a pull. "Error:
 * ErrImagePull" repeats it without the message, and other "Error: ..." are about a container that
 * cannot be created.
 */
static bool is_about_pull(const struct event_fact *fact)
{
    struct str message = fact->message;

    if (str_starts(message, COMBINED))
        message = str_skip(message, COMBINED.len);
    if (str_eq(fact->reason, STR("Failed")))
        return str_starts(message, STR("Failed to pull image"));
    return str_eq(fact->reason, STR("InspectFailed")) ||
           str_eq(fact->reason, STR("ErrImageNeverPull"));
}

/* kubelet: pkg/kubelet/images/image_manager.go, "Pulling image", when an attempt begins. */
static void take_pulling(const struct pod *pod, const struct event_fact *fact, struct instant now)
{
    struct container *container = pod_container(pod, field_path_container(fact->field_path));
    int64_t tried_us = now.mono_us - (now.wall_us - fact->last_us);

    if (container && tried_us > container->tried_us)
        container->tried_us = tried_us;
}

static int64_t not_later(int64_t wall_us, struct instant now)
{
    return wall_us < now.wall_us ? wall_us : now.wall_us;
}

int witness_event(struct correlate *c, const struct event_fact *reported, struct instant now)
{
    struct pod *pod = pod_find_named(&c->pods, reported->pod_uid);
    struct event_fact fact = *reported;

    /* Whoever may write events in one namespace can name the uid of any pod, any count and any
     * time. */
    if (!pod || fact.count < 1 || !str_eq(str_from(pod->namespace), fact.namespace))
        return 0;
    fact.first_us = not_later(reported->first_us, now);
    fact.last_us = not_later(reported->last_us, now);
    if (fact.last_us > pod->newest_event_us)
        pod->newest_event_us = fact.last_us;

    if (str_eq(fact.reason, STR("FailedToRetrieveImagePullSecret")))
        return take_missing_secrets(pod, &fact, now);
    if (str_eq(fact.reason, STR("FailedCreatePodSandBox")))
        return take_failed_sandbox(c, pod, &fact, now);
    if (str_eq(fact.reason, STR("Pulling")))
        take_pulling(pod, &fact, now);
    if (is_about_pull(&fact))
        return take_failed_pull(c, pod, &fact, now);
    return 0;
}
