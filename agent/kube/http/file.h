/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Reads the files of credentials and settings. */

#include "buf.h"
#include "err.h"

/*
 * Appends a whole regular file to `content`, whose maximum limits it. The error names the path and
 * `what` it is, for people. -E2BIG (over the maximum); -EINVAL for a FIFO or a device: reading it
 * could wait or never end. On failure `content` may have a part of it.
 */
int file_read(const char *path, const char *what, struct buf *content, struct err *err);
