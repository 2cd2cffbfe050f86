/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/wire/frames.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>

void frames_init(struct frames *frames, size_t max)
{
    assert(max <= UINT32_MAX);
    *frames = (struct frames){ .max = max };
}

void frames_restart(struct frames *frames)
{
    frames->taken = 0;
}

size_t frames_pending(const struct frames *frames)
{
    return frames->taken;
}

static size_t frame_len(const struct frames *frames)
{
    const unsigned char *b = frames->header;

    return (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | (size_t)b[3];
}

int frames_next(struct frames *frames, struct str *chunk, struct str *ret, bool *ret_ends,
                struct err *err)
{
    size_t left;

    if (chunk->len == 0)
        return 0;
    while (frames->taken < FRAMES_HEADER && chunk->len) {
        frames->header[frames->taken++] = (unsigned char)chunk->at[0];
        *chunk = str_skip(*chunk, 1);
    }
    if (frames->taken < FRAMES_HEADER)
        return 0;
    if (frame_len(frames) > frames->max)
        return err_set(err, -EMSGSIZE, "a watch frame of %zu bytes is over the limit of %zu",
                       frame_len(frames), frames->max);
    left = FRAMES_HEADER + frame_len(frames) - frames->taken;
    *ret = str_head(*chunk, left);
    *chunk = str_skip(*chunk, ret->len);
    *ret_ends = ret->len == left;
    frames->taken = *ret_ends ? 0 : frames->taken + ret->len;
    return 1;
}
