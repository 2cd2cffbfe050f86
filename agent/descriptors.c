/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/descriptors.h"

#include <errno.h>
#include <sys/resource.h>

#include "limit.h"
#include "log.h"

/* Listeners, event loops, connections to the API server and the runtime, files that are read now
 * and then: 13 when idle, about twice as many at most. */
#define OWN 32u
#define SPARE 8u     /* of each listener: connections that are being cut */
#define WEB_LEAST 4u /* Prometheus, the kubelet's two probes, and somebody else */

static rlim_t needed(size_t listeners, size_t debug, unsigned connections)
{
    return OWN + debug * (LIMIT_DEBUG_CONNECTIONS + SPARE) + listeners * (connections + SPARE);
}

/* The limit, after it was raised if that is needed and allowed. */
static rlim_t raised(rlim_t wanted)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return RLIM_INFINITY;
    if (limit.rlim_cur >= wanted)
        return limit.rlim_cur;
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return getrlimit(RLIMIT_NOFILE, &limit) < 0 ? RLIM_INFINITY : limit.rlim_cur;
}

int descriptors_prepare(size_t listeners, size_t debug, unsigned *ret_connections, struct err *err)
{
    const rlim_t wanted = needed(listeners, debug, LIMIT_WEB_CONNECTIONS);
    const rlim_t least = needed(listeners, debug, WEB_LEAST);
    const rlim_t limit = raised(wanted);

    *ret_connections = LIMIT_WEB_CONNECTIONS;
    if (limit >= wanted)
        return 0;
    if (limit < least)
        return err_set(err, -EMFILE,
                       "the limit of open files is %llu, and the agent needs at least %llu; raise "
                       "it with \"ulimit -n\", or LimitNOFILE= of systemd",
                       (unsigned long long)limit, (unsigned long long)least);
    *ret_connections = WEB_LEAST + (unsigned)((limit - least) / listeners);
    log_warn("agent",
             "the limit of open files is %llu, not %llu: each address for metrics has %u "
             "connections at a time, not %u",
             (unsigned long long)limit, (unsigned long long)wanted, *ret_connections,
             LIMIT_WEB_CONNECTIONS);
    return 0;
}
