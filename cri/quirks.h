/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Differences between a runtime and CRI, by name and version: one row for each in quirks.c, with
 * its reason. A difference that an answer itself shows needs no row. Pure; any thread.
 */

#include <stdbool.h>

#include "observation.h"

struct quirks {
    /* The socket also serves containerd's content service, which lists blobs in flight. */
    bool content_service;

    /* A blob is in flight, with 0 bytes, while it waits for a download slot. */
    bool ingest_before_slot;

    /* ImageFsInfo measures the metadata of images, not the images. */
    bool image_fs_is_metadata;
};

/* The quirks of the runtime with this name and version; an unknown one has none. */
struct quirks quirks_of(const struct runtime_fact *runtime);
