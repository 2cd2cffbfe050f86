/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/reports.h"

#include <errno.h>

#include "agent/classify/image_ref.h"
#include "agent/classify/party.h"
#include "shared.h"
#include "util.h"

#define STOPPED_FRESH_US MINUTE

static int replace_evidence(struct incidents *incidents, struct incident *incident,
                            const struct report *report)
{
    const struct evidence *made = evidence_add(incident->evidence, report);

    if (!made)
        return -ENOMEM;
    incident_replace_evidence(incidents, incident, made);
    return 0;
}

/* A namespace has at most half of what the others leave: so there is always some for one more. */
static bool has_room_for(const struct incidents *incidents, const struct tenant *tenant, size_t len)
{
    size_t others = incidents->evidence_bytes - tenant->evidence_bytes;

    return tenant->evidence_bytes + len <= (LIMIT_EVIDENCE_BYTES - others) / 2;
}

int incident_add_evidence(struct incidents *incidents, struct incident *incident,
                          const struct report *report)
{
    const struct snapshot_evidence *known = evidence_find(incident->evidence, report);
    struct report kept = *report;
    int r;

    if (!known && !has_room_for(incidents, incident->tenant, kept.text.len)) {
        kept.text.len = 0;
        known = evidence_find(incident->evidence, &kept);
        if (!known)
            counters_limit_hit(incidents->counters, LIMIT_HIT_EVIDENCE_BYTES);
    }
    if (known && known->at_us >= kept.at_us)
        return 0;
    r = replace_evidence(incidents, incident, &kept);
    if (r == 0 && !known)
        incidents->counters->changes.moved++;
    return r;
}

bool report_names_cause(const struct verdict *verdict, const struct message *message)
{
    if (verdict->reason == REASON_BACK_OFF_ONLY)
        return false;
    return verdict->reason != REASON_UNCLASSIFIED || message->n_parts > 0;
}

/* Whether the agent saw the bytes stop before the attempt failed: so that is why somebody has
 * cancelled it. The status says it several times, 10 to 15 s after the event. */
static bool bytes_had_stopped(const struct incident *incident, const struct report *report)
{
    return incident->bytes_stopped_us &&
           report->at_us <= incident->bytes_stopped_us + STOPPED_FRESH_US;
}

/* A short name has the registry that the runtime named last. 0 or -ENOMEM. */
static int take_asked(struct incident *incident, struct str asked)
{
    char registry[LIMIT_NAME_TEXT];
    const struct pull *pull;

    if (asked.len == 0)
        return 0;
    image_registry(asked, registry);
    if (strcmp(registry, incident->pull->registry) == 0)
        return 0;
    pull = pull_asked(incident->pull, asked);
    if (!pull)
        return -ENOMEM;
    shared_unref(incident->pull);
    incident->pull = pull;
    return 0;
}

/*
 * The kubelet reports one failed pull twice: ErrImagePull with the runtime's message, then
 * ImagePullBackOff, which contains this message only since 1.32. Events can also come late or
 * twice. So a message without a cause never replaces a message with one, and an older message never
 * replaces a newer one.
 *
 * kubelet: pkg/kubelet/images/image_manager.go, "Back-off pulling image".
 */
int incident_report(struct incidents *incidents, struct incident *incident,
                    const struct report *report, const struct message *message,
                    const struct verdict *verdict)
{
    bool caused = report_names_cause(verdict, message);
    bool stale = report->witness != WITNESS_POD_STATUS && /* a status is always current */
                 report->at_us + SAME_MOMENT_US < incident->verdict_at_us;

    if (!incident->caused || (caused && !stale)) {
        const char *text = shared_str(message->text);

        if (!text || take_asked(incident, party_asked(message, verdict)) < 0) {
            shared_unref(text);
            return -ENOMEM;
        }
        shared_unref(incident->message);
        incident->message = text;
        if (incident->verdict.reason != verdict->reason)
            incidents->counters->changes.moved++;
        incident->verdict = *verdict;
        incident->had_no_login |=
            verdict->reason == REASON_NO_CREDENTIALS && !verdict->sent_unknown;
        if (verdict->reason == REASON_PULL_CANCELLED && bytes_had_stopped(incident, report))
            incident->verdict.reason = REASON_PULL_STALLED;
        incident->caused = caused;
        incident->verdict_at_us = report->at_us;
    }
    return incident_add_evidence(incidents, incident, report);
}

void incident_count(struct incidents *incidents, struct incident *incident, struct pod *pod,
                    const struct verdict *verdict, struct instant now)
{
    struct verdict booked;

    if (attempts_count(&incident->attempts, incident->pull, &pod->events, now)) {
        incidents->counters->changes.moved++;
        incident_attempted(incident, pod, now);
    }
    if (!verdict)
        return;
    booked = verdict->cause == incident->verdict.cause ? incident_verdict(incident, pod) : *verdict;
    attempts_book(&incident->attempts, incident->pull, incidents->registries, &booked, now);
}

void incident_name_cause(struct incidents *incidents, struct incident *ended,
                         const struct message *message, const struct verdict *verdict,
                         struct instant now)
{
    if (!ended || !ended->attempts.unbooked || !report_names_cause(verdict, message))
        return;
    attempts_book(&ended->attempts, ended->pull, incidents->registries, verdict, now);
    if (!ended->caused) {
        ended->verdict = *verdict;
        ended->caused = true;
    }
}

int incident_take_event(struct incidents *incidents, struct incident *incident, struct pod *pod,
                        const struct event_fact *fact, struct str container, struct str image)
{
    struct event_object *object;
    int r = event_objects_take(&pod->events, incidents->counters, fact, container, image, &object);

    if (object && incident)
        attempts_divide(&incident->attempts, incident->pull, &pod->events, object);
    return r;
}
