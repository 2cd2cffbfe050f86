/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A growing text buffer with a maximum that is set when it is made. Errors
 * stick: after the first one, appending does nothing, and buf_error() tells it
 * at the end, so that writers need no check per line.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "str.h"
#include "util.h"

struct buf {
    char *at; /* terminated as soon as anything was appended; NULL before */
    size_t len;
    size_t size;
    size_t max;
    int error; /* 0, -E2BIG (over max) or -ENOMEM */
};

void buf_init(struct buf *buf, size_t max);
void buf_done(struct buf *buf);

/* Empties it and keeps the memory; the error is forgotten. */
void buf_reset(struct buf *buf);

void buf_add(struct buf *buf, struct str text);
void buf_add_text(struct buf *buf, const char *text);
void buf_add_byte(struct buf *buf, char byte);
void buf_add_uint(struct buf *buf, uint64_t number);
void buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);

static inline struct str buf_str(const struct buf *buf)
{
    return (struct str){ .at = buf->at, .len = buf->len };
}

static inline int buf_error(const struct buf *buf)
{
    return buf->error;
}
