/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the kubelet's events say. They are read only while something fails, come
 * late, again and out of order, and those of one namespace speak of other
 * nodes' pods too: these are passed over.
 */

#include <errno.h>

#include "agent/classify/image_ref.h"
#include "agent/incidents/correlate.h"
#include "agent/incidents/state.h"
#include "mem.h"
#include "util.h"

/* client-go: tools/record/events_cache.go; such an object counts several messages in one. */
#define COMBINED STR("(combined from similar events): ")

#define OPENING_EVENT_FRESH_US MINUTE /* a failure of now shows in the status within seconds */

/* The kubelet tries again every few seconds, but its spam filter may hold back all but one event in
 * 300 s. */
#define SANDBOX_EVENT_FRESH_US (10 * MINUTE)

struct str event_container(struct str field_path)
{
    const char *open = str_find(field_path, STR("{"));

    if (!open || !str_ends(field_path, STR("}")))
        return (struct str){ .len = 0 };
    return str_span(open + 1, field_path.at + field_path.len - 1);
}

/* kubelet: pkg/kubelet/kubelet_pods.go, "Unable to retrieve some image pull secrets (%s); ..." */
static int hear_missing_secret(struct pod *pod, const struct event_fact *fact, struct instant now)
{
    struct str message = fact->message;
    struct str names[LIMIT_PULL_SECRETS_PER_POD];
    const char *open = str_find(message, STR("("));
    const char *close = str_find(message, STR(");"));
    struct str rest;
    size_t n = 0;

    if (!open || !close || close < open)
        return 0;
    if (pod->missing_at_us && fact->last_us < pod->missing_event_us)
        return 0; /* a list is in no order */
    rest = str_span(open + 1, close);
    while (rest.len && n < ARRAY_SIZE(names)) {
        const char *comma = str_find(rest, STR(", "));
        struct str name = comma ? str_span(rest.at, comma) : rest;

        if (name.len)
            names[n++] = name;
        rest = str_skip(rest, name.len + (comma ? 2 : 0));
    }
    if (fact->last_us > pod->missing_event_us || pod->missing_at_us == 0) {
        pod->missing_event_us = fact->last_us;
        pod->missing_at_us = now.wall_us;
    }
    return texts_replace(&pod->missing_secrets, &pod->n_missing_secrets, names, n);
}

static void hear_time(struct incident *incident, const struct event_fact *fact, struct instant now)
{
    int64_t last_mono_us = now.mono_us - (now.wall_us - fact->last_us);

    if (fact->last_us > incident->last_failure_us)
        incident->last_failure_us = fact->last_us;
    if (fact->last_us && last_mono_us > incident->last_failure_mono_us)
        incident->last_failure_mono_us = last_mono_us;
    /* An event can be older than our first sight of what it speaks of. */
    if (fact->first_us && fact->first_us < incident->first_failure_us &&
        (!incident->first_failure_exact || fact->first_us >= incident->since_us))
        incident->first_failure_us = fact->first_us;
}

/* Only a status that is still silent leaves it to an event to open an incident: a container that
 * runs has its image, whatever an old event says. */
static struct incident *incident_for(struct correlate *c, const struct incident_key *key,
                                     const struct container *container,
                                     const struct event_fact *fact, struct instant now, int *r)
{
    struct incident *incident = incident_find_open(c, key);
    bool fresh = key->pod->fresh || fact->first_us + SEC > c->started.wall_us;

    *r = 0;
    if (incident || container->pull != PULL_SILENT || key->pod->terminal ||
        fact->last_us + OPENING_EVENT_FRESH_US < now.wall_us || incident_find_ended(c, key))
        return incident;
    *r = incident_open(c, key, fresh, now, &incident);
    if (*r < 0) {
        *r = *r == -ENOSPC ? 0 : *r;
        return NULL;
    }
    return incident;
}

