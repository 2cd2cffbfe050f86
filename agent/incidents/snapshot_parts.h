/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Taking a snapshot copies numbers and shares texts: the snapshot becomes one of their owners. */

#include <stddef.h>

#include "snapshot.h"

struct correlate;

/* Makes room to own `n` more pieces of shared memory. 0 or -ENOMEM. */
int snapshot_make_room(struct snapshot *ret, size_t n);

/* Owns it until snapshot_done(); returns `shared`. There must be room. NULL is allowed. */
const void *snapshot_own(struct snapshot *ret, const void *shared);

/* What is known of images and of the blobs in flight. 0 or -ENOMEM. */
int snapshot_take_images(const struct correlate *c, struct snapshot *ret);
