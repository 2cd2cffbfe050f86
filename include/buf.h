/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A text buffer that grows up to a maximum. After the first error, appending does nothing; writers
 * check buf_error() once, at the end. One thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "str.h"
#include "util.h"

struct buf {
    char *at; /* NUL-terminated; NULL until something is appended */
    size_t len;
    size_t size;
    size_t max;
    int error; /* 0, -E2BIG (over max) or -ENOMEM */
};

void buf_init(struct buf *buf, size_t max);
void buf_done(struct buf *buf);

/* Gets the memory for the first `size` bytes now, so that adding them cannot fail. 0, -ENOMEM or
 * -E2BIG. */
int buf_reserve(struct buf *buf, size_t size);

/* Empties the buffer and clears the error; keeps the memory. */
void buf_reset(struct buf *buf);

/* Gives back the memory that is not used. */
void buf_shrink(struct buf *buf);

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