static int hear_one(struct correlate *c, struct incident *incident, struct pod *pod,
                    const struct event_fact *fact, const struct message *message,
                    const struct verdict *verdict, struct instant now)
{
    const struct testimony testimony = {
        .witness = WITNESS_EVENT,
        .reason = fact->reason,
        .text = fact->message,
        .at_us = fact->last_us ? fact->last_us : now.wall_us,
    };
    int r;

    /* What it tells of came after the stall that was found. */
    if (incident->state == INCIDENT_STALLED && fact->last_us + SEC > incident->stall.noted_wall_us)
        stall_failed(c, incident);
    hear_time(incident, fact, now);
    r = incident_hear(c, incident, &testimony, message, verdict);
    attempts_update(c, incident, pod, verdict_names_cause(verdict, message) ? verdict : NULL, now);
    return r;
}

/* An event without a container is about a volume's image, and so about every container that waits
 * for it. */
static int hear_volume(struct correlate *c, struct pod *pod, const struct event_fact *fact,
                       const struct message *message, const struct verdict *verdict, bool counts,
                       struct instant now)
{
    struct incident *first = NULL;
    int r = 0;

    for (struct incident *i = c->incidents; i; i = i->next) {
        if (!incident_state_open(i->state) || i->kind != CONTAINER_IMAGE_VOLUME ||
            strcmp(i->pod_uid, pod->uid) != 0 || !image_same(str_from(i->image), message->image))
            continue;
        if (!first) {
            first = i;
            if (counts)
                r = attempts_event(c, pod, i, fact, STR(""), message->image);
        }
        if (r == 0)
            r = hear_one(c, i, pod, fact, message, verdict, now);
    }
    if (!first && counts)
        r = attempts_event(c, pod, NULL, fact, STR(""), message->image);
    return r;
}

static int hear_failed_pull(struct correlate *c, struct pod *pod, const struct event_fact *fact,
                            struct instant now)
{
    bool combined = str_starts(fact->message, COMBINED);
    struct str text = combined ? str_skip(fact->message, COMBINED.len) : fact->message;
    bool counts = !combined && str_starts(text, STR("Failed to pull image"));
    struct str name = event_container(fact->field_path);
    struct container *container = pod_container(pod, name);
    struct incident *incident;
    struct message message;
    struct verdict verdict;
    struct incident_key key;
    int r;

    normalise(fact->reason, text, &message);
    verdict = classify(&message);
    if (name.len == 0)
        return hear_volume(c, pod, fact, &message, &verdict, counts, now);
    if (!container)
        return 0;

    key = (struct incident_key){
        .pod = pod,
        .container = name,
        .kind = container->kind,
        .image = str_from(container->image),
    };
    if (message.image.len && !image_same(message.image, key.image))
        return 0; /* of an image that the container had before */
    incident = incident_for(c, &key, container, fact, now, &r);
    if (r == 0 && !incident)
        attempts_named(c, incident_find_ended(c, &key), &message, &verdict, now);
    if (r == 0 && counts)
        r = attempts_event(c, pod, incident, fact, name, key.image);
    if (r == 0 && incident)
        r = hear_one(c, incident, pod, fact, &message, &verdict, now);
    return r;
}

/* An old event, or one about a pod that got its sandbox since, blames nobody. */
static bool still_has_no_sandbox(const struct pod *pod, const struct event_fact *fact,
                                 struct instant now)
{
    if (pod->terminal || (pod->sandbox_look && pod->no_sandbox_since_us == 0))
        return false;
    for (size_t i = 0; i < pod->n_containers; i++)
        if (pod->containers[i].pull != PULL_SILENT && pod->containers[i].pull != PULL_REFUSED)
            return false;
    return fact->last_us + SANDBOX_EVENT_FRESH_US >= now.wall_us;
}

/* What keeps the sandbox from being made now is something else. */
static void sandbox_has_its_image(struct correlate *c, struct pod *pod,
                                  const struct event_fact *fact, struct instant now)
{
    for (struct incident *i = c->incidents; i; i = i->next)
        if (incident_state_open(i->state) && i->kind == CONTAINER_SANDBOX &&
            strcmp(i->pod_uid, pod->uid) == 0 && fact->last_us > i->last_failure_us)
            incident_end(c, i, pod, INCIDENT_RECOVERED, now);
}

