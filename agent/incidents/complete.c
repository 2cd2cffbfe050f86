/* SPDX-License-Identifier: Apache-2.0 */

/* The parts of a snapshot that need no table: correlate_complete(). It runs without the lock. */

#include <errno.h>

#include "agent/classify/image_ref.h"
#include "agent/classify/message.h"
#include "agent/classify/party.h"
#include "agent/incidents/advise.h"
#include "agent/incidents/correlate.h"
#include "agent/incidents/shown.h"
#include "agent/incidents/stall_advice.h"
#include "agent/incidents/waiting_behind.h"
#include "buf.h"
#include "util.h"

/* --- the registries' pulls in progress ------------------------------------- */

static bool has_row(const struct snapshot *snapshot, size_t n, const char *registry)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(snapshot->registries[i].registry, registry) == 0)
            return true;
    return false;
}

static void add_in_progress(const struct snapshot *from, struct snapshot_registry *to)
{
    size_t n_before = (size_t)(to - from->registries);
    bool other = strcmp(to->registry, "other") == 0;

    for (size_t i = 0; i < from->n_images; i++) {
        const struct snapshot_image *image = &from->images[i];

        if (!image->pulling || (other ? has_row(from, n_before, image->registry)
                                      : strcmp(image->registry, to->registry) != 0))
            continue;
        to->in_progress += image->pulling;
        to->in_progress_bytes += image->bytes_once;
        if (!to->in_progress_since_us || image->since_us < to->in_progress_since_us)
            to->in_progress_since_us = image->since_us;
    }
}

/* --- whose host failed ------------------------------------------------------ */

static const char *text_or_null(struct arena *arena, struct str text, bool *ret_complete)
{
    const char *copy = text.len > 0 ? arena_str(arena, text) : NULL;

    *ret_complete &= copy || text.len == 0;
    return copy;
}

/* From the message again, because only readers of details want it. A stall has no message, and the
 * pod's Secrets can change the reason, not the cause. 0 or -ENOMEM. */
static int find_party(struct arena *arena, struct snapshot_incident *incident)
{
    struct str registry = str_from(incident->registry);
    UNINITIALIZED struct message message;
    struct verdict verdict;
    struct party party;
    bool complete = true;

    incident->failed_role = ROLE_MAX;
    if (incident->state == INCIDENT_STALLED)
        return 0;
    normalise(STR("Error"), str_from(incident->message), &message);
    verdict = classify(&message);
    if (verdict.cause != incident->verdict.cause)
        return 0;
    if (str_eq(registry, STR("invalid"))) /* image_registry() of an invalid name */
        registry = STR("");
    party_find(&message, &verdict, registry, &party);
    incident->failed_role = party.role;
    incident->failed_host = text_or_null(arena, str_from(party.host), &complete);
    incident->config_file = text_or_null(arena, party.file, &complete);
    return complete ? 0 : -ENOMEM;
}

/* --- advice ---------------------------------------------------------------- */

static int advise(struct arena *arena, struct snapshot_incident *incident)
{
    struct buf text;

    buf_init(&text, incident->stall ? STALL_ADVICE_MAX : ADVICE_MAX);
    if (incident->stall)
        stall_advice_write(&text, incident);
    else
        advise_write(&text, incident);
    /* An advice that is too long is cut; without memory there would be none. */
    if (buf_error(&text) != -ENOMEM)
        incident->advice = arena_str(arena, buf_str(&text));
    buf_done(&text);
    return incident->advice ? 0 : -ENOMEM;
}

/* An incident has the image as the pod names it. */
static void mark_stalled(const struct snapshot_incident *incident, struct snapshot_image *images,
                         size_t n)
{
    char canonical[LIMIT_IMAGE_TEXT];

    image_canonical(str_from(incident->image), canonical);
    for (size_t i = 0; i < n; i++)
        if (strcmp(images[i].image, canonical) == 0)
            images[i].stalled = true;
}

int correlate_complete(enum snapshot_detail detail, struct snapshot *snapshot)
{
    /* These are in the snapshot's own arena, and no reader has them yet. */
    struct snapshot_incident *incidents = (struct snapshot_incident *)snapshot->incidents;
    struct snapshot_image *images = (struct snapshot_image *)snapshot->images;
    struct snapshot_registry *registries = (struct snapshot_registry *)snapshot->registries;

    for (size_t i = 0; i < snapshot->n_registries; i++)
        add_in_progress(snapshot, &registries[i]);
    if (detail != SNAPSHOT_DETAIL)
        return shown_snapshot(snapshot);
    if (snapshot_fill_stalls(snapshot) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < snapshot->n_incidents; i++) {
        if (incidents[i].state == INCIDENT_STALLED)
            mark_stalled(&incidents[i], images, snapshot->n_images);
        if (find_party(&snapshot->arena, &incidents[i]) < 0)
            return -ENOMEM;
        if (advise(&snapshot->arena, &incidents[i]) < 0)
            return -ENOMEM;
    }
    return shown_snapshot(snapshot);
}
