/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <limits.h>
#include <poll.h>
#include <pthread.h>
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
static size_t (*filter_of_texts)(char *text, size_t len);

/* Nothing is taken or waited for while it is held. */
static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;
static unsigned long lost; /* lines since the last one that was written; guarded by `writing` */

void log_init(enum log_level level, enum log_format format)
{
    lowest = level;
    format_of_lines = format;
}

void log_filter(size_t (*filter)(char *text, size_t len))
{
    filter_of_texts = filter;
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
 * line breaks and what is not visible are replaced, and it is valid UTF-8.
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
        } else if (length == 0 || !utf8_is_visible(utf8_code(text, length))) {
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

/* A whole line in one write, which never waits: a pipe or socket that is reported as writable takes
 * PIPE_BUF bytes at once. */
_Static_assert(LOG_LINE_SIZE <= PIPE_BUF, "a line fits into one write");

size_t log_format_line(char ret[LOG_LINE_SIZE], enum log_level level, const char *component,
                       const char *text)
{
    const struct str tail = format_of_lines == LOG_JSON ? STR("\"}\n") : STR("\"\n");
    size_t at = write_head(ret, LOG_LINE_SIZE, level, component);

    at = append_quoted(ret, at, LOG_LINE_SIZE - tail.len, text);
    memcpy(ret + at, tail.at, tail.len);
    return at + tail.len;
}

bool log_write(const char *line, size_t len)
{
    struct pollfd to = { .fd = STDERR_FILENO, .events = POLLOUT };

    return poll(&to, 1, 0) == 1 && (to.revents & POLLOUT) &&
           write(STDERR_FILENO, line, len) == (ssize_t)len;
}

static bool report_lost(void)
{
    char line[LOG_LINE_SIZE];
    char text[128];

    snprintf(text, sizeof(text), "%lu log line%s lost: nobody read standard error", lost,
             lost == 1 ? " was" : "s were");
    return log_write(line, log_format_line(line, LOG_WARN, "agent", text));
}

/*
 * A thread that waits for the reader of standard error would do nothing else, and the agent would
 * not end after SIGTERM. So a line that cannot be written now is lost, and counted. O_NONBLOCK is
 * no way to do this: other processes have the same pipe or terminal.
 */
static void write_or_lose(const char *line, size_t len)
{
    pthread_mutex_lock(&writing);
    if (lost && report_lost())
        lost = 0;
    if (lost || !log_write(line, len))
        lost++;
    pthread_mutex_unlock(&writing);
}

void log_line(enum log_level level, const char *component, const char *format, ...)
{
    char text[LIMIT_LOG_LINE];
    char line[LOG_LINE_SIZE];
    va_list args;

    if (level < lowest)
        return;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (filter_of_texts)
        text[filter_of_texts(text, strlen(text))] = '\0';
    write_or_lose(line, log_format_line(line, level, component, text));
}
