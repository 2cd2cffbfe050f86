/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The two queues in which a pull waits without an error, and without bytes.
 *
 *   The kubelet's: it pulls one image after the other (serializeImagePulls, its default), or a
 *   limited number at the same time (maxParallelImagePulls). It says "Pulling image" before the
 *   image's turn, so no witness reports the queue. It shows in the blobs: of the images that
 *   containers wait for, the runtime fetches only the first ones.
 *
 *   The runtime's: containerd has 3 download slots. Since 2.1 they are those of the node, for
 *   manifests, too; before, each pull has its own.
 *
 * kubelet: pkg/kubelet/images/puller.go. containerd: core/transfer/local/transfer.go, limiterD.
 */

#include <stdbool.h>
#include <stddef.h>

#include "agent/incidents/images.h"
#include "agent/incidents/ingests.h"

/* containerd: max_concurrent_downloads. Nothing in CRI shows the value; this is the default. */
#define DOWNLOAD_SLOTS 3u

/* Updates `phase` and what it is made from. Call it when the runtime has listed its blobs, or
 * has named an owner, after images_count(). */
void queues_update(struct images *images);

/* Whether the runtime fetches the image, or has fetched it and unpacks it. */
bool image_is_fetched(const struct image_state *image);

/* Whether something of it may have come since its pull began. */
bool image_is_heard_of(const struct image_state *image);

/* How many images the kubelet pulls at the same time: as many as were seen, at least 1. */
size_t images_parallel(const struct images *images);

/* A blob without a known owner that may be the image's: its manifest, or a blob whose owner was not
 * asked for yet. NULL: none. */
const struct ingest_state *image_blob_without_owner(const struct images *images,
                                                    const struct image_state *image);
