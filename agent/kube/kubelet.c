/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/kubelet.h"

#include "util.h"

#define WAITING_SHORTEST (2 * SEC)
#define WAITING_LONGEST (5 * SEC)
#define IDLE_PAUSE MINUTE

const char *kubelet_advice(int status)
{
    switch (status) {
    case 401:
        return ": it does not accept the token; enable its webhook authentication or set another "
               "token with --kube.token-file";
    case 403:
        return ": the token's account must be allowed to get nodes/pods (nodes/proxy for older "
               "kubelets)";
    case 404:
    case 405:
        return ": its debugging handlers are disabled, or --kube.kubelet-url is not the URL of a "
               "kubelet";
    default:
        return "";
    }
}

int64_t kubelet_next_pause_us(int64_t *pause_us, bool waiting)
{
    int64_t next_us = *pause_us * 3 / 2;

    if (!waiting) {
        *pause_us = 0;
        return IDLE_PAUSE;
    }
    if (next_us < WAITING_SHORTEST)
        next_us = WAITING_SHORTEST;
    if (next_us > WAITING_LONGEST)
        next_us = WAITING_LONGEST;
    *pause_us = next_us;
    return next_us;
}
