/* SPDX-License-Identifier: Apache-2.0 */

/* What a kubelet answers to GET /pods: all of it is told, or an error and nothing. */

#include <stdint.h>
#include <stdlib.h>

#include "agent/kube/list.h"
#include "tests/fuzz/fuzz_kube_sink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct told {
    unsigned begins, ends, pods;
};

static void observe(void *self, const struct observation *observation)
{
    struct told *told = self;

    told->begins += observation->kind == OBSERVE_PODS_BEGIN;
    told->ends += observation->kind == OBSERVE_PODS_END;
    told->pods += observation->kind == OBSERVE_POD;
    fuzz_kube_observe(NULL, observation);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct told told = { 0 };
    const struct sink sink = { .self = &told,
                               .observe = observe,
                               .limit_hit = fuzz_kube_limit_hit };
    struct intake intake;
    struct err err = ERR_INIT;
    int r;

    intake_init(&intake, KUBE_PODS, &sink, "lab-node");
    intake.arena.limit = 8u << 20; /* libFuzzer's own limit is for the whole process */
    r = list_take_json(&intake, (struct str){ .at = (const char *)data, .len = size }, &err);
    if (r == 0 ? told.begins != 1 || told.ends != 1
               : r != err.code || told.begins + told.ends + told.pods > 0)
        abort();
    intake_done(&intake);
    return 0;
}
