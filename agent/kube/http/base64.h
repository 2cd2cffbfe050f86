/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "buf.h"
#include "str.h"

/*
 * Appends what `text` (RFC 4648, section 4, with its padding; line breaks are passed over, as Go
 * does) stands for. -EINVAL where it is no base64; out-of-bounds is buf_error()'s to tell.
 */
int base64_decode(struct str text, struct buf *ret);
