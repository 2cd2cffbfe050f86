/* SPDX-License-Identifier: Apache-2.0 */

/* The answer of a kubelet to GET /pods: the list is ended, or there is an error. */

#include <stdint.h>
#include <stdlib.h>

#include "tests/fuzz/fuzz_kube_sink.h"
#include "tests/read_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    unsigned begins, ends, pods;
};

static void observe(void *self, const struct observation *observation)
{
    struct seen *seen = self;

    seen->begins += observation->kind == OBSERVE_PODS_BEGIN;
    seen->ends += observation->kind == OBSERVE_PODS_END;
    seen->pods += observation->kind == OBSERVE_POD;
    fuzz_kube_observe(NULL, observation);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen seen = { 0 };
    const struct sink sink = { .self = &seen,
                               .observe = observe,
                               .limit_hit = fuzz_kube_limit_hit };
    struct intake intake;
    struct err err = ERR_INIT;
    int r;

    intake_init(&intake, KUBE_PODS, &sink, "lab-node");
    intake.arena.limit = 8u << 20; /* the limit of libFuzzer is for the whole process */
    r = list_take_json(&intake, (struct str){ .at = (const char *)data, .len = size }, &err);
    if (r == 0 ? seen.begins != 1 || seen.ends != 1
               : r != err.code || seen.begins > 1 || seen.ends > 0 || (seen.pods && !seen.begins))
        abort();
    intake_done(&intake);
    return 0;
}
