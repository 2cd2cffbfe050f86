/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "limit.h"
#include "utf8.h"

/* The start of a line: time, milliseconds, level, component. None of it comes from outside. */
#define LOGFMT_HEAD "time=%s.%03ldZ level=%s component=%s msg=\""
#define JSON_HEAD "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"component\":\"%s\",\"msg\":\""

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug",
    [LOG_INFO] = "info",
    [LOG_WARN] = "warn",
    [LOG_ERROR] = "error",
};

static const char *const format_names[] = {
    [LOG_LOGFMT] = "logfmt",
    [LOG_JSON] = "json",
};

static enum log_level lowest = LOG_INFO;
static enum log_format format_of_lines = LOG_LOGFMT;

void log_init(enum log_level level, enum log_format format)
{
    lowest = level;
    format_of_lines = format;
}

static bool find_name(const char *const *names, size_t n, const char *name, size_t *ret)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(name, names[i]) == 0) {
            *ret = i;
            return true;
        }
    }
    return false;
}

bool log_level_parse(const char *name, enum log_level *ret_level)
{
    size_t found;

    if (!find_name(level_names, ARRAY_SIZE(level_names), name, &found))
        return false;
    *ret_level = (enum log_level)found;
    return true;
}

bool log_format_parse(const char *name, enum log_format *ret_format)
{
    size_t found;

    if (!find_name(format_names, ARRAY_SIZE(format_names), name, &found))
        return false;
    *ret_format = (enum log_format)found;
    return true;
}

/*
 * Appends `text` so that it is valid in logfmt and in JSON: quotes and backslashes are escaped,
 * line breaks and control bytes are replaced, and it is valid UTF-8.
 */
static size_t append_quoted(char *line, size_t at, size_t size, const char *text)
{
    while (*text) {
        const char byte = *text;
        const size_t length = utf8_length((struct str){ .at = text, .len = strnlen(text, 4) });

        if (at + (length > 2 ? length : 2) >= size)
            break;
        if (byte == '\n') {
            line[at++] = '\\';
            line[at++] = 'n';
        } else if (byte == '"' || byte == '\\') {
            line[at++] = '\\';
            line[at++] = byte;
        } else if ((unsigned char)byte < 0x20 || byte == 0x7f) {
            line[at++] = ' ';
        } else if (length == 0) {
            line[at++] = '?';
        } else {
            memcpy(line + at, text, length);
            at += length;
        }
        text += length ? length : 1;
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
    if (format_of_lines == LOG_JSON)
        len = snprintf(line, size, JSON_HEAD, stamp, now.tv_nsec / 1000000, level_names[level],
                       component);
    else
        len = snprintf(line, size, LOGFMT_HEAD, stamp, now.tv_nsec / 1000000, level_names[level],
                       component);
    return len < 0 ? 0 : (size_t)len;
}

void log_line(enum log_level level, const char *component, const char *format, ...)
{
    const char *tail = format_of_lines == LOG_JSON ? "\"}\n" : "\"\n";
    char text[LIMIT_LOG_LINE];
    char line[LIMIT_LOG_LINE + 128];
    va_list args;
    size_t at;

    if (level < lowest)
        return;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);

    at = write_head(line, sizeof(line), level, component);
    at = append_quoted(line, at, sizeof(line) - strlen(tail), text);
    memcpy(line + at, tail, strlen(tail));
    at += strlen(tail);
    /* One write per line, so that lines of threads do not mix. A failure cannot be reported. */
    if (write(STDERR_FILENO, line, at) < 0)
        return;
}
