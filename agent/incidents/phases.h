/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How long pulls were in each phase that the runtime shows (queues.c), and how long the good ones
 * took by the size of their image. The time from one list of blobs to the next, or to
 * the end of the pull, counts for the phase that the first one shows. Time with an unknown phase
 * counts for the next known one, if there is one. Pulls of a container that has failed do not
 * count: nobody tells when its next attempt begins.
 */

#include <stdint.h>

#include "agent/incidents/images.h"
#include "clock.h"

/* The runtime lists its blobs: call it before the phases change. */
void phases_next_list(struct images *images, struct instant now);

/* The pull of the image has ended, well or not. */
void phases_ended(struct images *images, struct image_state *image, int64_t ended_us);

/* A good pull took so long. */
void phases_count_size(struct images *images, uint64_t size, int64_t duration_us,
                       struct instant now);
