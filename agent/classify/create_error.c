/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/classify/message.h"

#include "agent/classify/wrappers.h"

/* What only a pull does. */
#define PULLS (W_PULL | W_AUTH | W_MANIFEST | W_BLOB | W_UNPACK)

static wrapper_set all_wrappers(const struct message *message)
{
    wrapper_set all = 0;

    for (size_t i = 0; i < message->n_parts; i++)
        all |= message->parts[i].wrappers;
    return all;
}

bool classify_create_error(const struct message *message, struct verdict *verdict)
{
    const wrapper_set found = all_wrappers(message);

    if (verdict->cause == CAUSE_UNKNOWN)
        return false;
    if (verdict->reason == REASON_IMAGE_LOST || verdict->reason == REASON_DECRYPTION_KEY_MISSING ||
        message->pull || (found & PULLS))
        return true;
    /* containerd: internal/cri/server/container_create.go, LocalResolve(): no registry is asked. */
    if (verdict->cause != CAUSE_NOT_FOUND || verdict->http_status || !(found & W_RESOLVE))
        return false;
    *verdict = (struct verdict){ .cause = CAUSE_NODE,
                                 .reason = REASON_IMAGE_LOST,
                                 .stage = STAGE_LOCAL,
                                 .rule = "create-without-image" };
    return true;
}
