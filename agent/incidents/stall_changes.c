/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/stall_changes.h"

#include <errno.h>

#include "agent/incidents/reports.h"
#include "buf.h"
#include "shared.h"
#include "util.h"

static void stall_done(struct stall *stall)
{
    shared_unref(stall->digest);
    *stall = (struct stall){ .digest = NULL };
}

/* --- the message ----------------------------------------------------------- */

/* "sha256:... stands at 10 of 100 bytes since 2026-11-22T02:00:00Z" */
static void describe_blob(struct buf *text, const struct ingest_state *ingest)
{
    char since[TIME_TEXT_SIZE];

    time_format(ingest->moved_wall_us, since);
    buf_add_text(text, ingest->digest);
    buf_add(text, STR(" stands at "));
    buf_add_uint(text, ingest->bytes);
    if (ingest->total) {
        buf_add(text, STR(" of "));
        buf_add_uint(text, ingest->total);
    }
    buf_add(text, STR(" bytes since "));
    buf_add_text(text, since);
}

static void describe_wait(struct buf *text, const struct stall_found *found)
{
    char since[TIME_TEXT_SIZE];

    time_format(found->since_us, since);
    if (found->waits_for == STALL_SLOT) {
        buf_add(text, STR("waits for a download slot since "));
        buf_add_text(text, since);
        buf_add(text, STR(": "));
        buf_add_uint(text, found->slots);
        buf_add(text, STR(" layers that get no bytes hold the slots of this node"));
    } else {
        buf_add(text, STR("the runtime shows no download of this image since "));
        buf_add_text(text, since);
    }
}

/* 0 or -ENOMEM. */
static int describe(struct stall_text *ret, const struct stall_found *found)
{
    const struct ingest_state *about = found->waits_for == STALL_BYTES ? found->ingest : NULL;
    struct buf text;
    int r = -ENOMEM;

    if (about && ret->about == about)
        return 0;
    buf_init(&text, sizeof(ret->text) - 1);
    if (about)
        describe_blob(&text, about);
    else
        describe_wait(&text, found);
    if (!buf_error(&text)) {
        memcpy(ret->text, buf_str(&text).at, buf_str(&text).len);
        ret->text[buf_str(&text).len] = '\0';
        ret->about = about;
        r = 0;
    }
    buf_done(&text);
    return r;
}

/* --- begin ----------------------------------------------------------------- */

/* Reports a stall when it begins, and again when it waits for something else. */
static int report(struct incidents *incidents, struct incident *incident,
                  const struct stall_found *found, struct stall_text *text, struct instant now)
{
    struct report report = { .witness = WITNESS_CRI,
                             .reason = STR("PullStalled"),
                             .at_us = now.wall_us };
    const char *message = NULL;

    if (describe(text, found) < 0)
        return -ENOMEM;
    report.text = str_from(text->text);
    if (incident->stalled_only) {
        message = shared_str(report.text);
        if (!message)
            return -ENOMEM;
        shared_unref(incident->message);
        incident->message = message;
    }
    if (!incident->stall.noted_wall_us)
        incident->stall.noted_wall_us = now.wall_us;
    incident->stall.waits_for = found->waits_for;
    shared_unref(incident->stall.digest);
    incident->stall.digest = found->ingest ? shared_ref(found->ingest->digest) : NULL;
    return incident_add_evidence(incidents, incident, &report);
}

static bool is_noted(const struct stall *stall, const struct stall_found *found)
{
    const char *digest = found->ingest ? found->ingest->digest : NULL;

    return stall->noted_wall_us && stall->waits_for == found->waits_for &&
           str_eq(str_from(stall->digest), str_from(digest));
}

int stall_begin(struct incidents *incidents, const struct incident_key *key,
                struct incident **incident, const struct stall_found *found,
                struct stall_text *text, struct instant now)
{
    struct stall *stall;
    int r = 0;

    if (!*incident) {
        r = incident_open(incidents, key, true, now, incident);
        if (r < 0)
            return r == -ENOSPC ? 0 : r;
        (*incident)->stalled_only = true;
        (*incident)->first_failure_us = found->since_us;
    }
    stall = &(*incident)->stall;
    stall->bytes = found->ingest ? found->ingest->bytes : 0;
    stall->total = found->ingest ? found->ingest->total : 0;
    stall->moved_wall_us = found->ingest ? found->ingest->moved_wall_us : 0;
    stall->slots = found->slots;
    stall->holds_slot = found->holds_slot;
    stall->doubtful |= found->doubtful;
    stall->judged = true;
    if (!is_noted(stall, found))
        r = report(incidents, *incident, found, text, now);
    if (stall->noted_wall_us)
        incident_move(incidents, *incident, INCIDENT_STALLED);
    return r;
}

/* --- end ------------------------------------------------------------------- */

void stall_over(struct incidents *incidents, struct pods *pods, struct incident *incident,
                enum incident_state how, struct instant now)
{
    struct pod *pod =
        pod_find_hashed(pods, str_from(incident->pull->pod_uid), incident->pull->pod_hash);
    const struct container *container =
        pod ? pod_container(pod, str_from(incident->pull->container)) : NULL;

    if (!container)
        return;
    if (incident->stalled_only) {
        incident_end(incidents, incident, pod, how, now);
        return;
    }
    stall_done(&incident->stall);
    incident_move(incidents, incident,
                  container->pull == PULL_BACK_OFF ? INCIDENT_BACKING_OFF : INCIDENT_FAILING);
}

void stall_failed(struct incidents *incidents, struct incident *incident, struct instant now)
{
    if (incident->state == INCIDENT_STALLED && incident->stall.waits_for == STALL_BYTES)
        incident->bytes_stopped_us = now.wall_us;
    stall_done(&incident->stall);
    incident->stalled_only = false;
    if (incident->state == INCIDENT_STALLED)
        incident_move(incidents, incident, INCIDENT_FAILING);
}
