/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An error is a number for code and a sentence for people. The caller owns it; it has a fixed size,
 * so nothing must be freed.
 *
 * The layer that makes a call names the operand (err_set); each layer above may add once what it
 * was doing (err_wrap): "watch pods: open token file '/var/run/...': Permission denied".
 */

#include <stdarg.h>

#include "util.h"

#define ERR_TEXT_MAX 512

struct err {
    int code; /* 0, or a negative errno */
    char text[ERR_TEXT_MAX];
};

#define ERR_INIT ((struct err){ .code = 0 })

/*
 * Sets `err` and returns `code`, a negative errno, so that a caller can write
 * `return err_set(err, -EINVAL, "...")`. Keeps an error that is already set. `err` may be NULL.
 * Cuts a text that does not fit.
 */
int err_set(struct err *err, int code, const char *format, ...) PRINTF_LIKE(3, 4);

/* As err_set(); appends ": <strerror(-code)>" to the text. */
int err_set_errno(struct err *err, int code, const char *format, ...) PRINTF_LIKE(3, 4);

/* Puts "<text>: " in front of the text of `err` and returns its code; -EIO if `err` is NULL. */
int err_wrap(struct err *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* Clears the error, so that the variable can be used again. */
void err_clear(struct err *err);
