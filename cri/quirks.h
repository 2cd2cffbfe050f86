/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Where runtimes differ from what CRI says, by name and version: one row each in quirks.c,
 * with its reason. What an answer shows by itself (an image that is named by its ID, say) is no
 * quirk: decode.c looks at the answer. Pure; any thread.
 */

#include <stdbool.h>

#include "observation.h"

struct quirks {
    /* The socket also serves containerd's own content service: what is in flight. */
    bool content_service;

    /* ImageFsInfo measures the images' metadata, not the images: the bytes tell nothing. */
    bool image_fs_is_metadata;
};

/* Of the runtime that calls itself so in its Version; one that nobody knows has none. */
struct quirks quirks_of(const struct runtime_fact *runtime);
