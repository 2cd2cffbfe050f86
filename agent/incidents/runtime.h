/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the container runtime reported about itself. */

#include <stdbool.h>
#include <stdint.h>

#include "observation.h"

/* All texts are shared (shared.h); NULL: not reported. */
struct runtime {
    const char *name;
    const char *version;
    const char *fs_mountpoint; /* where it keeps images */
    uint64_t fs_used_bytes;
    uint64_t fs_used_inodes;
};

/* *ret_changed: another runtime answers than before. 0 or -ENOMEM. */
int runtime_take(struct runtime *runtime, const struct runtime_fact *fact, bool *ret_changed);
int runtime_take_image_fs(struct runtime *runtime, const struct image_fs_fact *fact);
void runtime_done(struct runtime *runtime);
