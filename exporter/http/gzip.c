/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/http/gzip.h"

#include <assert.h>
#include <errno.h>

#include <zlib.h>

#include "buf.h"
#include "err.h"
#include "mem.h"

/* Metrics repeat the same few lines: the fastest level saves 90 %. A small window and a small hash
 * save as much, and need 50 kB of memory instead of 260. */
#define LEVEL 1
#define WINDOW_BITS 13
#define GZIP 16 /* added to the window's bits: a gzip header instead of zlib's */
#define MEMORY_LEVEL 6

static void *allocate(void *opaque, unsigned items, unsigned size)
{
    (void)opaque;
    return mem_alloc((size_t)items * size);
}

static void release(void *opaque, void *memory)
{
    (void)opaque;
    mem_free(memory);
}

int gzip_replace(struct buf *body, struct err *err)
{
    z_stream stream = {
        .zalloc = allocate,
        .zfree = release,
        .next_in = (unsigned char *)body->at,
        .avail_in = (unsigned)body->len,
    };
    size_t size;
    char *packed;

    assert(body->len <= body->max && body->max <= UINT32_MAX);
    if (deflateInit2(&stream, LEVEL, Z_DEFLATED, WINDOW_BITS + GZIP, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return err_set(err, -ENOMEM, "no memory to compress %zu bytes", body->len);
    size = deflateBound(&stream, (uLong)body->len);
    packed = mem_alloc(size + 1); /* a buf ends in a NUL byte */
    if (!packed) {
        deflateEnd(&stream);
        return err_set(err, -ENOMEM, "no memory to compress %zu bytes", body->len);
    }
    stream.next_out = (unsigned char *)packed;
    stream.avail_out = (unsigned)size;
    deflate(&stream, Z_FINISH); /* cannot fail with deflateBound() bytes */
    deflateEnd(&stream);

    mem_free(body->at);
    body->len = stream.total_out;
    packed[body->len] = '\0';
    body->at = packed;
    body->size = size + 1;
    return 0;
}
