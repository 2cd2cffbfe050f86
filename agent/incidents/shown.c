/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/shown.h"

#include <errno.h>
#include <stdbool.h>

#include "agent/classify/redact.h"
#include "buf.h"
#include "snapshot.h"
#include "utf8.h"

/* The API server refuses other names for most objects. They need no copy, and hold no secret. */
static bool is_plain_name(const char *text)
{
    for (; *text; text++)
        if (!((*text >= 'a' && *text <= 'z') || (*text >= '0' && *text <= '9') || *text == '-' ||
              *text == '.'))
            return false;
    return true;
}

const char *shown_text(struct arena *arena, const char *text)
{
    struct str all = str_from(text);
    const char *copy;
    struct buf buf;

    if (!text || is_plain_name(text))
        return text;
    buf_init(&buf, 3 * all.len + 1); /* U+FFFD has three bytes */
    utf8_add_visible(&buf, all);
    if (buf_error(&buf)) {
        buf_done(&buf);
        return NULL;
    }
    buf.len = redact(buf.at, buf.len);
    copy = str_eq(buf_str(&buf), all) ? text : arena_str(arena, buf_str(&buf));
    buf_done(&buf);
    return copy;
}

/* --- snapshots ------------------------------------------------------------- */

/* Replaces one text. NULL stays NULL. */
static bool show(struct arena *arena, const char **text)
{
    const char *shown = shown_text(arena, *text);

    if (!shown && *text)
        return false;
    *text = shown;
    return true;
}

/* Replaces a list that others share, if one of its texts must be replaced. */
static bool show_list(struct arena *arena, const char *const **list, size_t n)
{
    const char **made = NULL;

    for (size_t i = 0; i < n; i++) {
        const char *text = (*list)[i];

        if (!show(arena, &text))
            return false;
        if (text == (*list)[i])
            continue;
        if (!made) {
            made = arena_alloc(arena, n * sizeof(*made));
            if (!made)
                return false;
            memcpy(made, *list, n * sizeof(*made));
            *list = made;
        }
        made[i] = text;
    }
    return true;
}

/* The reason of an event is any text. The list is shared, so it gets a copy if a text of it must be
 * replaced. */
static bool show_evidence(struct arena *arena, struct snapshot_incident *incident)
{
    struct snapshot_evidence *made = NULL;
    const size_t n = incident->n_evidence;

    for (size_t i = 0; i < n; i++) {
        struct snapshot_evidence shown = incident->evidence[i];

        if (!show(arena, &shown.reason))
            return false;
        if (shown.reason == incident->evidence[i].reason)
            continue;
        if (!made) {
            made = arena_alloc(arena, n * sizeof(*made));
            if (!made)
                return false;
            memcpy(made, incident->evidence, n * sizeof(*made));
            incident->evidence = made;
        }
        made[i] = shown;
    }
    return true;
}

static bool show_waiters(struct arena *arena, const struct snapshot_waiter *list, size_t n)
{
    /* In the snapshot's own arena, as the stall is. */
    struct snapshot_waiter *waiters = (struct snapshot_waiter *)list;

    for (size_t i = 0; i < n; i++)
        if (!show(arena, &waiters[i].namespace) || !show(arena, &waiters[i].pod) ||
            !show(arena, &waiters[i].container) || !show(arena, &waiters[i].image))
            return false;
    return true;
}

static bool show_stall(struct arena *arena, const struct snapshot_stall *from)
{
    struct snapshot_stall *stall = (struct snapshot_stall *)from;

    return !stall || (show(arena, &stall->layer) &&
                      show_waiters(arena, stall->waiting_behind, stall->n_waiting_behind) &&
                      show_waiters(arena, stall->held_by, stall->n_held_by) &&
                      show_list(arena, &stall->ambiguous_with, stall->n_ambiguous_with));
}

/* The registry is a host name that image_registry() has checked, also the label of a counter. The
 * owner has plain names (owner.c). */
static bool show_incident(struct arena *arena, struct snapshot_incident *incident)
{
    return show(arena, &incident->namespace) && show(arena, &incident->pod) &&
           show(arena, &incident->pod_uid) && show(arena, &incident->container) &&
           show(arena, &incident->image) && show(arena, &incident->advice) &&
           show(arena, &incident->failed_host) && show(arena, &incident->config_file) &&
           show_list(arena, &incident->pull_secrets, incident->n_pull_secrets) &&
           show_list(arena, &incident->missing_pull_secrets, incident->n_missing_pull_secrets) &&
           show_evidence(arena, incident) && show_stall(arena, incident->stall);
}

static bool show_incidents(struct snapshot *snapshot)
{
    struct snapshot_incident *incidents = (struct snapshot_incident *)snapshot->incidents;

    for (size_t i = 0; i < snapshot->n_incidents; i++)
        if (!show_incident(&snapshot->arena, &incidents[i]))
            return false;
    return true;
}

static bool show_images(struct snapshot *snapshot)
{
    struct snapshot_image *images = (struct snapshot_image *)snapshot->images;

    for (size_t i = 0; i < snapshot->n_images; i++)
        if (!show(&snapshot->arena, &images[i].image) ||
            !show(&snapshot->arena, &images[i].digest) ||
            !show_list(&snapshot->arena, &images[i].waiting_behind, images[i].n_waiting_behind))
            return false;
    return true;
}

static bool show_exemplars(struct snapshot *snapshot)
{
    struct snapshot_registry *registries = (struct snapshot_registry *)snapshot->registries;

    for (size_t i = 0; i < snapshot->n_registries; i++)
        for (enum cause cause = 0; cause < CAUSE_MAX; cause++)
            if (!show(&snapshot->arena, &registries[i].newest[cause].namespace) ||
                !show(&snapshot->arena, &registries[i].newest[cause].pod))
                return false;
    return true;
}

static bool show_recent(struct snapshot *snapshot)
{
    struct snapshot_observation *recent = (struct snapshot_observation *)snapshot->recent;

    for (size_t i = 0; i < snapshot->n_recent; i++)
        if (!show(&snapshot->arena, &recent[i].namespace) ||
            !show(&snapshot->arena, &recent[i].pod) ||
            !show(&snapshot->arena, &recent[i].container) ||
            !show(&snapshot->arena, &recent[i].text))
            return false;
    return true;
}

static bool show_runtime(struct snapshot *snapshot)
{
    return show(&snapshot->arena, &snapshot->runtime_name) &&
           show(&snapshot->arena, &snapshot->runtime_version) &&
           show(&snapshot->arena, &snapshot->image_fs.mountpoint);
}

int shown_snapshot(struct snapshot *snapshot)
{
    bool shown = show_incidents(snapshot) && show_images(snapshot) && show_exemplars(snapshot) &&
                 show_recent(snapshot) && show_runtime(snapshot);

    return shown ? 0 : -ENOMEM;
}
