/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The process_* values that Prometheus client libraries export. All are int64_t
 * with -1 where the system does not tell; such a metric is left out.
 */

#include <stdint.h>

struct process_stats {
    int64_t cpu_us; /* all threads, user and system */
    int64_t resident_bytes;
    int64_t virtual_bytes;
    int64_t start_us; /* wall */
    int64_t open_fds;
    int64_t max_fds; /* INT64_MAX: no limit */
};

/*
 * Reads the values of this process. `proc` is where procfs is mounted, "/proc".
 * `start_us` is handed through: it never changes and is dear to find.
 */
void process_stats_read(const char *proc, int64_t start_us, struct process_stats *ret);

/* When this process began, wall time, or -1. Once at the start. */
int64_t process_start_us(const char *proc);
