/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Pulls of which the runtime shows nothing. Perhaps the registry accepted the connection and does
 * not answer. But the download can also have begun and ended between two polls, so the runtime is
 * asked what it has of the repository: it notes the time of each blob that a pull gets, or finds
 * there (containerd: core/remotes/docker/handler.go, AppendDistributionSourceLabel()). And the pull
 * can wait in the kubelet's queue (queues.h), so it must be the turn of that image.
 */

#include <stdbool.h>

#include "agent/incidents/images.h"
#include "agent/incidents/stall_rules.h"
#include "clock.h"
#include "observation.h"

/* Whether the runtime should be asked what it has of the image's repository. */
bool silence_is_suspect(const struct images *images, const struct image_state *image,
                        struct instant now);

/* The runtime's answer. Returns whether it is about an image that is pulled. */
bool silence_take_repository(struct images *images, const struct repository_fact *fact,
                             struct instant now);

/* Finds the images of which nothing has come: sets `silence` and `unanswered` of all images.
 * Returns whether there is one. */
bool silence_find(const struct judgement *j);
