/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"

#include <stdio.h>
#include <time.h>

#include "util.h"

static int64_t read_us(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * SEC + ts.tv_nsec / 1000;
}

static struct instant system_now(void *self)
{
    (void)self;
    return (struct instant){
        .mono_us = read_us(CLOCK_MONOTONIC),
        .wall_us = read_us(CLOCK_REALTIME),
    };
}

const struct clock *clock_system(void)
{
    static const struct clock system_clock = { .now = system_now };

    return &system_clock;
}

void time_format(int64_t wall_us, char *ret)
{
    time_t seconds = (time_t)(wall_us / SEC);
    struct tm tm;

    /* RFC 3339 has years of four digits. Other years come from a broken clock. */
    if (!gmtime_r(&seconds, &tm) || tm.tm_year < 0 || tm.tm_year > 8099) {
        snprintf(ret, TIME_TEXT_SIZE, "1970-01-01T00:00:00Z");
        return;
    }
    strftime(ret, TIME_TEXT_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

bool time_parse(struct str text, int64_t *ret_us)
{
    char copy[TIME_TEXT_SIZE];
    struct tm tm = { 0 };
    const char *end;

    if (text.len == 0 || text.len >= sizeof(copy))
        return false;
    snprintf(copy, sizeof(copy), "%.*s", STR_ARG(text));
    end = strptime(copy, "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (end != copy + text.len)
        return false;
    *ret_us = (int64_t)timegm(&tm) * SEC;
    return true;
}
