/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an answer of a runtime; the first byte chooses the kind of answer. */
#include <stdint.h>
#include <stdlib.h>

#include "cri/decode.h"
#include "cri/decode_content.h"
#include "cri/inventory.h"
#include "cri/quirks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads the decoded texts, so that sanitizers detect bad pointers. */
static void observe(void *self, const struct observation *observation)
{
    const struct str *texts[] = { &observation->created.pod_uid, &observation->created.container };
    size_t *sum = self;

    if (observation->kind != OBSERVE_CREATED)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        for (size_t k = 0; k < texts[i]->len; k++)
            *sum += (unsigned char)texts[i]->at[k];
    }
}

static void decode_lists(struct str bytes, struct arena *arena)
{
    struct inventory inventory = { .n_sandboxes = 0 };
    size_t sum = 0;
    const struct sink sink = { .self = &sum, .observe = observe };

    /* The same bytes as both lists: field numbers overlap, so containers find their sandboxes. */
    if (decode_sandboxes(bytes, arena, &inventory.sandboxes, &inventory.n_sandboxes, NULL) < 0)
        return;
    if (decode_containers(bytes, arena, &inventory.containers, &inventory.n_containers, NULL) < 0)
        return;
    inventory_observe(&inventory, &sink, arena, NULL);
}

static void touch(struct str text)
{
    static volatile unsigned char last;

    for (size_t i = 0; i < text.len; i++)
        last = (unsigned char)text.at[i];
    (void)last;
}

static void decode_flight(struct str bytes, struct arena *arena)
{
    struct ingests_fact ingests;
    bool more;

    if (decode_ingests(bytes, arena, &ingests, &more, NULL) < 0)
        return;
    for (size_t i = 0; i < ingests.n; i++) {
        if (!digest_valid(ingests.ingests[i].digest))
            abort(); /* digests become part of a filter */
        touch(ingests.ingests[i].digest);
    }
}

/* The blob is the one in the seeds; the message is decoded twice. */
static void gather_owners(struct str bytes, struct arena *arena)
{
    struct owners owners = {
        .arena = arena,
        .digest = STR("sha256:96fa39606a1d9abfbcff378405b59d4a90fb2418381e27ce0720b22e3ee04398"),
    };
    struct stored_blob blobs[LIMIT_REPOSITORY_BLOBS];
    struct holdings holdings = { .repository = STR("127.0.0.1/team/big"), .blobs = blobs };

    if (decode_owners(bytes, &owners, NULL) < 0)
        return;
    decode_owners(bytes, &owners, NULL);
    for (size_t i = 0; i < owners.n; i++)
        touch(owners.repositories[i]);
    decode_holdings(bytes, &holdings, NULL);
}

static void decode_image(struct str bytes, struct arena *arena)
{
    struct image_fact image;

    if (decode_image_status(bytes, arena, &image, NULL) == 0)
        touch(image.digest);
}

static void decode_runtime(struct str bytes, struct arena *arena)
{
    struct runtime_fact runtime;

    if (decode_version(bytes, arena, &runtime, NULL) == 0)
        quirks_of(&runtime);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes;
    const struct cri_condition *conditions;
    struct image_fs_fact image_fs;
    struct arena arena;
    size_t n;

    if (size == 0)
        return 0;
    bytes = (struct str){ .at = (const char *)data + 1, .len = size - 1 };
    arena_init(&arena, 1 << 20);
    switch (data[0] % 8) {
    case 0:
        decode_runtime(bytes, &arena);
        break;
    case 1:
        decode_status(bytes, &arena, &conditions, &n, NULL);
        break;
    case 2:
        decode_image(bytes, &arena);
        break;
    case 3:
        decode_lists(bytes, &arena);
        break;
    case 4:
        decode_flight(bytes, &arena);
        break;
    case 5:
        gather_owners(bytes, &arena);
        break;
    default:
        if (decode_image_fs(bytes, &arena, &image_fs, NULL) == 0)
            touch(image_fs.mountpoint);
        break;
    }
    arena_done(&arena);
    return 0;
}
