/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "exporter/metrics/process_metrics.h"
#include "util.h"

static char proc[32];

static void path_of(char *ret, size_t size, const char *name)
{
    assert_true(snprintf(ret, size, "%s/%s", proc, name) < (int)size);
}

static void put(const char *name, const char *text)
{
    char path[64];
    FILE *file;

    path_of(path, sizeof(path), name);
    file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int begin(void **state)
{
    char path[64];

    (void)state;
    strcpy(proc, "/tmp/test-proc-XXXXXX");
    assert_non_null(mkdtemp(proc));
    path_of(path, sizeof(path), "self");
    return mkdir(path, 0700);
}

static int end(void **state)
{
    static const char *const files[] = { "self/stat", "self/statm", "stat" };
    char path[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        path_of(path, sizeof(path), files[i]);
        unlink(path);
    }
    path_of(path, sizeof(path), "self");
    rmdir(path);
    return rmdir(proc);
}

/* As in proc(5); a process can choose any name. */
#define STAT(name, start)                                                                          \
    "4711 (" name ") S 1 1 1 0 -1 4194560 100 0 0 0 10 20 0 0 20 0 3 0 " start " 1000000 250 "     \
    "18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n"

static void the_start_time_is_boot_plus_ticks(void **state)
{
    long ticks = sysconf(_SC_CLK_TCK);

    (void)state;
    put("stat", "cpu  1 2 3 4\nintr 12345 0 0\nctxt 77\nbtime 1795300000\nprocesses 9\n");
    put("self/stat", STAT("imagepull-exporter", "250"));
    assert_int_equal(process_start_us(proc), 1795300000 * SEC + 250 * SEC / ticks);
    put("self/stat", STAT("a) S 1 (b", "250"));
    assert_int_equal(process_start_us(proc), 1795300000 * SEC + 250 * SEC / ticks);
}

static void unreadable_values_are_unknown(void **state)
{
    struct process_stats stats;

    (void)state;
    assert_int_equal(process_start_us(proc), -1);
    put("stat", "cpu 1 2 3\n");
    put("self/stat", "4711 (cut) S 1 1");
    assert_int_equal(process_start_us(proc), -1);
    put("self/stat", "");
    assert_int_equal(process_start_us(proc), -1);
    put("self/stat", STAT("x", "250"));
    assert_int_equal(process_start_us(proc), -1); /* no btime */

    put("self/statm", "no numbers\n");
    process_stats_read(proc, -1, &stats);
    assert_int_equal(stats.resident_bytes, -1);
    assert_int_equal(stats.virtual_bytes, -1);
    assert_int_equal(stats.open_fds, -1);
    assert_int_equal(stats.start_us, -1);
    assert_true(stats.cpu_us >= 0); /* this value does not need procfs */
}

static void memory_is_in_bytes(void **state)
{
    struct process_stats stats;
    long page = sysconf(_SC_PAGESIZE);

    (void)state;
    put("self/statm", "1000 250 80 10 0 100 0\n");
    process_stats_read(proc, 5, &stats);
    assert_int_equal(stats.virtual_bytes, 1000 * page);
    assert_int_equal(stats.resident_bytes, 250 * page);
    assert_int_equal(stats.start_us, 5);
}

/* Reads the values of this process. */
static void the_values_of_this_process_are_plausible(void **state)
{
    int64_t now = clock_now(clock_system()).wall_us, start = process_start_us("/proc");
    struct process_stats before, after;
    struct rlimit limit;
    int fd;

    (void)state;
    /* A tolerance of a minute: the wall clock may have been set since boot. */
    assert_true(start > now - HOUR && start < now + MINUTE);
    process_stats_read("/proc", start, &before);
    assert_true(before.resident_bytes > 100 * 1024);
    assert_true(before.virtual_bytes > before.resident_bytes);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur != RLIM_INFINITY)
        assert_int_equal(before.max_fds, limit.rlim_cur);

    fd = dup(0);
    assert_true(fd >= 0);
    process_stats_read("/proc", start, &after);
    assert_int_equal(after.open_fds, before.open_fds + 1);
    assert_true(after.cpu_us >= before.cpu_us);
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_start_time_is_boot_plus_ticks),
        TEST(unreadable_values_are_unknown),
        TEST(memory_is_in_bytes),
        TEST(the_values_of_this_process_are_plausible),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
