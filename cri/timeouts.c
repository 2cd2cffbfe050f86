/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/timeouts.h"

#include "util.h"

/* A healthy runtime answers a call in a millisecond and lists 500 pods in ten. */
const struct cri_timeouts cri_timeouts = {
    /* Shorter than any call's deadline: gRPC 1.51 never closes a connection whose handshake ends
     * after its channel is destroyed. */
    .connect_us = 1 * SEC,
    .call_us = 2 * SEC,
    .list_us = 5 * SEC,
};