/*
 * The sandbox (pause) image is pulled by the runtime itself, and the pod's status
 * never speaks of it. Most sandboxes that cannot be made have another reason, the
 * network plugin above all: only a message that names an image is about one.
 *
 * kubelet: pkg/kubelet/kuberuntime/kuberuntime_manager.go, FailedCreatePodSandBox.
 */
static int hear_failed_sandbox(struct correlate *c, struct pod *pod, const struct event_fact *fact,
                               struct instant now)
{
    struct incident *incident;
    struct incident_key key;
    struct message message;
    struct verdict verdict;
    int r;

    normalise(fact->reason, fact->message, &message);
    if (message.image.len == 0 || message.n_parts == 0) {
        sandbox_has_its_image(c, pod, fact, now);
        return 0;
    }
    verdict = classify(&message);
    key = (struct incident_key){
        .pod = pod, .container = STR(""), .kind = CONTAINER_SANDBOX, .image = message.image
    };
    incident = incident_find_open(c, &key);
    if (!incident) {
        bool fresh = pod->fresh || fact->first_us + SEC > c->started.wall_us;

        if (!still_has_no_sandbox(pod, fact, now))
            return 0;
        r = incident_open(c, &key, fresh, now, &incident);
        if (r < 0)
            return r == -ENOSPC ? 0 : r;
    }
    r = attempts_event(c, pod, incident, fact, STR(""), message.image);
    return r < 0 ? r : hear_one(c, incident, pod, fact, &message, &verdict, now);
}

/*
 * Reason "Failed" is said of much: "Failed to pull image" is ours, "Error:
 * ErrImagePull" repeats it without a word, "Error: ..." of a container that
 * cannot be created is none of ours.
 */
static bool tells_of_pull(const struct event_fact *fact)
{
    struct str message = fact->message;

    if (str_starts(message, COMBINED))
        message = str_skip(message, COMBINED.len);
    if (str_eq(fact->reason, STR("Failed")))
        return str_starts(message, STR("Failed to pull image"));
    return str_eq(fact->reason, STR("InspectFailed")) ||
           str_eq(fact->reason, STR("ErrImageNeverPull"));
}

/* kubelet: pkg/kubelet/images/image_manager.go, "Pulling image"; said when a try begins. */
static void hear_pulling(const struct pod *pod, const struct event_fact *fact, struct instant now)
{
    struct container *container = pod_container(pod, event_container(fact->field_path));
    int64_t tried_us = now.mono_us - (now.wall_us - fact->last_us);

    if (container && tried_us > container->tried_us)
        container->tried_us = tried_us;
}

static int64_t not_later(int64_t wall_us, struct instant now)
{
    return wall_us < now.wall_us ? wall_us : now.wall_us;
}

int witness_event(struct correlate *c, const struct event_fact *told, struct instant now)
{
    struct pod *pod = pod_find_named(c, told->pod_uid);
    struct event_fact fact = *told;

    /* Whoever may write events in one namespace can name the uid of any pod, any count and any
     * time. */
    if (!pod || told->count < 1 || !str_eq(str_from(pod->namespace), told->namespace))
        return 0;
    fact.first_us = not_later(told->first_us, now);
    fact.last_us = not_later(told->last_us, now);
    if (fact.last_us > pod->newest_event_us)
        pod->newest_event_us = fact.last_us;

    if (str_eq(fact.reason, STR("FailedToRetrieveImagePullSecret")))
        return hear_missing_secret(pod, &fact, now);
    if (str_eq(fact.reason, STR("FailedCreatePodSandBox")))
        return hear_failed_sandbox(c, pod, &fact, now);
    if (str_eq(fact.reason, STR("Pulling")))
        hear_pulling(pod, &fact, now);
    if (tells_of_pull(&fact))
        return hear_failed_pull(c, pod, &fact, now);
    return 0;
}
