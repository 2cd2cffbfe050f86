/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/runtime.h"

#include <errno.h>
#include <string.h>

#include "limit.h"
#include "shared.h"

int runtime_take(struct runtime *runtime, const struct runtime_fact *fact, bool *ret_changed)
{
    const char *name = shared_str(str_head(fact->name, LIMIT_NAME_TEXT));
    const char *version = shared_str(str_head(fact->version, LIMIT_NAME_TEXT));

    if (!name || !version) {
        shared_unref(name);
        shared_unref(version);
        return -ENOMEM;
    }
    *ret_changed = !runtime->name || strcmp(runtime->name, name) != 0;
    shared_unref(runtime->name);
    shared_unref(runtime->version);
    runtime->name = name;
    runtime->version = version;
    return 0;
}

int runtime_take_image_fs(struct runtime *runtime, const struct image_fs_fact *fact)
{
    const char *mountpoint = shared_str(str_head(fact->mountpoint, LIMIT_IMAGE_TEXT));

    if (!mountpoint)
        return -ENOMEM;
    shared_unref(runtime->fs_mountpoint);
    runtime->fs_mountpoint = mountpoint;
    runtime->fs_used_bytes = fact->used_bytes;
    runtime->fs_used_inodes = fact->used_inodes;
    return 0;
}

void runtime_done(struct runtime *runtime)
{
    shared_unref(runtime->name);
    shared_unref(runtime->version);
    shared_unref(runtime->fs_mountpoint);
}
