/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the agent with these settings must be able to open while it runs. */

#include "agent/sandbox.h"
#include "arena.h"

struct config;
struct kube;

/*
 * `kube` may be NULL. Makes the folders of unix sockets that are missing, as the listener would do.
 * The texts are in `texts`, which the caller initialises and frees.
 */
void sandbox_policy_fill(struct sandbox_policy *policy, const struct config *config,
                         const struct kube *kube, struct arena *texts);
