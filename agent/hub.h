/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Where the threads meet: the incident table behind one mutex. Sources put facts in through the
 * sink, readers take snapshots out. A thread that holds the mutex does no I/O and takes no other
 * lock. make bench measures how long it is held.
 */

#include <stdbool.h>
#include <stddef.h>

#include "clock.h"
#include "sink.h"
#include "snapshot.h"

struct hub;

struct hub_config {
    const char *node; /* kept by reference; may be "" */
    size_t max_registries;
    int64_t stall_after_us;
    bool reads_pods; /* false: ready at once */
    bool reads_runtime;
};

/* NULL: no memory. `clock` must outlive the hub. */
struct hub *hub_new(const struct hub_config *config, const struct clock *clock);
void hub_free(struct hub *hub); /* accepts NULL; no thread may use it any more */

/* Both live as long as the hub. Any thread may use them. */
const struct sink *hub_sink(struct hub *hub);
const struct snapshot_source *hub_snapshots(struct hub *hub);

/* Makes every wait() return false, now and later. */
void hub_stop(struct hub *hub);
