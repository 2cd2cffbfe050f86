/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Content-Encoding: gzip. */

struct buf;
struct err;

/*
 * Puts gzip of `body` in the place of what it holds. Returns 0, or -ENOMEM with
 * `body` as it was. `body` has no error. Any thread.
 */
int gzip_replace(struct buf *body, struct err *err);
