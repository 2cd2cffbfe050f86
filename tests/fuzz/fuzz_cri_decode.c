/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever a runtime sends: the first byte chooses what it is taken for. */
#include <stdint.h>
#include <stdlib.h>

#include "cri/decode.h"
#include "cri/inventory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Touches what was decoded, so that a sanitizer sees a pointer that leads nowhere. */
static void observe(void *self, const struct observation *observation)
{
    const struct str *texts[] = { &observation->created.pod_uid, &observation->created.container,
                                  &observation->created.image };
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

    /* The same bytes as both: field numbers overlap enough for containers to find their sandboxes.
     */
    if (decode_sandboxes(bytes, arena, &inventory.sandboxes, &inventory.n_sandboxes, NULL) < 0)
        return;
    if (decode_containers(bytes, arena, &inventory.containers, &inventory.n_containers, NULL) < 0)
        return;
    inventory_observe(&inventory, &sink, arena, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes;
    const struct cri_condition *conditions;
    struct runtime_fact runtime;
    struct arena arena;
    uint64_t image_size;
    bool present;
    size_t n;

    if (size == 0)
        return 0;
    bytes = (struct str){ .at = (const char *)data + 1, .len = size - 1 };
    arena_init(&arena, 1 << 20);
    if (data[0] % 4 == 0)
        decode_version(bytes, &arena, &runtime, NULL);
    else if (data[0] % 4 == 1)
        decode_status(bytes, &arena, &conditions, &n, NULL);
    else if (data[0] % 4 == 2)
        decode_image_status(bytes, &arena, &present, &image_size, NULL);
    else
        decode_lists(bytes, &arena);
    arena_done(&arena);
    return 0;
}
