/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Content-Encoding: gzip. */

struct buf;
struct err;

/* Compresses `body` in place. Returns 0, or -ENOMEM and leaves `body` as it was. `body` must not
 * have an error. Any thread. */
int gzip_replace(struct buf *body, struct err *err);
