/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048u

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug",
    [LOG_INFO] = "info",
    [LOG_WARN] = "warn",
    [LOG_ERROR] = "error",
};

static enum log_level lowest = LOG_INFO;

void log_init(enum log_level level)
{
    lowest = level;
}

bool log_level_parse(const char *name, enum log_level *ret_level)
{
    for (size_t i = 0; i < ARRAY_SIZE(level_names); i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *ret_level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

/* As logfmt wants it: quotes and backslashes escaped, one line whatever a cluster's text holds. */
static size_t append_quoted(char *line, size_t at, size_t size, const char *text)
{
    for (; *text && at + 2 < size; text++) {
        unsigned char byte = (unsigned char)*text;

        if (byte == '"' || byte == '\\') {
            line[at++] = '\\';
            line[at++] = (char)byte;
        } else if (byte == '\n') {
            line[at++] = '\\';
            line[at++] = 'n';
        } else if (byte < 0x20 || byte == 0x7f) {
            line[at++] = ' ';
        } else {
            line[at++] = (char)byte;
        }
    }
    return at;
}

static size_t write_head(char *line, size_t size, enum log_level level, const char *component)
{
    struct timespec now;
    char stamp[32];
    struct tm tm;
    int len;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
    len = snprintf(line, size, "time=%s.%03ldZ level=%s component=%s msg=\"", stamp,
                   now.tv_nsec / 1000000, level_names[level], component);
    return len < 0 ? 0 : (size_t)len;
}

void log_line(enum log_level level, const char *component, const char *format, ...)
{
    char text[LINE_MAX_BYTES];
    char line[LINE_MAX_BYTES + 128];
    va_list args;
    size_t at;

    if (level < lowest)
        return;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);

    at = write_head(line, sizeof(line), level, component);
    at = append_quoted(line, at, sizeof(line) - 2, text);
    line[at++] = '"';
    line[at++] = '\n';
    /* One write per line, so that threads do not mix theirs; nobody can be told when it fails. */
    if (write(STDERR_FILENO, line, at) < 0)
        return;
}
