/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/wire/frames.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>

#include "mem.h"

#define HEADER 4u
#define FIRST_SIZE 4096u
#define KEEP_SIZE (64u << 10) /* the memory of a larger frame is freed */

void frames_init(struct frames *frames, size_t max)
{
    assert(max <= UINT32_MAX);
    *frames = (struct frames){ .max = max };
}

void frames_done(struct frames *frames)
{
    mem_free(frames->at);
    frames_init(frames, frames->max);
}

void frames_restart(struct frames *frames)
{
    frames->len = 0;
    if (frames->size > KEEP_SIZE)
        frames_done(frames);
}

size_t frames_pending(const struct frames *frames)
{
    return frames->len;
}

static size_t frame_len(const char *header)
{
    const unsigned char *b = (const unsigned char *)header;

    return (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | (size_t)b[3];
}

static int check_len(const struct frames *frames, size_t len, struct err *err)
{
    if (len > frames->max)
        return err_set(err, -EMSGSIZE, "a watch frame of %zu bytes is over the limit of %zu", len,
                       frames->max);
    return 0;
}

/* The buffer grows with the bytes that have arrived, not with the announced length: four bytes
 * of a broken proxy must not cost megabytes. */
static int reserve(struct frames *frames, size_t need, struct err *err)
{
    size_t size = frames->size ? frames->size : FIRST_SIZE;
    char *at;

    if (need <= frames->size)
        return 0;
    while (size < need)
        size *= 2;
    at = mem_realloc(frames->at, size);
    if (!at)
        return err_set(err, -ENOMEM, "no memory for a watch frame of %zu bytes", need);
    frames->at = at;
    frames->size = size;
    return 0;
}

/* Moves bytes from the chunk until `frames` has `want` bytes or the chunk is used up. */
static int fill(struct frames *frames, size_t want, struct str *chunk, struct err *err)
{
    size_t n = want - frames->len;
    int r;

    if (n > chunk->len)
        n = chunk->len;
    if (n == 0)
        return 0;
    r = reserve(frames, frames->len + n, err);
    if (r < 0)
        return r;
    memcpy(frames->at + frames->len, chunk->at, n);
    frames->len += n;
    *chunk = str_skip(*chunk, n);
    return 0;
}

/* A frame that is in more than one chunk. */
static int next_in_pieces(struct frames *frames, struct str *chunk, struct str *ret,
                          struct err *err)
{
    size_t len;
    int r;

    if (frames->len < HEADER) {
        r = fill(frames, HEADER, chunk, err);
        if (r < 0 || frames->len < HEADER)
            return r;
    }
    len = frame_len(frames->at);
    r = check_len(frames, len, err);
    if (r < 0)
        return r;
    r = fill(frames, HEADER + len, chunk, err);
    if (r < 0 || frames->len < HEADER + len)
        return r;
    *ret = (struct str){ .at = frames->at + HEADER, .len = len };
    frames->len = 0; /* the bytes stay valid until the next call */
    return 1;
}

int frames_next(struct frames *frames, struct str *chunk, struct str *ret, struct err *err)
{
    size_t len;
    int r;

    if (frames->len == 0 && frames->size > KEEP_SIZE)
        frames_restart(frames);
    if (frames->len > 0 || chunk->len < HEADER)
        return next_in_pieces(frames, chunk, ret, err);

    len = frame_len(chunk->at);
    r = check_len(frames, len, err);
    if (r < 0)
        return r;
    if (chunk->len - HEADER < len)
        return next_in_pieces(frames, chunk, ret, err);
    *ret = (struct str){ .at = chunk->at + HEADER, .len = len };
    *chunk = str_skip(*chunk, HEADER + len);
    return 1;
}
