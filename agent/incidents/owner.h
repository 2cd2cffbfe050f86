/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Who makes the pod again if it is deleted: people know their Deployment, not its pods. */

#include "observation.h"

/* Never changes: pods, incidents and snapshots share it (shared.h). */
struct owner {
    const char *kind; /* "Deployment", "DaemonSet", "Job", "Node", ... */
    const char *name;
};

/*
 * Replaces `*owner` by that of the pod; NULL: it has none, or one that no object can have. Of a
 * ReplicaSet it is the Deployment, if the name shows it. A longer text is cut. On -ENOMEM it is as
 * before.
 */
int owner_replace(const struct owner **owner, const struct pod_fact *pod);
