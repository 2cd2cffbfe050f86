/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Log lines on standard error, one write(2) each, as logfmt or JSON:
 *
 *   time=2026-11-21T22:40:01.123Z level=warn component=pods msg="..."
 *   {"time":"2026-11-21T22:40:01.123Z","level":"warn","component":"pods","msg":"..."}
 *
 * Writing never waits: if nobody reads standard error and its pipe is full, lines are lost. The
 * next line that can be written is preceded by their number.
 *
 * Only main, the agent and the loops of the sources log; everything else returns its errors
 * (CONTRIBUTING.md, "Log or return"). Any thread may call.
 */

#include <stdbool.h>
#include <stddef.h>

#include "limit.h"
#include "util.h"

/* The longest line, with time, level and component. */
#define LOG_LINE_SIZE (LIMIT_LOG_LINE + 128u)

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

enum log_format { LOG_LOGFMT, LOG_JSON };

/* Lines below `level` are dropped. Call before threads start; the default is LOG_INFO, LOG_LOGFMT.
 */
void log_init(enum log_level level, enum log_format format);

/* Each text goes through `filter`, which may make it shorter in place and returns its length. Call
 * before threads start. */
void log_filter(size_t (*filter)(char *text, size_t len));

/* "debug", "info", "warn", "error". Returns false for any other name. */
bool log_level_parse(const char *name, enum log_level *ret_level);

/* "logfmt", "json". Returns false for any other name. */
bool log_format_parse(const char *name, enum log_format *ret_format);

/* `component` is a short fixed word: "agent", "pods", "events", "cri", "web". A line over
 * LIMIT_LOG_LINE is cut. */
void log_line(enum log_level level, const char *component, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* For lines that a signal handler writes: formats one, and returns its length. */
size_t log_format_line(char ret[LOG_LINE_SIZE], enum log_level level, const char *component,
                       const char *text);

/* Writes a line if that is possible at once. Async-signal-safe. */
bool log_write(const char *line, size_t len);

#define log_debug(component, ...) log_line(LOG_DEBUG, component, __VA_ARGS__)
#define log_info(component, ...) log_line(LOG_INFO, component, __VA_ARGS__)
#define log_warn(component, ...) log_line(LOG_WARN, component, __VA_ARGS__)
#define log_error(component, ...) log_line(LOG_ERROR, component, __VA_ARGS__)
