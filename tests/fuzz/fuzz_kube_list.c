/* SPDX-License-Identifier: Apache-2.0 */

/* The body of a list. The first byte chooses the resource and whether this is the first page. */

#include <stdint.h>

#include "tests/fuzz/fuzz_kube_sink.h"
#include "tests/read_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct intake intake;
    struct str token;

    if (size == 0)
        return 0;
    intake_init(&intake, data[0] & 1 ? KUBE_EVENTS : KUBE_PODS, &fuzz_kube_sink, "lab-node");
    intake.arena.limit = 8u << 20; /* the limit of libFuzzer is for the whole process */
    if (list_take(&intake, (struct str){ .at = (const char *)data + 1, .len = size - 1 },
                  data[0] & 2, &token, NULL) == 0)
        fuzz_kube_touch(token);
    intake_done(&intake);
    return 0;
}
