/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a witness' report changes in an open incident: message, verdict, evidence, attempts. */

#include <stdbool.h>

#include "agent/classify/message.h"
#include "agent/incidents/evidence.h"
#include "agent/incidents/incidents.h"

/* Whether the message behind the verdict names a cause; a bare "Back-off pulling image" does not.
 */
bool report_names_cause(const struct verdict *verdict, const struct message *message);

/* Takes the message and its verdict into the incident. 0 or -ENOMEM. */
int incident_report(struct incidents *incidents, struct incident *incident,
                    const struct report *report, const struct message *message,
                    const struct verdict *verdict);

/* Adds evidence. Over LIMIT_EVIDENCE_BYTES in all incidents together, its text is left out. */
int incident_add_evidence(struct incidents *incidents, struct incident *incident,
                          const struct report *report);

/* Counts the attempts again after a report; `verdict` is that of the message, NULL if it names no
 * cause. */
void incident_count(struct incidents *incidents, struct incident *incident, struct pod *pod,
                    const struct verdict *verdict, struct instant now);

/* An event can come after the incident has ended, and name the cause that no status named.
 * `ended` may be NULL. */
void incident_name_cause(struct incidents *incidents, struct incident *ended,
                         const struct message *message, const struct verdict *verdict,
                         struct instant now);

/* Counts an Event object; `incident` is the one it is about, or NULL. 0 or -ENOMEM. */
int incident_take_event(struct incidents *incidents, struct incident *incident, struct pod *pod,
                        const struct event_fact *fact, struct str container, struct str image);
