/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The process_* values that Prometheus client libraries export. -1 means unknown; the metric is
 * then left out. */

#include <stdint.h>

struct process_stats {
    int64_t cpu_us; /* all threads, user and system */
    int64_t resident_bytes;
    int64_t virtual_bytes;
    int64_t start_us; /* wall */
    int64_t open_fds;
    int64_t max_fds; /* INT64_MAX: no limit */
};

/* Reads the values of this process. `proc` is the mount point of procfs, "/proc". `start_us` comes
 * from process_start_us(): it never changes and takes time to read. */
void process_stats_read(const char *proc, int64_t start_us, struct process_stats *ret);

/* The start time of this process, wall, or -1. Call it once. */
int64_t process_start_us(const char *proc);
