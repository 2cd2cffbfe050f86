/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A watch stream in chunks. The first byte chooses the resource, whether the stream begins with the
 * list, and the length of the chunks. Each chunk is a copy, so that the sanitizers notice a pointer
 * that is kept.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/kube/watch.h"
#include "tests/fuzz/fuzz_kube_sink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct intake intake;
    struct watch watch;
    int r = 0;

    if (size == 0)
        return 0;
    intake_init(&intake, data[0] & 1 ? KUBE_EVENTS : KUBE_PODS, &fuzz_kube_sink, "lab-node");
    intake.arena.limit = 8u << 20; /* the limit of libFuzzer is for the whole process */
    watch_init(&watch, &intake);
    watch_begin(&watch, data[0] & 2);

    for (size_t at = 1, n; at < size && r == 0; at += n) {
        const size_t chunk = data[0] >> 2 ? data[0] >> 2 : size;
        char *copy;

        n = size - at < chunk ? size - at : chunk;
        copy = malloc(n);
        if (!copy)
            abort();
        memcpy(copy, data + at, n);
        r = watch_feed(&watch, (struct str){ .at = copy, .len = n }, NULL);
        free(copy);
    }
    watch_done(&watch);
    intake_done(&intake);
    return 0;
}
