/* SPDX-License-Identifier: Apache-2.0 */
#include "buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "mem.h"

#define FIRST_SIZE 256u

void buf_init(struct buf *buf, size_t max)
{
    *buf = (struct buf){ .max = max };
}

void buf_done(struct buf *buf)
{
    mem_free(buf->at);
    *buf = (struct buf){ .max = buf->max };
}

void buf_reset(struct buf *buf)
{
    buf->len = 0;
    buf->error = 0;
    if (buf->at)
        buf->at[0] = '\0';
}

void buf_shrink(struct buf *buf)
{
    char *shrunk = buf->at ? mem_realloc(buf->at, buf->len + 1) : NULL;

    if (!shrunk)
        return;
    buf->at = shrunk;
    buf->size = buf->len + 1;
}

/* Makes room for `more` bytes and a NUL. */
static bool reserve(struct buf *buf, size_t more)
{
    size_t size = buf->size ? buf->size : FIRST_SIZE;
    char *grown;

    if (buf->error)
        return false;
    if (more > buf->max || buf->len > buf->max - more) {
        buf->error = -E2BIG;
        return false;
    }
    if (buf->len + more < buf->size)
        return true;
    while (size <= buf->len + more)
        size *= 2;
    grown = mem_realloc(buf->at, size);
    if (!grown) {
        buf->error = -ENOMEM;
        return false;
    }
    buf->at = grown;
    buf->size = size;
    return true;
}

int buf_reserve(struct buf *buf, size_t size)
{
    return reserve(buf, size > buf->len ? size - buf->len : 0) ? 0 : buf->error;
}

void buf_add(struct buf *buf, struct str text)
{
    if (!reserve(buf, text.len))
        return;
    if (text.len)
        memcpy(buf->at + buf->len, text.at, text.len);
    buf->len += text.len;
    buf->at[buf->len] = '\0';
}

void buf_add_text(struct buf *buf, const char *text)
{
    buf_add(buf, str_from(text));
}

void buf_add_byte(struct buf *buf, char byte)
{
    buf_add(buf, (struct str){ .at = &byte, .len = 1 });
}

void buf_add_uint(struct buf *buf, uint64_t number)
{
    char digits[20]; /* 2^64 has 20 digits */
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    buf_add(buf, (struct str){ .at = digits + at, .len = sizeof(digits) - at });
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0 || !reserve(buf, (size_t)len))
        return;

    va_start(args, format);
    vsnprintf(buf->at + buf->len, (size_t)len + 1, format, args);
    va_end(args);
    buf->len += (size_t)len;
}
