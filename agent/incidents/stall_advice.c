/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/stall_advice.h"

#include "clock.h"

/* Containers that the sentence names; the others are counted. */
#define NAMED_MAX 3u

/* image_registry() returns "invalid" for an invalid image name. */
static void add_registry(struct buf *out, const struct snapshot_incident *incident, bool first)
{
    if (strcmp(incident->registry, "invalid") != 0)
        buf_add_text(out, incident->registry);
    else
        buf_add_text(out, first ? "The registry" : "the registry");
}

static void add_since(struct buf *out, int64_t since_us)
{
    char since[TIME_TEXT_SIZE];

    if (!since_us)
        return;
    time_format(since_us, since);
    buf_add(out, STR(" since "));
    buf_add_text(out, since);
}

/* "default/web-0 (registry.example.com/app:v1), default/web-1 (...) and 4 others" */
static void add_containers(struct buf *out, const struct snapshot_waiter *list, size_t n)
{
    for (size_t i = 0; i < n && i < NAMED_MAX; i++)
        buf_printf(out, "%s%s/%s (%s)", i ? ", " : "", list[i].namespace, list[i].pod,
                   list[i].image);
    if (n > NAMED_MAX)
        buf_printf(out, " and %zu more", n - NAMED_MAX);
}

static void advise_bytes(struct buf *out, const struct snapshot_incident *incident)
{
    const struct snapshot_stall *stall = incident->stall;

    add_registry(out, incident, true);
    buf_add(out, STR(" has sent nothing of a layer"));
    add_since(out, stall->last_progress_us);
    buf_add(out, STR(", and the runtime still waits for it: check the registry, its blob store and "
                     "the network on the path; a restart of the container runtime ends the wait, "
                     "and the kubelet then tries again"));
    if (stall->n_ambiguous_with)
        buf_printf(out,
                   "; it is a layer of this image or of %s, because the runtime names neither "
                   "port nor tag",
                   stall->ambiguous_with[0]);
    if (stall->n_waiting_behind) {
        if (stall->holds_slot && stall->slots)
            buf_printf(out, "; layers that stand still hold %zu download slots of the node",
                       stall->slots);
        buf_add(out, STR("; behind it also wait "));
        add_containers(out, stall->waiting_behind, stall->n_waiting_behind);
    }
}

static void advise_slot(struct buf *out, const struct snapshot_incident *incident)
{
    const struct snapshot_stall *stall = incident->stall;

    buf_printf(out,
               "This pull waits, and its registry is not the cause: the node's %zu download "
               "slots are held by ",
               stall->slots);
    if (stall->n_held_by)
        add_containers(out, stall->held_by, stall->n_held_by);
    else
        buf_add(out, STR("other pulls"));
    buf_add(out, STR(", whose layers get no bytes: solve that stall, or restart the container "
                     "runtime, which ends it"));
}

static void advise_answer(struct buf *out, const struct snapshot_incident *incident)
{
    bool alone = incident->stall->n_ambiguous_with == 0;

    buf_add(out, STR("Nothing of this image has come"));
    add_since(out, incident->first_failure_us);
    if (!alone)
        buf_printf(out,
                   ", nor of %s: by default the kubelet pulls one image after the other, so one "
                   "of them may only wait for the other",
                   incident->stall->ambiguous_with[0]);
    buf_add_text(out, alone ? ". Probably " : ". Perhaps ");
    add_registry(out, incident, false);
    buf_add(out, STR(" accepts connections and does not answer: send a request to it from the "
                     "node. It can also be that the pull waits in the kubelet's queue "
                     "(serializeImagePulls) or for a download slot of the runtime"));
}

void stall_advice_write(struct buf *out, const struct snapshot_incident *incident)
{
    switch (incident->stall->waits_for) {
    case STALL_SLOT:
        advise_slot(out, incident);
        break;
    case STALL_ANSWER:
        advise_answer(out, incident);
        break;
    case STALL_BYTES:
    case STALL_KIND_MAX:
        advise_bytes(out, incident);
        break;
    }
    buf_add_byte(out, '.');
}
