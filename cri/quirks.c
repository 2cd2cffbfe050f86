/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/quirks.h"

#include <stddef.h>
#include <stdint.h>

#include "number.h"
#include "util.h"

/* 1.6 is 1006: ranges need only two numbers. */
#define VERSION(major, minor) ((major)*1000u + (minor))
#define ANY_LATER UINT32_MAX

#define QUIRK(name) offsetof(struct quirks, name)

static const struct {
    struct str runtime; /* VersionResponse.runtime_name */
    uint32_t since;     /* this version ... */
    uint32_t before;    /* ... and those before this one */
    size_t quirk;
} rows[] = {
    /* containerd serves its whole API on one socket (cmd/containerd/server/server.go): 1.6, the
     * first with CRI v1, as well as 1.7 and 2.1. cri-dockerd ("docker") uses a containerd on
     * another socket. */
    { STR("containerd"), VERSION(1, 6), ANY_LATER, QUIRK(content_service) },

    /* core/remotes/handlers.go, fetch(), opens the ingest; core/remotes/docker/fetcher.go, open(),
     * then waits for a slot. Earlier versions wait in images.Dispatch(), before the ingest. */
    { STR("containerd"), VERSION(2, 1), ANY_LATER, QUIRK(ingest_before_slot) },

    /* server/image_fs_info.go, getStorageFsInfo, measures <root>/overlay-images, which has
     * manifests and configurations. Layers are in <root>/overlay. */
    { STR("cri-o"), VERSION(0, 0), ANY_LATER, QUIRK(image_fs_is_metadata) },
};

static uint32_t at_most_999(uint64_t number)
{
    return number < 999 ? (uint32_t)number : 999;
}

/*
 * "1.6.20~ds1", "v1.7.11-k3s2" (k3s), "2.1.9+unknown". A version without two numbers (a build from
 * a commit) counts as newer than all others.
 */
static uint32_t version_of(struct str text)
{
    uint64_t major, minor;

    if (str_starts(text, STR("v")))
        text = str_skip(text, 1);
    if (!number_take(&text, &major) || !str_starts(text, STR(".")))
        return ANY_LATER - 1;
    text = str_skip(text, 1);
    if (!number_take(&text, &minor))
        return ANY_LATER - 1;
    return VERSION(at_most_999(major), at_most_999(minor));
}

struct quirks quirks_of(const struct runtime_fact *runtime)
{
    uint32_t version = version_of(runtime->version);
    struct quirks quirks = { .content_service = false };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (str_eq(rows[i].runtime, runtime->name) && version >= rows[i].since &&
            version < rows[i].before)
            *(bool *)((char *)&quirks + rows[i].quirk) = true;
    }
    return quirks;
}
