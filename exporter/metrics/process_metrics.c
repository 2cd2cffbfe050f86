/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/metrics/process_metrics.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "util.h"

/* Reads the beginning of a small file, with a terminating NUL. */
static bool read_file(const char *proc, const char *name, char *ret, size_t size)
{
    char path[256];
    ssize_t len;
    int fd;

    if (snprintf(path, sizeof(path), "%s/%s", proc, name) >= (int)sizeof(path))
        return false;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    do
        len = read(fd, ret, size - 1);
    while (len < 0 && errno == EINTR);
    close(fd);
    if (len <= 0)
        return false;
    ret[len] = '\0';
    return true;
}

static int64_t cpu_us(void)
{
    struct timespec ts;

    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts) < 0)
        return -1;
    return (int64_t)ts.tv_sec * SEC + ts.tv_nsec / 1000;
}

static int64_t count_fds(const char *proc)
{
    char path[256];
    int64_t n = 0;
    DIR *dir;

    if (snprintf(path, sizeof(path), "%s/self/fd", proc) >= (int)sizeof(path))
        return -1;
    dir = opendir(path);
    if (!dir)
        return -1;
    for (const struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_name[0] != '.')
            n++;
    closedir(dir);
    return n > 0 ? n - 1 : 0; /* without the one of opendir() */
}

static int64_t max_fds(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -1;
    return limit.rlim_cur > INT64_MAX ? INT64_MAX : (int64_t)limit.rlim_cur;
}

void process_stats_read(const char *proc, int64_t start_us, struct process_stats *ret)
{
    int64_t pages_virtual, pages_resident;
    char text[256];

    *ret = (struct process_stats){
        .cpu_us = cpu_us(),
        .resident_bytes = -1,
        .virtual_bytes = -1,
        .start_us = start_us,
        .open_fds = count_fds(proc),
        .max_fds = max_fds(),
    };
    if (read_file(proc, "self/statm", text, sizeof(text)) &&
        sscanf(text, "%" SCNd64 " %" SCNd64, &pages_virtual, &pages_resident) == 2) {
        ret->virtual_bytes = pages_virtual * sysconf(_SC_PAGESIZE);
        ret->resident_bytes = pages_resident * sysconf(_SC_PAGESIZE);
    }
}

/* Clock ticks from boot until this process started: field 22 of /proc/self/stat, see proc(5). */
static bool start_ticks(const char *proc, int64_t *ret)
{
    char text[1024];
    const char *at;

    if (!read_file(proc, "self/stat", text, sizeof(text)))
        return false;
    at = strrchr(text, ')'); /* the process name before it may contain spaces */
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at && sscanf(at, "%" SCNd64, ret) == 1;
}

/* The time of boot, wall, in seconds: the line "btime" of /proc/stat. The file is long on machines
 * with many CPUs. */
static bool boot_seconds(const char *proc, int64_t *ret)
{
    char path[256];
    char *line = NULL;
    size_t size = 0;
    bool found = false;
    FILE *file;

    if (snprintf(path, sizeof(path), "%s/stat", proc) >= (int)sizeof(path))
        return false;
    file = fopen(path, "re");
    if (!file)
        return false;
    while (!found && getline(&line, &size, file) >= 0)
        found = sscanf(line, "btime %" SCNd64, ret) == 1;
    free(line); /* getline() allocates with malloc(), not mem_alloc() */
    fclose(file);
    return found;
}

int64_t process_start_us(const char *proc)
{
    int64_t ticks, boot;
    long per_second = sysconf(_SC_CLK_TCK);

    if (per_second <= 0 || !start_ticks(proc, &ticks) || !boot_seconds(proc, &boot))
        return -1;
    return boot * SEC + ticks * SEC / per_second;
}
